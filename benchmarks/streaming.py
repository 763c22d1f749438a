"""Training batches from cells on disk: seconds, cells per second, and memory, for a million cells of 2,000 genes.

Run: python benchmarks/streaming.py [CELLS]
"""

import json
import os
import platform
import resource
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from aivc.core.measurement import Measurement
from aivc.data.streaming.shards import Shards, write_shards
from aivc.training.cells import CellBatches, ShardCells

RESULT = Path(__file__).parent / "results" / "streaming.json"
GENES, PER_CELL, BATCH = 2000, 100, 512


class Drawn:
    """Cells that are drawn when they are asked for: 5 % of the genes of each, so that no source is in memory."""

    def __init__(self, cells: int) -> None:
        self.shape = (cells, GENES)

    def rows(self, start: int, stop: int) -> sparse.csr_matrix:
        """Rows ``start`` to ``stop``."""
        draw, n = np.random.default_rng(start), stop - start
        first = draw.integers(0, GENES, n)
        indices = (first[:, None] + np.arange(PER_CELL) * (GENES // PER_CELL)) % GENES
        data = draw.geometric(0.4, (n, PER_CELL)).astype(np.float32)
        pointer = np.arange(n + 1) * PER_CELL
        return sparse.csr_matrix((data.ravel(), indices.ravel(), pointer), shape=(n, GENES))


def peak_mb() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def speed(shards: Shards, *, dense: bool, block: int, window: int) -> dict[str, float]:
    loader = ShardCells(shards, BATCH, block=block, window=window)
    batches = CellBatches(loader, "log1p_cp10k")
    start, steps = time.perf_counter(), len(loader) // BATCH
    for step in range(steps):
        batches(step, 0, 1) if dense else loader.batches(step, 0, 1)
    seconds = time.perf_counter() - start
    return {"seconds": round(seconds, 2), "cells_per_second": round(steps * BATCH / seconds), "peak_mb": peak_mb()}


def main(cells: int) -> None:
    names = pd.DataFrame(index=[f"c{i}" for i in range(cells)])
    measurement = Measurement(Drawn(cells), np.array([f"g{i}" for i in range(GENES)], dtype=object), names, "counts")
    steps: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        shards = write_shards(measurement, Path(folder) / "shards")
        seconds = time.perf_counter() - start
        steps["write"] = {
            "seconds": round(seconds, 1),
            "cells_per_second": round(cells / seconds),
            "peak_mb": peak_mb(),
        }
        size = sum(path.stat().st_size for path in (Path(folder) / "shards").iterdir())
        steps["csr batches"] = speed(shards, dense=False, block=512, window=128)
        steps["normalized dense tensors"] = speed(shards, dense=True, block=512, window=128)
        steps["csr batches, no blocks"] = speed(shards, dense=False, block=1, window=cells)
    report = {
        "command": f"python benchmarks/streaming.py {cells}",
        "cells": cells,
        "features": GENES,
        "density": PER_CELL / GENES,
        "batch": BATCH,
        "timed": "one epoch each",
        "disk_mb": round(size / 1e6),
        "steps": steps,
        "note": (
            "Peak memory includes the pages of the mapped files. The files had just been written and were in the "
            "cache of the system, so this is the cost of the loader, not of the disk; write includes drawing the cells."
        ),
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("aivc", "numpy", "scipy", "torch")},
    }
    RESULT.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(steps, indent=1))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
