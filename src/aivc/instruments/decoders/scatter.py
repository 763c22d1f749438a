"""How much of the scatter of single cells is their own, and how much is the counting that reading out adds again."""

import dataclasses

import numpy as np
import pandas as pd
from jaxtyping import Float

from aivc.core.axes import Axes
from aivc.core.contracts import Decoder
from aivc.core.measurement import CONTROL
from aivc.core.units import COUNTS
from aivc.core.ur import UR
from aivc.data.streaming.normalize import normalize, totals

# So many cells tell a variance to a tenth; the second round allows for noise that grows with what is read.
_STATES, _ROUNDS, _FEWEST = 200, 2, 50
# However little of it is the cells' own, they never scatter by less than this.
_LEAST = 0.1


def own_share(cells: UR, decoder: Decoder, axes: Axes, *, seed: int = 0) -> Float[np.ndarray, " d"]:
    """Share of each axis' scatter, as a standard deviation, that is the cells' own: 0.1 to 1.

    The state of a single cell holds the chance of its counting, and a decoder that draws counts adds such chance once
    more. Scaled by this share, cells that are read out and encoded again scatter as those measured do.

    Args:
        cells: Measured states; controls are tried where there are enough.
        decoder: That will read them out, as they are.
        axes: That they are projections on.
        seed: Which cells are tried.
    """
    control = np.flatnonzero(cells.perturbations.astype(str) == CONTROL)
    rows = control if len(control) >= _FEWEST else np.arange(len(cells))
    cells = cells.take(np.sort(np.random.default_rng(seed).permutation(rows)[:_STATES]))
    middle_nd = _means(cells)
    around_nd = cells.values - middle_nd
    measured_d, share_d = (around_nd**2).mean(axis=0), np.zeros(cells.space.dim)
    for _ in range(_ROUNDS):
        tried = dataclasses.replace(cells, values=middle_nd + share_d * around_nd)
        added_d = _scatter(tried, decoder, axes) - share_d**2 * measured_d
        share_d = np.sqrt(np.clip(1 - added_d / np.maximum(measured_d, 1e-300), _LEAST**2, 1.0))
    return share_d


def calmed(cells: UR, share: Float[np.ndarray, " d"]) -> UR:
    """Scale how cells scatter around the mean of their context and perturbation, which stays."""
    if (share == 1).all():
        return cells
    middle_nd = _means(cells)
    return dataclasses.replace(cells, values=middle_nd + share * (cells.values - middle_nd))


def _scatter(cells: UR, decoder: Decoder, axes: Axes) -> np.ndarray:
    """``(d,)`` variance within populations of cells that are read out and projected again."""
    said = decoder.decode(cells)
    read, kept = said.draws[0], np.arange(len(cells))
    if read.units == COUNTS:
        # Where nothing happened to be counted there is no profile.
        kept = np.flatnonzero(totals(read) > 0)
        read = read.take(kept)
    values = normalize(read, said.profile_units).block(0, len(read)) @ axes.loadings
    again = dataclasses.replace(cells.take(kept), values=np.asarray(values - axes.center @ axes.loadings, dtype=float))
    return np.asarray(((again.values - _means(again)) ** 2).mean(axis=0))


def _means(cells: UR) -> np.ndarray:
    """``(n, d)`` mean state of the context and perturbation of each cell."""
    labels = [cells.contexts.astype(str), cells.perturbations.astype(str)]
    return pd.DataFrame(cells.values).groupby(labels).transform("mean").to_numpy()
