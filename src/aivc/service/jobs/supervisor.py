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
from typing import Any, final

from sqlalchemy.exc import SQLAlchemyError

from aivc.service.jobs.job import JobLimits, JobPace, failure, failure_of, not_written
from aivc.service.jobs.job_processes import MARK, JobProcesses, end_former, has_ended, mark_of
from aivc.service.jobs.job_table import JobTable
from aivc.service.jobs.run_job import DATABASE, HUB_DATABASE, LOST, UNANSWERED

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
        self._mark = mark_of(self._output.parent, self._holder)
        self._weighed = 0.0

    def run(self) -> bool:
        """Claim the job and see it through; False where another has it, or it is not to be done."""
        if not self._table.claim(self._name, self._holder, self._pace.lease):
            return False
        end_former(self._output.parent)
        process = self._begun()
        if process is None:
            return True
        processes = JobProcesses(process.pid, self._mark)
        try:
            self._watch(process, processes)
        finally:
            self._end(process, processes)
        return True

    def _begun(self) -> "subprocess.Popen[bytes] | None":
        """Its process; None where that cannot be begun, and the job has failed."""
        try:
            self._output.parent.mkdir(parents=True, exist_ok=True)
            with self._output.open("ab") as output:
                return subprocess.Popen(
                    self._command(),
                    # Its other end closes when this server ends, however that comes.
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=self._environment(),
                    start_new_session=True,
                )
        except OSError as error:
            self._table.end(self._name, self._holder, "failed", error=failure_of(not_written(error)))
            return None

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
            MARK: self._mark,
            HUB_DATABASE: self._about.hub_database,
        }

    def _watch(self, process: "subprocess.Popen[bytes]", processes: JobProcesses) -> None:
        began = beaten = time.monotonic()
        cancelled: float | None = None
        while not has_ended(process):
            if self._stop.wait(self._pace.poll):
                self._end(process, processes)
                self._table.release(self._name, self._holder, "waiting: the server that did it stopped", counted=False)
                return
            now = time.monotonic()
            if now - beaten >= self._pace.beat:
                beaten = now
                held, cancel_asked = self._renew()
                if not held:
                    # Done meanwhile, or another server has it: either way there is nothing left to watch.
                    return
                cancelled = cancelled or (now if cancel_asked else None)
            if cancelled is not None and now - cancelled > self._pace.grace:
                self._end(process, processes)
                self._table.end(self._name, self._holder, "cancelled")
                return
            error = self._too_much(processes, now - began)
            if error is not None:
                self._end(process, processes)
                self._table.end(self._name, self._holder, "failed", error=error)
                return
        self._judge(self._end(process, processes))

    def _end(self, process: "subprocess.Popen[bytes]", processes: JobProcesses) -> int:
        """End all of it, also what outlived the first process; how that one ended."""
        assert process.stdin is not None
        if not process.stdin.closed:
            processes.end()
            process.wait()
            process.stdin.close()
        return process.wait()

    def _renew(self) -> tuple[bool, bool]:
        try:
            seen = self._table.renew(self._name, self._holder, self._pace.lease)
        except SQLAlchemyError as error:
            _LOG.warning("The database does not answer (%s). The job %s goes on meanwhile.", error, self._name)
            return True, False
        return seen.held, seen.cancel_asked

    def _too_much(self, processes: JobProcesses, seconds: float) -> dict[str, Any] | None:
        """Why it is to be ended, where it used too much."""
        limits = self._limits
        if seconds > limits.seconds:
            said = f"The job ran for more than {limits.seconds:,.0f} s, which is its limit. Ask for less at once."
            return failure("TimeLimit", [said])
        # All are looked for now and then; one that grows fast is seen at once.
        if seconds - self._weighed < self._pace.weigh and processes.leader_mb() <= limits.memory_mb:
            return None
        self._weighed = seconds
        held = processes.over(limits.memory_mb)
        if held is None:
            return None
        them = f"its {held.processes} processes used {held.mb:,} MB of memory together"
        used = them if held.processes > 1 else f"its process used {held.mb:,} MB of memory"
        said = (
            f"The job was ended, as {used}, and its limit is {limits.memory_mb:,} MB. Ask for less at once, or raise "
            "the limit of the service."
        )
        return failure("MemoryLimit", [said])

    def _judge(self, code: int) -> None:
        """Say what became of a job whose process is gone; what the process itself ended stays as it is."""
        if code in (0, LOST):
            return
        if code < 0 or code == UNANSWERED:
            died = f"its process was killed ({_signal(-code)})" if code < 0 else "the database did not answer"
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


def _signal(number: int) -> str:
    """Name of a signal; most of those of real time have none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
