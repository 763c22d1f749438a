import pytest
from pydantic_core import SchemaValidator, ValidationError

from aivc.service.job_forms import answer_forms, question_forms
from aivc.service.job_models import JobStanding
from aivc.service.jobs.job_kind import job_kind
from aivc.service.jobs.job_kinds import KINDS


@pytest.fixture(scope="module")
def described(client):
    return client.get("/api/v1/openapi.json").json()["components"]["schemas"]


def test_questions_and_answers_differ_by_their_kind(described):
    for name, forms in (("JobQuestion", "JobQuestion"), ("JobAnswer", "JobAnswer")):
        found = described[name]["discriminator"]
        assert found["propertyName"] == "kind"
        wanted = {kind: f"#/components/schemas/{kind.title()}{forms}" for kind in KINDS}
        assert found["mapping"] == wanted
        assert {each["$ref"] for each in described[name]["oneOf"]} == set(wanted.values())


@pytest.mark.parametrize("name", sorted(KINDS))
def test_every_kind_states_its_parameters_and_its_result_with_examples(described, name):
    kind = job_kind(name)
    for form, model in (("Params", kind.params), ("Result", kind.result)):
        found = described[f"{name.title()}{form}"]
        assert found["additionalProperties"] is False
        assert set(found["properties"]) == set(model.model_fields)
        assert all(each["description"] for each in found["properties"].values())
        assert "Attributes" not in found["description"]
        assert model.model_validate(found["example"])
    asked = described[f"{name.title()}JobQuestion"]["example"]
    assert asked == {"kind": name, "params": described[f"{name.title()}Params"]["example"]}
    assert SchemaValidator(question_forms()).validate_python(asked).kind == name


def test_an_answer_of_one_kind_is_none_of_another():
    step = {"text": "", "done": 0, "total": 0, "seconds_left": None}
    times = {"created": 0.0, "started": None, "finished": None}
    shared = {"id": "0", "state": "queued", "progress": step, "error": None, "owner": "", **times}
    body = {**shared, "attempts": 0, "cancel_asked": False, "log": [], "result": None, "params": {"ref": "a/b/c@1"}}
    read = SchemaValidator(answer_forms(JobStanding)).validate_python
    assert read({**body, "kind": "verify"}).params.ref == "a/b/c@1"
    with pytest.raises(ValidationError, match="dataset"):
        read({**body, "kind": "fit"})


def test_what_is_no_parameter_is_refused_by_its_name(client):
    params = {"cell": "tiny", "response": "CD274", "directoin": "lower", "more": 1}
    answer = client.post("/api/v1/jobs", json={"kind": "screen", "params": params})
    assert answer.status_code == 422
    said = answer.json()["error"]["problems"]
    assert said[0] == "There is no parameter named 'directoin'. Did you mean 'direction'?"
    assert said[1].startswith("There is no parameter named 'more'. Known: allow_unknown, cell, context")
