"""Which genes go with a fate before it is reached: correlations beside a shuffle, and no claim that they cause it."""

import numpy as np
import pandas as pd

from aivc.core.errors import DataError, UnknownNameError
from aivc.data.streaming.normalize import normalize, profile_units
from aivc.experiments.fate import Fates

_FEWEST = 10


def fate_drivers(
    fates: Fates, name: str, *, hours: float | None = None, shuffles: int = 200, seed: int = 0
) -> pd.DataFrame:
    """Correlate genes with the log odds of a fate, among cells that have not reached the last time.

    Cells of one time only are compared, so that genes that change with time do not pass for drivers. The largest
    correlation of any gene under a shuffle of the cells is what one is compared with: ``p`` holds for all genes
    together (Westfall & Young 1993).

    Args:
        fates: Of `aivc.experiments.fate.fate`.
        name: A terminal state.
        hours: Which time; the latest before the last by default.
        shuffles: Number of shuffles.
        seed: Draws them.

    Returns:
        A row per gene that varies: ``feature``, ``correlation`` and ``p``; largest correlation first.

    Raises:
        DataError: Fewer than ten cells are of this time, or it is the last.
        UnknownNameError: No such terminal state.
    """
    if name not in fates.names:
        raise UnknownNameError("terminal state", name, fates.names)
    times = fates.cells.times
    assert times is not None
    before = times[times < times.max()]
    asked = float(before.max()) if hours is None else hours
    rows = np.flatnonzero((times == asked) & (times < times.max()))
    if len(rows) < _FEWEST:
        raise DataError([f"{len(rows)} cells were read at {asked:g} h, before the last time; {_FEWEST} are needed."])
    here = fates.cells.take(rows)
    x_nf = here.dense() if here.units == "arbitrary" else normalize(here, profile_units(here)).dense()
    p_n = np.clip(fates.probabilities[rows, fates.names.index(name)], 1e-9, 1 - 1e-9)
    z_nf, varies = _standard(x_nf)
    y_n = _standard(np.log(p_n / (1 - p_n))[:, None])[0][:, 0]
    correlation_f = z_nf.T @ y_n / len(rows)
    rng = np.random.default_rng(seed)
    shuffled = np.array([rng.permutation(y_n) for _ in range(shuffles)])
    largest = np.abs(shuffled @ z_nf / len(rows)).max(axis=1)
    above = (largest[None, :] >= np.abs(correlation_f)[:, None]).sum(axis=1)
    table = pd.DataFrame(
        {
            "feature": here.features[varies].astype(str),
            "correlation": correlation_f,
            "p": (1 + above) / (1 + shuffles),
        }
    )
    order = np.argsort(-np.abs(correlation_f), kind="stable")
    return table.iloc[order].reset_index(drop=True)


def _standard(x_nf: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    spread_f = x_nf.std(axis=0)
    varies = spread_f > 1e-12
    return (x_nf[:, varies] - x_nf.mean(axis=0)[varies]) / spread_f[varies], varies
