"""What happens to a job at the very moment that something else happens to it, in each kind of database."""

from contextlib import contextmanager
from functools import partial

import pytest
from sqlalchemy import event, update

from aivc.core.errors import DataError
from aivc.service.jobs.job import results_of, step_of
from aivc.service.jobs.job_table import JobRow
from service.jobs.job_tools import opened


@pytest.fixture(params=["sqlite", "postgres"])
def jobs(request, tmp_path):
    """Jobs that nobody works on, in each kind of database."""
    url = "" if request.param == "sqlite" else request.getfixturevalue("postgres")
    with opened(tmp_path, url, "none") as made:
        yield made


@pytest.fixture
def table(jobs):
    return jobs._table


@contextmanager
def meanwhile(table, other, number=0):
    """Do something else right before the update of that number runs, counted from 0."""
    seen, did = [], []

    def before(_connection, _cursor, statement, *_more):
        if statement.startswith("UPDATE jobs"):
            seen.append(statement)
            # Those of the other are not looked at.
            if len(seen) == number + 1 and not did:
                did.append(1)
                other()

    event.listen(table.engine, "before_cursor_execute", before)
    yield
    event.remove(table.engine, "before_cursor_execute", before)
    assert did, f"there was no update of number {number}"


def added(jobs, **more):
    return jobs._table.add("count", {"upto": 3}, "ada", **{"attempts": 2, **more}).id


def claimed(jobs, holder="one", **more):
    name = added(jobs, **more)
    assert jobs._table.claim(name, holder, 30.0)
    return name


def run_out(table, name):
    """Let the claim run out."""
    with table.engine.begin() as connection:
        connection.execute(update(JobRow).where(JobRow.id == name).values(lease_until=1.0))


def lost_by(table, name, holder):
    """Whether a holder can do nothing any more."""
    tries = (
        table.renew(name, holder, 30.0).held,
        table.tell(name, holder, step_of("late")).held,
        table.release(name, holder, "late", counted=False),
        table.end(name, holder, "done", result={"late": 1}),
        table.end(name, holder, "failed", error={"kind": "Late", "problems": []}),
    )
    return not any(tries)


def test_cancelled_right_before_it_is_claimed_it_is_not_begun(jobs, table):
    name = added(jobs)
    with meanwhile(table, lambda: jobs.cancel(name)):
        assert not table.claim(name, "one", 30.0)
    job = jobs.get(name)
    assert (job.state, job.attempts, job.started) == ("cancelled", 0, None)
    assert table.waiting() == []


def test_claimed_right_before_it_is_cancelled_it_is_told_to_stop(jobs, table):
    name = added(jobs)
    with meanwhile(table, lambda: table.claim(name, "one", 30.0)):
        jobs.cancel(name)
    assert jobs.get(name).state == "running"
    assert table.renew(name, "one", 30.0) == (True, True)
    assert table.end(name, "one", "cancelled")


@pytest.mark.parametrize("counted", [True, False])
@pytest.mark.parametrize("first", ["cancel", "release"])
def test_cancelled_while_it_is_handed_back_it_ends(jobs, table, first, counted):
    name = claimed(jobs)
    steps = [lambda: table.release(name, "one", "waiting", counted=counted), lambda: jobs.cancel(name)]
    other, own = steps if first == "release" else reversed(steps)
    with meanwhile(table, other):
        own()
    job = jobs.get(name)
    assert (job.state, job.progress["text"], job.finished is None) == ("cancelled", "cancelled", False)
    assert not table.claim(name, "two", 30.0)


@pytest.mark.parametrize("state", ["done", "failed"])
def test_cancelled_while_it_ends_it_is_what_it_became(jobs, table, state):
    more = {"result": {"n": 1}} if state == "done" else {"error": {"kind": "DataError", "problems": ["no"]}}
    ends, cancels = claimed(jobs), claimed(jobs)
    with meanwhile(table, lambda: table.end(ends, "one", state, **more)):
        jobs.cancel(ends)
    with meanwhile(table, lambda: jobs.cancel(cancels)):
        assert table.end(cancels, "one", state, **more)
    for name in (ends, cancels):
        job = jobs.get(name)
        assert (job.state, job.cancel_asked) == (state, False)
        assert (job.result, job.error) == (more.get("result"), more.get("error"))


def test_cancelled_twice_it_is_cancelled_once(jobs, table):
    runs, waits = claimed(jobs), added(jobs)
    with meanwhile(table, lambda: jobs.cancel(runs)):
        jobs.cancel(runs)
    for name in (runs, waits):
        before = jobs.cancel(name)
        assert jobs.cancel(name) == before
    assert table.end(runs, "one", "cancelled")
    before = jobs.get(runs)
    assert jobs.cancel(runs) == before
    assert before.cancel_asked


def test_what_runs_waits_or_is_done_is_not_resumed(jobs, table):
    waits, runs, done = added(jobs), claimed(jobs), claimed(jobs)
    assert table.end(done, "one", "done", result={})
    for name, state in ((waits, "queued"), (runs, "running"), (done, "done")):
        before = jobs.get(name)
        with pytest.raises(DataError, match=f"{name} is {state}"):
            jobs.resume(name)
        assert jobs.get(name) == before


def test_resumed_twice_at_once_it_waits_once(jobs, table):
    name = claimed(jobs)
    assert table.end(name, "one", "failed", error={"kind": "DataError", "problems": []})
    with meanwhile(table, lambda: jobs.resume(name)), pytest.raises(DataError, match=f"{name} is queued"):
        jobs.resume(name)
    assert table.waiting() == [name]
    assert table.claim(name, "two", 30.0)
    assert not table.claim(name, "three", 30.0)


def test_resumed_while_it_ends_it_ends(jobs, table):
    name = claimed(jobs)
    with meanwhile(table, lambda: table.end(name, "one", "done", result={})), pytest.raises(DataError, match="is done"):
        jobs.resume(name)


def test_cancelled_after_its_claim_ran_out_it_ends_though_nobody_works_on_jobs(jobs, table):
    name = claimed(jobs)
    run_out(table, name)
    job = jobs.cancel(name)
    assert (job.state, job.finished is None) == ("cancelled", False)
    assert lost_by(table, name, "one")
    jobs.resume(name)
    assert lost_by(table, name, "one")
    assert table.claim(name, "two", 30.0)
    assert lost_by(table, name, "one")
    assert jobs.get(name).attempts == 2


def test_renewed_while_another_tries_to_claim_it_stays_with_its_holder(jobs, table):
    """The claim of another looks at a job in three updates; SQLite lets nobody in between them."""
    for number in range(1 if table.engine.dialect.name == "sqlite" else 3):
        name = claimed(jobs, attempts=1)
        run_out(table, name)
        with meanwhile(table, partial(table.renew, name, "one", 30.0), number):
            assert not table.claim(name, "two", 30.0)
        assert jobs.get(name).state == "running"
        assert table.end(name, "one", "done", result={"n": 1})


def test_who_lost_the_claim_writes_nothing_over_what_another_found(jobs, table):
    name = claimed(jobs)
    run_out(table, name)
    assert table.claim(name, "two", 30.0)
    assert lost_by(table, name, "one")
    folder = jobs.folder(name)
    for attempt, text in ((2, "the new one"), (1, "late")):
        results_of(folder, attempt).mkdir(parents=True)
        (results_of(folder, attempt) / "found.csv").write_text(text)
    assert table.end(name, "two", "done", result={"n": 2, "files": ["found.csv"]})
    assert lost_by(table, name, "one")
    job = jobs.get(name)
    assert (job.state, job.result["n"], job.attempts) == ("done", 2, 2)
    assert jobs.file(job, "found.csv").read_text() == "the new one"


def test_an_attempt_that_ended_is_ended_again_by_nobody(jobs, table):
    name = claimed(jobs)
    with meanwhile(table, lambda: table.end(name, "one", "cancelled")):
        assert not table.end(name, "one", "done", result={"n": 1})
    assert (jobs.get(name).state, jobs.get(name).result) == ("cancelled", None)


def test_two_servers_end_what_was_begun_too_often_once(jobs, table):
    name = claimed(jobs, attempts=1)
    run_out(table, name)
    with meanwhile(table, lambda: table.claim(name, "two", 30.0)):
        assert not table.claim(name, "three", 30.0)
    job = jobs.get(name)
    assert (job.state, job.error["kind"], job.attempts) == ("failed", "WorkerLost", 1)
