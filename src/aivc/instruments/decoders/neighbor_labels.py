"""What kind of cell belongs here? Labels from the neighbours, shell by shell, with the cell itself hidden or not."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from aivc.core.contracts import Decoder
from aivc.core.errors import DataError
from aivc.core.measurement import Measurement
from aivc.core.prediction import Applicability, Prediction
from aivc.core.space import Space
from aivc.core.units import ARBITRARY
from aivc.core.ur import UR
from aivc.data.tissue.rings import shell_means
from aivc.instruments.decoders.label_probe import softmax
from aivc.instruments.decoders.neighbour_blocks import near_means, visible_links, weighted
from aivc.training.loop import Batch, Terms, TrainingRecipe, rows, train

OWN_STATE = ("state", "nothing")
_BATCH, _EPOCHS, _RATE, _DECAY, _DROPPED = 256, 12, 4e-3, 0.1, 0.5
# Powers of a nearness that is a gaussian of distance are gaussians of other widths: a third to six times as wide.
_POWERS = (8.0, 3.0, 1.0, 1 / 3, 1 / 9, 1 / 36)


@final
@dataclass(frozen=True, eq=False)
class NeighborLabels(Decoder):
    """Class probabilities from the mean state of each shell of neighbours: small networks, averaged.

    With states that are memberships in types (`memberships`), these means are the composition of each shell, and with
    ``own="nothing"`` the question is that of a masked cell: its type from everything but itself. A cell is no neighbour
    of itself, and one of which nothing was measured (infinite variance) is nobody's neighbour. Where links have weights
    that differ, such as nearness, means and sums by several powers of these weights are read too: of a nearness that
    falls with distance as a gaussian does, they are gaussians from a third to six times as wide, which together say how
    far each kind of neighbour is.

    Attributes:
        reads: Space it was fitted on.
        features: ``(c,)`` names of the classes.
        own: ``state``, or ``nothing`` for cells that are masked.
        reach: Number of shells.
        center: ``(p,)`` mean of each input, and
        spread: ``(p,)`` its standard deviation.
        first: ``(k, p, h)`` weights of the first layer of ``k`` networks, and
        first_bias: ``(k, h)``.
        second: ``(k, h, c)`` weights of the second layer, and
        second_bias: ``(k, c)``.
    """

    name: ClassVar[str] = "neighbor-labels"
    reads: Space
    features: np.ndarray
    own: str
    reach: int
    center: Float[np.ndarray, " p"]
    spread: Float[np.ndarray, " p"]
    first: Float[np.ndarray, "k p h"]
    first_bias: Float[np.ndarray, "k h"]
    second: Float[np.ndarray, "k h c"]
    second_bias: Float[np.ndarray, "k c"]

    @classmethod
    def fit(
        cls,
        ur: UR,
        measurement: Measurement,
        *,
        seed: int = 0,
        units: str | None = None,
        own: str = "state",
        reach: int = 4,
        hidden: int = 64,
        members: int = 3,
    ) -> "NeighborLabels":
        """Fit on labelled cells among their neighbours.

        Args:
            ur: All cells of the sections, those without a label too: they are neighbours.
            measurement: One feature per class (`memberships`); a row without any is left aside.
            seed: Draws weights and batches.
            units: Not used; an answer is a probability, in units ``arbitrary``.
            own: See above.
            reach: Number of shells.
            hidden: Width of the networks.
            members: Number of networks.

        Raises:
            DataError: Fewer than two classes have members, rows do not match, or ``own`` is another word.
        """
        measurement.require_table(cls.name)
        y_nc = measurement.dense()
        if measurement.observed is not None:
            y_nc = np.where(measurement.observed, y_nc, 0.0)
        if problems := _problems(ur, y_nc, own):
            raise DataError(problems)
        kept = np.flatnonzero(y_nc.sum(axis=1) > 0)
        x_np = inputs(ur, own, reach, kept)
        center_p, spread_p = x_np.mean(axis=0), x_np.std(axis=0) + 1e-3
        given = torch.tensor((x_np - center_p) / spread_p, dtype=torch.float32)
        wanted = torch.tensor(y_nc[kept] / y_nc[kept].sum(axis=1, keepdims=True), dtype=torch.float32)
        nets = [_trained(given, wanted, hidden, seed * 1000 + member) for member in range(members)]
        layers = [[_array(net.get_submodule(place)) for net in nets] for place in ("1", "4")]
        weights = [np.array(part) for layer in layers for part in zip(*layer, strict=True)]
        return cls(ur.space, measurement.features, own, reach, center_p, spread_p, *weights)

    def probabilities(self, ur: UR, rows: np.ndarray | None = None) -> Float[np.ndarray, "m c"]:
        """``(m, c)`` probability of each class; rows sum to one.

        Args:
            ur: Cells with links.
            rows: ``(m,)`` positions of the cells asked for; all by default.

        Raises:
            SpaceError: ``ur`` lives in another space.
        """
        self.reads.require(ur.space, self.name)
        x_np = (inputs(ur, self.own, self.reach, rows) - self.center) / self.spread
        said = np.zeros((len(x_np), len(self.features)))
        for first, bias, second, last in zip(self.first, self.first_bias, self.second, self.second_bias, strict=True):
            said += softmax(np.maximum(x_np @ first + bias, 0.0) @ second + last)
        return said / len(self.first)

    def decode(self, ur: UR) -> Prediction[Measurement]:
        """Class probabilities of each cell, and their mean: the expected composition.

        Raises:
            SpaceError: ``ur`` lives in another space.
        """
        p_nc = self.probabilities(ur)
        read = Measurement(p_nc, self.features, ur.entities, ARBITRARY, modality="label", scale=ur.space.scale)
        return Prediction((read,), (self.name,), Applicability.IN)


def inputs(ur: UR, own: str, reach: int, rows: np.ndarray | None = None) -> Float[np.ndarray, "m p"]:
    """``(m, p)`` what labels are read from: own state, means over shells and by nearness, roots, and counts."""
    rows = np.arange(len(ur)) if rows is None else rows
    links = visible_links(ur)
    means_nsd, count_ns = shell_means(links, ur.values, reach, rows)
    mean_ne, sums = means_nsd.reshape(len(rows), -1), []
    near = links[rows]
    for power in _POWERS if weighted(links) else ():
        there = near.power(power)
        mean_ne = np.concatenate([mean_ne, near_means(there, ur.values)], axis=1)
        sums.append(there @ ur.values)
        count_ns = np.column_stack([count_ns, np.asarray(there.sum(axis=1))])
    # A share of one in ten is further from none than from two in ten.
    roots = [np.sign(each) * np.sqrt(np.abs(each)) for each in (mean_ne, *sums)]
    state = [ur.values[rows]] if own == "state" else []
    return np.concatenate([*state, mean_ne, *roots, np.log1p(count_ns)], axis=1)


def _problems(ur: UR, y_nc: np.ndarray, own: str) -> list[str]:
    found = []
    if own not in OWN_STATE:
        found.append(f"own is one of {', '.join(OWN_STATE)}; got {own}.")
    if len(ur) != len(y_nc):
        found.append(f"{len(ur)} states need as many rows of labels, got {len(y_nc)}. Align them.")
    elif not np.isfinite(y_nc).all() or (y_nc < 0).any():
        found.append("Memberships are never negative and never NaN. Make them with memberships(entities, column).")
    elif (y_nc.sum(axis=0) > 0).sum() < 2:
        found.append("Labels of two classes at least are wanted. Add labelled cells of another class.")
    return found


@dataclass(frozen=True, eq=False)
class _Batches:
    given: Tensor
    wanted: Tensor
    seed: int

    def __call__(self, step: int, rank: int, world: int) -> Batch:
        drawn = np.random.default_rng([self.seed, step]).integers(len(self.given), size=min(_BATCH, len(self.given)))
        return rows({"x": self.given[drawn], "y": self.wanted[drawn]}, rank, world)


def _trained(given: Tensor, wanted: Tensor, hidden: int, seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = nn.Sequential(
            nn.Dropout(0.1),
            nn.Linear(given.shape[1], hidden),
            nn.ReLU(),
            nn.Dropout(_DROPPED),
            nn.Linear(hidden, wanted.shape[1]),
        )

    def objective(model: nn.Module, batch: Mapping[str, Tensor]) -> Terms:
        loss_b = -(batch["y"] * torch.log_softmax(model(batch["x"]), dim=1)).sum(dim=1)
        return {"cross-entropy": (loss_b.sum(), torch.tensor(float(len(loss_b))))}

    steps = max(_EPOCHS * len(given) // _BATCH, 100)
    recipe = TrainingRecipe(steps=steps, seed=seed, rate=_RATE, warmup=min(50, steps // 5), decay=_DECAY)
    train(network, objective, _Batches(given, wanted, seed), recipe)
    return network.eval()


def _array(layer: nn.Module) -> tuple[np.ndarray, np.ndarray]:
    """``(from, to)`` weights and ``(to,)`` biases."""
    assert isinstance(layer, nn.Linear)
    return layer.weight.detach().double().numpy().T.copy(), layer.bias.detach().double().numpy().copy()
