"""Bring a public file here whole: pinned by checksum, resumed where it broke off, refused when it is another file."""

import hashlib
import http.client
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from aivc.core.errors import IntegrityError, UnavailableError
from aivc.core.writing import explained, held

_CHUNK = 1 << 18
_PATIENCE = 300.0
_LOCAL = ("localhost", "127.0.0.1", "::1")


def offline() -> bool:
    """Whether the environment forbids network (``AIVC_OFFLINE=1``)."""
    return os.environ.get("AIVC_OFFLINE", "") not in ("", "0")


def digest(path: Path) -> str:
    """Return the sha256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def download(
    address: str, target: Path, *, sha256: str, size: int, timeout: float = 5.0, patience: float = _PATIENCE
) -> Path:
    """Download a file, showing progress on a terminal.

    A download that breaks off is kept beside ``target`` as ``.part`` and resumed by the next call.

    Args:
        address: https; http only for this machine itself.
        target: Where the file goes; its folder is made.
        sha256: Checksum it must have.
        size: Bytes it must have.
        timeout: Seconds without any answer after which the network counts as failed.
        patience: Seconds to wait for another process that fetches the same file.

    Raises:
        UnavailableError: Network is forbidden, or failed.
        IntegrityError: What came is another file; it is not kept. Or another process fetches it for longer than that.
        WritingError: The place cannot be written to.
    """
    _check_address(address)
    if offline():
        raise UnavailableError(
            f"{target.name} would have to be downloaded from {address}, but AIVC_OFFLINE forbids network. "
            "Unset AIVC_OFFLINE, or set AIVC_DATA to a folder that holds the file."
        )
    with held(target.with_name(f".{target.name}.in-use"), patience=patience), explained(target):
        # Whoever held it may have brought the very file.
        if target.is_file() and digest(target) == sha256:
            return target
        return _fetched(address, target, sha256, size, timeout)


def _fetched(address: str, target: Path, sha256: str, size: int, timeout: float) -> Path:
    partial = target.with_name(target.name + ".part")
    if not partial.exists() or partial.stat().st_size != size:
        _receive(address, partial, size, timeout)
    if (got := digest(partial)) != sha256:
        partial.unlink()
        raise IntegrityError(
            f"{address} should have sha256 {sha256}, but what came has {got}. It was not kept: try again, and if it "
            "repeats, the file was changed at its source; do not use it."
        )
    partial.replace(target)
    return target


def _check_address(address: str) -> None:
    parts = urlsplit(address)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOCAL):
        raise UnavailableError(f"Data are fetched over https only, got {address!r}. Use an https address.")


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to addresses that would have been allowed in the first place."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        _check_address(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _receive(address: str, partial: Path, size: int, timeout: float) -> None:
    have = partial.stat().st_size if partial.exists() else 0
    if have > size:
        partial.unlink()
        have = 0
    request = urllib.request.Request(address, headers={"User-Agent": "aivc"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        with urllib.request.build_opener(_SafeRedirects).open(request, timeout=timeout) as response:
            resumed = response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
            _write(response, partial, have if resumed else 0, size)
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError, ssl.SSLError) as error:
        raise UnavailableError(
            f"{address} could not be fetched ({error}). Check the network and try again; what has come is kept. "
            "Or set AIVC_DATA to a folder that holds the file."
        ) from error
    if (got := partial.stat().st_size) < size:
        raise UnavailableError(f"{address} broke off after {got:,} of {size:,} bytes. Try again: it resumes there.")


def _write(response: Any, partial: Path, start: int, size: int) -> None:
    with partial.open("ab" if start else "wb") as stream, _progress(partial.stem, size) as show:
        got = start
        while chunk := response.read(_CHUNK):
            got += len(chunk)
            if got > size:
                break
            stream.write(chunk)
            show(got)
    if got > size:
        partial.unlink()
        raise IntegrityError(f"{response.url} is longer than the {size:,} bytes expected. It was not kept: try again.")


@contextmanager
def _progress(name: str, size: int) -> Iterator[Callable[[int], None]]:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(name, total=size)
        yield lambda done: bar.update(task, completed=done)
