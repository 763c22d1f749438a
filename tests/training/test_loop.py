"""One loop: it learns, it stops, it goes on where it was, and several processes do what one does."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from aivc.core.errors import IntegrityError, ScoreError, UnknownNameError
from aivc.training.checkpoint import Checkpoints, arrays_of
from aivc.training.loop import History, TrainingRecipe, Validation, rows, train

RECIPE = TrainingRecipe(20, seed=3, rate=0.05, warmup=4)


class InterruptedHereError(Exception):
    pass


def network():
    torch.manual_seed(1)
    # Dropout makes the weights depend on the model's own randomness too.
    return nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.3), nn.GELU(), nn.Linear(8, 1))


def batches(step, rank, world):
    rng = np.random.default_rng((7, step))
    x = torch.from_numpy(rng.standard_normal((16, 4))).float()
    return rows({"x": x, "y": x.sum(1, keepdim=True), "keep": torch.arange(16)[:, None] < 11}, rank, world)


def objective(model, batch):
    error = ((model(batch["x"]) - batch["y"]) ** 2) * batch["keep"]
    return {"square": (error.sum(), batch["keep"].sum())}


@torch.no_grad()
def score(model):
    batch = batches(10_000, 0, 1)
    return float(((model(batch["x"]) - batch["y"]) ** 2).mean())


def same(a, b):
    assert a.keys() == b.keys()
    return all((a[name] == b[name]).all() for name in a)


def stop_after(last):
    def progress(step, losses):
        if step == last:
            raise InterruptedHereError

    return progress


def test_it_learns_a_sum():
    model = network()
    before = score(model.eval())
    history = train(model, objective, batches, TrainingRecipe(150, rate=0.05, warmup=5))
    assert history.steps == 150 == len(history.losses["square"])
    assert score(model.eval()) < 0.1 * before


@pytest.mark.parametrize("validated", [False, True])
def test_resumed_training_ends_in_the_very_same_weights(tmp_path, validated):
    validation = Validation(score, every=5) if validated else None
    whole, broken = network(), network()
    straight = train(whole, objective, batches, RECIPE, validation=validation)
    where = Checkpoints(tmp_path, every=5)
    with pytest.raises(InterruptedHereError):
        train(broken, objective, batches, RECIPE, checkpoints=where, validation=validation, progress=stop_after(13))
    again = network()
    resumed = train(again, objective, batches, RECIPE, checkpoints=where, validation=validation)
    assert same(arrays_of(again), arrays_of(whole))
    assert resumed == straight


def test_a_finished_run_is_not_run_again(tmp_path):
    model, where = network(), Checkpoints(tmp_path)
    first = train(model, objective, batches, RECIPE, checkpoints=where)
    again = network()
    assert train(again, objective, batches, RECIPE, checkpoints=where, progress=stop_after(1)) == first
    assert same(arrays_of(again), arrays_of(model))


def test_the_callers_randomness_is_left_alone():
    model = network()
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    train(model, objective, batches, replace(RECIPE, steps=2))
    assert (torch.rand(2) == expected).all()


def test_early_stopping_returns_the_best_weights():
    model = network()
    seen = []

    def worse_and_worse(trained):
        seen.append(arrays_of(model))
        return float(len(seen))

    history = train(model, objective, batches, RECIPE, validation=Validation(worse_and_worse, every=2, patience=3))
    assert history.stopped
    assert history.steps == 8
    assert history.best == (2, 1.0)
    assert same(arrays_of(model), seen[0])


def test_only_the_latest_checkpoints_are_kept_and_none_is_a_pickle(tmp_path):
    train(network(), objective, batches, RECIPE, checkpoints=Checkpoints(tmp_path, every=4, keep=2))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000000016", "step-000000020"]
    assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} == {".json", ".safetensors"}


def test_another_recipe_does_not_take_up_a_checkpoint(tmp_path):
    where = Checkpoints(tmp_path)
    train(network(), objective, batches, RECIPE, checkpoints=where)
    with pytest.raises(IntegrityError, match="another folder"):
        train(network(), objective, batches, replace(RECIPE, rate=0.1), checkpoints=where)


def test_another_model_does_not_take_up_a_checkpoint(tmp_path):
    where = Checkpoints(tmp_path)
    train(network(), objective, batches, RECIPE, checkpoints=where)
    with pytest.raises(IntegrityError, match="another model"):
        train(nn.Sequential(nn.Linear(4, 1)), objective, batches, RECIPE, checkpoints=where)


def test_a_checkpoint_of_other_data_is_refused(tmp_path):
    where = Checkpoints(tmp_path, every=10)
    train(network(), objective, batches, RECIPE, checkpoints=where)

    def others(step, rank, world):
        return {name: value * 2 if name == "y" else value for name, value in batches(step, rank, world).items()}

    with pytest.raises(IntegrityError, match="made on other data"):
        train(network(), objective, others, RECIPE, checkpoints=where)
    kept = tmp_path / "step-000000010" / "notes.txt"
    kept.write_text("mine")
    train(network(), objective, batches, replace(RECIPE, steps=20), checkpoints=where)
    assert kept.read_text() == "mine"


def test_a_damaged_checkpoint_is_refused(tmp_path):
    where = Checkpoints(tmp_path)
    train(network(), objective, batches, RECIPE, checkpoints=where)
    arrays = where.latest() / "arrays.safetensors"
    arrays.write_bytes(arrays.read_bytes()[:-4] + b"\0\1\2\3")
    with pytest.raises(IntegrityError, match="altered"):
        train(network(), objective, batches, RECIPE, checkpoints=where)


def test_a_loss_that_is_no_number_stops_the_run():
    def broken(model, batch):
        return {"square": (model(batch["x"]).sum() * float("nan"), torch.tensor(1.0))}

    with pytest.raises(ScoreError, match="Lower the rate"):
        train(network(), broken, batches, RECIPE)


def test_a_term_without_weight_adds_nothing():
    def with_empty(model, batch):
        made = objective(model, batch)
        return {**made, "empty": (made["square"][0] * 0.0, torch.tensor(0.0))}

    plain, padded = network(), network()
    train(plain, objective, batches, RECIPE)
    history = train(padded, with_empty, batches, RECIPE)
    assert same(arrays_of(plain), arrays_of(padded))
    assert set(history.losses["empty"]) == {0.0}


def test_bf16_learns_too_and_keeps_its_weights_in_float32():
    model = network()
    before = score(model.eval())
    train(model, objective, batches, TrainingRecipe(150, rate=0.05, warmup=5, precision="bf16-mixed"))
    assert score(model.eval()) < 0.2 * before
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_the_rate_rises_then_falls_to_its_floor():
    recipe = TrainingRecipe(100, rate=1.0, warmup=10, floor=0.1)
    rates = [recipe.rate_at(step) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == 1.0
    assert all(np.diff(rates[10:]) < 0)
    assert rates[100] == pytest.approx(0.1)


@pytest.mark.parametrize(("field", "value"), [("precision", "16"), ("strategy", "zero3")])
def test_a_recipe_refuses_what_it_does_not_know(field, value):
    with pytest.raises(UnknownNameError, match=value):
        TrainingRecipe(1, **{field: value})


def test_nobody_looked_so_nothing_was_best():
    with pytest.raises(ScoreError, match="Pass validation"):
        _ = History().best


TWO = """
import importlib.util, json, os, shutil, sys, torch
spec = importlib.util.spec_from_file_location('loop_test', PATH)
t = importlib.util.module_from_spec(spec); spec.loader.exec_module(t)
from dataclasses import replace
world, strategy, out = int(sys.argv[1]), sys.argv[2], t.Path(sys.argv[3])
recipe = replace(t.RECIPE, devices=world, strategy=strategy)
def trained():
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.GELU(), torch.nn.Linear(8, 1))
    with torch.no_grad():
        for p in model.parameters(): p.copy_(torch.linspace(-0.5, 0.5, p.numel()).view_as(p))
    looks = t.Validation(t.score, every=5)
    saved = t.Checkpoints(out.with_suffix('.saved'), every=10)
    return t.train(model, t.objective, t.batches, recipe, validation=looks, checkpoints=saved), model
history, model = trained()
if world > 1:
    torch.distributed.barrier()
zero = int(os.environ.get('RANK', 0)) == 0
if zero:
    shutil.rmtree(out.with_suffix('.saved') / 'step-000000020')
if world > 1:
    torch.distributed.barrier()
again, resumed = trained()
assert t.same(t.arrays_of(model), t.arrays_of(resumed)) and again.losses == history.losses
if zero:
    weights = {name: array.tolist() for name, array in t.arrays_of(model).items()}
    out.write_text(json.dumps([history.losses['square'], history.scores, weights]))
"""


@pytest.fixture(scope="module")
def one_or_two(tmp_path_factory):
    """What one process finds, or two that share the work by some strategy; each went on from a checkpoint as well."""
    folder = tmp_path_factory.mktemp("two")
    script = folder / "two.py"
    script.write_text(TWO.replace("PATH", repr(str(Path(__file__)))))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    launcher = {1: [], 2: ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]}

    def found(world, strategy):
        out = folder / f"{world}-{strategy}.json"
        words = [sys.executable, *launcher[world], str(script), str(world), strategy, str(out)]
        subprocess.run(words, check=True, env=environment, timeout=300)
        return json.loads(out.read_text())

    return found


@pytest.mark.slow
def test_two_processes_do_what_one_does_on_the_union_of_their_batches(one_or_two):
    losses, scores, weights = one_or_two(1, "auto")
    for strategy in ("ddp", "fsdp"):
        shared = one_or_two(2, strategy)
        np.testing.assert_allclose(shared[0], losses, rtol=1e-4)
        np.testing.assert_allclose(shared[1], scores, rtol=1e-4)
        for name, array in weights.items():
            np.testing.assert_allclose(shared[2][name], array, atol=1e-5)
