"""Does one job in a process of its own, which stops when its claim is lost and dies with the server that began it."""

import argparse
import ctypes
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn, final

from sqlalchemy.exc import SQLAlchemyError

from aivc.core.errors import AIVCError
from aivc.hub.database import open_database
from aivc.service.jobs.bench import Bench, JobStopped
from aivc.service.jobs.job import failure_of, is_no_room, not_written, results_of
from aivc.service.jobs.job_kind import job_kind
from aivc.service.jobs.job_processes import MARK, JobProcesses
from aivc.service.jobs.job_table import JobTable

# The URL may hold a password, and what stands on a command line is seen by everybody.
DATABASE, HUB_DATABASE = "AIVC_JOB_DATABASE", "AIVC_JOB_HUB_DATABASE"
# How it ends, where it did not end the job: another process has it, or the database does not answer.
LOST, UNANSWERED = 3, 4
# Of prctl: the signal that comes when the parent dies.
_DEATH_SIGNAL = 1


def main(given: Sequence[str] | None = None) -> int:
    """Do one job.

    Returns:
        0 where it was ended as done, failed or cancelled; 3 where it is not ours; 4 where the database does not answer.
    """
    args = _parser().parse_args(given)
    _die_with(args.parent)
    _end_all_with_the_server()
    try:
        return _do(args)
    except SQLAlchemyError as error:
        sys.stderr.write(f"The database does not answer: {error}\n")
        return UNANSWERED


def _do(args: argparse.Namespace) -> int:
    table = JobTable(open_database(args.database or os.environ.pop(DATABASE)))
    job = table.find(args.job)
    if job is None or not table.renew(args.job, args.holder, args.lease).held:
        return LOST
    bench = Bench(job, table, args.holder, args.home, args.hub, os.environ.pop(HUB_DATABASE, ""), _leave)
    _Watch(table, args.job, args.holder, args.lease, args.beat, args.parent).start()
    try:
        _clear(bench)
        kind = job_kind(job.kind, args.kinds.split(","))
        result = kind.work(kind.read(job.params), bench)
    except JobStopped:
        mine = table.end(job.id, args.holder, "cancelled")
    except AIVCError as error:
        mine = table.end(job.id, args.holder, "failed", error=failure_of(error))
    except OSError as error:
        if not is_no_room(error):
            raise
        mine = table.end(job.id, args.holder, "failed", error=failure_of(not_written(error)))
    else:
        mine = table.end(job.id, args.holder, "done", result=result)
    return 0 if mine else LOST


def _clear(bench: Bench) -> None:
    """Make its folder, without the files of attempts that led nowhere."""
    for former in range(1, bench.job.attempts):
        shutil.rmtree(results_of(bench.folder, former), ignore_errors=True)
    bench.results.mkdir(parents=True, exist_ok=True)


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m aivc.service.jobs.run_job", description=__doc__)
    made.add_argument("job", help="its id")
    made.add_argument("--home", type=Path, required=True, help="home of the service")
    made.add_argument("--holder", required=True, help="in whose name the job was claimed")
    made.add_argument("--database", default="", help=f"URL; where it holds a password, give it in {DATABASE}")
    made.add_argument("--hub", default="", help="where the hub lies")
    made.add_argument("--kinds", required=True, help="modules of kinds of jobs, with commas")
    made.add_argument("--lease", type=float, required=True, help="seconds that a claim lasts")
    made.add_argument("--beat", type=float, required=True, help="seconds after which it is renewed")
    made.add_argument("--parent", type=int, required=True, help="process id of who began this one")
    return made


def _die_with(parent: int) -> None:
    """Have the system kill this process when the thread that began it ends, where it can (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:
        _leave()


def _end_all_with_the_server() -> None:
    """Leave a process behind that waits for the server to end, and then kills all that the job started.

    The system kills this process with the server, but not those that it started.
    """
    leader = os.getpid()
    if os.fork():
        # The pipe from the server is for the other one; whoever reads finds nothing.
        with Path(os.devnull).open("rb") as nothing:
            os.dup2(nothing.fileno(), sys.stdin.fileno())
        return
    while os.read(sys.stdin.fileno(), 1):
        pass
    JobProcesses(leader, os.environ[MARK]).end()
    os._exit(0)


def _leave() -> NoReturn:
    """Stop at once, wherever the work is: another process has the job."""
    os._exit(LOST)


@final
class _Watch(threading.Thread):
    """Renews the claim while the work goes on, and ends the process when it is lost or the parent is gone."""

    def __init__(self, table: JobTable, job: str, holder: str, lease: float, beat: float, parent: int) -> None:
        super().__init__(name="watch", daemon=True)
        self._table, self._job, self._holder = table, job, holder
        self._lease, self._beat, self._parent = lease, beat, parent

    def run(self) -> None:
        kept = time.monotonic()
        while True:
            time.sleep(self._beat)
            if os.getppid() != self._parent:
                _leave()
            try:
                began = time.monotonic()
                if not self._table.renew(self._job, self._holder, self._lease).held:
                    self._gone()
                kept = began
            except SQLAlchemyError:
                # A database that restarts is waited for, but not beyond the claim: then another may have it.
                if time.monotonic() - kept > self._lease:
                    _leave()

    def _gone(self) -> None:
        """The claim is gone; unless it was this process that ended the job, and is about to leave by itself."""
        job = self._table.find(self._job)
        if job is None or not job.is_finished:
            _leave()
        time.sleep(self._beat)
        _leave()


if __name__ == "__main__":
    sys.exit(main())
