"""Takes files of strangers: a plain name, no more bytes than are allowed, and nothing that unpacks to more."""

import errno
import re
import shutil
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from sqlalchemy.exc import OperationalError

from aivc.core.errors import AIVCError, IntegrityError, WritingError
from aivc.data.io.formats import refuse_pickled_chunks, suffix
from aivc.data.io.own_file import require_plausible
from aivc.service.refusals import TooLargeError

ENDINGS = (
    ".h5ad", ".h5", ".h5mu", ".csv", ".tsv", ".txt", ".parquet", ".csv.gz", ".tsv.gz", ".txt.gz", ".zip",
)  # fmt: skip
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+-]{0,150}")
# What databases say of a full disk: SQLite and PostgreSQL.
_FULL = ("disk is full", "no space left")
_MEMBERS, _SWELLS = 100_000, 200
# Seconds after which nobody writes to an upload any more.
_OLD = 86_400.0
_LINK, _KINDS, _REGULAR, _FOLDER = 0o120000, 0o170000, 0o100000, 0o040000


def plain_name(name: str | None) -> str:
    """The name of an uploaded file, which must be one of a file and say its kind.

    Raises:
        IntegrityError: It is none, or is of a kind that is not read.

    >>> plain_name("screen 1.h5ad")
    'screen 1.h5ad'
    """
    if not name or not _PLAIN.fullmatch(name) or ".." in name:
        raise IntegrityError(
            f"{(name or '')[:80]!r} is no plain name of a file. Use letters, digits, spaces and . _ + -, up to 150."
        )
    if suffix(Path(name)) not in ENDINGS:
        raise IntegrityError(
            f"{name} is of a kind that is not read here. Give {', '.join(ENDINGS)}: a zarr folder or a 10x folder "
            "comes as one .zip."
        )
    return name


@contextmanager
def room_for(name: str) -> Iterator[None]:
    """Say that the disk is full in a way that concerns who brings a file.

    Args:
        name: Of the file.

    Raises:
        WritingError: It is.
    """
    try:
        yield
    except (OSError, OperationalError) as error:
        if not _is_full(error):
            raise
        raise WritingError(
            f"The disk of this service is full, and nothing of {name} was kept. Tell whoever runs the service, or "
            "delete datasets that you need no more."
        ) from error


def _is_full(error: OSError | OperationalError) -> bool:
    if isinstance(error, OperationalError):
        return any(said in str(error.orig).lower() for said in _FULL)
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def unpacked(archive: Path, folder: Path, limit: int, name: str) -> Path:
    """Unpack a zip of a zarr folder or a 10x folder, after looking at all that it declares.

    Args:
        archive: The zip.
        folder: To unpack into; made.
        limit: Bytes that may come out at most.
        name: What its user calls the zip.

    Returns:
        What is to be read: the only thing inside, or the folder of all of them.

    Raises:
        IntegrityError: It is no intact zip, leads outside, holds links, or swells out of all proportion.
        TooLargeError: More would come out than is allowed.
        WritingError: The disk is full.
    """
    try:
        with room_for(name), zipfile.ZipFile(archive) as file:
            # Beside each file, macOS packs one of its own.
            members = [each for each in file.infolist() if not each.filename.startswith("__MACOSX/")]
            _refuse(members, limit, archive.stat().st_size, name)
            for member in members:
                _extract(file, member, folder)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError) as error:
        if isinstance(error, AIVCError):
            raise
        raise IntegrityError(f"{name} is no intact zip ({error}). Pack it again.") from error
    refuse_pickled_chunks(folder)
    inside = sorted(folder.iterdir())
    return inside[0] if len(inside) == 1 else folder


def _refuse(members: list[zipfile.ZipInfo], limit: int, stored: int, name: str) -> None:
    if not members or len(members) > _MEMBERS:
        raise IntegrityError(f"{name} holds {len(members):,} files; 1 to {_MEMBERS:,} are read. Pack it again.")
    total = sum(member.file_size for member in members)
    if total > limit:
        raise TooLargeError(f"{name} unpacks to {total:,} bytes, and at most {limit:,} are taken.")
    # Beside the absolute limit, for what swells less than what may fill the memory.
    require_plausible(total, stored, name)
    for member in members:
        parts, kind = PurePosixPath(member.filename).parts, (member.external_attr >> 16) & _KINDS
        outside = member.filename.startswith("/") or "\\" in member.filename or ".." in parts or ":" in member.filename
        if outside or not parts or "\x00" in member.filename:
            raise IntegrityError(f"{name} names {member.filename[:80]!r}, which lies outside. Do not trust it.")
        if kind not in (0, _REGULAR, _FOLDER):
            raise IntegrityError(f"{name} holds a link or a device. Pack the files themselves.")
        if member.file_size > (1 << 20) and member.file_size > _SWELLS * max(member.compress_size, 1):
            raise IntegrityError(f"{name}, {member.filename[:80]!r} swells out of all proportion. Pack it again.")


def _extract(file: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path) -> None:
    target = folder.joinpath(*PurePosixPath(member.filename).parts)
    if member.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    left = member.file_size
    with file.open(member) as source, target.open("xb") as sink:
        while piece := source.read(1 << 20):
            left -= len(piece)
            if left < 0:
                raise IntegrityError(f"{member.filename[:80]!r} holds more than it declares. Do not trust it.")
            sink.write(piece)


def forget(path: Path) -> None:
    """Delete a file or a folder that may be there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def forget_old(folder: Path) -> None:
    """Delete what a server that was ended amid an upload left there; what others receive now is younger."""
    for path in folder.iterdir():
        # Another server may do the same at this moment.
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > _OLD:
                forget(path)
