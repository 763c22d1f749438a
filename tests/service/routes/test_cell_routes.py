import pyarrow as pa
import pytest

from tiny_service import tiny_client

CELL = "/api/v1/cells/tiny"


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with tiny_client(tmp_path_factory.mktemp("home")) as made:
        yield made


def test_a_cell_is_listed_and_described(client):
    assert [each["id"] for each in client.get("/api/v1/cells").json()["cells"]] == ["tiny"]
    assert client.get(CELL).json()["instruments"] == ["effect.v2", "linear-expression"]
    assert client.get("/api/v1/cells/tin").status_code == 404


def test_names_while_they_are_typed(client):
    found = client.get(f"{CELL}/names?query=g0001").json()["names"]
    assert found == [{"text": "ko:G0001", "name": "G0001", "kind": "ko", "measured": True}]


def test_a_question_is_answered_as_json_or_as_a_table(client):
    asked = {"perturbation": "ko:G0001", "sets": "", "top": 3}
    said = client.post(f"{CELL}/predict", json=asked).json()
    assert len(said["genes"]) == 3
    assert said["made_by"][-1] in ("linear-expression", "conformal")
    arrow = {"accept": "application/vnd.apache.arrow.stream"}
    table = pa.ipc.open_stream(client.post(f"{CELL}/predict", json=asked, headers=arrow).content).read_all()
    assert table.column_names == ["feature", "control", "predicted", "effect", "low", "high"]
    assert len(table) == 40


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"perturbation": "ko:NOPE"}, 404),
        ({"perturbation": "G0001"}, 422),
        ({"perturbation": "ko:G0001", "context": "elsewhere"}, 404),
        ({"perturbation": "ko:G0001", "level": 1.5}, 422),
        ({"perturbation": "ko:G0001", "colour": 1}, 422),
        ({}, 422),
    ],
)
def test_what_makes_no_sense_is_refused(client, asked, status):
    answer = client.post(f"{CELL}/predict", json=asked)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["problems"]


def test_points_are_sent_once(client):
    first = client.get(f"{CELL}/points")
    assert pa.ipc.open_stream(first.content).read_all().column_names[:2] == ["x", "y"]
    again = client.get(f"{CELL}/points", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_what_is_not_known_is_refused_in_words_of_the_api(client):
    answer = client.post(f"{CELL}/predict", json={"perturbation": "ko:NOPE"})
    (problem,) = answer.json()["error"]["problems"]
    assert '"allow_unknown": true in the request' in problem
    assert "shell" not in problem
    assert "--" not in problem
