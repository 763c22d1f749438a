"""The door of the service: wrong hosts, foreign pages and bodies without end are turned away, and writes are noted."""

import re
from collections.abc import Callable
from typing import Any, final
from urllib.parse import SplitResult, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aivc.service.audit import AuditLog
from aivc.service.refusals import refusal
from aivc.service.settings import LOOPBACK, Settings

API = "/api/"
UPLOADS = ("/api/v1/datasets", "/api/v1/hub")
# What proxies say of whom they ask for.
_FORWARDED = ("x-forwarded-for", "forwarded")
_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_OFTEN = 429
# Bytes of a body that is no upload, and of what stands around a file in one.
_BODY = 16 << 20
# Bytes of the states or readings that one part of a cell is asked about, which are held in memory.
PART_BODY = 65 << 20
_PART = re.compile(r"/api/v1/cells/[^/]+/parts/[^/]+/[a-z]+")
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; "
    "script-src 'self'; worker-src 'self' blob:; connect-src 'self'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@final
class Door:
    """What every request passes first.

    A page of another site can let a browser send requests to this computer. Under the name of that site they carry a
    foreign ``Host``; under ours, a foreign ``Origin``. Neither gets in.

    Args:
        app: What is behind it.
        settings: Of the service.
        log: Where writes are noted.
    """

    def __init__(self, app: ASGIApp, settings: Settings, log: AuditLog) -> None:
        self._app, self._settings, self._log = app, settings, log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or turn it away."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers, path, method = Headers(scope=scope), scope["path"], scope["method"]
        scope.setdefault("state", {})
        status: list[int] = []
        answer = _with_headers(send, status, cached=not path.startswith(API))
        try:
            if said := self._wrong(headers, method):
                await refusal(403, "ForbiddenError", [said])(scope, receive, answer)
            elif (most := self._most(path)) < _stated_length(headers):
                said = f"The body has {_stated_length(headers):,} bytes, and at most {most:,} are taken."
                await refusal(413, "TooLargeError", [said], {"Connection": "close"})(scope, receive, answer)
            else:
                await self._app(scope, _counted(receive, most), answer)
        finally:
            # Also what ended in a fault, or was broken off.
            if method in _WRITES and path.startswith(API):
                await self._note(scope, status[0] if status else 0)

    async def _note(self, scope: Scope, status: int) -> None:
        """Keep who wrote what; nobody fills the log with requests that come too often."""
        asker = scope["state"].get("account")
        if asker is None and status == _OFTEN:
            return
        address = (scope.get("client") or ("", 0))[0]
        line = {"user": asker.user if asker else "", "address": address, "action": scope["method"]}
        await run_in_threadpool(lambda: self._log.add(**line, path=scope["path"], status=status))

    def _wrong(self, headers: Headers, method: str) -> str:
        """Say what is wrong with where a request comes from; nothing where all is well."""
        settings, host = self._settings, headers.get("host", "")
        name = _parts(f"//{host}").hostname or ""
        if settings.loopback and name not in (*LOOPBACK, *settings.hosts):
            return f"This service was asked under the name {host!r}, which is not its own. Open http://{LOOPBACK[0]}."
        if settings.loopback and any(header in headers for header in _FORWARDED):
            return (
                "This request came through a proxy, behind which are others than the user of this computer. Name it, "
                "and every request needs a token: aivc serve --proxy ADDRESS."
            )
        if method not in _WRITES:
            return ""
        origin = headers.get("origin")
        if origin is not None and _parts(origin).netloc != host and origin not in settings.origins:
            return f"A page of {origin} may not write here. Use the page of this service."
        # Browsers that send no Origin say so in another way.
        if origin is None and headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return "A page of another site may not write here. Use the page of this service."
        return ""

    def _most(self, path: str) -> int:
        if _PART.fullmatch(path):
            return PART_BODY
        return self._settings.upload_limit + _BODY if path.startswith(UPLOADS) else _BODY


def _parts(address: str) -> SplitResult:
    """An address, taken apart; one that is none has no parts, and so is nobody's."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")


def _stated_length(headers: Headers) -> int:
    text = headers.get("content-length", "0")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else 0


def _counted(receive: Receive, most: int) -> Receive:
    """The body, piece by piece, until it is too long."""
    come = 0

    async def counted() -> Message:
        nonlocal come
        message = await receive()
        come += len(message.get("body", b""))
        if come > most:
            raise HTTPException(413, f"At most {most:,} bytes are taken, and more came")
        return message

    return counted


def _with_headers(send: Send, status: list[int], *, cached: bool) -> Callable[[Message], Any]:
    async def answer(message: Message) -> None:
        if message["type"] == "http.response.start":
            status.append(message["status"])
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            if not cached:
                headers.setdefault("Cache-Control", "no-cache" if "etag" in headers else "no-store")
        await send(message)

    return answer
