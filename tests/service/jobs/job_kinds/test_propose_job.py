import json

import pytest

from aivc.core.errors import DataError, UnknownNameError
from aivc.experiments.propose import Plan


@pytest.fixture
def screened(desk):
    bench = desk.bench("screen", cell="small", response="G0011")
    desk.do(bench)
    return bench.job.id


def test_a_screen_becomes_a_plate(desk, screened):
    bench = desk.bench("propose", screen=screened, size=24, controls=4, seed=3, with_cell=False, repeat_seen=True)
    result = desk.do(bench)
    plan = Plan.load(bench.results / "plate.csv")
    assert (plan.size, plan.seed, result["screen"], result["total"]) == (24, 3, screened, len(plan))
    assert int((plan.table["role"] == "control").sum()) == 4
    assert result["note"].startswith("24 wells: 4 control")
    json.dumps(result, allow_nan=False)


def test_only_ones_own_finished_screens_become_plates(desk, screened):
    waits = desk.jobs.submit("screen", {"cell": "small", "response": "G0011"}, "ada").id
    for name, user in ((screened, "bob"), (waits, "ada"), ("../x", "ada")):
        with pytest.raises(UnknownNameError, match="no finished job of kind screen"):
            desk.jobs.submit("propose", {"screen": name}, user)


def test_what_cannot_be_is_refused_before_it_waits(desk, screened):
    with pytest.raises(DataError, match="size"):
        desk.jobs.submit("propose", {"screen": screened, "size": 95}, "ada")
    with pytest.raises(UnknownNameError, match="collection of gene sets"):
        desk.jobs.submit("propose", {"screen": screened, "families": "/etc/passwd"}, "ada")
