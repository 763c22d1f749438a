"""A simulated branching process: clones with a known chance of each fate, seen early and, by daughters, late."""

from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd
from jaxtyping import Float

from aivc.core.errors import DataError
from aivc.core.measurement import Measurement
from aivc.core.units import ARBITRARY

_NEAR, _APART, _AXES = 0.3, 3.0, 6


@final
@dataclass(frozen=True, eq=False)
class CloneTruth:
    """What simulated clones were going to become.

    Attributes:
        fates: ``(c,)`` names of the fates.
        share: ``(n, c)`` chance of each fate of a daughter of the clone of each cell.
    """

    fates: tuple[str, ...]
    share: Float[np.ndarray, "n c"]


def synthetic_clones(
    *,
    clones: int = 80,
    early: int = 2,
    late: float = 3.0,
    fates: int = 3,
    hidden: float = 0.0,
    seed: int = 0,
    process: int = 0,
) -> tuple[Measurement, CloneTruth]:
    """Simulate clones read on day 2 and, by other cells of the same clones, on day 4.

    The log odds of a clone are linear in the state of its founder, with a part that no state shows. Early cells lie
    near their founder; each later cell draws its fate from the chances of its clone, and lies near the center of it.

    Args:
        clones: Number of clones.
        early: Cells of each on day 2.
        late: Mean number of cells of each on day 4 (Poisson, at least one).
        fates: Number of fates.
        hidden: Standard deviation of the log odds that states do not show.
        seed: Draws the cells.
        process: Draws what states mean, so that other cells of the same process may be had.

    Raises:
        DataError: Fewer than two fates, or no clones.

    >>> cells, truth = synthetic_clones(clones=5, late=1.0, seed=1)
    >>> truth.share.sum(axis=1).round(6).tolist() == [1.0] * len(cells)
    True
    """
    if fates < 2 or clones < 1 or early < 1:
        raise DataError(["Clones, cells of each and two fates or more are needed. Ask for them."])
    rng, of_process = np.random.default_rng(seed), np.random.default_rng(process)
    slope_dc = of_process.normal(0, 1, (_AXES, fates))
    center_cd = of_process.normal(0, _APART, (fates, _AXES))
    founder_gd = rng.normal(size=(clones, _AXES))
    odds_gc = founder_gd @ slope_dc + rng.normal(0, 1, (clones, fates)) * hidden
    share_gc = np.exp(odds_gc - odds_gc.max(axis=1, keepdims=True))
    share_gc /= share_gc.sum(axis=1, keepdims=True)
    first_n = np.repeat(np.arange(clones), early)
    last_n = np.repeat(np.arange(clones), np.maximum(rng.poisson(late, clones), 1))
    fate_n = (rng.random((len(last_n), 1)) > share_gc.cumsum(axis=1)[last_n, :-1]).sum(axis=1)
    means_nd = np.vstack([founder_gd[first_n], center_cd[fate_n]])
    spread_n1 = np.r_[np.full(len(first_n), _NEAR), np.ones(len(last_n))][:, None]
    clone_n, names = np.r_[first_n, last_n], tuple(f"fate{c}" for c in range(fates))
    frame = pd.DataFrame(
        {
            "time": np.repeat([48.0, 96.0], [len(first_n), len(last_n)]),
            "clone": [f"clone{g}" for g in clone_n],
            "cell_type": ["progenitor"] * len(first_n) + [names[c] for c in fate_n],
        },
        index=[f"cell{i}" for i in range(len(clone_n))],
    )
    axes = np.array([f"axis{d}" for d in range(_AXES)], dtype=object)
    cells = Measurement(means_nd + spread_n1 * rng.normal(size=means_nd.shape), axes, frame, ARBITRARY)
    return cells, CloneTruth(names, share_gc[clone_n])
