"""Writes a file beside its place and swaps it in, so that it is there whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EIO
from pathlib import Path

from aivc.core.errors import AIVCError

_BESIDE = ".partial"


@contextmanager
def whole_file(path: Path, *, ending: str = "") -> Iterator[Path]:
    """Hand out a path beside the wanted one; what was written there takes its place when all went well.

    Args:
        path: Wanted; its folder is made.
        ending: What the name of the file beside ends in, where its writer goes by that.

    Raises:
        OSError: It cannot be written. The error names the wanted file, which the caller knows, not the one beside it.
    """
    partial = path.with_name(f"{path.name}{_BESIDE}{ending}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        partial.replace(path)
    except AIVCError:
        # A refusal of ours may be an error of the system too, and says all already.
        raise
    except OSError as error:
        if error.filename is not None and Path(str(error.filename)) not in (partial, path):
            raise
        code = error.errno or EIO
        raise OSError(code, os.strerror(code), str(path)) from error
    finally:
        if partial.is_file():
            partial.unlink()
