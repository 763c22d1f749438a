"""A million cells on disk, from file to scores, without being loaded whole: seconds and memory of every step.

Run: python benchmarks/million.py [CELLS]
"""

import json
import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from aivc import Recipe, Schema, evaluate, fit, read
from aivc.data.splits.folds import unseen_perturbation
from aivc.data.streaming.stream import pseudobulk
from aivc.data.synthetic import write_synthetic_h5ad

RESULT = Path(__file__).parent / "results" / "million.json"
steps: dict[str, dict[str, float]] = {}


def peak_mb() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


@contextmanager
def step(name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    steps[name] = {"seconds": round(time.perf_counter() - start, 1), "peak_mb": peak_mb()}
    print(name, steps[name], flush=True)


def main(cells: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "million.h5ad"
        with step("write"):
            truth = write_synthetic_h5ad(path, cells=cells)
        size = path.stat().st_size
        with step("read"):
            schema = Schema(
                units="counts",
                perturbation="perturbation",
                control="control",
                kind=None,
                context="context",
                batch="batch",
            )
            screen = read(path, schema, backed=True)
        with step("pseudobulk"):
            pseudobulk(screen)
        with step("fit"):
            fit(screen, parts=truth.priors, recipe=Recipe(inner_folds=0))
        with step("split"):
            split = unseen_perturbation(screen, folds=2)
        with step("evaluate"):
            outcome = evaluate(screen, split, ["ridge-on-priors"], parts=truth.priors, recipe=Recipe(inner_folds=2))
    whole = screen.values.shape
    report = {
        "command": f"python benchmarks/million.py {cells}",
        "cells": whole[0],
        "features": whole[1],
        "file_mb": round(size / 1e6),
        "steps": steps,
        "scores": {m: {k: v["value"] for k, v in by.items()} for m, by in outcome.scores.items()},
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("aivc", "numpy", "scipy", "anndata", "h5py")},
    }
    RESULT.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
