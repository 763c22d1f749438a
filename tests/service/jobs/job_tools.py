"""What tests of jobs share: jobs in a folder, servers that can be killed, and waiting for what must become true."""

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from aivc.hub.database import open_database
from aivc.service.jobs.job import JobLimits
from aivc.service.jobs.jobs import Jobs
from service.jobs.quick_server import KINDS, PACE

TESTS = Path(__file__).parents[2]


@contextmanager
def opened(home, url="", queue="", **more):
    """Jobs of small kinds in a folder; what they begin is ended with them."""
    engine = open_database(url or f"sqlite:///{home / 'aivc.db'}")
    jobs = Jobs.open(engine, home, queue, **{"kinds": KINDS, "pace": PACE, "limits": JobLimits(attempts=3), **more})
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(TESTS)
    try:
        yield jobs
    finally:
        jobs.stop()
        engine.dispose()
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


@contextmanager
def server(home, url="", queue="", slots=1):
    """A process that works on jobs."""
    url = url or f"sqlite:///{home / 'aivc.db'}"
    command = [sys.executable, "-m", "service.jobs.quick_server", url, str(home), queue, str(slots)]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(TESTS)}, stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"ready\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def until(true, seconds=60.0):
    """What a question answers, as soon as that is something; else it fails."""
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end, f"it was not so within {seconds} s"
        time.sleep(0.05)
    return found


def alive(process):
    """Whether a process lives, zombies aside."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def counted(home, job):
    """Numbers that a job of the kind ``count`` has counted, and which processes did."""
    path = home / "jobs" / job / "counted.txt"
    if not path.exists():
        return [], set()
    lines = [line.split() for line in path.read_text().splitlines() if " " in line]
    return [int(number) for number, _ in lines], {int(process) for _, process in lines}


def family(home, job):
    """Processes that a job of the kind ``family`` started."""
    path = home / "jobs" / job / "family.txt"
    return [int(line) for line in path.read_text().splitlines()] if path.exists() else []
