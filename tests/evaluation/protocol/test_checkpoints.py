"""An evaluation that was cut off goes on after the last finished fold, and never with answers to something else."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import IntegrityError
from aivc.data.splits.folds import unseen_perturbation
from aivc.data.synthetic import synthetic_screen
from aivc.evaluation.protocol import asked_fold as module
from aivc.evaluation.protocol.checkpoints import KeptFolds, is_checkpoint
from aivc.evaluation.protocol.evaluate import evaluate
from aivc.evaluation.protocol.questions import EvaluationSet
from aivc.experiments.fitting.shared_fit import Recipe

QUICK = Recipe(dim=3, members=2, inner_folds=2)
BARE = replace(QUICK, members=0, inner_folds=0)
# Kills itself as the second fold begins; what it does otherwise is what `run` does.
KILLED = """
import os, signal, sys
from aivc.evaluation.protocol import asked_fold as module
from test_checkpoints import run
whole, folds = module.shared_fit, []
def fit(*given):
    folds.append(given)
    if len(folds) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return whole(*given)
module.shared_fit = fit
run(sys.argv[1])
"""


@pytest.fixture(scope="module")
def screen():
    return synthetic_screen(perturbations=6, features=20, cells=12, controls=40, seed=1)[0]


def run(checkpoint, *, cells=None, recipe=QUICK, seen=None):
    cells = synthetic_screen(perturbations=6, features=20, cells=12, controls=40, seed=1)[0] if cells is None else cells
    split = unseen_perturbation(cells, folds=2)

    def sink(method, question, population):
        if seen is not None:
            seen[method, question.perturbation] = population

    return evaluate(cells, split, ["transfer"], parts=None, recipe=recipe, cells=8, sink=sink, checkpoint=checkpoint)


def counted(monkeypatch):
    calls, whole = [], module.shared_fit
    monkeypatch.setattr(module, "shared_fit", lambda *given: calls.append(given) or whole(*given))
    return calls


@pytest.fixture(scope="module")
def kept(screen, tmp_path_factory):
    """A folder that holds every answer, what they scored, and the populations in them."""
    folder, seen = tmp_path_factory.mktemp("kept") / "c", {}
    return folder, run(folder, cells=screen, recipe=BARE, seen=seen), seen


@pytest.mark.slow
def test_a_run_killed_in_its_second_fold_does_not_fit_the_first_again(tmp_path, screen, monkeypatch):
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "c")], env={**os.environ, "PYTHONPATH": path}, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    calls = counted(monkeypatch)
    found = run(tmp_path / "c")
    assert len(calls) == 1
    whole = run(None)
    pd.testing.assert_frame_equal(found.table, whole.table)
    assert json.dumps(found.to_json(), sort_keys=True) == json.dumps(whole.to_json(), sort_keys=True)


def test_what_is_kept_is_all_there_is(kept, screen, monkeypatch):
    (folder, whole, first), again = kept, {}
    calls = counted(monkeypatch)
    found = run(folder, cells=screen, recipe=BARE, seen=again)
    assert calls == []
    pd.testing.assert_frame_equal(found.table, whole.table)
    assert set(again) == set(first)
    for key, population in first.items():
        np.testing.assert_array_equal(again[key].dense(), population.dense())
        assert again[key].units == population.units
        assert again[key].entities.index.tolist() == population.entities.index.tolist()
        assert again[key].perturbations.tolist() == population.perturbations.tolist()


@pytest.mark.slow
def test_other_data_and_other_settings_are_asked_anew(tmp_path, screen, monkeypatch):
    run(tmp_path / "c", cells=screen)
    calls = counted(monkeypatch)
    run(tmp_path / "c", cells=screen, recipe=replace(QUICK, dim=4))
    assert len(calls) == 2
    changed = screen.dense().copy()
    changed[:, 0] += 1
    run(tmp_path / "c", cells=screen.replace(values=changed))
    assert len(calls) == 4


def test_the_digest_is_of_data_split_settings_and_knowledge(tmp_path, screen):
    def digest(folds=2, cells=8, recipe=QUICK, data=screen):
        split = unseen_perturbation(data, folds=folds)
        return KeptFolds.of(tmp_path, EvaluationSet.prepare(data, split, cells=cells, seed=0), recipe, None).asked

    assert digest() == digest()
    others = {digest(folds=3), digest(cells=9), digest(recipe=replace(QUICK, seed=1)), digest()}
    assert len(others) == 4


def test_a_damaged_checkpoint_is_refused(kept, tmp_path, screen):
    shutil.copytree(kept[0], tmp_path / "c")
    damaged = next((tmp_path / "c").rglob("arrays.safetensors"))
    damaged.write_bytes(damaged.read_bytes()[:-8])
    with pytest.raises(IntegrityError, match=r"arrays\.safetensors"):
        run(tmp_path / "c", cells=screen, recipe=BARE)


def test_a_method_that_fails_half_way_leaves_nothing(tmp_path, screen):
    kept = KeptFolds(tmp_path / "c", "x")

    def ask():
        raise ValueError("half way")
        yield

    with pytest.raises(ValueError, match="half way"):
        list(kept.each("nearest", 0, ask))
    assert [item for item in (tmp_path / "c").rglob("*") if is_checkpoint(item.name)] == []
