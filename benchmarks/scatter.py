"""Do control cells that are read out scatter as measured ones do? Energy distance to other measured control cells.

Run: AIVC_DATA=DIR python benchmarks/scatter.py
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.spatial.distance import cdist

from aivc.core.measurement import CONTROL
from aivc.data.catalog import load
from aivc.data.streaming.normalize import normalize
from aivc.experiments.fitting.shared_fit import Recipe, shared_fit
from aivc.experiments.fitting.summary import summarize

SETS = (("papalexi2021", ""), ("kang2018-labelled", "CD14+ Monocytes"))
MOST = 800


def energy(x_nf: np.ndarray, y_nf: np.ndarray) -> float:
    """Unbiased energy distance of two populations."""
    own = (cdist(each, each).sum() / (len(each) * (len(each) - 1)) for each in (x_nf, y_nf))
    return float(2 * cdist(x_nf, y_nf).mean() - sum(own))


def measure(name: str, context: str) -> dict[str, float]:
    """Energy distances of what was measured, and of what was read out through each encoder."""
    cells = load(name)
    context = context or str(cells.contexts[0])
    rows = np.flatnonzero((cells.perturbations == CONTROL) & (cells.contexts == context))
    np.random.default_rng(1).shuffle(rows)
    half = len(rows) // 2
    given, kept = rows[:half][:MOST], rows[half:][:MOST]
    summary = summarize(cells.take(~np.isin(np.arange(len(cells)), kept)))
    truth_nf = normalize(cells.take(kept), summary.units).dense()
    found = {"cells": len(kept), "measured": energy(normalize(cells.take(given), summary.units).dense(), truth_nf)}
    for encoder in ("count-pca", "full-space"):
        ground = shared_fit(summary, Recipe(encoder=encoder, inner_folds=0))
        states = ground.encoder.encode(cells.take(given))
        read = ground.decoder.decode(states).draws[0]
        found |= {f"{encoder} axes": states.space.dim}
        found |= {encoder: energy(normalize(read, summary.units).dense(), truth_nf)}
    raw = replace(ground.decoder, own=np.ones(states.space.dim))
    read = raw.decode(states).draws[0]
    return {**found, "full-space, not drawn together": energy(normalize(read, summary.units).dense(), truth_nf)}


if __name__ == "__main__":
    results = {name: measure(name, context) for name, context in SETS}
    for name, answer in results.items():
        print(name, {key: round(value, 4) for key, value in answer.items()})
    body = {"command": "python benchmarks/scatter.py", "results": results}
    path = Path(__file__).parent / "results" / "scatter.json"
    path.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
