"""Virtual cells of a prediction, drawn from all of its draws: so that ignorance and biology both show."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import sparse

from aivc.core.measurement import Measurement
from aivc.core.units import COUNTS


def draw_cells(draws: Sequence[Measurement], cells: int, *, seed: int = 0) -> Measurement:
    """Draw cells evenly from all draws.

    Args:
        draws: ``k`` populations with the same features and units.
        cells: At most so many; virtual cells without any counts are left out, as a real experiment does.
        seed: Draws the cells.
    """
    each, rng = -(-cells // len(draws)), np.random.default_rng(seed)
    picked = [draw.take(np.sort(rng.choice(len(draw), min(each, len(draw)), replace=False))) for draw in draws]
    names = [f"{i}-{label}" for i, piece in enumerate(picked) for label in piece.entities.index]
    entities = pd.concat([piece.entities for piece in picked]).set_axis(names, axis=0)
    values = stacked(picked)
    counted = picked[0].units == COUNTS
    kept = np.flatnonzero(np.asarray(values.sum(axis=1)) > 0) if counted else np.arange(values.shape[0])
    kept = kept[:cells]
    return picked[0].replace(values=values[kept], entities=entities.iloc[kept], observed=None)


def stacked(draws: Sequence[Measurement]) -> np.ndarray | sparse.csr_matrix:
    """``(n, f)`` values of all draws, one below the other; sparse unless all are dense."""
    blocks = [draw.block(0, len(draw)) for draw in draws]
    if all(isinstance(block, np.ndarray) for block in blocks):
        return np.concatenate(blocks)
    return sparse.vstack(list(map(sparse.csr_matrix, blocks)), format="csr")
