"""Checkpoints of training that were altered, or made on other data."""

import numpy as np
import torch
from torch import nn

from aivc.core.state import State
from aivc.training.checkpoint import Checkpoints
from aivc.training.loop import TrainingRecipe, rows, train
from hostile.case import WORKS, Case

KIND = "checkpoints"
RECIPE = TrainingRecipe(4, rate=0.01, warmup=1)


def _batches(scale):
    def batches(step, rank, world):
        x = torch.from_numpy(np.random.default_rng((7, step)).standard_normal((8, 3))).float()
        return rows({"x": x * scale}, rank, world)

    return batches


def _objective(model, batch):
    error = model(batch["x"]) ** 2
    return {"square": (error.sum(), torch.tensor(float(len(error))))}


def _run(folder, scale=1.0, recipe=RECIPE):
    torch.manual_seed(0)
    train(nn.Linear(3, 1), _objective, _batches(scale), recipe, checkpoints=Checkpoints(folder / "run", every=2))


def _again(change=None, scale=1.0, recipe=RECIPE):
    def act(folder):
        _run(folder)
        if change is not None:
            path = folder / "run" / "step-000000004"
            state = State.load(path)
            State(*change(dict(state.settings), dict(state.arrays))).save(path)
        _run(folder, scale, recipe)

    return act


def _with(**changes):
    return lambda settings, arrays: ({**settings, **changes}, arrays)


def _without(name):
    return lambda settings, arrays: ({key: value for key, value in settings.items() if key != name}, arrays)


def _arrays(**changes):
    return lambda settings, arrays: (settings, {**arrays, **changes})


CASES = [
    Case(KIND, "the same again", _again(), WORKS),
    Case(KIND, "other data", _again(scale=2.0)),
    Case(KIND, "another recipe", _again(recipe=TrainingRecipe(9))),
    Case(KIND, "data not named", _again(_without("data"))),
    Case(KIND, "recipe not named", _again(_without("recipe"))),
    *(Case(KIND, f"step {value}", _again(_with(step=value))) for value in (-1, 10**9, 1.5, "4", None, True)),
    Case(KIND, "losses a list", _again(_with(losses=[1]))),
    Case(KIND, "scores of texts", _again(_with(scores=[["a", "b"]]))),
    Case(KIND, "no scores", _again(_without("scores"))),
    Case(KIND, "an array of nobody", _again(_arrays(**{"stranger.x": np.zeros(2)}))),
    Case(KIND, "an array without a dot", _again(_arrays(stranger=np.zeros(2)))),
    Case(KIND, "a slot of no weight", _again(_arrays(**{"optimizer.x.step": np.zeros(2)}))),
    Case(KIND, "weights of another shape", _again(_arrays(**{"model.weight": np.zeros((7, 7), np.float32)}))),
]
