"""Does RNA velocity say where cells go? Arrows from nascent RNA, and what they add, beside the same made void."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple, final

import numpy as np
from jaxtyping import Float
from scipy import sparse
from scipy.sparse.linalg import lsqr
from scipy.stats import rankdata

from aivc.core.errors import DataError
from aivc.core.measurement import Measurement
from aivc.core.ur import UR
from aivc.data.streaming.normalize import normalize, profile_units
from aivc.experiments.atlas.neighbors import Neighbors

VELOCITY, PERMUTED, SWAPPED = "velocity", "unspliced permuted over cells", "layers swapped"
# Cells over which either layer is averaged, the share of cells that must hold a gene, and permutations.
SMOOTHED, _SEEN, _PERMUTATIONS = 30, 0.1, 3
_BLOCK = 4096


@final
@dataclass(frozen=True, eq=False)
class Splicing:
    """Spliced and unspliced RNA of the same cells.

    Attributes:
        spliced: ``(n, f)`` normalized.
        unspliced: ``(n, f)`` likewise.
    """

    spliced: Float[np.ndarray, "n f"]
    unspliced: Float[np.ndarray, "n f"]

    @classmethod
    def of(cls, spliced: Measurement, unspliced: Measurement) -> "Splicing":
        """Normalize both layers, and keep genes that a tenth of the cells hold in either.

        Raises:
            DataError: Other cells or genes, or no gene is left.
        """
        same = spliced.entities.index.equals(unspliced.entities.index)
        if not same or not np.array_equal(spliced.features, unspliced.features):
            raise DataError(["Spliced and unspliced RNA are of the same cells and genes, in this order. Align them."])
        layers = [np.asarray(normalize(layer, profile_units(layer)).dense()) for layer in (spliced, unspliced)]
        kept = np.logical_and(*[(layer > 0).mean(axis=0) > _SEEN for layer in layers])
        if not kept.any():
            raise DataError([f"No gene is seen in both layers of {_SEEN:.0%} of the cells. Velocity needs some."])
        return cls(*[layer[:, kept] for layer in layers])

    def void(self, seed: int) -> list[tuple[str, "Splicing"]]:
        """The same without what velocity rests on: unspliced of other cells, and time turned round."""
        rng = np.random.default_rng(seed)
        drawn = [rng.permutation(len(self.spliced)) for _ in range(_PERMUTATIONS)]
        permuted = [(PERMUTED, replace(self, unspliced=self.unspliced[rows])) for rows in drawn]
        return [*permuted, (SWAPPED, Splicing(self.unspliced, self.spliced))]


class Arrows(NamedTuple):
    """Where cells are and where they go, in genes.

    Attributes:
        place: ``(n, f)`` spliced RNA, averaged over neighbors.
        velocity: ``(n, f)`` unspliced RNA beyond what is usual for the spliced (steady-state model; La Manno et al.
            2018, Nature 560:494).
    """

    place: np.ndarray
    velocity: np.ndarray

    @classmethod
    def of(cls, splicing: Splicing, near_nk: np.ndarray) -> "Arrows":
        """Average over neighbors ``(n, k)`` and subtract the steady state."""
        mean_nn = _mean_over(near_nk, np.ones(near_nk.shape, dtype=bool))
        s_nf, u_nf = mean_nn @ splicing.spliced, mean_nn @ splicing.unspliced
        slope_f = (s_nf * u_nf).sum(axis=0) / np.maximum((s_nf**2).sum(axis=0), 1e-12)
        return cls(s_nf, u_nf - slope_f * s_nf)

    def along(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """``(e,)`` cosine of the velocity of one cell and the step to another."""
        found = [np.zeros(0)]
        for first in range(0, len(start), _BLOCK):
            i, j = start[first : first + _BLOCK], end[first : first + _BLOCK]
            found.append(_cosine(self.place[j] - self.place[i], self.velocity[i]))
        return np.concatenate(found)

    def forward(self, near_nk: np.ndarray, time_n: np.ndarray) -> float:
        """Half of how much rather velocity points to later neighbors than to earlier ones: the mean of two cosines.

        Velocity shares the noise of where its cell lies with any step from there, and points to all neighbors for
        that; in the difference this cancels.
        """
        both = []
        for side_nk in (time_n[near_nk] > time_n[:, None], time_n[near_nk] < time_n[:, None]):
            step_nf = _mean_over(near_nk, side_nk) @ self.place - self.place
            both.append(np.where(side_nk.any(axis=1), _cosine(step_nf, self.velocity), 0.0))
        return float((both[0] - both[1]).mean() / 2)


@final
@dataclass(frozen=True, eq=False)
class VelocityTest:
    """Whether velocity was used for an order, and why.

    Attributes:
        used: Whether it was.
        why: In words.
        cosine: How much rather velocity points to later neighbors, in the order without it, than to earlier ones
            (`Arrows.forward`): of velocity, and the largest of each kind that was made void. Arrows mean something
            only where the first is above the others.
        without: How often cells of known pairs are in order without velocity; None where no pairs were given.
        gain: What velocity adds to that, and the most that each kind made void adds; empty without pairs.
    """

    used: bool
    why: str
    cosine: dict[str, float]
    without: float | None
    gain: dict[str, float]

    @property
    def forward(self) -> bool:
        """Whether velocity points to later cells, more than anything void does."""
        return self.cosine[VELOCITY] > max(0.0, self.cosine[PERMUTED], self.cosine[SWAPPED])


def near_cells(ur: UR) -> np.ndarray:
    """``(n, k)`` each cell and its 30 nearest neighbors, over whom velocity is averaged."""
    return Neighbors.of(ur.values).find(ur.values, min(SMOOTHED + 1, len(ur)))[0]


def judge(
    splicing: Splicing,
    ur: UR,
    time_n: np.ndarray,
    again: Callable[[Arrows], np.ndarray],
    score: Callable[[np.ndarray], float] | None,
    seed: int,
) -> tuple[VelocityTest, np.ndarray]:
    """Order once more with velocity and with velocity made void; use it only where it gains and nothing void does.

    Args:
        splicing: Of the cells.
        ur: Their states.
        time_n: ``(n,)`` the order without velocity.
        again: The order with arrows.
        score: How right an order is; None where nothing is known, and nothing can be gained.
        seed: Draws the permutations.

    Returns:
        What was found, and the order to go by.

    Raises:
        DataError: Splicing is of other cells.
    """
    if len(splicing.spliced) != len(ur):
        raise DataError([f"Splicing is of {len(splicing.spliced)} cells, states of {len(ur)}. Give the same cells."])
    near_nk, with_n = near_cells(ur), time_n
    without = None if score is None else score(time_n)
    cosine: dict[str, float] = {}
    gain: dict[str, float] = {}
    for name, layers in [(VELOCITY, splicing), *splicing.void(seed)]:
        arrows = Arrows.of(layers, near_nk)
        cosine[name] = max(cosine.get(name, -1.0), arrows.forward(near_nk, time_n))
        if score is None or without is None:
            continue
        again_n = again(arrows)
        with_n = again_n if name == VELOCITY else with_n
        gain[name] = max(gain.get(name, -1.0), score(again_n) - without)
    used = bool(gain) and gain[VELOCITY] > 0 and max(gain[PERMUTED], gain[SWAPPED]) <= 0
    return VelocityTest(used, _why(gain, used=used), cosine, without, gain), with_n if used else time_n


def order_by_velocity(ur: UR, splicing: Splicing, *, neighbors: int = 15) -> np.ndarray:
    """``(n,)`` order from 0 to 1 by velocity alone, root-free: the potential that its arrows climb, at best.

    Each pair of neighbors says by how much one comes later (the difference of both cosines), and the order is the one
    that disagrees least (least squares on the graph; Jiang et al. 2011, Math Program 127:203). Never pool it with an
    order that was given a root.

    Args:
        ur: States.
        splicing: Of the same cells.
        neighbors: Number of neighbors.
    """
    rows_nk = Neighbors.of(ur.values).find(ur.values, neighbors + 1)[0]
    start, end = np.repeat(np.arange(len(ur)), rows_nk.shape[1]), rows_nk.ravel()
    start, end = start[start != end], end[start != end]
    arrows = Arrows.of(splicing, near_cells(ur))
    ahead_e = (arrows.along(start, end) - arrows.along(end, start)) / 2
    edge = np.arange(len(start))
    ones = np.ones(len(edge))
    shape = len(edge), len(ur)
    step = sparse.csr_matrix((ones, (edge, end)), shape) - sparse.csr_matrix((ones, (edge, start)), shape)
    return np.asarray((rankdata(lsqr(step, ahead_e)[0]) - 1) / max(len(ur) - 1, 1))


def _why(gain: dict[str, float], *, used: bool) -> str:
    if not gain:
        return "Not used: no pairs of kinds whose order is known were given, so that no gain can be seen."
    void = max(gain[PERMUTED], gain[SWAPPED])
    said = f"it adds {gain[VELOCITY]:+.4f} to the order of known pairs, and made void {void:+.4f} at most"
    if used:
        return f"Used: {said}. The pairs that decided cannot judge it, too."
    rule = "gains nothing" if gain[VELOCITY] <= 0 else "gains, but so does what is void"
    return f"Not used: velocity {rule}; {said}."


def _cosine(a_nf: np.ndarray, b_nf: np.ndarray) -> np.ndarray:
    size_n = np.linalg.norm(a_nf, axis=1) * np.linalg.norm(b_nf, axis=1)
    return np.asarray(np.einsum("nf,nf->n", a_nf, b_nf) / np.where(size_n > 0, size_n, np.inf))


def _mean_over(near_nk: np.ndarray, kept_nk: np.ndarray) -> sparse.csr_matrix:
    """``(n, n)`` rows that average over the neighbors that are kept; zero where there are none."""
    weight_nk = kept_nk / np.maximum(kept_nk.sum(axis=1, keepdims=True), 1)
    rows = np.repeat(np.arange(len(near_nk)), near_nk.shape[1])
    return sparse.csr_matrix((weight_nk.ravel(), (rows, near_nk.ravel())), shape=(len(near_nk), len(near_nk)))
