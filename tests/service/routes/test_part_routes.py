import numpy as np
import pytest

from aivc.core.sent_predictions import joined, part_of, states_prediction_of
from aivc.core.state import State
from aivc.core.ur import UR
from aivc.service import door
from tiny_service import tiny_cell, tiny_client

PARTS = "/api/v1/cells/tiny/parts"


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    return tiny_client(tmp_path_factory.mktemp("parts"))


def start():
    return next(iter(tiny_cell().starts.values()))


def question(*texts, ur=None):
    ur = ur or start()
    return joined({"states": ur.state(), "asked": State({"perturbations": list(texts)})}).to_bytes()


def test_parts_are_listed_with_what_is_needed_to_ask_them(client):
    body = client.get(PARTS).json()
    assert {each["part"]: each["contract"] for each in body["parts"]} == {
        "encoder-cellular": "encoder", "effect.v2": "manipulator", "linear-expression": "decoder",
    }  # fmt: skip
    assert body["card"]["perturbations"] == tiny_cell().card["perturbations"]
    assert (body["contexts"], body["remarks"]) == (list(tiny_cell().starts), [])
    one = client.get(f"{PARTS}/effect.v2").json()
    assert one["digest"] == tiny_cell().instruments["effect.v2"].state().digest()
    assert "features" not in one
    assert client.get(f"{PARTS}/none").status_code == 404


def test_a_manipulator_answers_under_the_digest_that_was_meant(client):
    asked = sorted(tiny_cell().trained)[:2]
    digest = tiny_cell().instruments["effect.v2"].state().digest()
    for tags, status in ((f'"{digest}"', 200), ("*", 200), ('"other"', 412)):
        answer = client.post(
            f"{PARTS}/effect.v2/manipulate", content=question(*asked), headers={"If-Match": tags}
        )  # fmt: skip
        assert answer.status_code == status
    answer = client.post(f"{PARTS}/effect.v2/manipulate", content=question(*asked))
    assert answer.headers["etag"] == f'"{digest}"'
    said = State.from_bytes(answer.content, "there")
    for i, text in enumerate(asked):
        rows = start().entities.assign(perturbation=text)
        assert np.isfinite(states_prediction_of(part_of(said, f"answer {i}"), "there", rows).profiles).all()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "RequestError"),
        (b"\x80\x04.", "IntegrityError"),
        (State().to_bytes(), "IntegrityError"),
        (question(), "DataError"),
        (question(*["ko:A"] * 600), "DataError"),
        (question("ko:"), "PerturbationError"),
        (State({"states": {}, "asked": 3}).to_bytes(), "IntegrityError"),
    ],
)
def test_what_is_no_question_is_refused(client, content, kind):
    answer = client.post(f"{PARTS}/effect.v2/manipulate", content=content)
    assert (answer.status_code, answer.json()["error"]["kind"]) == (422, kind)


def test_what_another_contract_does_is_not_asked_of_a_part(client):
    assert client.post(f"{PARTS}/effect.v2/decode", content=start().state().to_bytes()).status_code == 404
    answer = client.post(f"{PARTS}/linear-expression/decode", content=start().state().to_bytes())
    assert answer.status_code == 200
    answer = client.post(f"{PARTS}/linear-expression/profiles", content=State({"a": {}}).to_bytes())
    assert answer.json()["error"]["kind"] == "DataError"


def test_control_states_are_sent_by_context(client):
    context = next(iter(tiny_cell().starts))
    answer = client.get("/api/v1/cells/tiny/start", params={"context": context})
    back = UR.from_state(State.from_bytes(answer.content, "there"))
    assert back.digest == start().digest
    assert client.get("/api/v1/cells/tiny/start", params={"context": "none"}).status_code == 404


def test_a_question_is_as_large_as_a_part_takes_and_no_larger(client, monkeypatch):
    monkeypatch.setattr(door, "PART_BODY", 1000)
    answer = client.post(f"{PARTS}/linear-expression/decode", content=b"x" * 2000)
    assert answer.status_code == 413
