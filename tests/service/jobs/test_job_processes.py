"""Real processes, small ones: what they hold is counted once, and none outlives the job."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from aivc.service.jobs.job_processes import MARK, JobProcesses, end_former, has_ended, mark_of, processes_of_ps
from service.jobs.job_tools import alive, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are read from /proc, which Linux has")

# Three children: one in the group, one that leads a group and one that leads a session of its own.
THREE = """
import os, subprocess, sys, time
asked = [sys.executable, "-I", "-S", "-c", sys.argv[1]]
for more in ({}, {"process_group": 0}, {"start_new_session": True}):
    print(subprocess.Popen(asked, stdout=subprocess.PIPE, **more).pid, flush=True)
print("all", flush=True)
time.sleep(float(sys.argv[2]))
"""
# Children by fork, which share what their parent holds.
SHARED = """
import os, time
held = bytearray(b"x") * (100 << 20)
for _ in range(3):
    if not os.fork():
        time.sleep(60)
print("all", flush=True)
time.sleep(60)
"""
WAITS = "import time; time.sleep(60)"
HOLDS = "import time; held = bytearray(b'x') * (60 << 20); time.sleep(60)"


@contextmanager
def begun(folder, *script):
    """A process that leads a session, as that of a job does, and what it printed until it said ``all``."""
    mark = mark_of(folder, "me")
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", *script],
        stdout=subprocess.PIPE,
        env={**os.environ, MARK: mark},
        start_new_session=True,
    )
    said = iter(process.stdout.readline, b"all\n")
    children = [int(line) for line in said]
    try:
        yield process, children, JobProcesses(process.pid, mark)
    finally:
        for each in (process.pid, *children):
            if alive(each):
                os.kill(each, signal.SIGKILL)
        process.wait()
        process.stdout.close()


def test_memory_of_all_that_a_job_started_is_summed(tmp_path):
    with begun(tmp_path, THREE, HOLDS, "60") as (_, children, job):
        held = until(lambda: job.over(179), 10)
        assert held.processes == 4
        assert 180 <= held.mb < 300
        assert job.leader_mb() < 60
        assert job.over(400) is None
        job.end()
        assert not any(map(alive, children))


def test_memory_that_processes_share_is_counted_once(tmp_path):
    with begun(tmp_path, SHARED) as (_, _, job):
        until(lambda: sum(each.resident for each in job._found()) > 350 << 20, 10)
        held = job.over(80)
        assert held.processes == 4
        assert 95 <= held.mb < 160
        assert job.over(200) is None
        job.end()


@pytest.mark.parametrize("killed", [False, True])
def test_children_that_outlive_the_first_process_are_ended(tmp_path, killed):
    with begun(tmp_path, THREE, WAITS, "60" if killed else "0") as (process, children, job):
        if killed:
            process.kill()
        until(lambda: has_ended(process), 10)
        assert all(map(alive, children))
        job.end()
        assert not any(map(alive, children))
        # Its number was kept until here, and how it ended is not lost.
        assert process.wait() == (-signal.SIGKILL if killed else 0)


def test_what_is_not_of_the_job_stays(tmp_path):
    with begun(tmp_path / "a", THREE, WAITS, "60") as (_, _, job), begun(tmp_path / "ab", THREE, WAITS, "60") as other:
        job.end()
        end_former(tmp_path / "a")
        assert all(map(alive, [other[0].pid, *other[1]]))


def test_what_former_attempts_left_is_ended_even_when_halted(tmp_path):
    with begun(tmp_path, THREE, WAITS, "60") as (process, children, _):
        os.kill(process.pid, signal.SIGSTOP)
        end_former(tmp_path)
        assert not any(map(alive, [process.pid, *children]))


@pytest.mark.skipif(shutil.which("ps") is None, reason="there is no ps")
def test_without_proc_ps_is_asked():
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", HOLDS], start_new_session=True) as process:
        try:
            end = time.monotonic() + 10
            while True:
                [seen] = [each for each in processes_of_ps() if each.id == process.pid]
                if seen.resident >> 20 >= 60:
                    break
                assert time.monotonic() < end
            assert seen.session == process.pid
        finally:
            process.kill()
    assert process.pid not in {each.id for each in processes_of_ps()}
