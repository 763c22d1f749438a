"""Measure label transfer on real data, by donor or batch: `AIVC_DATA=... python benchmarks/label_transfer.py`.

Cells of two thirds of the donors (or batches) are labelled, those of the others asked about. `cell-labels` and the
majority among 15 neighbours read the states of `factor-analysis`, and once more those of `ppca`; beside them stands a
logistic probe on principal components. The sets of neighbours and probe hold the likeliest classes up to 90 % of the
probability, as is usual. Then one class at a time is taken out of training altogether:
how well does novelty tell its cells from the others?
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
from scipy.stats import rankdata

from aivc.core.registry import ENCODERS
from aivc.data.io.read import read
from aivc.data.io.schema import Constant, Schema
from aivc.data.priors.memberships import memberships
from aivc.experiments.atlas.neighbors import Neighbors
from aivc.instruments.decoders.cell_labels import CellLabels
from aivc.instruments.decoders.label_probe import fit_probe, logits, softmax

OUT = Path(__file__).parent / "results" / "label_transfer.json"
DATA = {
    "kang2018-donors": ("I/kang2018_sle_ctrl_6donors.h5ad", "cell_type", "donor"),
    "chen2019-batches": ("D/chen2019_snareseq_rna_dev.h5ad", "Ident", "Batch"),
}
DIM, FOLDS, LEVEL, NEAREST, TYPES, FEWEST = 32, 3, 0.9, 15, 4, 60


def main() -> None:
    started = time.perf_counter()
    results = {}
    for name, (path, label, group) in DATA.items():
        cells = opened(Path(os.environ["AIVC_DATA"]) / path, label, group)
        results[name] = {"cells": len(cells), "classes": cells.entities["label"].nunique(), **transferred(cells)}
        results[name]["unseen type"] = novel(cells)
        print(name, json.dumps(results[name], indent=1), flush=True)
        body = {"command": "python benchmarks/label_transfer.py", "python": sys.version.split()[0], "dim": DIM}
        body |= {"seconds": round(time.perf_counter() - started, 1), "results": results}
        OUT.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")


def opened(path, label, group):
    """Cells with a known label, as counts; the group of each under ``donor``."""
    schema = Schema(units="counts", perturbation=Constant("control"), species="none")
    cells = read(path, schema)
    entities = cells.entities.assign(label=cells.entities[label].astype(str), donor=cells.entities[group].astype(str))
    cells = cells.replace(entities=entities)
    totals = np.asarray(cells.values.sum(axis=1)).ravel()
    return cells.take((totals > 0) & ~entities["label"].isin(["unknown", "nan", "Mis"]).to_numpy())


def folds(cells):
    """``(n,)`` fold of each cell; whole donors, the largest dealt first."""
    size = cells.entities["donor"].value_counts()
    fold = {donor: i % FOLDS for i, donor in enumerate(size.index)}
    return cells.entities["donor"].map(fold).to_numpy()


def transferred(cells):
    fold_n, answer = folds(cells), {}
    own = cells.entities["label"].to_numpy(dtype=object)
    for fold in range(FOLDS):
        train, test = cells.take(fold_n != fold), cells.take(fold_n == fold)
        for method, (p_nc, inside_nc, classes) in said(train, test).items():
            found = answer.setdefault(method, {"best": np.full(len(cells), "", dtype=object), "in": [], "size": []})
            found["best"][fold_n == fold] = classes[p_nc.argmax(axis=1)]
            truth_nc = own[fold_n == fold][:, None] == classes[None]
            found["in"].append(np.where(truth_nc.any(axis=1), (truth_nc & inside_nc).any(axis=1), np.nan))
            found["size"].append(inside_nc.sum(axis=1))
    return {method: scored(found, own, fold_n) for method, found in answer.items()}


def scored(found, own, fold_n):
    inside = np.empty(len(own))
    for fold in range(FOLDS):
        inside[fold_n == fold] = found["in"][fold]
    by_class = [np.nanmean(inside[own == name]) for name in np.unique(own)]
    return {
        "macro_f1": round(macro_f1(own, found["best"]), 3),
        "accuracy": round(float((own == found["best"]).mean()), 3),
        "coverage90": round(float(np.nanmean(inside)), 3),
        "coverage90 worst class": round(float(min(by_class)), 3),
        "set size": round(float(np.concatenate(found["size"]).mean()), 2),
    }


def said(train, test):
    """Probabilities, sets and classes of each method."""
    known = memberships(train.entities, "label")
    methods = {}
    for suffix, name in (("", "factor-analysis"), (" on ppca", "ppca")):
        encoder = ENCODERS.load(name).fit(train, dim=DIM)
        ur, asked = encoder.encode(train), encoder.encode(test)
        labels = CellLabels.fit(ur, known)
        rows = Neighbors.of(ur.values).find(asked.values, NEAREST)[0]
        knn_nc = known.values[rows].mean(axis=1)
        methods[f"cell-labels{suffix}"] = labels.probabilities(asked), labels.sets(asked, LEVEL), known.features
        methods[f"knn-majority{suffix}"] = knn_nc, usual(knn_nc), known.features
    pca = ENCODERS.load("count-pca").fit(train, dim=DIM)
    probe = fit_probe(pca.encode(train).values, known.values, 1e-3)
    x_nd = pca.encode(test).values
    pca_nc = softmax(logits(probe, x_nd, np.zeros_like(x_nd)))
    return {**methods, "pca-probe": (pca_nc, usual(pca_nc), known.features)}


def usual(p_nc):
    order = np.argsort(-p_nc, axis=1, kind="stable")
    before = np.cumsum(np.take_along_axis(p_nc, order, axis=1), axis=1) - np.take_along_axis(p_nc, order, axis=1)
    inside = np.zeros(p_nc.shape, dtype=bool)
    np.put_along_axis(inside, order, before < LEVEL, axis=1)
    return inside


def macro_f1(own, best):
    scores = []
    for name in np.unique(own):
        hit = ((own == name) & (best == name)).sum()
        scores.append(2 * hit / ((own == name).sum() + (best == name).sum()))
    return float(np.mean(scores))


def novel(cells):
    """AUROC of each notion of novelty for a type that training never saw, and how often `cell-labels` abstains."""
    fold_n, own = folds(cells), cells.entities["label"].to_numpy(dtype=object)
    train, test = cells.take(fold_n != 0), cells.take(fold_n == 0)
    size = test.entities["label"].value_counts()
    names = list(size.index[size >= FEWEST])
    answer = {}
    for name in names[:: max(len(names) // TYPES, 1)][:TYPES]:
        kept = train.take((own[fold_n != 0]) != name)
        encoder = ENCODERS.load("factor-analysis").fit(kept, dim=DIM)
        ur, asked = encoder.encode(kept), encoder.encode(test)
        labels = CellLabels.fit(ur, memberships(kept.entities, "label"))
        near = Neighbors.of(ur.values).find(asked.values, NEAREST)[1].mean(axis=1)
        new = own[fold_n == 0] == name
        table = labels.labels(asked)
        answer[name] = {
            "cell-labels novelty": auroc(-table["novelty"].to_numpy(), new),
            "knn distance": auroc(near, new),
            "pca-probe doubt": auroc(-table["confidence"].to_numpy(), new),
            "called unknown": round(float((table["label"] == "unknown")[new].mean()), 3),
            "called unknown or undecided": round(float(table["label"].isin(["unknown", "undecided"])[new].mean()), 3),
            "known called undecided": round(float((table["label"] == "undecided")[~new].mean()), 3),
            "known called unknown": round(float((table["label"] == "unknown")[~new].mean()), 3),
            "known called another type": round(
                float(wrong(table["label"].to_numpy(), own[fold_n == 0])[~new].mean()), 3
            ),
            "at level 0.99": unsure_shares(labels.labels(asked, level=0.99)["label"].to_numpy(), own[fold_n == 0], new),
        }
    return answer


def unsure_shares(label, own, new):
    unsure = np.isin(label, ["unknown", "undecided"])
    return {
        "called unknown or undecided": round(float(unsure[new].mean()), 3),
        "known called unknown or undecided": round(float(unsure[~new].mean()), 3),
        "known called another type": round(float(wrong(label, own)[~new].mean()), 3),
    }


def wrong(label, own):
    return (label != own) & ~np.isin(label, ["unknown", "undecided"])


def auroc(score, positive):
    rank = rankdata(score)
    p, n = positive.sum(), (~positive).sum()
    return round(float((rank[positive].sum() - p * (p + 1) / 2) / (p * n)), 3)


if __name__ == "__main__":
    main()
