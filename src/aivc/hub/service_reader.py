"""Reads the hub of a service over HTTP: what it sends counts only where its digest is the one that was meant."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final
from urllib.parse import quote, urlsplit

import httpx

from aivc.core.errors import DataError, IntegrityError, UnavailableError
from aivc.core.foreign_text import parse_json
from aivc.hub.listing import Listing
from aivc.hub.object_store import copy_checked, require_digest
from aivc.hub.refs import Ref, is_digest

_LOCAL = ("localhost", "127.0.0.1", "::1")
_LARGEST_ANSWER = 1 << 26


@final
@dataclass(frozen=True)
class ServiceReader:
    """The hub of a service.

    Attributes:
        address: Such as ``https://host/api/v1/hub``.
        token: Of an account, for what is not public; empty for none.
        transport: How requests are sent, where not over the network.

    Raises:
        DataError: The address is none, or a token would travel unencrypted.
    """

    address: str
    token: str = field(default="", repr=False)
    transport: Any = None

    def __post_init__(self) -> None:
        parts = urlsplit(self.address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise DataError([f"{self.address!r} is no address of a hub. Write https://host/api/v1/hub."])
        if self.token and parts.scheme == "http" and parts.hostname not in _LOCAL:
            raise DataError([f"A token would be readable on its way to {parts.hostname}. Use https."])

    def listing(self, ref: Ref) -> Listing:
        """See `aivc.hub.listing.HubSource`."""
        found = self._json(f"{ref.kind}/{ref.namespace}/{ref.name}", missing={})
        return Listing.from_json(found, ref.place) if found else Listing(ref.place)

    def read(self, digest: str, largest: int) -> bytes:
        """See `aivc.hub.listing.HubSource`."""
        with self._get(self._object(digest)) as answer:
            data = _bounded(answer, largest)
        require_digest(data, digest, largest)
        return data

    def copy_to(self, digest: str, target: Path, size: int) -> None:
        """See `aivc.hub.listing.HubSource`."""
        with self._get(self._object(digest)) as answer:
            copy_checked(_Pieces(answer.iter_bytes(1 << 18)), target, digest, size)

    def search(self, text: str, kind: str) -> list[dict[str, Any]]:
        """Entries that the service finds.

        Raises:
            IntegrityError: It answers otherwise.
        """
        found = self._json("search", params={"text": text, "kind": kind})
        entries = found.get("entries") if isinstance(found, dict) else None
        if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
            raise IntegrityError(f"{self.address} does not answer as a hub does. Check the address.")
        return entries

    def _object(self, digest: str) -> str:
        if not is_digest(digest):
            raise IntegrityError(f"{digest[:80]!r} is no digest. Do not trust where it came from.")
        return f"objects/sha256/{digest.removeprefix('sha256:')}"

    def _json(self, path: str, *, params: dict[str, str] | None = None, missing: Any = None) -> Any:
        with self._get(path, params, allowed=(404,) if missing is not None else ()) as answer:
            if answer.status_code == 404:
                return missing
            return parse_json(_bounded(answer, _LARGEST_ANSWER), f"{self.address}/{path}", finite=True)

    @contextmanager
    def _get(
        self, path: str, params: dict[str, str] | None = None, allowed: tuple[int, ...] = ()
    ) -> Iterator[httpx.Response]:
        """Ask; what is redirected is not followed, so that a token goes nowhere else."""
        address = f"{self.address.rstrip('/')}/{quote(path)}"
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            with (
                httpx.Client(transport=self.transport, timeout=30, headers=headers) as client,
                client.stream("GET", address, params=params) as answer,
            ):
                if answer.status_code != 200 and answer.status_code not in allowed:
                    raise UnavailableError(
                        f"{address} answers with status {answer.status_code}. Check the address, the name and your "
                        "token."
                    )
                yield answer
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise UnavailableError(
                f"{address} could not be reached ({error}). Check the address and the network."
            ) from error


def _bounded(answer: httpx.Response, largest: int) -> bytes:
    data = b""
    for piece in answer.iter_bytes(1 << 16):
        data += piece
        if len(data) > largest:
            raise IntegrityError(f"{answer.url} sends more than {largest:,} bytes. Do not trust it.")
    return data


class _Pieces:
    """An iterator of pieces, read as a stream is."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces

    def read(self, _size: int) -> bytes:
        """The next piece; nothing at the end."""
        return next(self._pieces, b"")
