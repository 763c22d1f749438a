"""How long a ridge of 2,000 perturbations × 512 features to 8,000 genes takes, penalty chosen by leave-one-out.

Run: python benchmarks/ridge.py
"""

import json
import os
import platform
import resource
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from aivc.core.measurement import CONTROL
from aivc.core.registry import MANIPULATORS
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR

PERTURBATIONS, FEATURES, GENES, REPEATS = 2_000, 512, 8_000, 3
RESULT = Path(__file__).parent / "results" / "ridge.json"


def main() -> None:
    rng = np.random.default_rng(0)
    names = [f"G{i:04}" for i in range(PERTURBATIONS)]
    priors_gm = rng.standard_normal((PERTURBATIONS, FEATURES)) / np.sqrt(FEATURES)
    effects_gf = priors_gm @ rng.standard_normal((FEATURES, GENES)) + rng.standard_normal((PERTURBATIONS, GENES))
    space = Space("genes", Scale.CELLULAR, GENES, "benchmark")
    texts = [CONTROL, *(f"ko:{name}" for name in names)]
    states = UR(np.vstack([np.zeros(GENES), effects_gf]), space, pd.DataFrame({"perturbation": texts}, index=texts))
    parts = UR(priors_gm, Space("priors", Scale.MOLECULAR, FEATURES, "benchmark"), pd.DataFrame(index=names))
    ridge = MANIPULATORS.load("ridge-on-priors")
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        fitted = ridge.fit(states, parts=parts)
        seconds.append(round(time.perf_counter() - start, 2))
    report = {
        "command": "python benchmarks/ridge.py",
        "seconds": seconds,
        "best_s": min(seconds),
        "target_s": 10,
        "penalty": fitted.penalty,
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("aivc", "numpy", "scipy")},
    }
    RESULT.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
