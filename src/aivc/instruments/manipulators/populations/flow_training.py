"""Cells on their way from control to perturbed: how a velocity is trained on them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor, nn

from aivc.instruments.manipulators.populations.frame import Frame, Group
from aivc.nn.flow import Condition, VelocityNetwork
from aivc.nn.transport import pair
from aivc.training.loop import Batch, Terms, TrainingRecipe, rows, train

_AT_ONCE, _GROUPS, _ROUNDS, _EPSILON = 64, 8, 12, 0.05


@final
@dataclass(frozen=True, eq=False)
class Ways:
    """Points on straight ways between paired cells: a pure function of the step. Every perturbation is as likely.

    Attributes:
        groups: Cells with their controls.
        given: Where each is going; one row each.
        seed: Draws perturbations, cells, pairs and times.
    """

    groups: Sequence[Group]
    given: Condition
    seed: int

    def __call__(self, step: int, rank: int, world: int) -> Batch:
        """Points of one step: states, times, velocities, and which group they belong to."""
        rng = np.random.default_rng([self.seed, step])
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        texts = sorted({group.text for group in self.groups})
        drawn = [self._group(texts[i], rng) for i in rng.integers(len(texts), size=_GROUPS)]
        start, end = (
            torch.stack([_some(getattr(self.groups[i], side), rng) for i in drawn]) for side in ("controls", "cells")
        )
        shift_gd = self.given.shift[drawn]
        # Where to is known, so the pairs are those after the shift: only the change of shape is left to transport.
        i_gk, j_gk = pair(
            start + shift_gd[:, None], end, _AT_ONCE, generator=generator, epsilon=_EPSILON, rounds=_ROUNDS
        )
        dim = start.shape[-1]
        x0, x1 = (
            points.gather(1, index[..., None].expand(-1, -1, dim)).reshape(-1, dim)
            for points, index in ((start, i_gk), (end, j_gk))
        )
        t_n = torch.rand(len(x0), generator=generator)
        of_n = torch.tensor(drawn).repeat_interleave(_AT_ONCE)
        batch = {"y": x0 + t_n[:, None] * (x1 - x0), "t": t_n, "velocity": x1 - x0, "group": of_n}
        return rows(batch, rank, world)

    def _group(self, text: str, rng: np.random.Generator) -> int:
        own = [i for i, group in enumerate(self.groups) if group.text == text]
        size = np.array([len(self.groups[i].cells) for i in own], dtype=float)
        return int(rng.choice(own, p=size / size.sum()))


def _some(cells: Tensor, rng: np.random.Generator) -> Tensor:
    return cells[torch.from_numpy(rng.choice(len(cells), _AT_ONCE, replace=len(cells) < _AT_ONCE))]


def trained(groups: Sequence[Group], given: Condition, scale: Frame, *, steps: int, seed: int) -> VelocityNetwork:
    """Train a velocity on groups of cells.

    Args:
        groups: Cells with their controls.
        given: Where each group is going; one row each.
        scale: How states are measured.
        steps: Of descent.
        seed: Draws the first weights and all batches.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = VelocityNetwork(
            len(scale.scatter), scale.vectors.shape[1], torch.tensor(scale.spread, dtype=torch.float32)
        )

    def objective(model: nn.Module, batch: Batch) -> Terms:
        asked = given.take(batch["group"])
        found = model(batch["y"], batch["t"], asked)
        left = batch["velocity"] - asked.shift - found.along
        along = (left * asked.way).sum(1) / asked.scatter
        # What is along the shift is learned by itself, so that either can be judged without the other.
        rest = (left.detach() - found.rest) / network.spread
        weight = torch.tensor(float(len(left)))
        return {"along": ((along**2).sum(), weight), "rest": ((rest**2).mean(dim=1).sum(), weight)}

    recipe = TrainingRecipe(steps=steps, seed=seed, rate=2e-3, warmup=min(50, steps // 5), decay=0.05)
    train(network, objective, Ways(groups, given, seed), recipe)
    return network.eval()
