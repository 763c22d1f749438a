import errno
import os
import subprocess
import sys
import threading
import time

import pytest
from sqlalchemy import inspect

from aivc.core.errors import DataError
from aivc.hub.database import open_database
from aivc.service.jobs import job_table
from aivc.service.jobs.job import failure_of, not_written, step_of
from aivc.service.jobs.job_table import JobTable, JobTables


@pytest.fixture
def table(tmp_path):
    engine = open_database(f"sqlite:///{tmp_path / 'aivc.db'}")
    yield JobTable.open(engine)
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgres"])
def any_table(request, tmp_path):
    """A table in each kind of database."""
    sqlite = request.param == "sqlite"
    engine = open_database(f"sqlite:///{tmp_path / 'aivc.db'}" if sqlite else request.getfixturevalue("postgres"))
    yield JobTable.open(engine)
    engine.dispose()


@pytest.fixture
def clock(monkeypatch):
    """A clock that tests turn."""
    now = [1000.0]
    monkeypatch.setattr(job_table.time, "time", lambda: now[0])
    return now


START = """
import sys
from aivc.hub.database import open_database
from aivc.service.jobs.job_table import JobTable
JobTable.open(open_database(sys.argv[1]))
"""


def added(table, **more):
    return table.add("count", {"upto": 3}, "ada", **{"attempts": 2, **more}).id


def test_migrations_make_the_tables_that_the_model_describes(any_table):
    found = inspect(any_table.engine)
    for name, described in JobTables.metadata.tables.items():
        columns = {column["name"]: column for column in found.get_columns(name)}
        assert set(columns) == set(described.columns.keys())
        assert all(columns[each.name]["nullable"] == each.nullable for each in described.columns)
        assert {index["name"] for index in found.get_indexes(name)} == {index.name for index in described.indexes}
    JobTable.open(any_table.engine)


def test_a_job_is_claimed_once(table):
    name = added(table)
    assert table.waiting() == [name]
    assert table.claim(name, "one", 30.0)
    assert not table.claim(name, "two", 30.0)
    assert table.waiting() == []
    job = table.find(name)
    assert (job.state, job.attempts) == ("running", 1)


def test_of_many_who_try_at_once_one_gets_it(any_table):
    names = [added(any_table) for _ in range(5)]
    got, start = [], threading.Barrier(6)

    def grab(who):
        start.wait()
        got.extend(name for name in names if any_table.claim(name, f"{who}", 30.0))

    threads = [threading.Thread(target=grab, args=(who,)) for who in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(got) == sorted(names)


def test_a_claim_that_ran_out_goes_to_another_and_the_first_writes_nothing_more(table, clock):
    name = added(table)
    assert table.claim(name, "one", 30.0)
    clock[0] += 20
    assert table.renew(name, "one", 30.0).held
    clock[0] += 29
    assert not table.claim(name, "two", 30.0)
    clock[0] += 2
    assert table.waiting() == [name]
    assert table.claim(name, "two", 30.0)
    assert not table.renew(name, "one", 30.0).held
    assert not table.tell(name, "one", {"text": "late"}).held
    assert not table.end(name, "one", "done", result={})
    assert not table.release(name, "one", "late", counted=True)
    assert table.end(name, "two", "done", result={"n": 1})
    assert table.find(name).result == {"n": 1}


def test_attempts_are_bounded_and_a_resumed_job_has_new_ones(table, clock):
    name = added(table, attempts=2)
    for _ in range(2):
        assert table.claim(name, "one", 30.0)
        clock[0] += 31
    assert not table.claim(name, "one", 30.0)
    job = table.find(name)
    assert (job.state, job.error["kind"]) == ("failed", "WorkerLost")
    assert table.requeue(name, attempts=2)
    assert table.find(name).error is None
    assert table.claim(name, "one", 30.0)
    assert not table.requeue(name, attempts=2)


def test_handing_back_uncounted_costs_no_attempt(table):
    name = added(table, attempts=1)
    for _ in range(3):
        assert table.claim(name, "one", 30.0)
        assert table.release(name, "one", "waiting", counted=False)
    assert table.claim(name, "one", 30.0)
    assert table.release(name, "one", "waiting", counted=True)
    assert not table.claim(name, "one", 30.0)


def test_what_waits_is_cancelled_at_once_and_what_runs_is_told(table, clock):
    waits, runs, lost = added(table), added(table), added(table)
    for name in (runs, lost):
        assert table.claim(name, "one", 30.0)
    for name in (waits, runs, lost):
        table.ask_to_cancel(name)
    assert table.find(waits).state == "cancelled"
    assert table.renew(runs, "one", 300.0) == (True, True)
    assert table.tell(runs, "one", {"text": "asking"}) == (True, True)
    clock[0] += 31
    assert not table.claim(lost, "two", 30.0)
    assert table.find(lost).state == "cancelled"
    assert table.end(runs, "one", "done", result={})
    table.ask_to_cancel(runs)
    assert table.find(runs).state == "done"


def test_each_change_has_a_version(table):
    name = added(table)
    versions = [table.version(name)]
    for change in (
        lambda: table.claim(name, "one", 30.0),
        lambda: table.tell(name, "one", {"text": "x"}),
        lambda: table.write(name, "a line"),
        lambda: table.ask_to_cancel(name),
        lambda: table.end(name, "one", "cancelled"),
        lambda: table.requeue(name, attempts=1),
    ):
        change()
        versions.append(table.version(name))
    assert versions == sorted(set(versions))
    assert table.version("none") is None


def test_the_log_keeps_the_last_lines(table, monkeypatch):
    monkeypatch.setattr(job_table, "_KEPT_LINES", 5)
    name, other = added(table), added(table)
    table.write(other, "another's")
    for i in range(8):
        table.write(name, f"line {i}")
    assert table.lines(name) == tuple(f"line {i}" for i in range(3, 8))
    assert table.find(name, lines=2).log == ("line 6", "line 7")
    assert table.lines(other) == ("another's",)


def test_nobody_learns_where_files_lie(table):
    name = added(table)
    assert table.claim(name, "me", 30.0)
    table.write(name, 'File "/srv/aivc/jobs/1/x.py", line 3')
    table.tell(name, "me", step_of("reading /srv/aivc/datasets/1/x.h5ad", 1, 2))
    error = failure_of(not_written(OSError(errno.ENOSPC, "No space left on device", "/srv/aivc/jobs/1/x.csv")))
    job = table.find(name, lines=1)
    assert (job.log, job.progress["text"]) == (('File "x.py", line 3',), "reading x.h5ad")
    assert "(No space left on device: x.csv)" in error["problems"][0]


def test_lists_are_of_one_owner_newest_first(table, clock):
    names = []
    for owner in ("ada", "bob", "ada"):
        clock[0] += 1
        names.append(table.add("count", {}, owner, attempts=1).id)
    assert [job.id for job in table.listed("ada")] == [names[2], names[0]]
    assert len(table.listed(None, limit=2)) == 2
    assert table.unfinished("ada") == 2


def test_a_job_ends_as_something(table):
    with pytest.raises(DataError, match="ends as done, failed, cancelled"):
        table.end(added(table), "one", "queued")


def test_times_are_of_now(table):
    assert abs(table.find(added(table)).created - time.time()) < 5


@pytest.mark.slow
def test_servers_that_start_at_once_make_the_tables_once(tmp_path, request):
    urls = [f"sqlite:///{tmp_path / 'aivc.db'}"]
    if os.environ.get("AIVC_TEST_POSTGRES"):
        urls.append(request.getfixturevalue("postgres"))
    for url in urls:
        command = [sys.executable, "-c", START, url]
        started = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
        for each in started:
            assert each.wait(60) == 0, each.stderr.read()
            each.stderr.close()
