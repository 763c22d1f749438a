"""One hostile input or fault: what is done with it, and what came of it."""

import io
import os
import signal
import tempfile
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aivc.cli import main
from aivc.core.errors import AIVCError

REFUSED, WORKS = "refused", "works"
_PATIENCE_S = 120


@dataclass(frozen=True)
class Case:
    """One input.

    Attributes:
        kind: Of the fault, by which it is counted.
        name: Of the input, unique within its kind.
        act: Does it, in an empty folder.
        wanted: ``refused`` with one of our errors, or ``works``.
    """

    kind: str
    name: str
    act: Callable[[Path], Any]
    wanted: str = REFUSED

    @property
    def slug(self):
        return f"{self.kind}: {self.name}"


class Hangs(BaseException):
    """Raised by the clock."""


class CrashError(Exception):
    """The command line fell over."""


class RefusalError(AIVCError):
    """The command line said no."""


def command(*words):
    """Run the command line in this process; its own exit codes become what they mean."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main([str(word) for word in words])
    said = out.getvalue() + err.getvalue()
    if code == 3 or "Traceback" in said:
        raise CrashError(said[-2000:])
    if code:
        raise RefusalError(said)
    return said


def outcome(case):
    """What came of a case: ``refused``, ``works``, or what must never be: and in words why."""
    with tempfile.TemporaryDirectory(prefix="aivc-hostile-") as place:
        inside, outside = Path(place) / "inside", Path(place) / "outside"
        inside.mkdir()
        outside.mkdir()
        (outside / "secret.bin").write_bytes(b"\1\2\3\4" * 64)
        before = _listing(outside)
        with warnings.catch_warnings(), _clock():
            warnings.simplefilter("ignore")
            came, why = _came_of(case, inside)
        if _listing(outside) != before:
            return "foreign write", "a file outside of the folder was changed"
        left = [path.name for path in inside.rglob("*") if ".partial" in path.name and "litter" not in path.name]
        return ("half-written", f"left {left[0]}") if left else (came, why)


def _came_of(case, inside):
    try:
        case.act(inside)
    except AIVCError as error:
        said = str(error)
        return (REFUSED, said) if len(said) > 20 else ("no sentence", said)
    except Hangs:
        return "hang", f"nothing came in {_PATIENCE_S} seconds"
    except AssertionError as error:
        return "wrong", str(error) or traceback.format_exc()[-600:]
    except BaseException:  # noqa: BLE001 - whatever comes is what is looked for
        return "traceback", traceback.format_exc()[-1500:]
    return WORKS, ""


@contextmanager
def _clock() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def late(*_: object) -> None:
        raise Hangs

    old = signal.signal(signal.SIGALRM, late)
    signal.alarm(_PATIENCE_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, old)


def _listing(folder):
    return {name: (Path(top) / name).read_bytes() for top, _, files in os.walk(folder) for name in files}
