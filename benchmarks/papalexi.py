"""Every first method on unseen knockouts of Papalexi 2021, on frozen folds: scores, floor, ceiling, calibration.

Run: python benchmarks/papalexi.py
"""

import json
import os
import platform
import resource
import time
from importlib.metadata import version
from pathlib import Path

from aivc import Recipe, evaluate, gene_priors, load
from aivc.evaluation.benchmarks.benchmark import benchmark

HERE = Path(__file__).parent
BENCHMARK, RESULT = benchmark("papalexi-unseen-target"), HERE / "results" / "papalexi.json"
METHODS = ["transfer", "additive", "nearest", "ridge-on-priors", "effect.v2"]
METHODS += ["ridge-on-priors:shuffled", "nearest:shuffled", "effect.v2:shuffled"]


def main() -> None:
    began = time.perf_counter()
    cells = load("papalexi2021")
    priors = gene_priors()
    ready = time.perf_counter()
    outcome = evaluate(cells, BENCHMARK.make_split(cells), METHODS, parts=priors, recipe=Recipe())
    done = time.perf_counter()
    cost = {
        "command": "python benchmarks/papalexi.py",
        "read_and_priors_s": round(ready - began, 1),
        "evaluate_s": round(done - ready, 1),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("aivc", "numpy", "scipy", "pandas", "anndata")},
    }
    RESULT.write_text(json.dumps({"cost": cost, **outcome.to_json()}, indent=1) + "\n")
    for method, row in outcome.scores.items():
        print(method, {name: None if s["value"] is None else round(s["value"], 4) for name, s in row.items()})


if __name__ == "__main__":
    main()
