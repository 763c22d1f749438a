"""Takes a file out of the body of a request while it comes, straight to where it waits, and no more than is allowed."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, final

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from aivc.core.errors import AIVCError, DataError, IntegrityError
from aivc.service.refusals import DoorError, TooLargeError
from aivc.service.uploads import forget, plain_name, room_for

FILE = "file"
# Bytes that are gathered before they are written, and of a field that is no file.
_PIECE, _FIELD = 1 << 20, 4096
_BROKEN = "The upload ended before all of it had come. Send it again."


@final
@dataclass(frozen=True)
class IncomingFile:
    """A file that came.

    Attributes:
        path: Where it waits; whoever wants it moves it away.
        name: As it was called where it comes from.
        fields: Other fields of the form.
    """

    path: Path
    name: str
    fields: dict[str, str]


@asynccontextmanager
async def incoming(request: Request, folder: Path, limit: int) -> AsyncIterator[IncomingFile]:
    """Take the file of a form; nothing is left of it afterwards, however this ends, unless it was moved away.

    A refusal waits until all has come: only then do browsers listen.

    Args:
        request: With a body of the kind ``multipart/form-data``.
        folder: Where the file waits.
        limit: Bytes of it at most.

    Raises:
        DataError: The form holds no file, or several.
        DoorError: The body is none of a form, or ended early.
        IntegrityError: The file is empty, or its name is none.
        TooLargeError: It has more bytes.
        WritingError: The disk is full.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise DataError([f"A file comes as multipart/form-data, in the field {FILE}. Send it so."])
    form = _Form(folder / f"{secrets.token_hex(12)}.partial", limit)
    try:
        try:
            parser = MultipartParser(options[b"boundary"], form.callbacks)  # type: ignore[arg-type]
            async for piece in request.stream():
                parser.write(piece)
                if form.waiting >= _PIECE:
                    await run_in_threadpool(form.write)
        except FormParserError as error:
            raise DoorError(f"The body is no multipart/form-data ({error}). Send it again.") from error
        except ClientDisconnect as error:
            raise DoorError(_BROKEN) from error
        await run_in_threadpool(form.write)
        yield form.finished()
    finally:
        form.close()


@final
class _Form:
    """What the parser of the body calls, and what came of it so far."""

    def __init__(self, path: Path, limit: int) -> None:
        self._path, self._limit, self._size = path, limit, 0
        self._name: str | None = None
        self._fields: dict[str, str] = {}
        self._refused: AIVCError | None = None
        self._ended = False
        self._file: BinaryIO | None = None
        self._pieces: list[bytes] = []
        self._header, self._value, self._disposition = bytearray(), bytearray(), b""
        self._field, self._text = "", bytearray()
        self.waiting = 0

    @property
    def callbacks(self) -> dict[str, Callable[..., Any]]:
        """By the names of the parser."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
            "on_part_data": self._add,
            "on_part_end": self._end_part,
            "on_end": self._end,
        }

    def write(self) -> None:
        """Write what waits; a full disk is noted, as every refusal is."""
        pieces, self._pieces, self.waiting = self._pieces, [], 0
        if self._refused is not None or self._name is None:
            return
        try:
            with room_for(self._name):
                if self._file is None:
                    self._file = _opened(self._path)
                for piece in pieces:
                    self._file.write(piece)
        except AIVCError as error:
            self._refuse(error)

    def finished(self) -> IncomingFile:
        """What came, when all has come and was written."""
        if self._refused is None and not self._ended:
            raise DoorError(_BROKEN)
        if self._refused is None and self._name is None:
            raise DataError([f"{FILE}: a form with a file in this field is needed. Send one."])
        if self._refused is None and not self._size:
            self._refused = IntegrityError(f"{self._name} is empty. Export it again.")
        if self._refused is None and self._file is not None and self._name is not None:
            with room_for(self._name):
                self._file.close()
            return IncomingFile(self._path, self._name, self._fields)
        assert self._refused is not None
        raise self._refused

    def close(self) -> None:
        """Leave nothing behind."""
        if self._file is not None:
            # Unbuffered: closing it writes nothing more.
            self._file.close()
        forget(self._path)

    def _refuse(self, error: AIVCError) -> None:
        """Keep the first refusal, and no more of the file."""
        self._refused = self._refused or error
        self._pieces, self.waiting = [], 0
        self.close()

    def _begin(self) -> None:
        self._disposition, self._field, self._text = b"", "", bytearray()

    def _end_header(self) -> None:
        if bytes(self._header).lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._field = options.get(b"name", b"").decode("utf-8", "replace")
        if self._field != FILE:
            return
        if self._name is not None:
            self._refuse(DataError([f"{FILE}: one file is taken at a time. Send the others after it."]))
            return
        self._name = options.get(b"filename", b"").decode("utf-8", "replace")
        try:
            plain_name(self._name)
        except IntegrityError as error:
            self._refuse(error)

    def _add(self, data: bytes, start: int, end: int) -> None:
        if self._refused is not None:
            return
        if self._field != FILE:
            self._text += data[start:end]
            if len(self._text) > _FIELD:
                self._refuse(TooLargeError(f"{self._field[:80]}: a field has at most {_FIELD:,} bytes, or is a file."))
            return
        self._size += end - start
        if self._size > self._limit:
            self._refuse(TooLargeError(f"A file has at most {self._limit:,} bytes here, and {self._name} has more."))
            return
        self._pieces.append(data[start:end])
        self.waiting += end - start

    def _end_part(self) -> None:
        if self._field and self._field != FILE:
            self._fields[self._field] = self._text.decode("utf-8", "replace")

    def _end(self) -> None:
        self._ended = True


def _opened(path: Path) -> BinaryIO:
    return path.open("xb", buffering=0)
