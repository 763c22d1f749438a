"""Keeps bytes by what they are: written once under their sha256, which is checked at each reading."""

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, final

import fsspec
from fsspec.implementations.local import LocalFileSystem

from aivc.core.errors import AIVCError, DataError, IntegrityError, UnavailableError, WritingError
from aivc.core.writing import whole_file
from aivc.hub.refs import is_digest

_CHUNK = 1 << 20


@final
@dataclass(frozen=True)
class ObjectStore:
    """Objects by digest, and small named notes that point to them.

    Attributes:
        files: File system of the place.
        root: Path of the place in it.
    """

    files: Any
    root: str

    @classmethod
    def open(cls, location: str) -> "ObjectStore":
        """Open a place.

        Args:
            location: A folder, or any URL that fsspec knows.

        Raises:
            DataError: It is no such place.
            UnavailableError: The library that reaches it is not installed.
        """
        try:
            files, root = fsspec.core.url_to_fs(location)
        except (ValueError, TypeError) as error:
            raise DataError([f"{location!r} is no place of files ({error}). Give a folder or a URL."]) from error
        except ImportError as error:
            raise UnavailableError(f"{location!r} cannot be reached: {error}. Install what it needs.") from error
        return cls(files, root.rstrip("/"))

    @property
    def is_local(self) -> bool:
        """Whether it is a folder of this computer."""
        return isinstance(self.files, LocalFileSystem)

    def put(self, source: Path) -> tuple[str, int]:
        """Keep a file; one that is here and damaged is mended.

        Returns:
            Its digest and its bytes.

        Raises:
            WritingError: The place cannot be written to.
        """
        digest, size = file_digest(source)
        if not self._whole(digest, size):
            with source.open("rb") as stream:
                self._write(self._path(digest), stream, replace=True)
        return digest, size

    def put_bytes(self, data: bytes) -> str:
        """Keep bytes; return their digest."""
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        if not self._whole(digest, len(data)):
            self._write(self._path(digest), data, replace=True)
        return digest

    def has(self, digest: str) -> bool:
        """Whether it is here."""
        with self._explained():
            return bool(self.files.exists(self._path(digest)))

    def _whole(self, digest: str, size: int) -> bool:
        """Whether it is here, undamaged; of a place that is no folder, with all its bytes."""
        if not self.has(digest):
            return False
        path = self._path(digest)
        with self._explained():
            return file_digest(Path(path)) == (digest, size) if self.is_local else self.files.size(path) == size

    def read(self, digest: str, largest: int) -> bytes:
        """Read a small object.

        Raises:
            UnavailableError: It is not here.
            IntegrityError: It is larger than expected, or not what its digest says.
        """
        with self.stream(digest) as stream:
            data = stream.read(largest + 1)
        require_digest(data, digest, largest)
        return data

    @contextmanager
    def stream(self, digest: str) -> Iterator[BinaryIO]:
        """Read an object piece by piece, to pass it on unchecked to whoever checks it.

        Raises:
            UnavailableError: It is not here.
        """
        try:
            stream = self.files.open(self._path(digest), "rb")
        except FileNotFoundError as error:
            raise UnavailableError(f"The hub lacks the object {digest}. Publish it again, or ask its owner.") from error
        with stream:
            yield stream

    def copy_to(self, digest: str, target: Path, size: int) -> None:
        """Write an object into a file of this computer, which is not there yet.

        Raises:
            UnavailableError: It is not here.
            IntegrityError: It has not as many bytes, or is not what its digest says; nothing is left behind.
        """
        with self.stream(digest) as stream:
            copy_checked(stream, target, digest, size)

    def note(self, name: str, largest: int = _CHUNK) -> bytes | None:
        """Read a named note; None where there is none.

        Raises:
            IntegrityError: It is larger than any.
        """
        with self._explained():
            try:
                with self.files.open(self._named(name), "rb") as stream:
                    data = bytes(stream.read(largest + 1))
            except FileNotFoundError:
                return None
        if len(data) > largest:
            raise IntegrityError(f"{name} of the hub is larger than any such note. Do not trust it.")
        return data

    def write_note(self, name: str, data: bytes, *, once: bool) -> None:
        """Write a named note.

        Args:
            name: With slashes.
            data: What it says.
            once: Keep what is there.

        Raises:
            IntegrityError: It is there, with other content, and may be written only once.
            WritingError: The place cannot be written to.
        """
        there = self.note(name) if once else None
        if there is None:
            self._write(self._named(name), data, replace=not once, once=once)
            # Of two who publish at once, one is first; the other finds it here.
            there = self.note(name) if once else data
        if there != data:
            raise IntegrityError(f"{name} of the hub is written once and says something else. Choose another.")

    def notes(self, below: str) -> list[str]:
        """Names of all notes below a name, sorted."""
        with self._explained():
            place = self._named(below)
            found = self.files.find(place) if self.files.exists(place) else []
        prefix = f"{self.root}/"
        names = [path[len(prefix) :] for path in found if path.startswith(prefix)]
        return sorted(name for name in names if name.endswith(".json") and "/." not in name)

    def _path(self, digest: str) -> str:
        # The only way from words of strangers to a path: 64 hexadecimal digits.
        if not is_digest(digest):
            raise IntegrityError(f"{digest[:80]!r} is no digest. Do not trust where it came from.")
        value = digest.removeprefix("sha256:")
        return f"{self.root}/objects/sha256/{value[:2]}/{value[2:]}"

    def _named(self, name: str) -> str:
        if any(part in ("", ".", "..") or "\\" in part for part in name.split("/")):
            raise IntegrityError(f"{name[:80]!r} is no name of the hub. Do not trust where it came from.")
        return f"{self.root}/{name}"

    def _write(self, path: str, data: bytes | BinaryIO, *, replace: bool = False, once: bool = False) -> None:
        if self.is_local:
            _write_here(Path(path), data, replace=replace)
            return
        with self._explained():
            self.files.makedirs(path.rpartition("/")[0], exist_ok=True)
            if once and isinstance(data, bytes):
                # Renaming would replace what another wrote meanwhile.
                with suppress(FileExistsError):
                    self.files.pipe_file(path, data, mode="create")
                return
            # Where places know no renaming, an object is seen only when its upload is complete.
            fresh, done = f"{path}.{secrets.token_hex(8)}.partial", False
            try:
                with self.files.open(fresh, "wb") as stream:
                    for piece in _pieces(data):
                        stream.write(piece)
                self.files.mv(fresh, path)
                done = True
            finally:
                if not done:
                    with suppress(OSError):
                        self.files.rm_file(fresh)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except AIVCError:
            raise
        except PermissionError as error:
            raise WritingError(f"{self.root} may not be used ({error}). Change its permissions.") from error
        except OSError as error:
            raise UnavailableError(
                f"{self.root} cannot be used ({error}). See that the place can be reached."
            ) from error


def file_digest(path: Path) -> tuple[str, int]:
    """Digest and bytes of a file."""
    with path.open("rb") as stream:
        return f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}", path.stat().st_size


def require_digest(data: bytes, digest: str, largest: int) -> None:
    """See that bytes are those that were meant.

    Raises:
        IntegrityError: They are not.
    """
    if len(data) > largest:
        raise IntegrityError(f"The object {digest} is larger than the {largest:,} bytes it may have. Do not trust it.")
    if f"sha256:{hashlib.sha256(data).hexdigest()}" != digest:
        raise IntegrityError(f"The object {digest} was altered: its bytes are others. Do not use it; publish it again.")


def copy_checked(source: Any, target: Path, digest: str, size: int) -> None:
    """Write a stream into a file, which is kept only if it is what was meant.

    Args:
        source: With ``read``.
        target: Not there yet.
        digest: ``sha256:…`` that it must have.
        size: Bytes that it must have.

    Raises:
        IntegrityError: It has others.
        WritingError: The place cannot be written to.
    """
    sha, got = hashlib.sha256(), 0
    with whole_file(target, overwrite=False) as partial, partial.open("wb") as out:
        while piece := source.read(_CHUNK):
            got += len(piece)
            if got > size:
                break
            sha.update(piece)
            out.write(piece)
        if got != size or f"sha256:{sha.hexdigest()}" != digest:
            raise IntegrityError(
                f"The object {digest} was altered: {size:,} bytes of that digest were meant. Do not use it; publish it "
                "again."
            )


def _write_here(path: Path, data: bytes | BinaryIO, *, replace: bool) -> None:
    try:
        with whole_file(path, overwrite=replace) as partial, partial.open("wb") as out:
            for piece in _pieces(data):
                out.write(piece)
            out.flush()
            os.fsync(out.fileno())
    except IntegrityError:
        # Somebody kept the same object meanwhile; a note that says something else is found by whoever reads it.
        if not path.is_file():
            raise


def _pieces(data: bytes | BinaryIO) -> Iterator[bytes]:
    if isinstance(data, bytes):
        yield data
        return
    while piece := data.read(_CHUNK):
        yield piece
