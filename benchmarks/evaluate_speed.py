"""How long scoring a prediction file takes, beside cell-eval2 on the same two files.

300 perturbations × 8,000 genes × 100 cells and 1,000 controls, one h5ad predicted and one measured. Every run is a
process of its own, one after the other; without `--cell-eval2`, ours alone is timed, and nothing is written.

Run: python benchmarks/evaluate_speed.py [--cell-eval2 VENV]
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

from aivc.data.io.schema import Schema

RESULT = Path(__file__).parent / "results" / "evaluate_speed.json"
PERTURBATIONS, GENES, CELLS, CONTROLS, DEPTH = 300, 8_000, 100, 1_000, 2_000
# By what the two call the same number.
SAME = {
    "vcc26-pds": "pds_cosine",
    "vcc26-mse": "expr_mse_unbiased_capped_norm",
    "vcc26-fidelity": "de_wilcoxon_direction_fidelity_yield_raw",
    "vcc26-reach": "de_wilcoxon_direction_reach_raw",
    "vcc26-jaccard": "de_wilcoxon_sig_jaccard",
    "vcc26-lfc-nmae": "de_wilcoxon_lfc_nmae",
}


def draw(rng: np.random.Generator, share_f: np.ndarray, cells: int) -> sparse.csr_matrix:
    depth = DEPTH * rng.lognormal(0, 0.3, (cells, 1))
    return sparse.csr_matrix(rng.poisson(share_f * depth / share_f.sum()).astype(np.float32))


def write(folder: Path) -> dict[str, Any]:
    """Both files and the schema; the prediction has the measured controls, which cell-eval2 wants there."""
    rng = np.random.default_rng(0)
    base_f = rng.lognormal(0, 2, GENES)
    controls = draw(rng, base_f, CONTROLS)
    blocks: dict[str, list[sparse.csr_matrix]] = {"measured": [controls], "predicted": [controls]}
    for own in range(PERTURBATIONS):
        effect_f = rng.normal(0, 1, GENES) * (rng.random(GENES) < 0.05)
        effect_f[own] = -2
        guess_f = 0.7 * effect_f + rng.normal(0, 0.3, GENES) * (rng.random(GENES) < 0.05)
        for side, rates_f in (("measured", effect_f), ("predicted", guess_f)):
            blocks[side].append(draw(rng, base_f * np.exp(rates_f), CELLS))
    genes = [f"G{i:04}" for i in range(GENES)]
    labels = ["non-targeting"] * CONTROLS + list(np.repeat(genes[:PERTURBATIONS], CELLS))
    obs = pd.DataFrame({"target": labels}, index=[f"c{i}" for i in range(len(labels))])
    stored = {}
    for side, each in blocks.items():
        values = sparse.vstack(each, format="csr")
        stored[side] = values.nnz
        anndata.AnnData(values, obs=obs, var=pd.DataFrame(index=genes)).write_h5ad(folder / f"{side}.h5ad")
    schema = Schema(units="counts", perturbation="target", control="non-targeting", kind="ko", species="none")
    schema.to_toml(folder / "schema.toml")
    return {"nonzero_share": round(stored["measured"] / (len(labels) * GENES), 3)}


def timed(words: list[Any]) -> dict[str, float]:
    """Wall time, processor time and peak memory of one command, all threads together."""
    start = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen([str(word) for word in words], stdout=said, stderr=said)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - start
        if process.returncode:
            said.seek(0)
            raise SystemExit(said.read().decode())
    cpu = used.ru_utime + used.ru_stime
    return {"wall_s": round(wall, 1), "cpu_s": round(cpu, 1), "peak_mb": round(used.ru_maxrss / 1024)}


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--cell-eval2", type=Path, metavar="VENV")
    asked.add_argument("--keep", type=Path, metavar="DIR", help="where the files stay; otherwise they are removed")
    args = asked.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = args.keep or Path(made)
        shape = write(folder)
        report = run(folder, args.cell_eval2, shape)
    # Numbers of two runs are not to be compared: without the other evaluator, the committed comparison stays.
    if args.cell_eval2 is not None:
        RESULT.write_text(json.dumps(report, indent=1) + "\n")
    sys.stdout.write(json.dumps(report, indent=1) + "\n")


def run(folder: Path, venv: Path | None, shape: dict[str, Any]) -> dict[str, Any]:
    files = [folder / "predicted.h5ad", folder / "measured.h5ad"]
    score = [Path(sys.executable).parent / "aivc", "score", *files, "--schema", folder / "schema.toml"]
    # Wall times mean little where other work goes on; processor times do not mind.
    load = round(os.getloadavg()[0], 1)
    ours = timed([*score, "--profile", "vcc2026", "--out", folder / "ours", "--overwrite"])
    said = json.loads((folder / "ours" / "scores.json").read_text())["scores"]
    report = {
        "command": "python benchmarks/evaluate_speed.py --cell-eval2 VENV",
        "perturbations": PERTURBATIONS,
        "genes": GENES,
        "cells_each": CELLS,
        "controls": CONTROLS,
        **shape,
        "aivc": ours,
        "cpus": os.cpu_count(),
        "load_before": load,
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
    }
    if venv is not None:
        sides = ["-ap", files[0], "-ar", files[1], "-o", folder / "theirs"]
        words = [venv / "bin" / "cell-eval2", "run", *sides, "--preset", "vcc2026", "--pert-col", "target"]
        report["cell-eval2 0.20.0"] = timed(words)
        theirs = pd.read_csv(folder / "theirs" / "agg_results.csv", index_col="statistic").loc["mean"]
        gaps = [abs(said[name]["value"] - float(theirs[other])) for name, other in SAME.items()]
        report["largest_difference_of_means"] = max(gaps)
    return report


if __name__ == "__main__":
    main()
