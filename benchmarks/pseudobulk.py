"""How long adding up 100,000 cells × 8,000 features with 64 million non-zeros takes.

Run: python benchmarks/pseudobulk.py
"""

import json
import os
import platform
import resource
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import scipy
from scipy import sparse

from aivc.core.measurement import Measurement
from aivc.data.streaming.stream import pseudobulk

CELLS, FEATURES, PER_CELL, GROUPS, REPEATS = 100_000, 8_000, 640, 200, 5
RESULT = Path(__file__).parent / "results" / "pseudobulk.json"


def make(rng: np.random.Generator) -> Measurement:
    # One random feature within each stride: distinct and sorted, as in a real count matrix, without sorting 64 million.
    stride = np.linspace(0, FEATURES, PER_CELL + 1).astype(np.int32)
    features = np.empty((CELLS, PER_CELL), dtype=np.int32)
    for start in range(0, CELLS, 10_000):
        offset = rng.random((10_000, PER_CELL), dtype=np.float32) * np.diff(stride)
        features[start : start + 10_000] = stride[:-1] + offset.astype(np.int32)
    np.minimum(features, stride[1:] - 1, out=features)
    counts = rng.integers(1, 10, CELLS * PER_CELL, dtype=np.int8).astype(np.float32)
    pointer = np.arange(0, CELLS * PER_CELL + 1, PER_CELL, dtype=np.int32)
    values = sparse.csr_matrix((counts, features.ravel(), pointer), shape=(CELLS, FEATURES))
    names = np.array([f"ko:G{i:03}" for i in range(GROUPS)], dtype=object)
    entities = pd.DataFrame({"perturbation": names[rng.integers(0, GROUPS, CELLS)]}, index=np.arange(CELLS).astype(str))
    return Measurement(values, np.array([f"G{i}" for i in range(FEATURES)]), entities, "counts")


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(cells: Measurement, units: str | None) -> dict[str, object]:
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        result = pseudobulk(cells, ["perturbation"], units=units)
        seconds.append(time.perf_counter() - start)
    if units is None:
        assert np.isclose(result.dense().sum(), cells.values.sum(dtype=np.float64))
    return {"best_s": round(min(seconds), 3), "median_s": round(float(np.median(seconds)), 3), "runs": REPEATS}


def main() -> None:
    cells = make(np.random.default_rng(0))
    before = peak_mb()
    report = {
        "command": "python benchmarks/pseudobulk.py",
        "cells": CELLS,
        "features": FEATURES,
        "nonzeros": int(cells.values.nnz),
        "groups": GROUPS,
        "sum_of_counts": measure(cells, None),
        "mean_of_log1p_cp10k": measure(cells, "log1p_cp10k"),
        "target_s": 1.0,
        "data_mb": round(before),
        "peak_mb": round(peak_mb()),
        "cpus": os.cpu_count(),
        "versions": {"python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__},
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(report, indent=1) + "\n")
    sys.stdout.write(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
