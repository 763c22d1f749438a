"""Labels of places in a tissue: tumour spots of patients, layers of strips and bulbs, none of them trained on.

One configuration for all: `factor-analysis` with 32 axes on the 1,000 most variable genes, three shells, eight nearest
neighbours, `tissue-labels`, which weighs axes, shells and penalties inside training. Beside it stand the same
model without shells, and with neighbours shuffled within sections. `graphs` says whether `niche-graph` is kept.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from aivc.core.measurement import Measurement
from aivc.core.registry import ENCODERS
from aivc.core.scale import Scale
from aivc.core.ur import UR
from aivc.data.priors.memberships import memberships
from aivc.data.tissue.graph import GraphRule, link, sections
from aivc.instruments.decoders.tissue_labels import TissueLabels
from tissue_tasks.tables import (
    TASKS,
    TUMOUR,
    UNKNOWN,
    auroc,
    bar,
    chosen_genes,
    digits,
    far_from,
    her2st,
    macro_f1,
    opened,
    starmap,
)

WIDTH, REACH, RULE = 32, 3, GraphRule("nearest", 8)
# A network has fewer axes to correct than the regressions have to choose from.
GRAPH_WIDTH = 8


def states(cells: Measurement, train: np.ndarray, encoder: str = "factor-analysis", dim: int = WIDTH) -> UR:
    x = chosen_genes(cells, train)
    return ENCODERS.load(encoder).fit(x.take(train), dim=dim).encode(x)


def shells(
    cells: Measurement,
    train: np.ndarray,
    parts: UR,
    *,
    shuffled: bool = False,
    encoder: str = "shells",
    width: int = WIDTH,
) -> tuple[UR, object]:
    linked = link(cells, RULE)
    if shuffled:
        order, rng = np.arange(len(cells)), np.random.default_rng(0)
        for where in sections(cells):
            order[where] = rng.permutation(where)
        linked = linked.replace(links=linked.links[order][:, order])
    settings = {"dim": width * (REACH + 1), "reach": REACH, "by_section": True}
    fitted = ENCODERS.load(encoder).fit(linked.take(train), parts=parts.take(train), **settings)
    return fitted.encode(linked, parts), fitted


def said(
    ur: UR,
    label_n: np.ndarray,
    train: np.ndarray,
    seen: np.ndarray,
    test: np.ndarray,
    *,
    neighbors: bool = True,
    reach: int = REACH,
) -> tuple[TissueLabels, np.ndarray]:
    """Decoder fitted on the labels of training cells that have one, and its probabilities for the others."""
    own = replace(ur, entities=ur.entities.assign(label=np.where(seen, label_n, ""))).take(train)
    known = memberships(own.entities, "label", scale=Scale.MULTICELLULAR)
    made = TissueLabels.fit(own, known, reach=reach, neighbors=neighbors)
    return made, made.probabilities(ur.take(test))


def about(made: TissueLabels) -> dict:
    return {
        "neighbor_weight": round(made.neighbor_weight, 3),
        "gain": round(made.gain, 4),
        "gain_error": round(made.gain_error, 4),
        "left_out": made.unit,
    }


def forms(cells: Measurement, train: np.ndarray) -> Iterator[tuple[str, UR, bool]]:
    parts = states(cells, train)
    ur, _ = shells(cells, train, parts)
    yield "full", ur, True
    yield "own", ur, False
    yield "shuffled", shells(cells, train, parts, shuffled=True)[0], True


def tumour() -> dict:
    """Task a: AUROC of tumour spots of a patient left out."""
    cells = her2st()
    label, donor = cells.entities["label"].to_numpy(), cells.entities["donor"].to_numpy()
    seen, target = ~np.isin(label, UNKNOWN), np.where(np.isin(label, TUMOUR), "tumour", "other")
    found: dict = {}
    for patient in np.unique(donor):
        train, test = donor != patient, seen & (donor == patient)
        for name, ur, neighbors in forms(cells, np.flatnonzero(train)):
            made, p_nc = said(ur, target, train, seen & train, test, neighbors=neighbors)
            value = auroc(p_nc[:, list(made.features).index("tumour")], target[test] == "tumour")
            kept = found.setdefault(name, {"folds": [], "about": []})
            kept["folds"].append(round(value, 4))
            kept["about"].append(about(made))
    forms_of = {name: {"mean": round(float(np.mean(kept["folds"])), 4), **kept} for name, kept in found.items()}
    best = forms_of["full"]
    return {
        "bars": [
            bar("a: mean AUROC of four patients", best["mean"], 0.92),
            bar("a: AUROC of the worst patient", min(best["folds"]), 0.80),
            bar("a: what shuffled neighbours cost", best["mean"] - forms_of["shuffled"]["mean"], 0.03),
        ],
        "forms": forms_of,
    }


def graphs() -> dict:
    """Whether `niche-graph` is kept, on each tissue as a whole, and how much that held-out tissue gains."""
    found = {}
    for name, cells in (("her2st", her2st()), ("STARmap", starmap()), ("olfactory bulb", olfactory_bulb())):
        every = np.arange(len(cells))
        _, graph = shells(cells, every, states(cells, every), encoder="niche-graph", width=GRAPH_WIDTH)
        found[name] = {
            "cells": len(cells), "opened": graph.opened, "gain": round(graph.gain, 4),
            "gain_error": round(graph.gain_error, 4), "left_out": graph.unit,
        }  # fmt: skip
    return {"bars": [], "gates": found}


def layers() -> dict:
    """Task b: macro-F1 of cortical layers in strips left out."""
    found = left_out(starmap(), digits(TASKS["b_starmap_layers"]["supervised"]["folds"]), 400)
    return {"bars": [bar("b: macro-F1", found["full"]["macro_f1"], 0.90)], "forms": found}


def olfactory_bulb() -> Measurement:
    return opened("stahl2016_mouse_olfactory_bulb.h5ad", "layer", ["x", "y"])


def bulb() -> dict:
    """Task h: macro-F1 of layers of a bulb left out."""
    found = left_out(olfactory_bulb(), digits(TASKS["h_olfactory_bulb_layers"]["folds"]["bulb_out"]), 1.5)
    best, own = found["full"]["macro_f1"], found["own"]["macro_f1"]
    return {
        "bars": [bar("h: macro-F1 with a bulb left out", best, 0.85), bar("h: gain over own state", best - own, 0.0)],
        "forms": found,
    }


def left_out(cells: Measurement, fold_n: np.ndarray, buffer: float) -> dict:
    label = cells.entities["label"].to_numpy()
    seen, best, notes = label != "", {}, {}
    for fold in np.unique(fold_n):
        test = fold_n == fold
        train = far_from(cells.coordinates, test, buffer)
        for name, ur, neighbors in forms(cells, np.flatnonzero(train)):
            made, p_nc = said(ur, label, train, seen & train, test, neighbors=neighbors)
            best.setdefault(name, np.full(len(cells), "", dtype=object))[test] = made.features[p_nc.argmax(axis=1)]
            notes.setdefault(name, []).append(about(made))
    answer = {}
    for name, each in best.items():
        folds_of = [round(macro_f1(label[seen & (fold_n == f)], each[seen & (fold_n == f)]), 4) for f in set(fold_n)]
        accuracy = round(float((each == label)[seen].mean()), 4)
        total = round(macro_f1(label[seen], each[seen]), 4)
        answer[name] = {"macro_f1": total, "accuracy": accuracy, "folds": folds_of, "about": notes[name]}
    return answer
