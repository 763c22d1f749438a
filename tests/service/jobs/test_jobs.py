import os
import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from aivc.core.errors import DataError, UnavailableError, UnknownNameError
from aivc.hub.database import open_database
from aivc.service.jobs import jobs as jobs_module
from aivc.service.jobs.job import JobLimits, JobPace
from aivc.service.jobs.jobs import Jobs
from aivc.service.jobs.supervisor import Supervisor
from service.jobs.job_tools import alive, counted, family, opened, server, until
from service.jobs.quick_server import KINDS


def ended(jobs, name, seconds=60.0):
    return until(lambda: (job := jobs.get(name)).is_finished and job, seconds)


def none_lives(processes):
    return not any(map(alive, processes))


def test_a_job_is_done_and_one_whose_process_is_killed_goes_on(tmp_path):
    """The one fast test with real processes."""
    with opened(tmp_path) as jobs:
        name = jobs.submit("count", {"upto": 40, "pause": 0.01}, "ada").id
        jobs.work()
        first = until(lambda: counted(tmp_path, name)[1])
        os.kill(first.pop(), signal.SIGKILL)
        job = ended(jobs, name)
    numbers, processes = counted(tmp_path, name)
    assert (job.state, job.attempts, job.result["counted"]) == ("done", 2, 40)
    assert numbers == list(range(40))
    assert len(processes) == 2
    assert "its process was killed (SIGKILL)" in " ".join(job.log).lower() or any("SIGKILL" in line for line in job.log)


def test_what_is_wrong_is_refused_before_it_waits(tmp_path, monkeypatch):
    with opened(tmp_path, queue="none") as jobs:
        with pytest.raises(UnknownNameError, match="Did you mean 'count'"):
            jobs.submit("counts", {}, "ada")
        with pytest.raises(DataError, match=r"(?s)upto: Field required.*There is no parameter named 'extra'"):
            jobs.submit("count", {"extra": 1}, "ada")
        with pytest.raises(DataError, match="Only a job that failed or was cancelled"):
            jobs.resume(jobs.submit("count", {"upto": 1}, "ada").id)
        for ask in (jobs.get, jobs.cancel, jobs.resume, jobs.version):
            with pytest.raises(UnknownNameError, match="no job named 'none'"):
                ask("none")
        monkeypatch.setattr(jobs_module, "MOST_UNFINISHED", 1)
        with pytest.raises(DataError, match="Wait for some"):
            jobs.submit("count", {"upto": 1}, "ada")
        with pytest.raises(DataError, match="At least one"):
            jobs.work(0)
        assert len(jobs.list("ada")) == 1
    with pytest.raises(DataError, match="renewed at least twice"):
        JobPace(lease=1.0, beat=1.0)


def test_a_database_in_memory_is_no_place_for_jobs(tmp_path):
    engine = open_database("sqlite://")
    with pytest.raises(UnavailableError, match="Name one"):
        Jobs.open(engine, tmp_path, "none", kinds=KINDS).work()
    engine.dispose()


def test_files_are_those_the_job_made(tmp_path):
    with opened(tmp_path, queue="none") as jobs:
        name = jobs.submit("count", {"upto": 1}, "ada").id
        folder = jobs.folder(name)
        folder.mkdir(parents=True)
        for each in ("made.csv", "secret.txt"):
            (folder / each).write_text(each)
        (folder / "link.csv").symlink_to("/etc/hostname")
        jobs._table.claim(name, "me", 30.0)
        files = ["made.csv", "link.csv", "gone.csv"]
        jobs._table.end(name, "me", "done", result={"files": files})
        job = jobs.get(name)
        assert jobs.file(job, "made.csv").read_text() == "made.csv"
        for other in ("secret.txt", "link.csv", "gone.csv", "../../aivc.db", "", "."):
            with pytest.raises(UnknownNameError, match="file of this job"):
                jobs.file(job, other)


@pytest.mark.slow
def test_each_way_to_end_is_told_apart(tmp_path):
    with opened(tmp_path, limits=JobLimits(memory_mb=300, seconds=8.0, attempts=2)) as jobs:
        asked = {kind: jobs.submit(kind, {}, "ada").id for kind in ("refuse", "crash", "hog", "die", "deaf")}
        jobs.work(2)
        found = {kind: ended(jobs, name, 120) for kind, name in asked.items()}
        assert {kind: job.error["kind"] for kind, job in found.items()} == {
            "refuse": "DataError", "crash": "JobFault", "hog": "MemoryLimit", "die": "WorkerLost", "deaf": "TimeLimit",
        }  # fmt: skip
        assert found["die"].attempts == 2
        assert found["crash"].attempts == 1
        assert "a bug of ours" in found["crash"].error["problems"][0]
        assert any("_crash" in line for line in found["crash"].log)
        name = jobs.resume(asked["refuse"]).id
        assert ended(jobs, name).attempts == 2


def test_a_job_whose_folder_cannot_be_written_to_fails_and_is_gone_on_with(tmp_path):
    with opened(tmp_path, queue="none") as jobs:
        name = jobs.submit("note", {}, "ada").id
        folder = jobs.folder(name)
        folder.parent.mkdir(exist_ok=True)
        folder.write_text("in the way")
        assert Supervisor(jobs._about, name, threading.Event()).run()
        job = jobs.get(name)
        assert (job.state, job.error["kind"]) == ("failed", "WritingError")
        assert f"could not be written or opened (File exists: {name})" in job.error["problems"][0]
        assert "resume the job" in job.error["problems"][1]
        folder.unlink()
        assert jobs.resume(name).state == "queued"
        assert jobs._table.claim(name, "me", 30.0)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
def test_a_job_that_finds_the_disk_full_fails_and_goes_on_once_there_is_room(tmp_path):
    with opened(tmp_path, queue="none", limits=JobLimits(attempts=2)) as jobs:
        name, hiccup = (jobs.submit(kind, {"text": "x"}, "ada").id for kind in ("store", "hiccup"))
        full = jobs.folder(name) / "kept" / "6"
        full.parent.mkdir(parents=True)
        full.symlink_to("/dev/full")
        jobs.work()
        job = ended(jobs, name)
        assert (job.error["kind"], job.attempts) == ("WritingError", 1)
        assert "(No space left on device" in job.error["problems"][0]
        assert "/" not in " ".join(job.error["problems"])
        assert sorted(path.name for path in full.parent.iterdir() if path.is_file()) == list("012345")
        full.unlink()
        jobs.resume(name)
        assert ended(jobs, name).result == {"fresh": 4, "files": []}
        # A database that cannot be written to is no fault of the job: it is tried again.
        job = ended(jobs, hiccup)
        assert (job.state, job.attempts) == ("done", 2)
        assert any("database did not answer" in line for line in job.log)


@pytest.mark.slow
def test_the_memory_of_what_a_job_started_counts_and_ends_with_it(tmp_path):
    with opened(tmp_path, limits=JobLimits(memory_mb=300, attempts=1)) as jobs:
        name = jobs.submit("family", {"mb": 80}, "ada").id
        jobs.work()
        job = ended(jobs, name)
        assert none_lives(family(tmp_path, name))
    assert job.error["kind"] == "MemoryLimit"
    assert "its 5 processes used" in job.error["problems"][0]
    assert "its limit is 300 MB" in job.error["problems"][0]


@pytest.mark.slow
def test_no_process_outlives_its_job_however_that_ends(tmp_path):
    with opened(tmp_path, limits=JobLimits(attempts=1)) as jobs:
        asked = {then: jobs.submit("family", {"then": then}, "ada").id for then in ("end", "die", "crash", "wait")}
        jobs.work(2)
        found = {then: ended(jobs, asked[then]).state for then in ("end", "die", "crash")}
        assert found == {"end": "done", "die": "failed", "crash": "failed"}
        for then in found:
            children = family(tmp_path, asked[then])
            assert len(children) == 3
            # Of those that ended by themselves, it may be seen a moment later.
            until(partial(none_lives, children), 10)
        until(lambda: len(family(tmp_path, asked["wait"])) == 3)
        jobs.cancel(asked["wait"])
        assert ended(jobs, asked["wait"]).state == "cancelled"
        assert none_lives(family(tmp_path, asked["wait"]))
        crashed = jobs.get(asked["crash"])
    # Nobody learns where the server keeps its files.
    said = "\n".join([*crashed.log, *crashed.error["problems"]])
    assert "a bug of ours at family.txt" in said
    assert "quick_kinds.py" in said
    assert "/" not in said


@pytest.mark.slow
def test_killing_the_server_kills_what_its_jobs_started(tmp_path):
    with opened(tmp_path) as jobs:
        name = jobs.submit("family", {}, "ada").id
        with server(tmp_path) as first:
            children = until(lambda: len(found := family(tmp_path, name)) == 3 and found)
            os.kill(first.pid, signal.SIGKILL)
            first.wait()
            until(partial(none_lives, children), 10)


@pytest.mark.slow
def test_a_job_is_cancelled_and_gone_on_with(tmp_path):
    with opened(tmp_path) as jobs:
        jobs.work(2)
        hears = jobs.submit("count", {"upto": 200, "pause": 0.05}, "ada").id
        deaf = jobs.submit("deaf", {}, "ada").id
        until(lambda: len(counted(tmp_path, hears)[0]) > 2)
        until(lambda: jobs.get(deaf).state == "running")
        for name in (hears, deaf):
            jobs.cancel(name)
        for name in (hears, deaf):
            assert ended(jobs, name).state == "cancelled"
        before = len(counted(tmp_path, hears)[0])
        assert 2 < before < 200
        jobs.resume(hears)
        assert ended(jobs, hears).state == "done"
    assert counted(tmp_path, hears)[0] == list(range(200))


@pytest.mark.slow
def test_killing_the_server_kills_its_jobs_and_another_server_goes_on(tmp_path):
    with opened(tmp_path) as jobs:
        name = jobs.submit("count", {"upto": 100, "pause": 0.05}, "ada").id
        with server(tmp_path) as first:
            process = until(lambda: counted(tmp_path, name)[1]).pop()
            os.kill(first.pid, signal.SIGKILL)
            first.wait()
            until(lambda: not alive(process), 10)
        assert jobs.get(name).state == "running"
        with server(tmp_path):
            job = ended(jobs, name)
    numbers, processes = counted(tmp_path, name)
    assert (job.state, job.attempts) == ("done", 2)
    assert numbers == list(range(100))
    assert len(processes) == 2


@pytest.mark.slow
def test_a_server_that_was_halted_and_lost_its_claim_changes_nothing_when_it_wakes(tmp_path):
    with opened(tmp_path) as jobs:
        name = jobs.submit("count", {"upto": 100, "pause": 0.05}, "ada").id
        with server(tmp_path) as first:
            process = until(lambda: counted(tmp_path, name)[1]).pop()
            for each in (first.pid, process):
                os.kill(each, signal.SIGSTOP)
            with server(tmp_path):
                job = ended(jobs, name)
                # It would have gone on counting beside the other one.
                assert not alive(process)
                os.kill(first.pid, signal.SIGCONT)
                other = jobs.submit("note", {}, "ada").id
                ended(jobs, other)
                time.sleep(1.0)
            after = jobs.get(name)
    assert (job.state, job.attempts) == ("done", 2)
    assert after == job
    assert counted(tmp_path, name)[0] == list(range(100))


@pytest.mark.slow
def test_stopping_a_server_hands_its_job_back_at_no_cost(tmp_path):
    with opened(tmp_path, limits=JobLimits(attempts=1)) as jobs:
        name = jobs.submit("count", {"upto": 60, "pause": 0.05}, "ada").id
        for _ in range(2):
            jobs.work()
            until(lambda: jobs.get(name).state == "running" and jobs.get(name).progress["text"] == "counting")
            jobs._worker.stop()
            jobs._worker = None
            assert jobs.get(name).state == "queued"
        jobs.work()
        assert ended(jobs, name).state == "done"
    assert counted(tmp_path, name)[0] == list(range(60))


def no_job_is_done_twice(home, url, queue, count):
    """Two servers of two places each do many quick jobs, that are asked for meanwhile."""
    with opened(home, url, queue) as jobs, server(home, url, queue, 2), server(home, url, queue, 2):
        with ThreadPoolExecutor(4) as pool:
            names = [job.id for job in pool.map(lambda i: jobs.submit("note", {"text": f"{i}"}, f"u{i}"), range(count))]
        began = time.monotonic()
        until(lambda: all(job.is_finished for job in map(jobs.get, names)), 600)
        states = Counter(jobs.get(name).state for name in names)
        attempts = Counter(jobs.get(name).attempts for name in names)
        marks = {name: len((home / "marks" / name).read_text().split()) for name in names}
    assert states == {"done": count}, f"after {time.monotonic() - began:.0f} s"
    assert attempts == {1: count}
    assert set(marks.values()) == {1}


@pytest.mark.slow
def test_two_servers_on_one_sqlite_file_do_each_job_once(tmp_path):
    no_job_is_done_twice(tmp_path, "", "", 100)


@pytest.mark.slow
def test_two_servers_on_one_postgres_do_each_job_once(tmp_path, postgres):
    no_job_is_done_twice(tmp_path, postgres, "", 100)


@pytest.mark.slow
def test_redis_delivers(tmp_path, redis_url):
    no_job_is_done_twice(tmp_path, "", redis_url, 20)


@pytest.mark.slow
def test_without_a_queue_that_answers_jobs_are_found_in_their_table(tmp_path):
    with opened(tmp_path, queue="redis://127.0.0.1:1/0") as jobs:
        jobs.work()
        name = jobs.submit("note", {}, "ada").id
        assert ended(jobs, name).state == "done"


@pytest.mark.slow
def test_killing_a_server_on_postgres_loses_nothing(tmp_path, postgres):
    with opened(tmp_path, postgres) as jobs:
        names = [jobs.submit("count", {"upto": 60, "pause": 0.05}, "ada").id for _ in range(3)]
        with server(tmp_path, postgres, slots=2) as first:
            until(lambda: all(counted(tmp_path, name)[0] for name in names[:2]))
            os.kill(first.pid, signal.SIGKILL)
        with server(tmp_path, postgres, slots=2):
            assert [ended(jobs, name, 120).state for name in names] == ["done"] * 3
    for name in names:
        assert counted(tmp_path, name)[0] == list(range(60))
