"""All processes of one job: those that it started are found, weighed together with it, and ended with it."""

import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, final

_LOG = logging.getLogger(__name__)
# In the environment of every process of a job: whose it is. It stays with one that leaves the session.
MARK = "AIVC_JOB_MARK"
_PROC = Path("/proc")
# What is killed is gone within so many looks, in seconds between them, but for what hangs in the system itself.
_LOOKS, _PAUSE = 300, 0.01
# Places in /proc/<id>/stat after the name: state, session and resident pages.
_STATE, _SESSION, _PAGES = 0, 3, 21


@final
class ProcessSeen(NamedTuple):
    """One process, as the system lists it.

    Attributes:
        id: Its number.
        session: The process that leads its session; its group where the system does not say more.
        resident: Bytes it holds in memory, those that it shares with others among them.
    """

    id: int
    session: int
    resident: int


@final
class MemoryHeld(NamedTuple):
    """What the processes of a job hold together.

    Attributes:
        mb: Resident memory; on Linux a page that several share counts once.
        processes: How many they are.
    """

    mb: int
    processes: int


@final
class JobProcesses:
    """Processes of one job: the session that its first one leads and, on Linux, whatever has its mark.

    Other systems than Linux are asked by ``ps``: there the group of the first process is what is found, a page that
    several of them share counts for each, and a process that left the group is not found.

    Args:
        leader: Number of the first process.
        mark: What `MARK` says in its environment.
    """

    def __init__(self, leader: int, mark: str) -> None:
        self._leader, self._mark = leader, mark

    def over(self, limit_mb: int) -> MemoryHeld | None:
        """What they hold together where it is more than a limit; None within it."""
        found = self._found()
        # A page that is shared is in this sum several times, so what is within the limit here is within it indeed.
        if sum(each.resident for each in found) >> 20 <= limit_mb:
            return None
        held = MemoryHeld(sum(map(_share, found)) >> 20, len(found))
        return held if held.mb > limit_mb else None

    def leader_mb(self) -> int:
        """Memory of the first process alone, which is quick to find out; 0 where it is not."""
        seen = _process(_PROC / str(self._leader))
        return seen.resident >> 20 if seen else 0

    def end(self) -> None:
        """Kill all of them but the one that asks, whether or not the first one still lives."""
        if os.getpgid(0) != self._leader:
            # At once, so that none starts another meanwhile.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._leader, signal.SIGKILL)
        _kill(self._found)

    def _found(self) -> list[ProcessSeen]:
        return [each for each in _processes() if each.session == self._leader or _mark(each) == self._mark]


def mark_of(folder: Path, holder: str) -> str:
    """The mark of the processes of one attempt of a job."""
    return f"{folder}#{holder}"


def end_former(folder: Path) -> None:
    """Kill what former attempts of a job left on this computer, such as one that was halted; only on Linux."""
    if _PROC.joinpath("self").exists():
        _kill(lambda: [each for each in _processes() if _mark(each).startswith(f"{folder}#")])


def has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether a process has ended. Its number stays taken, so that whoever has it next is not killed in its place."""
    if hasattr(os, "waitid"):
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    return process.poll() is not None


def _kill(found: Callable[[], list[ProcessSeen]]) -> None:
    """Kill until none is found, as each may have started another."""
    for _ in range(_LOOKS):
        left = [each.id for each in found() if each.id != os.getpid()]
        if not left:
            return
        for each in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(each, signal.SIGKILL)
        time.sleep(_PAUSE)
    _LOG.warning("Processes %s of a job do not end. See what the system does for them.", left)


def _processes() -> list[ProcessSeen]:
    """All processes that live, as far as this one may see them."""
    if _PROC.joinpath("self").exists():
        return [seen for place in _PROC.glob("[0-9]*") if (seen := _process(place))]
    return processes_of_ps()


def _process(place: Path) -> ProcessSeen | None:
    try:
        # A name may hold blanks and brackets.
        said = (place / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    if said[_STATE] in "ZX":
        return None
    return ProcessSeen(int(place.name), int(said[_SESSION]), int(said[_PAGES]) * os.sysconf("SC_PAGE_SIZE"))


def processes_of_ps() -> list[ProcessSeen]:
    """Processes as ``ps`` lists them, for systems without /proc, such as macOS."""
    said = subprocess.run(["ps", "-A", "-o", "pid=,pgid=,rss=,stat="], capture_output=True, text=True, check=False)
    rows = [line.split() for line in said.stdout.splitlines()]
    return [ProcessSeen(int(row[0]), int(row[1]), int(row[2]) << 10) for row in rows if row[3][0] not in "ZX"]


def _mark(process: ProcessSeen) -> str:
    """The mark of a process; empty where it has none, or is of another user."""
    try:
        said = (_PROC / str(process.id) / "environ").read_bytes()
    except OSError:
        return ""
    start = f"{MARK}=".encode()
    return next((os.fsdecode(each[len(start) :]) for each in said.split(b"\0") if each.startswith(start)), "")


def _share(process: ProcessSeen) -> int:
    """Bytes of a process, of a page that n processes share the n-th part; all of it where that is not known."""
    place = _PROC / str(process.id)
    try:
        lines = (place / "smaps_rollup").read_bytes().splitlines()
    except OSError:
        return process.resident if _process(place) or not _PROC.joinpath("self").exists() else 0
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith(b"Pss:"))
