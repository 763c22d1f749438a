"""Begins the process of one job and watches over it: its memory, its time, its claim, and whether it lives."""

import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import final

from sqlalchemy.exc import SQLAlchemyError

from aivc.service.jobs.job import JobLimits, JobPace, failure
from aivc.service.jobs.job_table import JobTable
from aivc.service.jobs.run_job import DATABASE, HUB_DATABASE, LOST

_LOG = logging.getLogger(__name__)
# What the process writes to its standard outputs, beside its other files.
OUTPUT = "output.log"
# So much of the end of it is looked at, in bytes.
_TAIL = 4000
_NAMES_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


@final
@dataclass(frozen=True)
class JobEnvironment:
    """What the process of every job needs to know.

    Attributes:
        table: Where jobs stand.
        home: Of the service.
        kinds: Modules of kinds of jobs.
        hub: Where the hub lies.
        hub_database: URL of its index; empty takes its own.
        pace: How often things are looked at.
        limits: What a job may use.
    """

    table: JobTable
    home: Path
    kinds: tuple[str, ...]
    hub: str
    hub_database: str
    pace: JobPace
    limits: JobLimits


@final
class Supervisor:
    """Works on one job, in another process.

    Args:
        about: What its process needs to know.
        name: Of the job.
        stop: Set when the server is to stop; the job then waits for another one.
    """

    def __init__(self, about: JobEnvironment, name: str, stop: threading.Event) -> None:
        self._about, self._name, self._stop = about, name, stop
        self._table, self._pace, self._limits = about.table, about.pace, about.limits
        self._holder = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(6)}"
        self._output = about.home / "jobs" / name / OUTPUT

    def run(self) -> bool:
        """Claim the job and see it through; False where another has it, or it is not to be done."""
        if not self._table.claim(self._name, self._holder, self._pace.lease):
            return False
        self._output.parent.mkdir(parents=True, exist_ok=True)
        with self._output.open("ab") as output:
            process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._environment(),
                start_new_session=True,
            )
        try:
            self._watch(process)
        finally:
            _end(process)
        return True

    def _command(self) -> list[str]:
        about = self._about
        return [
            sys.executable, "-m", "aivc.service.jobs.run_job", self._name,
            "--home", str(about.home), "--holder", self._holder, "--kinds", ",".join(about.kinds),
            "--hub", about.hub, "--lease", str(self._pace.lease), "--beat", str(self._pace.beat),
            "--parent", str(os.getpid()),
        ]  # fmt: skip

    def _environment(self) -> dict[str, str]:
        url = self._table.engine.url.render_as_string(hide_password=False)
        return {
            **os.environ,
            **dict.fromkeys(_NAMES_THREADS, "1"),
            DATABASE: url,
            HUB_DATABASE: self._about.hub_database,
        }

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        began = beaten = time.monotonic()
        cancelled: float | None = None
        while (code := process.poll()) is None:
            if self._stop.wait(self._pace.poll):
                _end(process)
                self._table.release(self._name, self._holder, "waiting: the server that did it stopped", counted=False)
                return
            now = time.monotonic()
            if now - beaten >= self._pace.beat:
                beaten = now
                held, cancel_asked = self._renew()
                if not held:
                    # Done meanwhile, or another server has it: either way there is nothing left to watch.
                    return
                cancelled = (cancelled or now) if cancel_asked else None
            late = cancelled is not None and now - cancelled > self._pace.grace
            if late or self._is_over_limits(process, now - began):
                _end(process)
                if late:
                    self._table.end(self._name, self._holder, "cancelled")
                return
        self._judge(code)

    def _renew(self) -> tuple[bool, bool]:
        try:
            seen = self._table.renew(self._name, self._holder, self._pace.lease)
        except SQLAlchemyError as error:
            _LOG.warning("The database does not answer (%s). The job %s goes on meanwhile.", error, self._name)
            return True, False
        return seen.held, seen.cancel_asked

    def _is_over_limits(self, process: subprocess.Popen[bytes], seconds: float) -> bool:
        """Whether it used too much; then it is ended as failed."""
        limits = self._limits
        if seconds > limits.seconds:
            said = f"The job ran for more than {limits.seconds:,.0f} s, which is its limit. Ask for less at once."
            error = failure("TimeLimit", [said])
        elif (used := resident_mb(process.pid)) > limits.memory_mb:
            said = (
                f"The job used {used:,} MB of memory, and its limit is {limits.memory_mb:,} MB. Ask for less at once, "
                "or raise the limit of the service."
            )
            error = failure("MemoryLimit", [said])
        else:
            return False
        _end(process)
        self._table.end(self._name, self._holder, "failed", error=error)
        return True

    def _judge(self, code: int) -> None:
        """Say what became of a job whose process is gone; what the process itself ended stays as it is."""
        if code in (0, LOST):
            return
        if code < 0:
            died = f"its process was killed ({signal.Signals(-code).name})"
            if self._table.release(self._name, self._holder, f"waiting: {died}", counted=True):
                self._table.write(self._name, f"{died[0].upper()}{died[1:]}. It goes on from what it had finished.")
            return
        last = self._last_lines()
        said = f"A fault of the job itself, not of what was asked: {last[-1] if last else f'exit code {code}'}."
        for line in last[-20:]:
            self._table.write(self._name, line)
        self._table.end(self._name, self._holder, "failed", error=failure("JobFault", [said]))

    def _last_lines(self) -> list[str]:
        with self._output.open("rb") as file:
            file.seek(max(0, self._output.stat().st_size - _TAIL))
            return [line for line in file.read().decode(errors="replace").splitlines() if line.strip()]


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process with all that it began; those that ended stay ended."""
    if process.poll() is None:
        try:
            # It leads a group of its own, which no other process is in.
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        process.wait()


def resident_mb(process: int) -> int:
    """Memory that a process holds, in MB; 0 where that cannot be found out, such as of one that has ended.

    The address space is no measure: libraries such as torch map far more than they use.

    >>> resident_mb(os.getpid()) > 1
    True
    """
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") >> 20
    except FileNotFoundError:
        pass
    except (OSError, ValueError, IndexError):
        return 0
    if Path("/proc/self").exists():
        return 0
    # Systems without /proc, such as macOS.
    asked = subprocess.run(["ps", "-o", "rss=", "-p", str(process)], capture_output=True, text=True, check=False)
    return int(asked.stdout.strip() or 0) >> 10
