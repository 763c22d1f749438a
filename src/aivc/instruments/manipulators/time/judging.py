"""What times left out say of several ways to fill them, and how to share an answer among the ways."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from aivc.instruments.manipulators.time.cell_rows import CellRows
from aivc.instruments.manipulators.time.copying import mixture_moved, nearest_moved, next_moved, previous_moved
from aivc.instruments.manipulators.time.snapshots import Line, Places, Snapshot, drawn, thinned
from aivc.instruments.manipulators.time.transporter import Moved

# A way of a line: cells, the hours wanted, and a salt.
Way = Callable[[CellRows, float, str], Moved]
Ways = Callable[[Line], Mapping[str, Way]]

# Held-out times below which nothing is chosen by them, and cells of each time that are looked at.
FEWEST_HELD = 2
MIXTURE, POOL, COPY = "mixture", "pool", "copy"
_CELLS, _SCORED = 1000, 400
_ROUNDS, _RATE = 2000, 0.1
# Draws of halves, and the share of the distance to a copy from which on halves are too far.
_HALVES, POWER = 10, 0.75

# What may answer instead of what is learned: cells that were read.
READ: Mapping[str, Callable[[Line, CellRows, float, str], Moved]] = {
    MIXTURE: mixture_moved,
    POOL: partial(mixture_moved, counted=True),
    COPY: nearest_moved,
}


class Held(NamedTuple):
    """What one time left out says, as energy distances of any mixture of ways.

    Attributes:
        hours: The time.
        truth_k: ``(k,)`` mean distance between each way's population and the one that was read.
        between_kk: ``(k, k)`` mean distances between populations of ways.
        within: Mean distance within the population that was read.
        copy: Energy distance of the better of its two neighbors in time, which is the unit.
    """

    hours: float
    truth_k: np.ndarray
    between_kk: np.ndarray
    within: float
    copy: float

    def score(self, weight_k: np.ndarray) -> float:
        """Energy distance of a mixture of ways, in that of the better copy: 1 is no better than copying."""
        return float(2 * weight_k @ self.truth_k - weight_k @ self.between_kk @ weight_k - self.within) / self.copy


def held_out(line: Line, ways: Ways, seed: int) -> list[Held]:
    """Leave each interior time out, fill it by each way from the other times, and compare.

    Args:
        line: Populations.
        ways: Makes the ways of a line.
        seed: Draws cells.
    """
    line, found = thinned(line, _CELLS, seed), []
    for k in range(1, len(line) - 1):
        rest, truth = line[:k] + line[k + 1 :], line[k]
        start = line[k - 1]
        cells = cells_of(start, seed)
        made: dict[str, Way] = {
            **ways(rest),
            " previous": partial(previous_moved, rest),
            " next": partial(next_moved, rest),
        }
        clouds = [_cloud(way(cells, truth.hours, "held"), start.weight, seed) for way in made.values()]
        said = _held(truth, clouds, seed)
        copies = [said.score(np.eye(len(clouds))[i]) for i in (-2, -1)]
        unit = max(min(copies), 1e-9)
        own = len(clouds) - 2
        found.append(Held(truth.hours, said.truth_k[:own], said.between_kk[:own, :own], said.within, unit))
    return found


def kept_of(line: Line, name: str, learned: Callable[[Line], Way], seed: int) -> dict[str, Any]:
    """Whether times left out are filled better by what is learned than by mixing, pooling and copying.

    Args:
        line: Populations, four or more.
        name: Of what is learned.
        learned: Learns it from a line.
        seed: Draws cells.

    Returns:
        What is ``kept``, ``because`` of what, and mean ``scores`` in those of the better copy.
    """

    def ways(rest: Line) -> Mapping[str, Way]:
        return {name: learned(rest), **{simple: partial(moved, rest) for simple, moved in READ.items()}}

    held = held_out(line, ways, seed)
    names = (name, *READ)
    one_kk = np.eye(len(names))
    scores = {way: float(np.mean([each.score(one_kk[i]) for each in held])) for i, way in enumerate(names)}
    best = min(scores, key=lambda way: scores[way])
    return {
        "kept": best,
        "because": f"the least mean energy distance on {len(held)} times left out",
        "scores": scores,
    }


def cells_of(snapshot: Snapshot, seed: int) -> CellRows:
    """All cells of a population, as if they had been given."""
    count = len(snapshot.values)
    places = Places([f"held {i}" for i in range(count)], snapshot.values, seed)
    return CellRows(snapshot.values, snapshot.rate, snapshot.hours, places, np.arange(count))


def _cloud(moved: Moved, weight: np.ndarray, seed: int) -> np.ndarray:
    mass = weight * moved.factor
    places = (np.arange(_SCORED) + np.random.default_rng(seed).random()) / _SCORED
    return moved.values[drawn(mass, places)]


def _held(truth: Snapshot, clouds: Sequence[np.ndarray], seed: int) -> Held:
    places = (np.arange(_SCORED) + np.random.default_rng(seed + 1).random()) / _SCORED
    seen = truth.values[drawn(truth.weight, places)] if len(truth.values) > _SCORED else truth.values
    to_truth = np.array([cdist(cloud, seen).mean() for cloud in clouds])
    between = np.array([[cdist(one, other).mean() for other in clouds] for one in clouds])
    return Held(truth.hours, to_truth, between, float(cdist(seen, seen).mean()), 1.0)


def halves_and_copy(line: Line, seed: int) -> tuple[float, float]:
    """How far halves of a time are, and how far a time halfway between two neighbors would be from either.

    Distances are exact transport distances of as many cells as half of the smaller time, so their noise is the same:
    that of two halves. It adds in squares, and of the rest half is left halfway. Where halves are as far as that, or
    nearly, no way between the two times can be distinguished from copying one of them.

    Args:
        line: Populations.
        seed: Draws halves.

    Returns:
        Means over neighbors in time.
    """
    rng, found = np.random.default_rng(seed), []
    for pair in pairwise(line):
        count = min(_SCORED, *(len(each.values) // 2 for each in pair))
        for _ in range(_HALVES):
            one, other = ([*np.split(_some(each, 2 * count, rng), 2)] for each in pair)
            noise, far = (_moving(*one) + _moving(*other)) / 2, _moving(one[0], other[0])
            found.append((noise, far))
    noise, far = np.mean(found, axis=0)
    return float(noise), float(np.sqrt(noise**2 + max(far**2 - noise**2, 0.0) / 4))


def _some(snapshot: Snapshot, count: int, rng: np.random.Generator) -> np.ndarray:
    return snapshot.values[rng.choice(len(snapshot.weight), count, replace=False, p=snapshot.weight)]


def _moving(one_nd: np.ndarray, other_nd: np.ndarray) -> float:
    """Exact transport distance between as many cells."""
    cost = cdist(one_nd, other_nd)
    return float(cost[linear_sum_assignment(cost)].mean())


def energy_distance(one_nd: np.ndarray, other_md: np.ndarray) -> float:
    """Between two populations of equal weights."""
    between = 2 * cdist(one_nd, other_md).mean()
    return float(between - cdist(one_nd, one_nd).mean() - cdist(other_md, other_md).mean())


def stacked(held: Sequence[Held], prior_k: np.ndarray, pull: float = 1.0) -> np.ndarray:
    """``(k,)`` weights with the least mean score of the mixture, drawn to weights laid down before.

    The energy distance of a mixture is convex in its weights. The pull is by relative entropy: with 1, moving one nat
    away from the prior has to gain as much as the error of a copy.

    Args:
        held: What times left out say; none leaves the prior.
        prior_k: Positive weights that add up to one.
        pull: How strongly.
    """
    weight_k, rate = prior_k.copy(), _RATE / max(1.0, pull)
    for _ in range(_ROUNDS if held else 0):
        slope_k = np.mean([2 * (h.truth_k - h.between_kk @ weight_k) / h.copy for h in held], axis=0)
        slope_k = slope_k + pull * (np.log(np.maximum(weight_k, 1e-300) / prior_k) + 1)
        weight_k = weight_k * np.exp(-rate * (slope_k - slope_k.min()))
        weight_k = weight_k / weight_k.sum()
    return weight_k
