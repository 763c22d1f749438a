"""Writes files and folders whole or not at all, under private names until they are done; strangers' files stay."""

import ctypes
import errno
import os
import re
import secrets
import shutil
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import final

from safetensors import SafetensorError

from aivc.core.errors import AIVCError, IntegrityError, WritingError

_PRIVATE = re.compile(r"\.(.+)\.[0-9a-f]{16}\.partial(\.[\w.]+)?")
# Of renameat2: paths are as they stand, and both names stay.
_HERE, _EXCHANGE = -100, 2
# Seconds between two looks at what another process holds.
_LOOK = 0.05
_GONE = (errno.ENOTEMPTY, errno.EEXIST)


def private(path: Path) -> Path:
    """A name beside ``path`` that no other process uses; it keeps the ending."""
    stem = path.name.removesuffix(path.suffix)
    return path.with_name(f".{stem[:120]}.{secrets.token_hex(8)}.partial{path.suffix}")


def meant_by(name: str) -> str:
    """The name that a private one stands for; any other name as it is.

    >>> meant_by(".scores.0123456789abcdef.partial.json"), meant_by("notes.txt")
    ('scores.json', 'notes.txt')
    """
    found = _PRIVATE.fullmatch(name)
    return name if found is None else f"{found[1]}{found[2] or ''}"


def require_absent(path: Path, *, overwrite: bool = False) -> None:
    """Refuse a place where a file lies already, before any work.

    Raises:
        IntegrityError: There is a file that may not be replaced, or a folder.
    """
    if path.is_dir():
        raise IntegrityError(f"{path} is a folder, and a file is to be written. Choose another name.")
    if not overwrite and (path.exists() or path.is_symlink()):
        raise IntegrityError(f"{path} exists. Choose another name, or allow replacing it (--overwrite).")


@contextmanager
def whole_file(path: Path, *, overwrite: bool = True) -> Iterator[Path]:
    """Yield a private name to write to; what lies there then takes the place of ``path``, or is removed.

    Args:
        path: Its folder is made.
        overwrite: Replace what is there; otherwise, of several processes the first wins.

    Raises:
        IntegrityError: A file is there that may not be replaced.
        WritingError: The disk is full, or the place cannot be written to; what was there is as it was.
    """
    partial = private(path)
    with explained(path):
        require_absent(path, overwrite=overwrite)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield partial
            _place(partial, path, overwrite=overwrite)
        finally:
            partial.unlink(missing_ok=True)


def _place(partial: Path, path: Path, *, overwrite: bool) -> None:
    if overwrite:
        partial.replace(path)
        return
    try:
        os.link(partial, path)
    except FileExistsError as error:
        raise IntegrityError(f"{path} exists: another process wrote it meanwhile. Choose another name.") from error
    except OSError:
        # Some disks know no links.
        path.touch(exist_ok=False)
        partial.replace(path)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what writing raises into one refusal that names the path.

    Raises:
        WritingError: The disk is full, or the place cannot be written to.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        if isinstance(error, AIVCError):
            raise
        reason = error.strerror if isinstance(error, OSError) and error.strerror else " ".join(str(error).split())[:200]
        raise WritingError(
            f"{path} could not be written ({reason}). Make room, or choose another place; what was there before is as "
            "it was."
        ) from error


def require_own(folder: Path, what: str, owns: Callable[[str], bool], *, overwrite: bool = False) -> None:
    """Refuse a folder that something cannot be saved as, before any work.

    Args:
        folder: May be missing or empty.
        what: Such as ``virtual cell``.
        owns: Whether a file inside, by its path with slashes, is one that such a thing consists of.
        overwrite: Allow replacing one.

    Raises:
        IntegrityError: It is a file, holds files of others, or one that may not be replaced.
    """
    if not folder.exists():
        return
    one = f"{'an' if what[0] in 'aeiou' else 'a'} {what}"
    if not folder.is_dir():
        raise IntegrityError(f"{folder} is a file, and {one} is a folder. Choose another place.")
    # The top first: a mistaken folder may be somebody's home, with millions of files below.
    tops = sorted(item.name for item in folder.iterdir())
    if not tops:
        return
    foreign = next((name for name in tops if not owns(name)), "") or next(
        (name for name in files_below(folder) if not owns(name)), ""
    )
    if foreign:
        raise IntegrityError(
            f"{folder} exists and is no {what}: it holds {foreign}. Choose an empty or a new folder; nothing of others "
            "is deleted."
        )
    if not overwrite:
        raise IntegrityError(
            f"{folder} holds {one}. Choose another folder, or allow --overwrite (in Python, overwrite=True)."
        )


def files_below(folder: Path) -> Iterator[str]:
    """Every file and link below a folder, by its path with slashes; links are not followed."""
    for where, folders, files in os.walk(folder):
        links = [name for name in folders if (Path(where) / name).is_symlink()]
        for name in [*files, *links]:
            yield (Path(where) / name).relative_to(folder).as_posix()


@contextmanager
def whole_folder(folder: Path, what: str, owns: Callable[[str], bool], *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a private folder to write into; it then takes the place of ``folder`` whole, or is removed.

    Args:
        folder: Missing, empty, or holding a former one.
        what: See `require_own`.
        owns: Likewise; covers folders inside, too.
        overwrite: Replace a former one.

    Raises:
        IntegrityError: The folder holds what may not be replaced, or another process wrote it meanwhile.
        WritingError: The disk is full, or the place cannot be written to.
    """
    with explained(folder):
        require_own(folder, what, owns, overwrite=overwrite)
        place = Path(os.path.realpath(folder))
        fresh, old = private(place), private(place)
        fresh.mkdir(parents=True)
        try:
            yield fresh
            # An empty folder is replaced by the system itself; another one changes places, or steps aside first.
            if place.is_dir() and any(place.iterdir()):
                require_own(folder, what, owns, overwrite=overwrite)
                if _exchanged(fresh, place):
                    # What is under the private name now is the former one, which goes below.
                    return
                place.rename(old)
            _settle(fresh, place, old, what)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)


def _exchanged(one: Path, other: Path) -> bool:
    """Let two folders change places in one step, so that neither name is ever missing; False where that cannot be.

    Linux does it on most file systems (renameat2 with RENAME_EXCHANGE).
    """
    try:
        swap = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError, TypeError):
        return False
    return int(swap(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE)) == 0


def _settle(fresh: Path, place: Path, old: Path, what: str) -> None:
    try:
        fresh.rename(place)
    except OSError as error:
        if error.errno in _GONE:
            shutil.rmtree(old, ignore_errors=True)
            raise IntegrityError(
                f"{place} was written by another process meanwhile, and holds its {what}. Choose another folder."
            ) from error
        if old.exists():
            old.rename(place)
        raise
    shutil.rmtree(old, ignore_errors=True)


@final
class Hold:
    """A place that one process works in: a second one is refused. The system lets go when the process ends."""

    def __init__(self, path: Path) -> None:
        """Take hold.

        Args:
            path: Lock file, removed at the end.

        Raises:
            IntegrityError: Another process holds it.
            WritingError: The place cannot be written to.
        """
        import fcntl

        with explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever held it before may have removed the file between opening and locking.
            taken = not path.exists() or os.fstat(descriptor).st_ino != path.stat().st_ino
        except OSError:
            taken = True
        if taken:
            os.close(descriptor)
            raise IntegrityError(
                f"Another process works in {path.parent} (it holds {path.name}). Wait until it is done, or choose "
                "another place."
            )
        self._release = weakref.finalize(self, _let_go, descriptor, path)

    def release(self) -> None:
        """Let go."""
        self._release()


def _let_go(descriptor: int, path: Path) -> None:
    with suppress(OSError):
        path.unlink()
    with suppress(OSError):
        os.close(descriptor)


@contextmanager
def held(path: Path, *, patience: float = 0.0) -> Iterator[None]:
    """Hold a place while something is done there; see `Hold`.

    Args:
        path: Lock file.
        patience: Seconds to wait for another process that holds it.
    """
    end = time.monotonic() + patience
    while True:
        try:
            hold = Hold(path)
            break
        except IntegrityError:
            if time.monotonic() >= end:
                raise
            time.sleep(_LOOK)
    try:
        yield
    finally:
        hold.release()
