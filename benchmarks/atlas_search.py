"""How fast a million states answer, and how many of the true neighbours are found.

Run: python benchmarks/atlas_search.py
"""

import json
import time
from pathlib import Path

import numpy as np

from aivc.experiments.atlas.neighbors import Neighbors

STATES, AXES, NEAREST, ASKED, KINDS = 1_000_000, 32, 15, 200, 500
RESULT = Path(__file__).parent / "results" / "atlas_search.json"


def main() -> None:
    rng, answer = np.random.default_rng(0), {}
    for kind in ("one Gaussian cloud", "500 clusters"):
        states = rng.normal(size=(STATES, AXES)).astype(np.float32)
        if kind != "one Gaussian cloud":
            states += (rng.normal(size=(KINDS, AXES)) * 2)[rng.integers(0, KINDS, STATES)].astype(np.float32)
        answer[kind] = measured(states, (states[:ASKED] + rng.normal(size=(ASKED, AXES)) * 0.3).astype(np.float32))
    body = {"command": "python benchmarks/atlas_search.py", "states": STATES, "axes": AXES, "results": answer}
    RESULT.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(answer, indent=1))


def measured(states: np.ndarray, asked: np.ndarray) -> dict[str, float]:
    start = time.perf_counter()
    lists = Neighbors.of(states)
    built = time.perf_counter() - start
    start = time.perf_counter()
    found = lists.find(asked, NEAREST)[0]
    took = time.perf_counter() - start
    start = time.perf_counter()
    truth = Neighbors.of(states, exact=True).find(asked, NEAREST)[0]
    exact = time.perf_counter() - start
    return {
        "build s": round(built, 1),
        "ms per question": round(took / ASKED * 1e3, 2),
        "exact ms per question": round(exact / ASKED * 1e3, 2),
        "found of 15": round(
            float(np.mean([len({*a} & {*b}) / NEAREST for a, b in zip(found, truth, strict=True)])), 3
        ),
        "found of 1": round(float((found[:, 0] == truth[:, 0]).mean()), 3),
    }


if __name__ == "__main__":
    main()
