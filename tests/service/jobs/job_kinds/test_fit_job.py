import json

import pytest

from aivc.core.errors import DataError, UnknownNameError
from aivc.core.virtual_cell import VirtualCell
from aivc.experiments.fitting.shared_fit import Recipe
from aivc.service.jobs.job_kinds import fit_job


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Small parts and two folds: what is tested is how a job goes, not how well it learns."""
    monkeypatch.setattr(fit_job, "_recipe", lambda params: Recipe(dim=4, members=2, inner_folds=0, seed=params.seed))
    monkeypatch.setattr(fit_job, "_FOLDS", 2)


@pytest.mark.slow
def test_a_dataset_becomes_a_cell_with_its_scores_and_begun_again_it_goes_on_where_it_was(desk, monkeypatch):
    bench = desk.bench("fit", dataset="few", name="My cell 1", manipulator="mean-effect")
    with monkeypatch.context() as patch:
        patch.setattr(fit_job, "_evaluate", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            desk.do(bench)
    before = (bench.folder / "cell" / "cell.json").stat().st_mtime_ns
    result = desk.do(bench)
    assert result["cell"] == f"my-cell-1-{bench.job.id[:8]}"
    folder = bench.home / "cells" / result["cell"]
    assert (folder / "cell.json").stat().st_mtime_ns == before
    assert any("fitted already" in line for line in desk.jobs.log(bench.job.id))
    assert "mean-effect" in VirtualCell.load(folder).instruments
    assert result["perturbations"] == 8
    assert set(result["scores"]) >= {"mean-effect", "mean-effect:shuffled", "no-change"}
    about = json.loads((folder / "about.json").read_text())
    assert (about["owner"], about["visibility"], about["dataset"]) == ("ada", "private", "few")
    assert json.loads((folder / "scores.json").read_text())["data"]["name"] == "few"
    json.dumps(result, allow_nan=False)


def test_without_scores(desk):
    bench = desk.bench("fit", dataset="few", name="plain", manipulator="mean-effect", evaluate=False)
    assert desk.do(bench)["scored"] is False


def test_what_cannot_be_is_refused_before_it_waits(desk):
    for error, said, more in (
        (UnknownNameError, "Did you mean 'few'", {"dataset": "fe"}),
        (UnknownNameError, "no manipulator named", {"manipulator": "magic"}),
        (DataError, "name", {"name": "../x"}),
    ):
        with pytest.raises(error, match=said):
            desk.jobs.submit("fit", {"dataset": "few", "name": "x", **more}, "ada")
