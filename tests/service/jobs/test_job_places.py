import json

import pytest

from aivc.core.errors import IntegrityError, UnknownNameError
from aivc.data.io.schema import Schema
from aivc.service.jobs.job import Job
from aivc.service.jobs.job_places import DataPlace, FolderPlaces, Uses


@pytest.fixture
def home(tmp_path):
    (tmp_path / "cells" / "one").mkdir(parents=True)
    (tmp_path / "cells" / "one" / "cell.json").write_text("{}")
    folder = tmp_path / "datasets" / "few"
    folder.mkdir(parents=True)
    (folder / "few.csv").write_text("entity,target,A,B\nc1,control,1,2\nc2,control,2,2\nk1,X,3,4\nk2,X,4,4\n")
    schema = Schema(
        units="arbitrary", perturbation="target", control="control", kind="ko", entity="entity", species="none"
    )
    (folder / "schema.json").write_text(json.dumps(schema.to_json()))
    return tmp_path


class Finds:
    """Jobs by their names."""

    def __init__(self, *jobs):
        self._jobs = {job.id: job for job in jobs}

    def find(self, name):
        return self._jobs.get(name)


def test_what_is_used_is_kept_with_the_job_and_read_where_it_lies(home):
    uses = Uses("ada", FolderPlaces(home), Finds())
    uses.cell("one")
    uses.dataset("few")
    kept = json.loads(json.dumps(uses.found))
    assert kept["cells"] == {"one": str(home / "cells" / "one")}
    cells = DataPlace(**kept["datasets"]["few"]).read()
    assert list(map(str, cells.features)) == ["A", "B"]
    assert len(cells) == 4


def test_a_name_is_no_path(home):
    places = FolderPlaces(home)
    for name in ("../cells/one", "one/../one", "", ".", "/etc"):
        with pytest.raises(UnknownNameError, match="cell"):
            places.cell(name, "ada")
    with pytest.raises(UnknownNameError, match="Did you mean 'few'"):
        places.dataset("fee", "ada")
    (home / "datasets" / "few" / "more.csv").write_text("")
    with pytest.raises(IntegrityError, match="2 files"):
        places.dataset("few", "ada")


def test_results_are_used_by_whom_they_belong_to(home):
    def job(name, **more):
        return Job(name, **{"kind": "screen", "params": {}, "uses": {}, "owner": "ada", "state": "done",
                            "progress": {}, "created": 0.0, **more})  # fmt: skip

    finds = Finds(job("a"), job("b", owner="bob"), job("c", state="running"), job("d", kind="fit"))
    uses = Uses("ada", FolderPlaces(home), finds)
    assert uses.job("a", "screen").id == "a"
    for name in ("b", "c", "d", "e"):
        with pytest.raises(UnknownNameError, match="finished job of kind screen"):
            uses.job(name, "screen")
    assert list(uses.found["jobs"]) == ["a"]
