"""How a field of velocities and growth is trained on cells on their way between the times of lines."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor, nn

from aivc.instruments.manipulators.time.progress import Progress
from aivc.instruments.manipulators.time.snapshots import POOLED, Line
from aivc.instruments.manipulators.time.transporter import Transporter, TransportSettings
from aivc.nn.drift import DriftNetwork
from aivc.training.loop import Batch, Terms, TrainingRecipe, rows, train

_AT_ONCE = 512


@final
@dataclass(frozen=True, eq=False)
class FieldFrame:
    """How states, times and conditions become numbers.

    Attributes:
        center: ``(d,)`` mean state.
        spread: ``(d,)`` standard deviation on each axis.
        first: First hour.
        last: Last hour.
        words: Contexts and agents that a condition may name.
    """

    center: np.ndarray
    spread: np.ndarray
    first: float
    last: float
    words: tuple[str, ...]

    @classmethod
    def of(cls, lines: Mapping[str, Line]) -> "FieldFrame":
        """From the cells of all lines."""
        every = [each for line in lines.values() for each in line]
        values = np.concatenate([each.values for each in every])
        hours = [each.hours for each in every]
        spread = np.maximum(values.std(axis=0), 1e-9 * max(float(values.std()), 1e-30))
        return cls(values.mean(axis=0), spread, min(hours), max(hours), words_of(tuple(lines)))

    def condition(self, name: str) -> np.ndarray:
        """``(c,)`` of a line: 1 for its context and 1 for its agents, where they are named."""
        said = set(name.split("\t"))
        return np.array([float(word in said) for word in self.words])

    @property
    def hours(self) -> float:
        """The whole range."""
        return self.last - self.first


def words_of(lines: tuple[str, ...]) -> tuple[str, ...]:
    """What tells lines apart: contexts, where there are several, and agents, where there are any.

    That nothing was done is a word too: without one it would read as what is meant where training says nothing.
    """
    contexts = sorted({name.split("\t")[0] for name in lines} - {POOLED})
    agents = sorted({name.split("\t")[1] for name in lines})
    return (*(contexts if len(contexts) > 1 else ()), *(agents if len(agents) > 1 else ()))


@final
@dataclass(frozen=True, eq=False)
class MomentsOfLines:
    """Cells on the way: a pure function of the step.

    Attributes:
        fields: Their states, times, velocities, growth and conditions, all of one length.
        weight: Mass of each.
        seed: Draws them.
    """

    fields: Mapping[str, Tensor]
    weight: Tensor
    seed: int

    def __call__(self, step: int, rank: int, world: int) -> Batch:
        """Cells of one step."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        drawn = torch.multinomial(self.weight, _AT_ONCE, replacement=True, generator=generator)
        return rows({name: each[drawn] for name, each in self.fields.items()}, rank, world)


def moments(lines: Mapping[str, Line], frame: FieldFrame, settings: TransportSettings, seed: int) -> MomentsOfLines:
    """Cells on the way of all lines, each line as often."""
    parts = []
    for name, line in lines.items():
        way = Transporter(line, settings, Progress.of(line) if settings.curved else None).on_the_way(seed)
        condition = np.tile(frame.condition(name), (len(way.hours), 1))
        parts.append(
            {
                "y": (way.values - frame.center) / frame.spread,
                "t": (way.hours - frame.first) / frame.hours,
                "velocity": way.velocity / frame.spread * frame.hours,
                "growth": way.rate * frame.hours,
                "condition": condition,
                "weight": way.weight / way.weight.sum(),
            }
        )
    whole = {key: torch.tensor(np.concatenate([part[key] for part in parts]), dtype=torch.float32) for key in parts[0]}
    return MomentsOfLines(whole, whole.pop("weight"), seed)


def trained_field(
    lines: Mapping[str, Line], frame: FieldFrame, settings: TransportSettings, *, steps: int, seed: int
) -> DriftNetwork:
    """Train a field (conditional flow matching, Lipman et al. 2023, on pairs of plans, Tong et al. 2024).

    Growth is regressed on the growth of the same plans, so that one field moves cells and their mass.

    Args:
        lines: Populations.
        frame: How they are measured.
        settings: Of plans.
        steps: Of descent.
        seed: Draws first weights and batches.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = DriftNetwork(len(frame.center), len(frame.words))

    def objective(model: nn.Module, batch: Batch) -> Terms:
        found = model(batch["y"], batch["t"], batch["condition"])
        count = torch.tensor(float(len(batch["t"])))
        velocity = ((found.velocity - batch["velocity"]) ** 2).mean(dim=1).sum()
        return {"velocity": (velocity, count), "growth": (((found.growth - batch["growth"]) ** 2).sum(), count)}

    recipe = TrainingRecipe(steps=steps, seed=seed, rate=3e-3, warmup=min(50, steps // 5))
    train(network, objective, moments(lines, frame, settings, seed), recipe)
    return network.eval()
