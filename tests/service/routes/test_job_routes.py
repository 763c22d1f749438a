import json
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient

from aivc.service.accounts import Account
from aivc.service.app import create_app
from aivc.service.service_state import account_of
from aivc.service.settings import Settings
from service.jobs.job_tools import opened


@pytest.fixture
def asks(tmp_path):
    """Send a request as somebody: ``asks("ada", "get", "/jobs")``; jobs wait, as nobody works on them."""
    with opened(tmp_path, queue="none") as jobs:
        app = create_app(Settings(home=tmp_path, host="0.0.0.0", queue="none", job_slots=0))
        app.state.jobs = jobs
        roles = {"root": "admin", "reader": "reader"}
        client = TestClient(app)

        def ask(user, method, path, **more):
            app.dependency_overrides[account_of] = lambda: Account(user, roles.get(user, "writer"))
            return client.request(method, f"/api/v1{path}", **more)

        ask.jobs, ask.app, ask.client = jobs, app, client
        yield ask
        app.state.service.engine.dispose()


def submitted(asks, user="ada"):
    answer = asks(user, "post", "/jobs", json={"kind": "count", "params": {"upto": 3}})
    assert answer.status_code == 202
    return answer.json()["id"]


def finish(asks, name, csv="found.csv"):
    """End a job as if it had been worked on."""
    table, folder = asks.jobs._table, asks.jobs.folder(name)
    assert table.claim(name, "me", 30.0)
    folder.mkdir(parents=True, exist_ok=True)
    rows = {
        "perturbation": ["ko:A", "ko:B", "drug:C"],
        "score": [0.5, float("nan"), -1.0],
        "seen": [True, False, False],
    }
    pq.write_table(pa.table(rows), folder / "found.parquet")
    (folder / csv).write_text("perturbation\n")
    (folder / "output.log").write_text("not for everybody")
    assert table.end(name, "me", "done", result={"rows": "found.parquet", "files": ["found.parquet", csv]})


def events(text):
    """Events of a stream, without comments."""
    parts = [dict(line.split(": ", 1) for line in part.splitlines()) for part in text.split("\n\n") if "data: " in part]
    return [(int(part["id"]), part["event"], json.loads(part["data"])) for part in parts]


def test_a_job_is_asked_for_looked_at_cancelled_and_resumed(asks):
    name = submitted(asks)
    job = asks("ada", "get", f"/jobs/{name}").json()
    assert (job["state"], job["owner"], job["params"]) == ("queued", "ada", {"upto": 3, "pause": 0.02})
    assert job["progress"] == {"text": "waiting for a free place", "done": 0, "total": 0, "seconds_left": None}
    assert [each["id"] for each in asks("ada", "get", "/jobs").json()["jobs"]] == [name]
    assert asks("ada", "post", f"/jobs/{name}/cancel").json()["state"] == "cancelled"
    assert asks("ada", "post", f"/jobs/{name}/resume").json()["state"] == "queued"
    assert asks("ada", "post", f"/jobs/{name}/resume").status_code == 422


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"kind": "none", "params": {}}, 404),
        ({"kind": "count", "params": {}}, 422),
        ({"kind": "count", "params": {"upto": "many"}}, 422),
        ({"kind": "count", "params": {"upto": 1, "extra": 2}}, 422),
        ({"kind": "count"}, 422),
    ],
)
def test_what_is_wrong_is_refused_before_it_waits(asks, body, status):
    assert asks("ada", "post", "/jobs", json=body).status_code == status
    assert asks("ada", "get", "/jobs").json() == {"jobs": []}


def test_jobs_of_others_are_not_there(asks):
    name = submitted(asks)
    finish(asks, name)
    for method, path in (
        ("get", ""), ("get", "/events"), ("post", "/cancel"), ("post", "/resume"), ("get", "/rows"),
        ("get", "/files/found.csv"),
    ):  # fmt: skip
        there = asks("bob", method, f"/jobs/{name}{path}")
        nowhere = asks("bob", method, f"/jobs/{'0' * 16}{path}")
        assert there.status_code == nowhere.status_code == 404
        assert there.text.replace(name, "") == nowhere.text.replace("0" * 16, "")
    assert asks("bob", "get", "/jobs?all_users=true").json() == {"jobs": []}
    assert asks("root", "get", f"/jobs/{name}").json()["owner"] == "ada"
    assert len(asks("root", "get", "/jobs?all_users=true").json()["jobs"]) == 1


def test_readers_ask_for_nothing_and_strangers_get_nowhere(asks):
    assert asks("reader", "post", "/jobs", json={"kind": "count", "params": {"upto": 3}}).status_code == 403
    asks.app.dependency_overrides.clear()
    assert asks.client.get("/api/v1/jobs").status_code == 401


def test_events_tell_each_change_and_end_with_the_job(asks):
    name = submitted(asks)
    finish(asks, name)
    answer = asks("ada", "get", f"/jobs/{name}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"].startswith("no-cache")
    [(number, what, job)] = events(answer.text)
    assert (what, job["state"]) == ("job", "done")
    again = asks("ada", "get", f"/jobs/{name}/events", headers={"Last-Event-ID": str(number)})
    assert again.status_code == 204
    odd = asks("ada", "get", f"/jobs/{name}/events", headers={"Last-Event-ID": "x"})
    assert len(events(odd.text)) == 1


def test_rows_come_in_pages(asks):
    name = submitted(asks)
    assert asks("ada", "get", f"/jobs/{name}/rows").status_code == 404
    finish(asks, name)

    def rows(query):
        answer = asks("ada", "get", f"/jobs/{name}/rows?{query}")
        assert answer.status_code == 200, answer.text
        return [row["perturbation"] for row in answer.json()["rows"]], answer.json()["total"]

    assert rows("") == (["ko:A", "ko:B", "drug:C"], 3)
    assert rows("sort=score") == (["drug:C", "ko:A", "ko:B"], 3)
    assert rows("sort=score&descending=true&limit=1&offset=1") == (["drug:C"], 3)
    assert rows("filter=KO:&seen=false") == (["ko:B"], 1)
    assert asks("ada", "get", f"/jobs/{name}/rows?sort=nothing").status_code == 404
    assert asks("ada", "get", f"/jobs/{name}/rows?limit=5000").status_code == 422


def test_a_name_of_a_file_adds_no_header(asks):
    name, odd = submitted(asks), 'a"; x="\r\nX-Evil: 1\u00e9.csv'
    finish(asks, name, csv=odd)
    answer = asks("ada", "get", f"/jobs/{name}/files/{quote(odd)}")
    assert answer.status_code == 200
    assert "x-evil" not in answer.headers
    said = answer.headers["content-disposition"]
    assert said == f"attachment; filename*=utf-8''{quote(f'{name}-{odd}')}"


def test_files_are_only_those_the_job_names(asks):
    name = submitted(asks)
    finish(asks, name)
    answer = asks("ada", "get", f"/jobs/{name}/files/found.csv")
    assert answer.text == "perturbation\n"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert f"{name}-found.csv" in answer.headers["content-disposition"]
    for other in ("output.log", "..%2F..%2Faivc.db", "%2Fetc%2Fpasswd", "..%5Coutput.log"):
        assert asks("ada", "get", f"/jobs/{name}/files/{other}").status_code == 404
