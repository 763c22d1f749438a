"""The page of the service: files that come with the package, one page for every address, and help where none is."""

from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, HTMLResponse, Response
from starlette.exceptions import HTTPException

from aivc.service.door import API
from aivc.service.refusals import refusal

FOLDER = Path(__file__).parent / "page"
_INDEX = "index.html"
# Names of built files hold a digest of their content, so that they never change.
_FOREVER = "public, max-age=31536000, immutable"
_NO_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>aivc service</title></head><body>
<h1>The service runs, and its page is not built</h1>
<p>This copy of aivc comes from its sources. Build the page once, with Node 20 or newer:</p>
<pre>make app</pre>
<p>Everything the page does, programs can do as well: the API is described in
<a href="/api/v1/openapi.json">/api/v1/openapi.json</a>.</p>
</body></html>
"""


def add_page(app: FastAPI, folder: Path = FOLDER) -> None:
    """Answer every address outside of the API: with a file where one is built, else with the one page.

    Args:
        app: To add it to, after all routes of the API.
        folder: Of the built page.
    """

    @app.api_route("/api/{rest:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"], include_in_schema=False)
    def _unknown(rest: str) -> Response:
        said = f"There is nothing at /api/{rest[:200]}. The API is described in /api/v1/openapi.json."
        return refusal(404, "UnknownNameError", [said])

    @app.api_route("/{rest:path}", methods=["GET", "HEAD"], include_in_schema=False)
    def _page(rest: str, request: Request) -> Response:
        found = _built(folder, rest)
        if found is not None:
            headers = {"Cache-Control": _FOREVER} if rest.startswith("assets/") else {}
            return FileResponse(found, headers=headers)
        if rest.startswith("assets/") or request.url.path.startswith(API):
            raise HTTPException(404, "There is no such file of the page")
        index = folder / _INDEX
        if not index.is_file():
            return HTMLResponse(_NO_PAGE)
        return FileResponse(index, headers={"Cache-Control": "no-cache"})


def _built(folder: Path, rest: str) -> Path | None:
    """The built file of an address, which lies in the folder; None where there is none."""
    if not rest or "\x00" in rest:
        return None
    path, home = (folder / rest).resolve(), folder.resolve()
    return path if path.is_relative_to(home) and path.is_file() and path.name != _INDEX else None
