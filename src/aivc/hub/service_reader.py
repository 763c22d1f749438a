"""Reads the hub of a service over HTTP: what it sends counts only where its digest is the one that was meant."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final
from urllib.parse import quote, urlsplit

import httpx

from aivc.core.errors import DataError, IntegrityError, UnavailableError
from aivc.core.foreign_text import parse_json
from aivc.hub.listing import Listing
from aivc.hub.manifest_fields import HubFile
from aivc.hub.object_store import copy_checked, require_digest
from aivc.hub.patience import USUAL, Pace, Patience
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
        patience: How long a slow one is waited for.

    Raises:
        DataError: The address is none, or a token would travel unencrypted.
    """

    address: str
    token: str = field(default="", repr=False)
    transport: Any = None
    patience: Patience = USUAL

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
        with self._get(self._object(digest), self._pace()) as answer:
            data = answer.all(largest)
        require_digest(data, digest, largest)
        return data

    def copy_all(self, files: Sequence[HubFile], folder: Path) -> None:
        """See `aivc.hub.listing.HubSource`."""
        pace = Pace(self.patience, self.patience.seconds)
        for file in files:
            pace.restart()
            with self._get(self._object(file.sha256), pace) as answer:
                copy_checked(answer, folder / file.path, file.sha256, file.bytes)

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
        with self._get(path, self._pace(), params, allowed=(404,) if missing is not None else ()) as answer:
            if answer.status == 404:
                return missing
            return parse_json(answer.all(_LARGEST_ANSWER), f"{self.address}/{path}", finite=True)

    def _pace(self) -> Pace:
        return Pace(self.patience, self.patience.answer_seconds)

    @contextmanager
    def _get(
        self, path: str, pace: Pace, params: dict[str, str] | None = None, allowed: tuple[int, ...] = ()
    ) -> Iterator["_Answer"]:
        """Ask; what is redirected is not followed, so that a token goes nowhere else."""
        address = f"{self.address.rstrip('/')}/{quote(path)}"
        # Packed answers could stand for many more bytes than came, and their pace could not be measured.
        headers = {"Accept-Encoding": "identity"}
        headers |= {"Authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            with (
                pace.watched() as extensions,
                httpx.Client(transport=self.transport, timeout=30, headers=headers) as client,
                client.stream("GET", address, params=params, extensions=extensions) as answer,
            ):
                if answer.status_code != 200 and answer.status_code not in allowed:
                    raise UnavailableError(
                        f"{address} answers with status {answer.status_code}. Check the address, the name and your "
                        "token."
                    )
                if answer.headers.get("Content-Encoding", "identity") != "identity":
                    raise IntegrityError(f"{address} sends packed bytes, unasked. Do not trust it.")
                yield _Answer(answer.status_code, address, answer.iter_bytes(), pace)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            if late := pace.late():
                raise UnavailableError(f"{address} {late}") from error
            raise UnavailableError(
                f"{address} could not be reached ({error}). Check the address and the network."
            ) from error


@final
@dataclass(frozen=True)
class _Answer:
    """What is sent, read as a stream is; each piece as it comes, its pace measured."""

    status: int
    address: str
    pieces: Iterator[bytes]
    pace: Pace

    def read(self, _size: int) -> bytes:
        """The next piece; nothing at the end."""
        piece = next(self.pieces, b"")
        self.pace.took(len(piece), self.address)
        return piece

    def all(self, largest: int) -> bytes:
        """All of it, up to so many bytes."""
        data = bytearray()
        while piece := self.read(0):
            data += piece
            if len(data) > largest:
                raise IntegrityError(f"{self.address} sends more than {largest:,} bytes. Do not trust it.")
        return bytes(data)
