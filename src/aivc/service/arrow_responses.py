"""Tables sent as Arrow, which are not sent again to whoever holds them already."""

import hashlib
from typing import Any

from fastapi import Request, Response

ARROW = "application/vnd.apache.arrow.stream"
ARROW_RESPONSE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "An Arrow IPC stream.",
        "content": {ARROW: {"schema": {"type": "string", "format": "binary"}}},
    },
    304: {"description": "The asker holds it already."},
}


def arrow_response(request: Request, content: bytes) -> Response:
    """Send an Arrow stream under a tag of its content; nothing where the asker names that very tag.

    Args:
        request: Whose ``If-None-Match`` is looked at.
        content: The stream.
    """
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    known = [each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")]
    if tag in known:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=ARROW, headers=headers)
