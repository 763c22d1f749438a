"""Sets of controls beside sets of perturbed cells: how a network that moves whole sets is trained on them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
import torch
from torch import Tensor, nn

from aivc.core.measurement import CONTROL
from aivc.core.ur import UR
from aivc.instruments.manipulators.populations.anchored import measured_conditions
from aivc.instruments.manipulators.populations.frame import Frame, Group
from aivc.nn.sets import SetNetwork, energy_distance
from aivc.training.loop import Batch, Terms, TrainingRecipe, rows, train

SIZE = 64
_SIZES, _SETS = (16, 32, SIZE), 8


@final
@dataclass(frozen=True, eq=False)
class ShiftedSets:
    """What becomes of the sets of each group.

    Attributes:
        groups: Cells with their controls; those of control are controls that stay what they are.
        shift: ``(g, d)`` of their mean.
        part: ``(g, e)`` what is known of the molecules that are perturbed.
    """

    groups: Sequence[Group]
    shift: Tensor
    part: Tensor


def shifted_sets(groups: Sequence[Group], states: UR, scale: Frame) -> ShiftedSets:
    """Set groups beside the shifts that were measured, and add controls that nothing was done to.

    Args:
        groups: Perturbed cells with their controls.
        states: Whose mean effects are those of the groups.
        scale: How states are measured.
    """
    # The first control tells which controls these are: those of a context, or of one batch of it.
    still = {(each.context, *each.controls[0].tolist()): each for each in groups if len(each.controls) > 1}.values()
    given = measured_conditions(groups, states, scale)
    found, shifts, parts = list(groups), [each.shift for each in given], [each.part for each in given]
    for group in still:
        # Empty: its cells are other controls than those drawn to start from.
        found.append(Group(CONTROL, group.context, group.controls, group.controls[:0]))
        shifts.append(torch.zeros_like(shifts[0]))
        parts.append(torch.zeros_like(parts[0]))
    return ShiftedSets(found, torch.cat(shifts), torch.cat(parts))


@final
@dataclass(frozen=True, eq=False)
class Sets:
    """Sets of both sides: a pure function of the step. Every perturbation is as likely, and control is one of them.

    Attributes:
        given: What there is to draw from.
        seed: Draws sizes, perturbations and cells.
    """

    given: ShiftedSets
    seed: int

    def __call__(self, step: int, rank: int, world: int) -> Batch:
        """Sets of one step: where they start, what was seen of them, and what was done."""
        rng = np.random.default_rng([self.seed, step])
        groups, size, texts = self.given.groups, int(rng.choice(_SIZES)), sorted(self._by_text)
        drawn = [self._group(texts[i], rng) for i in rng.integers(len(texts), size=_SETS)]
        pairs = [_pair(groups[i], size, rng) for i in drawn]
        start, end = (torch.stack(side) for side in zip(*pairs, strict=True))
        batch = {"y": start, "seen": end, "shift": self.given.shift[drawn], "part": self.given.part[drawn]}
        return rows(batch, rank, world)

    @cached_property
    def _by_text(self) -> Mapping[str, list[int]]:
        found: dict[str, list[int]] = {}
        for i, group in enumerate(self.given.groups):
            found.setdefault(group.text, []).append(i)
        return found

    def _group(self, text: str, rng: np.random.Generator) -> int:
        own = self._by_text[text]
        count = np.array([len(self.given.groups[i].cells) or 1 for i in own], dtype=float)
        return int(rng.choice(own, p=count / count.sum()))


def _pair(group: Group, size: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    if group.text != CONTROL:
        return _some(group.controls, size, rng), _some(group.cells, size, rng)
    order = torch.from_numpy(rng.permutation(len(group.controls)))
    half = len(order) // 2
    return _some(group.controls[order[:half]], size, rng), _some(group.controls[order[half:]], size, rng)


def _some(cells: Tensor, size: int, rng: np.random.Generator) -> Tensor:
    return cells[torch.from_numpy(rng.choice(len(cells), size, replace=len(cells) < size))]


def trained(given: ShiftedSets, scale: Frame, *, steps: int, seed: int) -> SetNetwork:
    """Train a network on the energy distance between the sets it says and those seen.

    Args:
        given: What there is to draw from.
        scale: How states are measured.
        steps: Of descent.
        seed: Draws the first weights and all batches.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = SetNetwork(
            len(scale.scatter), scale.vectors.shape[1], torch.tensor(scale.spread, dtype=torch.float32)
        )

    def objective(model: nn.Module, batch: Batch) -> Terms:
        said = batch["y"] + batch["shift"][:, None] + model(batch["y"], batch["shift"], batch["part"])
        distance_b = energy_distance(said, batch["seen"])
        return {"energy": (distance_b.sum(), torch.tensor(float(len(distance_b))))}

    train(
        network,
        objective,
        Sets(given, seed),
        TrainingRecipe(steps=steps, seed=seed, warmup=min(20, steps // 5), decay=0.05),
    )
    return network.eval()
