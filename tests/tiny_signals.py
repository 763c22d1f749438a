"""Signals after a stimulus, in one series with zeros of its own; how strong each becomes is known."""

from functools import cache

import numpy as np
import pandas as pd

from aivc.core.measurement import Measurement

SECONDS = (0, 30, 60, 120, 240)
ROWS = 4 * len(SECONDS)


@cache
def insulin_like(signals=200, noise=0.4):
    """20 samples of 200 signals on 100 proteins, and the strength of each signal."""
    rng = np.random.default_rng(0)
    strength = rng.normal(size=signals)
    mean_ts = np.array([strength * (1 - np.exp(-t / 60)) for t in SECONDS])
    values = np.repeat(mean_ts, 4, axis=0) + noise * rng.normal(size=(ROWS, signals))
    frame = pd.DataFrame({"series": "long", "seconds": np.repeat(SECONDS, 4)}, index=[f"s{i}" for i in range(ROWS)])
    sites = np.array([f"P{i // 2};{i}" for i in range(signals)], dtype=object)
    return Measurement(values, sites, frame, "log_intensity", modality="phospho"), strength
