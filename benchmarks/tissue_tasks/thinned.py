"""How little tissue is enough, and what it costs: spots and genes taken away, a million cells linked."""

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

from aivc.core.measurement import Measurement
from aivc.core.units import ARBITRARY
from aivc.data.streaming.normalize import normalize, profile_units
from aivc.data.tissue.graph import link
from aivc.data.tissue.rings import shell_means
from aivc.representations.cellular.ppca import PPCA
from aivc.representations.multicellular.niche_graph import NicheGraph
from aivc.representations.multicellular.shells import Shells
from tissue_tasks.labels import said
from tissue_tasks.tables import TUMOUR, UNKNOWN, auroc, bar, her2st, rowhash

# Rings of a fixed width: what surrounds a spot stays where it was when other spots are lost.
RULE, WIDTH, REACH, GENES = "radius:3", 20, 2, 2000


def little_tissue() -> dict:
    """Task g: AUROC of tumour spots of a patient left out, by `tissue-labels` on shells of ppca states, thinned."""
    cells = her2st()
    label, donor = cells.entities["label"].to_numpy(), cells.entities["donor"].to_numpy()
    seen, target = ~np.isin(label, UNKNOWN), np.where(np.isin(label, TUMOUR), "tumour", "other")
    found: dict[str, dict] = {}
    for patient in np.unique(donor):
        test = donor == patient
        spots = most_variable(cells, ~test)
        train = spots.take(~test)
        ppca = PPCA.fit(train, dim=30)
        settings = {"dim": WIDTH * (REACH + 1), "reach": REACH, "rule": RULE, "by_section": True}
        encoder = Shells.fit(train, parts=ppca.encode(train), **settings)
        ur, every = encoder.encode(train, ppca.encode(train)), np.ones(len(train), dtype=bool)
        for form, neighbors in (("own", False), ("own and shells", True)):
            made, _ = said(ur, target[~test], every, seen[~test], every, neighbors=neighbors, reach=REACH)
            at = list(made.features).index("tumour")
            for thinned, rows, some in _thinned(test, len(spots.features)):
                asked = spots.take(rows).select(spots.features[some])
                p_nc = made.probabilities(encoder.encode(asked, ppca.encode(asked)))
                value = auroc(p_nc[seen[rows], at], target[rows][seen[rows]] == "tumour")
                found.setdefault(form, {}).setdefault(thinned, {})[patient] = round(value, 4)
    means = {
        form: {thinned: round(float(np.mean(list(of.values()))), 4) for thinned, of in each.items()}
        for form, each in found.items()
    }
    best = means["own and shells"]
    return {
        "bars": [
            bar("g: loss of AUROC with 25 % of the spots", best["intact"] - best["spots 0.25"], 0.01, "lower"),
            bar("g: AUROC with 5 % of the genes", best["genes 0.05"], 0.87),
        ],
        "forms": means,
        "folds": found,
    }


def most_variable(cells: Measurement, train: np.ndarray) -> Measurement:
    """Log-normalized, the genes in order of decreasing variance in training."""
    x = normalize(cells, profile_units(cells.take(train)))
    seen = x.values[train]
    variance = np.asarray(seen.multiply(seen).mean(axis=0)).ravel() - np.asarray(seen.mean(axis=0)).ravel() ** 2
    return x.select(x.features[np.argsort(-variance, kind="stable")[:GENES]])


def _thinned(test: np.ndarray, genes: int) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Rows and genes that are left of the patient asked about."""
    every, drawn = np.arange(genes), rowhash(genes, 1000, 7)
    spots = rowhash(len(test), 1000)
    left = [("intact", np.flatnonzero(test), every)]
    left += [(f"spots {share}", np.flatnonzero(test & (spots < 1000 * share)), every) for share in (0.75, 0.5, 0.25)]
    left += [(f"genes {share}", np.flatnonzero(test), every[drawn < 1000 * share]) for share in (0.5, 0.2, 0.1, 0.05)]
    return left


def costs() -> dict:
    """Seconds and memory of 5,000 cells and of a million, each in a process of its own."""
    million, few = (json.loads(_alone(cells)) for cells in ("1000000", "5000"))
    return {
        "bars": [
            bar("GB for links and shells of a million cells", million["peak_mb"] / 1024, 4.0, "lower"),
            bar("CPU seconds to embed 5,000 cells", few["embed_cpu_s"], 10.0, "lower"),
        ],
        "1,000,000 cells": million,
        "5,000 cells": few,
    }


def _alone(cells: str) -> str:
    script = Path(__file__).parents[1] / "tissue.py"
    return subprocess.run([sys.executable, script, "cells", cells], check=True, capture_output=True, text=True).stdout


def many_cells(n: int) -> None:
    """Seconds and memory of links and three shells of cells with eight axes; of few cells also to fit and to embed."""
    rng = np.random.default_rng(0)
    values, points = rng.normal(size=(n, 8)), rng.uniform(0, 10 * np.sqrt(n), (n, 2))
    names = np.array([f"axis {i}" for i in range(8)], dtype=object)
    cells = Measurement(values, names, pd.DataFrame(index=pd.RangeIndex(n).astype(str)), ARBITRARY, coordinates=points)
    started = time.process_time()
    linked = link(cells)
    found = {"link_cpu_s": round(time.process_time() - started, 2)}
    started = time.process_time()
    shell_means(linked.links, values, 3)
    found["shells_cpu_s"] = round(time.process_time() - started, 2)
    if n <= 5000:
        started = time.process_time()
        graph = NicheGraph.fit(cells)
        found["niche_graph_fit_cpu_s"] = round(time.process_time() - started, 2)
        started = time.process_time()
        graph.encode(cells)
        found["embed_cpu_s"] = round(time.process_time() - started, 2)
    found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps(found))
