"""How much of the scatter of single cells is their own, and how much is the counting that reading out adds again."""

import dataclasses

import numpy as np
import pandas as pd
from jaxtyping import Float

from aivc.core.contracts import Decoder, Encoder
from aivc.core.measurement import Measurement
from aivc.core.units import COUNTS
from aivc.core.ur import UR
from aivc.data.normalize import totals

# So many cells tell a variance to a tenth; the second round allows for noise that grows with what is read.
_STATES, _ROUNDS = 200, 2
# However little of it is the cells' own, they never scatter by less than this: methods learn from populations.
_LEAST = 0.1


def own_share(cells: UR, encoder: Encoder, decoder: Decoder, *, seed: int = 0) -> Float[np.ndarray, " d"]:
    """Share of each axis' scatter, as a standard deviation, that is the cells' own: 0.1 to 1.

    A state of a single cell holds the chance of its counting, and a decoder that draws counts adds such chance once
    more. Scaled by this share, cells that are read out and encoded again scatter as those measured do.

    Args:
        cells: Measured states, controls of one context or more.
        encoder: That made them.
        decoder: That will read them out.
        seed: Which cells are tried.
    """
    some = np.random.default_rng(seed).permutation(len(cells))[:_STATES]
    cells = cells.take(np.sort(some))
    middle_nd = _means(cells)
    around_nd = cells.values - middle_nd
    measured_d, share_d = (around_nd**2).mean(axis=0), np.zeros(cells.space.dim)
    for _ in range(_ROUNDS):
        tried = dataclasses.replace(cells, values=middle_nd + share_d * around_nd)
        read = encoder.encode(_not_empty(decoder.decode(tried).draws[0]))
        added_d = ((read.values - _means(read)) ** 2).mean(axis=0) - share_d**2 * measured_d
        share_d = np.sqrt(np.clip(1 - added_d / np.maximum(measured_d, 1e-300), _LEAST**2, 1.0))
    return share_d


def calmed(cells: UR, share: Float[np.ndarray, " d"]) -> UR:
    """Scale how cells scatter around the mean of their context and perturbation, which stays."""
    middle_nd = _means(cells)
    return dataclasses.replace(cells, values=middle_nd + share * (cells.values - middle_nd))


def _means(cells: UR) -> np.ndarray:
    """``(n, d)`` mean state of the context and perturbation of each cell."""
    labels = [cells.contexts.astype(str), cells.perturbations.astype(str)]
    return pd.DataFrame(cells.values).groupby(labels).transform("mean").to_numpy()


def _not_empty(read: Measurement) -> Measurement:
    """Without cells in which nothing happened to be counted."""
    return read.take(totals(read) > 0) if read.units == COUNTS else read
