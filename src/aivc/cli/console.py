"""What a person sees and what a script reads: prose, tables and bars, or one JSON object; and the exit codes."""

import argparse
import errno
import json as json_format
import math
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, final

import numpy as np
from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from aivc.core.errors import AIVCError, DataError
from aivc.core.shown_text import visible

DONE, REFUSED, USAGE, FAULT, INTERRUPTED = 0, 1, 2, 3, 130
# Where nobody watches a terminal, a line now and then says that work goes on.
_QUIET_S, _EVERY_S = 2.0, 5.0
# By where a score is better: an arrow, and what stands for it where the encoding has none.
_ARROWS = {"up": ("↑", "^"), "down": ("↓", "v"), "none": ("–", "-")}
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


@final
@dataclass(frozen=True)
class Outcome:
    """What a command found.

    Attributes:
        body: For scripts: what ``--json`` prints.
        shown: For people: texts and tables, in order.
        code: Exit code.
    """

    body: Mapping[str, Any]
    shown: Sequence[RenderableType] = ()
    code: int = DONE


@final
@dataclass
class Reporter:
    """Shows on standard error how far the work is: a bar on a terminal, now and then a line otherwise."""

    console: Console = field(default_factory=lambda: Console(stderr=True))
    started: float = field(default_factory=time.monotonic)
    _bar: Progress | None = None
    _answer: float = 0.0
    # Of how much, how far, and when: the first report of the work that is being done.
    _first: tuple[int, int, float] = (0, 0, 0.0)

    def __call__(self, what: str, done: int, total: int) -> None:
        """Say what is being done, how far, of how much; 0 of 0 where that is unknown."""
        what = visible(what)
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], description=what, completed=done, total=total or None)
            return
        now = time.monotonic()
        if total != self._first[0] or done < self._first[1]:
            self._first = total, done, now
        if not self.console.is_terminal and now - self.started > _QUIET_S and now - self._answer > _EVERY_S:
            self._answer = now
            self.note(f"{what}: {done} of {total}{self._left(done, now)}" if total else f"{what} …")

    def _left(self, done: int, now: float) -> str:
        """How long the rest will take if it goes on as before; nothing before anything is done."""
        total, begun, since = self._first
        if not begun < done < total:
            return ""
        seconds = round((now - since) / (done - begun) * (total - done))
        return f", about {timedelta(seconds=seconds)} left"

    def note(self, text: str) -> None:
        """Say something beside the answer."""
        self.console.print(Text(visible(text)), soft_wrap=True)

    @property
    def seconds(self) -> float:
        """Since the command began."""
        return round(time.monotonic() - self.started, 3)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Show a bar while the command runs, if standard error is a terminal."""
        if not self.console.is_terminal:
            yield
            return
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self.console, transient=True) as self._bar:
            self._bar.add_task("starting", total=None)
            yield
        self._bar = None


@final
class UsageError(Exception):
    """The words after ``aivc`` could not be understood.

    Attributes:
        remedy: Which help to read.
    """

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


def perform(run: Callable[[argparse.Namespace, Reporter], Outcome], args: argparse.Namespace) -> int:
    """Run a command, print what it found, and return its exit code."""
    reporter = Reporter()
    try:
        # Whatever a part prints must not get between a script and its JSON.
        with redirect_stdout(sys.stderr), reporter.watched():
            outcome = run(args, reporter)
    except BrokenPipeError:
        raise
    except UsageError as error:
        return refuse(error, json=args.json, code=2)
    except (AIVCError, MemoryError) as error:
        return refuse(error, json=args.json)
    except OSError as error:
        # A full disk or a folder without permission is reported like a refusal; anything else is a fault of ours.
        known = error.filename or error.errno in _FULL
        return refuse(error, json=args.json) if known else _fault(error, json=args.json)
    except KeyboardInterrupt:
        return refuse(KeyboardInterrupt("Interrupted. What was written is whole."), json=args.json, code=INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - the last door: it is shown, with its traceback, never swallowed
        return _fault(error, json=args.json)
    return show(outcome, json=args.json)


def show(outcome: Outcome, *, json: bool) -> int:
    """Print an outcome to standard output."""
    if json:
        _print_json(outcome.body)
        return outcome.code
    console = Console(highlight=False)
    if not console.is_terminal:
        # In a file or a pipe nothing need be folded.
        console.width = 240
    for item in outcome.shown:
        if isinstance(item, str):
            console.print(Text(visible(item)), soft_wrap=True)
        else:
            console.print(item)
    return outcome.code


def refuse(error: BaseException, *, json: bool, code: int = REFUSED) -> int:
    """Say what was refused and what to do: to people on standard error, to scripts as JSON."""
    message, notes = str(error), list(getattr(error, "__notes__", []))
    if isinstance(error, OSError) and not isinstance(error, AIVCError):
        place = error.filename or "A file"
        message = f"{place} could not be used: {error.strerror}. Choose another place, or change its permissions."
    if isinstance(error, MemoryError):
        message = "There is not enough memory for this. Ask for less at once, or leave values on disk (--on-disk)."
    if json:
        _print_json({"error": _described(error, message, notes)})
    else:
        console = Console(stderr=True, highlight=False)
        lines = [message, *notes, *filter(None, [str(getattr(error, "remedy", ""))])]
        console.print(Text.assemble(("error: ", "bold red"), visible("\n".join(lines))), soft_wrap=True)
    return code


def _described(error: BaseException, message: str, notes: list[str]) -> dict[str, Any]:
    body: dict[str, Any] = {"type": type(error).__name__, "message": " ".join([message, *notes])}
    if isinstance(error, DataError):
        body["problems"] = list(error.problems)
    remedy = getattr(error, "remedy", "")
    if isinstance(error, AIVCError) and not isinstance(error, DataError):
        # Refusals say first what is wrong, then what to do.
        remedy = " ".join([*re.split(r"(?<=[.!?]) (?=[A-Z])", message, maxsplit=1)[1:], *notes])
    return {**body, "remedy": remedy} if remedy else body


def _fault(error: Exception, *, json: bool) -> int:
    traceback.print_exception(error)
    remedy = "This is a fault of the program, not of yours: please report it with the traceback on standard error."
    if json:
        body = {"type": type(error).__name__, "message": str(error) or repr(error), "remedy": remedy}
        _print_json({"error": body})
    else:
        print(remedy, file=sys.stderr)
    return FAULT


def _print_json(body: Mapping[str, Any]) -> None:
    said = json_text(body)
    try:
        said.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        # Every reader of JSON takes letters as numbers, every terminal too.
        said = json_format.dumps(json_format.loads(said))
    print(said)


def json_text(value: Any) -> str:
    """Write JSON that every reader takes: numbers that are none become null.

    >>> json_text({"a": float("nan"), "b": np.int64(3)})
    '{"a": null, "b": 3}'
    """
    return visible(json_format.dumps(_plain(value), allow_nan=False, ensure_ascii=False))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


def arrow(direction: str) -> str:
    """An arrow for whether more of a score is better (``up``), less (``down``) or neither; words where it is not plain.

    A terminal, or a file, whose encoding has no arrows gets letters of ASCII.
    """
    shown, plain = _ARROWS[direction]
    try:
        shown.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return plain
    return shown


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """Make a table for people; numbers stand to the right with three digits that count."""
    made = Table(box=None, pad_edge=False, show_header=any(columns))
    for i, column in enumerate(columns):
        numeric = bool(rows) and all(_is_number(row[i]) for row in rows)
        made.add_column(column, justify="right" if numeric else "left", overflow="fold", no_wrap=i == 0)
    for row in rows:
        made.add_row(*(Text(_cell(item)) for item in row))
    return made


def _is_number(item: object) -> bool:
    return item is None or (isinstance(item, int | float) and not isinstance(item, bool))


def _cell(item: object) -> str:
    if item is None or (isinstance(item, float) and not math.isfinite(item)):
        return "–"
    return f"{item:.3g}" if isinstance(item, float) else visible(item)
