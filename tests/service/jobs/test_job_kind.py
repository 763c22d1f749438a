import pytest

from aivc.core.errors import DataError, UnknownNameError
from aivc.service.jobs.job_kind import job_kind
from aivc.service.jobs.job_kinds import KINDS
from service.jobs.quick_kinds import HERE


def test_every_kind_of_ours_loads_and_states_its_parameters():
    for name in KINDS:
        schema = job_kind(name).params.model_json_schema()
        assert schema["additionalProperties"] is False


def test_kinds_of_others_stand_beside_ours():
    assert job_kind("count", [HERE]).read({"upto": 2}).upto == 2
    with pytest.raises(UnknownNameError, match="Did you mean 'count'"):
        job_kind("coun", [HERE])


def test_every_parameter_that_is_wrong_is_named():
    with pytest.raises(DataError) as caught:
        job_kind("screen").read({"cell": 3, "response": "", "extra": 1})
    assert len(caught.value.problems) == 3
    with pytest.raises(DataError) as caught:
        job_kind("screen").read(dict.fromkeys(map(str, range(100))))
    assert (len(caught.value.problems), caught.value.problems[-1]) == (21, "And 82 more.")
