"""Answers without merit on Papalexi 2021 and on a screen whose truth is known: which metrics do they fool?

Run: python benchmarks/adversaries.py
"""

import json
import os
import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from aivc import Recipe, evaluate, gene_priors, load
from aivc.data.splits.folds import unseen_perturbation
from aivc.data.synthetic import synthetic_screen
from aivc.evaluation.benchmarks.benchmark import benchmark

HERE = Path(__file__).parent
BENCHMARK, RESULT = benchmark("papalexi-unseen-target"), HERE / "results" / "adversaries.json"
METHODS = ["nearest", "ridge-on-priors"]
PROFILES = ["default", "perturbench", "weighted", "distribution", "calibration", "vcc2025", "vcc2026"]


def answer(outcome: Any, seconds: float) -> dict[str, Any]:
    """Keep the verdicts and the mean scores; single questions are in the results of the other benchmarks."""
    values = {m: {name: each["value"] for name, each in row.items()} for m, row in outcome.scores.items()}
    keep = {key: outcome.body[key] for key in ("data", "split", "profile_units", "seed")}
    return {**keep, "seconds": round(seconds, 1), "scores": values, "adversaries": outcome.body["adversaries"]}


def main() -> None:
    began = time.perf_counter()
    cells, truth = synthetic_screen(perturbations=40, features=200, cells=60, controls=300, seed=0)
    synthetic = evaluate(
        cells,
        unseen_perturbation(cells, folds=4),
        METHODS,
        parts=truth.priors,
        name="synthetic",
        profile=PROFILES,
        adversaries=True,
    )
    between = time.perf_counter()
    cells = load("papalexi2021")
    papalexi = evaluate(
        cells,
        BENCHMARK.make_split(cells),
        METHODS,
        parts=gene_priors(),
        recipe=Recipe(),
        profile=PROFILES,
        adversaries=True,
    )
    found = {
        "command": "python benchmarks/adversaries.py",
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("aivc", "numpy", "scipy", "pandas")},
        "synthetic": answer(synthetic, between - began),
        "papalexi2021": answer(papalexi, time.perf_counter() - between),
    }
    RESULT.write_text(json.dumps(found, indent=1) + "\n")
    for outcome in (synthetic, papalexi):
        for metric, row in outcome.body["adversaries"]["verdicts"].items():
            print(outcome.body["data"]["name"], metric, {name.split(":")[1]: verdict for name, verdict in row.items()})
        print(*outcome.body["adversaries"]["findings"], sep="\n")


if __name__ == "__main__":
    main()
