import pytest

from aivc.hub.database import open_database
from aivc.service.jobs import bench as bench_module
from aivc.service.jobs.bench import Bench, JobStopped
from aivc.service.jobs.job_table import JobTable


@pytest.fixture
def clock(monkeypatch):
    """A clock that tests turn."""
    now = [100.0]
    monkeypatch.setattr(bench_module.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def bench(tmp_path, clock):
    engine = open_database(f"sqlite:///{tmp_path / 'aivc.db'}")
    table = JobTable.open(engine)
    job = table.add("count", {}, "ada", attempts=1)
    assert table.claim(job.id, "me", 600.0)
    yield Bench(job, table, "me", tmp_path)
    engine.dispose()


def said(bench):
    return bench.table.find(bench.job.id).progress


def test_progress_says_how_long_the_rest_takes_from_what_was_done_here(bench, clock):
    bench.tell("asking", 50, 100)
    assert said(bench) == {"text": "asking", "done": 50, "total": 100, "seconds_left": None}
    clock[0] += 10
    bench.tell("asking", 75, 100)
    assert said(bench)["seconds_left"] == 10.0
    bench.tell("asking", 100, 100)
    assert said(bench)["seconds_left"] is None
    bench.tell("writing", 0, 0)
    assert said(bench) == {"text": "writing", "done": 0, "total": 0, "seconds_left": None}


def test_it_is_written_no_more_often_than_anybody_looks(bench, clock):
    bench.tell("asking", 0, 1000)
    before = bench.table.version(bench.job.id)
    for done in range(1, 100):
        clock[0] += 0.01
        bench.tell("asking", done, 1000)
    assert bench.table.version(bench.job.id) - before <= 2


def test_who_was_cancelled_or_lost_the_claim_stops(bench):
    bench.table.ask_to_cancel(bench.job.id)
    with pytest.raises(JobStopped):
        bench.tell("asking", 1, 2)
    lost = []
    other = Bench(bench.job, bench.table, "another", bench.home, lost=lambda: lost.append(1))
    with pytest.raises(JobStopped):
        other.tell("asking", 1, 2)
    assert lost == [1]
