"""Cells that walk along a line: genes switch on and off one after another, and unspliced counts run ahead."""

from functools import cache

import numpy as np
import pandas as pd

from aivc.core.measurement import Measurement

NEXT = [["early", "middle"], ["middle", "late"]]


@cache
def moving_cells(n=180, genes=60):
    """Spliced and unspliced counts, and the true place of each cell from 0 to 1."""
    rng = np.random.default_rng(0)
    true_n, peak_f = rng.permutation(np.linspace(0, 1, n)), np.linspace(-0.2, 1.2, genes)
    rate = 40 * np.exp(-((true_n[:, None] - peak_f) ** 2) / (2 * 0.25**2)) + 2
    # A quarter of a step ahead: what is transcribed now is spliced then.
    ahead = 40 * np.exp(-((true_n[:, None] + 0.12 - peak_f) ** 2) / (2 * 0.25**2)) + 2
    kind_n = np.select([true_n < 1 / 3, true_n < 2 / 3], ["early", "middle"], "late")
    frame = pd.DataFrame({"cell_type": kind_n}, index=[f"cell{i}" for i in range(n)])
    names = np.array([f"G{i}" for i in range(genes)], dtype=object)
    spliced, unspliced = (Measurement(rng.poisson(x).astype(float), names, frame, "counts") for x in (rate, ahead))
    return spliced, unspliced, true_n
