import gzip

import pyarrow as pa
import pytest

from tiny_service import SCHEMA, bring, tiny_client, tiny_h5ad

DATASETS = "/api/v1/datasets"


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with tiny_client(tmp_path_factory.mktemp("home"), cell=False, upload_limit=1 << 20) as made:
        yield made


def test_the_whole_way_of_a_file(client):
    come = bring(client, tiny_h5ad())
    assert come.status_code == 201
    place = f"{DATASETS}/{come.json()['id']}"
    assert come.json()["guess"]["schema"]["control"] == "NT"
    assert come.json()["guess"]["evidence"]["perturbation"]
    refused = client.post(f"{place}/confirm", json={"schema": {**SCHEMA, "control": ["absent"]}})
    assert refused.status_code == 422
    assert refused.json()["error"]["kind"] == "DataError"
    ready = client.post(f"{place}/confirm", json={"schema": SCHEMA})
    assert (ready.json()["state"], ready.json()["confirmed"]["units"]) == ("ready", "counts")
    assert len(pa.ipc.open_stream(client.get(f"{place}/points").content).read_all()) == 30
    assert client.get(f"{place}/features?query=tp").json() == {"features": ["TP53"]}
    values = pa.ipc.open_stream(client.get(f"{place}/features/TP53").content).read_all()["value"]
    assert len(values) == 30
    assert client.get(f"{place}/features/NOPE").status_code == 404
    assert client.delete(place).status_code == 204
    assert client.get(place).status_code == 404


def test_hostile_and_oversized_files_are_refused(client):
    assert bring(client, b"x", "model.pkl").status_code == 422
    assert bring(client, b"x", "../../x.h5ad").status_code == 422
    assert bring(client, b"no hdf5", "x.h5ad").json()["error"]["kind"] == "IntegrityError"
    assert bring(client, b"x" * ((1 << 20) + 1), "x.csv").status_code == 413
    assert client.get(DATASETS).json() == {"datasets": []}


@pytest.mark.parametrize(
    ("name", "content", "status", "problem"),
    [
        (
            "a.csv.gz",
            gzip.compress(b"gene,A\n" + b"TP53,0\n" * 200_000),
            413,
            "a.csv.gz holds more than 1,048,576 bytes",
        ),
        ("b.csv", b"gene,A\nTP\x0053,1\n", 422, "b.csv holds zero bytes"),
        ("c.csv", b"gene,A\n", 422, "c.csv holds no rows"),
        ("d.csv", b"", 422, "d.csv is empty"),
        ("e.zip", b"PK", 422, "e.zip is no intact zip"),
    ],
    ids=["bomb", "zeros", "header", "nothing", "zip"],
)
def test_what_cannot_be_used_is_refused_at_the_door_by_its_own_name(client, name, content, status, problem):
    answer = bring(client, content, name)
    assert (answer.status_code, answer.json()["error"]["problems"][0][: len(problem)]) == (status, problem)
    assert ".partial" not in answer.text
    assert client.get(DATASETS).json() == {"datasets": []}
