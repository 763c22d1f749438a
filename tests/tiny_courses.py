"""A made-up time course of signals whose true effects are known."""

import numpy as np
import pandas as pd

from aivc.core.measurement import Measurement

SECONDS = np.array([30.0, 60.0, 120.0, 240.0, 600.0])


def course(signal=1.0, *, replicates=4, sites=200, seed=0, seconds=SECONDS):
    """A table of one series, and its true effects."""
    rng = np.random.default_rng(seed)
    size, rate = signal * rng.normal(size=sites), rng.uniform(20, 200, sites)
    truth = np.array([size * (1 - np.exp(-t / rate)) for t in (0.0, *seconds)])
    values = np.repeat(truth, replicates, axis=0) + 0.3 * rng.normal(size=(len(truth) * replicates, sites))
    frame = pd.DataFrame({"time": np.repeat([0.0, *seconds], replicates) / 3600, "batch": "one"})
    frame.index = [f"sample{seed}-{i}" for i in range(len(frame))]
    return Measurement(values, np.array([f"s{i}" for i in range(sites)], dtype=object), frame, "arbitrary"), truth
