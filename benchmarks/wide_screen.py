"""Memory and time of a screen of 2,000 perturbations × 20,000 genes × 4 batches, from its file to a saved virtual cell.

Cells are written to disk as sparse float32 counts, a few of each perturbation in each batch. A process of its own reads
the file, fits effect.v2 with its inner folds, predicts 100 perturbations, and saves the cell. Its peak memory is the
operating system's, from start to exit.

Two screens: in the shallow one most of the pseudobulk is zero; in the deep one most is not, so that it is dense.

Run: python benchmarks/wide_screen.py [shallow|deep ...]
"""

import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

for _library in ("OMP", "OPENBLAS", "MKL"):
    os.environ[f"{_library}_NUM_THREADS"] = "1"

import anndata as ad  # noqa: E402 - threads are counted at import
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from scipy import sparse  # noqa: E402

from aivc import Recipe, Schema, fit, predict, read  # noqa: E402
from aivc.core.scale import Scale  # noqa: E402
from aivc.core.space import Space  # noqa: E402
from aivc.core.ur import UR  # noqa: E402

RESULT = Path(__file__).parent / "results" / "wide_screen.json"
PERTURBATIONS, GENES, BATCHES, ASKED, PEAK_GB = 2_000, 20_000, 4, 100, 3.0
CONTROLS, PROGRAMMES, AXES, BLOCK = 500, 8, 64, 4_096
# Genes read in a cell, and cells of each perturbation in each batch.
DEPTHS = {"shallow": (1_000, 4), "deep": (3_000, 6)}
SCHEMA = Schema(units="counts", perturbation="perturbation", control="control", kind="ko", batch="batch")


def labels(per_group: int) -> pd.DataFrame:
    """Perturbation and batch of every cell, controls first."""
    names = np.array(["control", *(f"G{i:05}" for i in range(PERTURBATIONS))], dtype=object)
    code = np.concatenate([np.zeros(CONTROLS, dtype=int), np.repeat(np.arange(1, PERTURBATIONS + 1), per_group)])
    code, batch = np.tile(code, BATCHES), np.repeat(np.arange(BATCHES), len(code))
    table = pd.DataFrame({"perturbation": names[code], "batch": [f"batch {i}" for i in batch], "code": code})
    return table.set_index(pd.Index([f"cell {i}" for i in range(len(table))], dtype=object))


def counts(
    code_n: np.ndarray, per_cell: int, truth: tuple[np.ndarray, np.ndarray], seed: list[int]
) -> sparse.csr_matrix:
    """``(n, f)`` counts: one gene of each stride. The first hold one gene each, so that some genes are in all cells."""
    rng = np.random.default_rng(seed)
    stride = np.unique(np.round(GENES * np.linspace(0, 1, per_cell + 1) ** 2).astype(np.int32))
    genes_nk = stride[:-1] + (rng.random((len(code_n), len(stride) - 1), dtype=np.float32) * np.diff(stride)).astype(
        int
    )
    genes_nk = np.minimum(genes_nk, stride[1:] - 1).astype(np.int32)
    effect_pr, loadings_rf = truth
    log_nk = np.einsum("nr,rnk->nk", effect_pr[code_n], loadings_rf[:, genes_nk], optimize=False)
    data = 1 + rng.poisson(2 * np.exp(np.clip(log_nk, -2, 2)))
    pointer = np.arange(0, data.size + 1, data.shape[1], dtype=np.int64)
    return sparse.csr_matrix((data.ravel().astype(np.float32), genes_nk.ravel(), pointer), shape=(len(code_n), GENES))


def knowledge(rng: np.random.Generator) -> tuple[UR, np.ndarray]:
    """What is known of each target, and ``(1 + p, r)`` what each does, half of it foretold by that; controls first."""
    names = [f"G{i:05}" for i in range(PERTURBATIONS)]
    values = rng.standard_normal((PERTURBATIONS, AXES))
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    table = pd.DataFrame({"known_as": names, "covered_go": True, "axes_go": AXES}, index=names)
    own_pr = values @ rng.standard_normal((AXES, PROGRAMMES)) + rng.standard_normal((PERTURBATIONS, PROGRAMMES))
    parts = UR(values, Space("priors", Scale.MOLECULAR, AXES, "benchmark"), table)
    return parts, np.vstack([np.zeros(PROGRAMMES), own_pr]).astype(np.float32)


def write(path: Path, depth: str) -> int:
    """Write the screen; returns how many cells it has."""
    per_cell, per_group = DEPTHS[depth]
    rng = np.random.default_rng(0)
    _, effect_pr = knowledge(rng)
    truth = effect_pr, (0.25 * rng.standard_normal((PROGRAMMES, GENES))).astype(np.float32)
    obs = labels(per_group)
    code_n = obs.pop("code").to_numpy()
    blocks = [counts(code_n[at : at + BLOCK], per_cell, truth, [1, at]) for at in range(0, len(code_n), BLOCK)]
    genes = pd.DataFrame(index=[f"G{i:05}" for i in range(GENES)])
    ad.AnnData(sparse.vstack(blocks, format="csr"), obs=obs, var=genes).write_h5ad(path)
    return len(obs)


def peak_mb(who: int = resource.RUSAGE_SELF) -> int:
    return round(resource.getrusage(who).ru_maxrss / 1024)


def run(path: Path, answers: Path, folds: int) -> None:
    """From file to saved cell, in this process; writes the answers, and what each step took to its output."""
    steps: dict[str, dict[str, float]] = {}

    def step(name, make):
        start, worked = time.perf_counter(), time.process_time()
        made = make()
        took = {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - worked}
        steps[name] = {key: round(value, 1) for key, value in took.items()} | {"peak_mb": peak_mb()}
        print(name, steps[name], file=sys.stderr, flush=True)
        return made

    parts, _ = knowledge(np.random.default_rng(0))
    screen = step("read", lambda: read(path, SCHEMA, backed=True))
    cell = step("fit", lambda: fit(screen, "effect.v2", parts=parts, recipe=Recipe(inner_folds=folds)))
    asked = [f"ko:G{i:05}" for i in range(0, PERTURBATIONS, PERTURBATIONS // ASKED)]
    told = step("predict", lambda: predict(cell, "all", asked))
    with tempfile.TemporaryDirectory() as folder:
        step("save", lambda: cell.save(Path(folder) / "cell"))
    np.save(answers, np.array([each.effect for each in told]))
    print(json.dumps(steps))


def measure(depth: str) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "screen.h5ad"
        # Written by another process: what this one held would count as held by its children, which begin as copies.
        write_it = [sys.executable, __file__, "write", str(path), depth]
        cells = int(subprocess.run(write_it, check=True, stdout=subprocess.PIPE, text=True).stdout)
        command = [sys.executable, __file__, "run", str(path), str(Path(folder) / "answers.npy"), "5"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            said = child.stdout.read()
            _, status, used = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise RuntimeError(f"The run ended with {child.returncode}; it says why above.")
        return {
            "cells": cells,
            "file_mb": round(path.stat().st_size / 1e6),
            "steps": json.loads(said),
            "peak_gb": round(used.ru_maxrss * 1024 / 1e9, 3),
            "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        }


def main(depths: list[str]) -> None:
    # One depth takes a quarter of an hour: what another run found of the other one is kept.
    found = json.loads(RESULT.read_text())["screens"] if RESULT.exists() else {}
    found |= {depth: measure(depth) for depth in depths}
    report = {
        "command": "python benchmarks/wide_screen.py " + " ".join(found),
        "missing": [depth for depth in DEPTHS if depth not in found],
        "perturbations": PERTURBATIONS,
        "genes": GENES,
        "batches": BATCHES,
        "inner_folds": 5,
        "screens": found,
        "bars": [
            {
                "name": f"peak GB, {depth}",
                "value": each["peak_gb"],
                "bar": PEAK_GB,
                "better": "lower",
                "met": each["peak_gb"] <= PEAK_GB,
            }
            for depth, each in found.items()
        ],
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("aivc", "numpy", "scipy", "anndata")},
    }
    print(json.dumps(report, indent=1))
    RESULT.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["write", path, depth]:
            print(write(Path(path), depth))
        case ["run", path, answers, folds]:
            run(Path(path), Path(answers), int(folds))
        case depths:
            main(depths or list(DEPTHS))
