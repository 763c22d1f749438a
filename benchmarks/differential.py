"""How long differential expression of 300 perturbations × 8,000 genes × 100 cells takes, beside scipy's test.

Run: python benchmarks/differential.py
"""

import json
import os
import platform
import resource
import sys
import time
from pathlib import Path

import numpy as np
import scipy
from scipy import sparse, stats

from aivc.evaluation.metrics.differential import Control

PERTURBATIONS, GENES, CELLS, CONTROLS, TOTAL = 300, 8_000, 100, 1_000, 10_000
TARGET_S = 60.0
RESULT = Path(__file__).parent / "results" / "differential.json"


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def draw(rng: np.random.Generator, mean_f: np.ndarray, cells: int) -> sparse.csr_matrix:
    return sparse.csr_matrix(rng.poisson(mean_f, (cells, GENES)).astype(np.float32))


def per_million(counts_nf: sparse.csr_matrix) -> np.ndarray:
    dense_nf = counts_nf.toarray().astype(np.float64)
    return dense_nf * 1e6 / dense_nf.sum(axis=1, keepdims=True)


def beside_scipy(cells_nf: sparse.csr_matrix, control_mf: sparse.csr_matrix, control: Control) -> dict[str, float]:
    table = control.differential(cells_nf)
    start = time.perf_counter()
    real = stats.mannwhitneyu(per_million(cells_nf), per_million(control_mf), axis=0, method="asymptotic")
    seconds = time.perf_counter() - start
    error = np.abs(table.p - real.pvalue)[table.tested] / real.pvalue[table.tested]
    return {"scipy_s_per_perturbation": round(seconds, 2), "largest_relative_error_of_p": float(error.max())}


def main() -> None:
    rng = np.random.default_rng(0)
    mean_f = rng.lognormal(0, 1.5, GENES)
    mean_f *= TOTAL / mean_f.sum()
    control_mf = draw(rng, mean_f, CONTROLS)
    before = peak_mb()
    start = time.perf_counter()
    control = Control.of(control_mf, np.array([f"G{i:04}" for i in range(GENES)]), units="counts")
    sort_s = time.perf_counter() - start
    seconds, nonzeros, calls = 0.0, 0, 0
    for _ in range(PERTURBATIONS):
        shift_f = np.where(rng.random(GENES) < 0.02, 2.0 ** rng.normal(0, 1, GENES), 1.0)
        # Only comparing is timed: perturbations are made one at a time, as a file is read.
        last = draw(rng, mean_f * shift_f, CELLS)
        start = time.perf_counter()
        table = control.differential(last)
        seconds += time.perf_counter() - start
        nonzeros, calls = nonzeros + last.nnz, calls + int(table.significant.sum())
    peak = peak_mb()
    report = {
        "command": "python benchmarks/differential.py",
        "perturbations": PERTURBATIONS,
        "genes": GENES,
        "cells_each": CELLS,
        "controls": CONTROLS,
        "tested_genes": int(control.tested.sum()),
        "density": round(nonzeros / (PERTURBATIONS * CELLS * GENES), 3),
        "significant": calls,
        "sort_control_s": round(sort_s, 2),
        "all_perturbations_s": round(seconds, 2),
        "ms_per_perturbation": round(1000 * seconds / PERTURBATIONS, 1),
        "target_s": TARGET_S,
        "before_mb": round(before),
        "peak_mb": round(peak),
        **beside_scipy(last, control_mf, control),
        "cpus": os.cpu_count(),
        "versions": {"python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__},
    }
    RESULT.write_text(json.dumps(report, indent=1) + "\n")
    sys.stdout.write(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
