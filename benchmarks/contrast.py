"""What keeping less of the mean effect does to correlation, discrimination and squared error, on test folds.

Run: python benchmarks/contrast.py [NAME …]

`effect.v1` chooses the share on training perturbations left out; here each share is set by hand, to show what is traded
for what. The shares are not chosen from these numbers.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from aivc import Recipe
from aivc.core.measurement import Measurement
from aivc.core.perturbation import Perturbation
from aivc.core.virtual_cell import VirtualCell
from aivc.data.priors import priors_for
from aivc.data.split import CONTROL_TRAIN, SCORE, TRAIN
from aivc.evaluation.benchmark import Benchmark, benchmark, run_benchmark
from aivc.experiments.fit import assemble
from aivc.experiments.foretell import foretell
from aivc.experiments.groundwork import Groundwork, groundwork
from aivc.experiments.summary import summarize

RESULT = Path(__file__).parent / "results" / "contrast.json"
NAMES = (
    "op3-unseen-pair",
    "sciplex3-unseen-pair",
    "tahoe-unseen-pair",
    "replogle-k562-to-rpe1",
    "replogle-unseen-gene",
)
SHARES = (1.0, 0.8, 0.6, 0.4, 0.2, 0.0, None)
METRICS = ("pearson-delta", "pearson-systema", "pds-cosine", "mse-unbiased")


def foretold(chosen: Benchmark, cells: Measurement) -> dict[str, Measurement]:
    """By share, one row a question: the effect that effect.v1 foretells with so much of the mean effect."""
    split = chosen.make_split(cells)
    parts = priors_for(cells) if "ridge-on-priors" in chosen.methods else None
    asked: list[dict[str, object]] = []
    said: dict[str, list[np.ndarray]] = {f"share {'chosen' if share is None else share}": [] for share in SHARES}
    for fold in range(len(split.folds)):
        roles = split.roles(cells, fold).astype(str)
        training = cells.take(np.isin(roles, (TRAIN, CONTROL_TRAIN)))
        ground = groundwork(summarize(training, seed=0), Recipe(**{**chosen.recipe, "inner_folds": 0, "members": 0}))
        rows = np.flatnonzero(roles == SCORE)
        asked += [
            {"fold": str(fold), "context": cells.contexts[r], "perturbation": cells.perturbations[r]} for r in rows
        ]
        for name, share in zip(said, SHARES, strict=True):
            cell = assemble(ground, "effect.v1", parts=parts, settings={"share": share})
            said[name] += [_effect(cell, ground, cells, row) for row in rows]
    table = pd.DataFrame(asked, dtype=object)
    table.index = pd.Index(map(str, table.index), dtype=object)
    return {name: Measurement(np.array(each), cells.features, table, cells.units) for name, each in said.items()}


def _effect(cell: VirtualCell, ground: Groundwork, cells: Measurement, row: int) -> np.ndarray:
    # A table of effects has its control at zero in every context, seen or not.
    start = next(iter(ground.controls.values()))
    start = replace(start, entities=start.entities.assign(context=str(cells.contexts[row])))
    return foretell(cell, start, Perturbation.parse(str(cells.perturbations[row])), cells=1).effect


def main(names: list[str]) -> None:
    found = json.loads(RESULT.read_text()) if RESULT.is_file() else {"command": "python benchmarks/contrast.py"}
    for name in names or NAMES:
        chosen = benchmark(name)
        cells = chosen.load_data()
        simple = [each for each in chosen.methods if ":" not in each and each != "effect.v1"]
        given = foretold(chosen, cells)
        simple += ["ridge-across-contexts"] * ("transfer" in simple)
        scores = run_benchmark(chosen, simple, measurement=cells, predictions=given).body["scores"]
        found[name] = {
            method: {metric: [round(row[metric][key], 4) for key in ("value", "low", "high")] for metric in METRICS}
            for method, row in scores.items()
            if all(row[metric]["value"] is not None for metric in METRICS)
        }
        for method, row in found[name].items():
            print(name, method, {metric: values[0] for metric, values in row.items()}, flush=True)
        RESULT.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
