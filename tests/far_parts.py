"""A service of a virtual cell whose parts are asked as remote ones, without a network."""

from pathlib import Path

import httpx

from aivc.core.virtual_cell import VirtualCell
from aivc.data import far_part
from tiny_service import tiny_client

ORIGIN = "http://localhost:8000"


def far_service(monkeypatch, home: Path, cell: VirtualCell, **settings) -> str:
    """Serve a cell; returns the address of its parts."""
    folder = home / "given" / "far"
    cell.save(folder)
    client = tiny_client(home, cell=False, cells=(folder,), **settings)

    def passed_on(request: httpx.Request) -> httpx.Response:
        headers = {**request.headers, "host": "testserver"}
        answer = client.request(request.method, request.url.raw_path.decode(), headers=headers, content=request.read())
        kept = {name: value for name, value in answer.headers.items() if name in ("etag", "retry-after")}
        return httpx.Response(answer.status_code, headers=kept, content=answer.content)

    monkeypatch.setattr(far_part, "TRANSPORT", httpx.MockTransport(passed_on))
    monkeypatch.setattr(far_part, "_NAMED", {})
    return f"{ORIGIN}/api/v1/cells/far/parts"
