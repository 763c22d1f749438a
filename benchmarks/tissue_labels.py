"""Labels, niches and stages of tissues held out: `AIVC_DATA=../shared/data python benchmarks/tissue_labels.py`.

Folds are frozen (`tissue_tasks.json` beside the data). One configuration for all labels: `factor-analysis` with 32 axes
on the 1,000 most variable genes, three shells, eight nearest neighbours, `tissue-labels`. Beside it stand the same
model without shells, and with the neighbours shuffled within sections. Niches take the encoder and the rounds that are
most stable; a spot is searched for across patients by the cosine of its mean surroundings; a stage is read from
the niche frequencies of an image by an average of regressions, none of them chosen. squidpy and CellCharter are not
installed: their numbers are missing.
"""

import json
import os
import resource
import sys
import time
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from scipy import sparse
from scipy.spatial import cKDTree
from scipy.stats import rankdata

from aivc.core.measurement import Measurement
from aivc.core.registry import ENCODERS
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.data.priors.memberships import memberships
from aivc.data.streaming.normalize import normalize, profile_units
from aivc.data.tissue.clusters import adjusted_rand, k_means, squares
from aivc.data.tissue.graph import GraphRule, link, sections
from aivc.experiments.niches import find_niches, surroundings
from aivc.instruments.decoders.label_probe import fit_slopes, softmax
from aivc.instruments.decoders.tissue_labels import TissueLabels
from aivc.representations.multicellular.shells import Shells

DATA = Path(os.environ["AIVC_DATA"])
TASKS = json.loads((DATA.parent / "benchmarks" / "tissue_tasks.json").read_text(encoding="utf-8"))["tasks"]
OUT = Path(__file__).parent / "results" / "tissue_labels.json"
COMMAND = "AIVC_DATA=../shared/data python benchmarks/tissue_labels.py"
GENES, WIDTH, REACH, RULE = 1000, 32, 3, GraphRule("nearest", 8)
TUMOUR, UNKNOWN = ("invasive cancer", "cancer in situ"), ("unlabelled", "undetermined")
RETRIEVED, STAGES, NICHES, PERMUTATIONS = ("invasive cancer", "connective tissue", "adipose tissue"), "stage", 20, 39


def main() -> None:
    results = {}
    for name, task in (
        ("a", tumour),
        ("b", layers),
        ("h", bulb),
        ("b niches", niches),
        ("e", retrieval),
        ("d", stages),
    ):
        started = time.process_time()
        results[name] = task()
        results[name]["cpu_s"] = round(time.process_time() - started, 1)
        print(name, json.dumps(results[name]), flush=True)
        body = {"command": COMMAND, "python": sys.version.split()[0], "missing": ["squidpy", "CellCharter"]}
        body |= {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, "bars": bars(results)}
        OUT.write_text(json.dumps({**body, "results": results}, indent=1) + "\n", encoding="utf-8")


def bars(results):
    rows = []

    def bar(name, value, least):
        rows.append({"name": name, "value": round(value, 4), "bar": least, "better": "higher", "met": value >= least})

    if "a" in results:
        own = results["a"]
        bar("a: mean AUROC of four patients", own["full"]["mean"], 0.92)
        bar("a: AUROC of the worst patient", min(own["full"]["folds"]), 0.80)
        bar("a: what shuffled neighbours cost", own["full"]["mean"] - own["shuffled"]["mean"], 0.03)
    if "b" in results:
        bar("b: macro-F1", results["b"]["full"]["macro_f1"], 0.90)
    if "h" in results:
        bar("h: macro-F1 with a bulb left out", results["h"]["full"]["macro_f1"], 0.85)
        bar("h: gain over own state", results["h"]["full"]["macro_f1"] - results["h"]["own"]["macro_f1"], 0.0)
    if "b niches" in results:
        bar("b: ARI of k-means, mean of 10 seeds", results["b niches"]["chosen"]["ari"], 0.80)
    if "e" in results:
        bar("e: P@50 of three labels", results["e"]["chosen"]["p50"], 0.43)
    if "d" in results:
        bar("d: balanced accuracy of stage", results["d"]["niches"]["balanced_accuracy"], 0.78)
        rows.append(
            {"name": "d: permutation p", "value": results["d"]["niches"]["p"], "bar": 0.05, "better": "lower"}
            | {"met": results["d"]["niches"]["p"] < 0.05}
        )
        bar("e: P@5 of images", results["d"]["niches"]["p5"], 0.60)
    return rows


def opened(name, label, columns, **entities):
    cells = anndata.read_h5ad(DATA / "E" / name)
    table = pd.DataFrame({key: cells.obs[column].astype(str) for key, column in entities.items()})
    table["label"] = cells.obs[label].astype(str).replace("nan", "")
    counts, genes = sparse.csr_matrix(cells.X, dtype=float), cells.var_names.astype(str).to_numpy(dtype=object)
    return Measurement(counts, genes, table, "counts", coordinates=cells.obs[columns].to_numpy(float))


def her2st():
    name = "andersson2021_her2st_dev_patients_ABCD.h5ad"
    return opened(name, "label", ["array_x", "array_y"], section="section", donor="patient")


def starmap():
    cells = anndata.read_h5ad(DATA / "E" / "starmap_visual_cortex_BY3.h5ad")
    meta = pd.read_csv(DATA / "E" / "starmap_visual_cortex_BY3_meta.csv", index_col=0)
    names = meta.index.astype(str)
    counts = sparse.csr_matrix(cells[names].X, dtype=float)
    table = pd.DataFrame({"label": meta["smoothed_manual"].astype(str).to_numpy()}, index=names)
    genes = cells.var_names.astype(str).to_numpy(dtype=object)
    return Measurement(counts, genes, table, "counts", coordinates=meta[["x", "y"]].to_numpy(float))


def chosen_genes(cells, train):
    """Log-normalized by totals over all genes; the most variable ones of training."""
    x = normalize(cells, profile_units(cells.take(train)))
    seen = x.values[train]
    variance = np.asarray(seen.multiply(seen).mean(axis=0)).ravel() - np.asarray(seen.mean(axis=0)).ravel() ** 2
    return x.select(x.features[np.sort(np.argsort(-variance, kind="stable")[:GENES])])


def states(cells, train, encoder="factor-analysis", dim=WIDTH):
    x = chosen_genes(cells, train)
    return ENCODERS.load(encoder).fit(x.take(train), dim=dim).encode(x)


def shells(cells, train, parts, *, shuffled=False):
    linked = link(cells, RULE)
    if shuffled:
        order, rng = np.arange(len(cells)), np.random.default_rng(0)
        for where in sections(cells):
            order[where] = rng.permutation(where)
        linked = linked.replace(links=linked.links[order][:, order])
    settings = {"dim": WIDTH * (REACH + 1), "reach": REACH, "by_section": True}
    return Shells.fit(linked.take(train), parts=parts.take(train), **settings).encode(linked, parts)


def said(ur, label_n, train, seen, test, *, neighbors=True):
    """Decoder fitted on the labels of training cells that have one, and its probabilities for the others."""
    own = replace(ur, entities=ur.entities.assign(label=np.where(seen, label_n, ""))).take(train)
    known = memberships(own.entities, "label", scale=Scale.MULTICELLULAR)
    made = TissueLabels.fit(own, known, reach=REACH, neighbors=neighbors)
    return made, made.probabilities(ur.take(test))


def about(made):
    return {
        "neighbor_weight": round(made.neighbor_weight, 3),
        "gain": round(made.gain, 4),
        "gain_error": round(made.gain_error, 4),
        "left_out": made.unit,
    }


def forms(cells, train):
    parts = states(cells, train)
    ur = shells(cells, train, parts)
    yield "full", ur, True
    yield "own", ur, False
    yield "shuffled", shells(cells, train, parts, shuffled=True), True


def tumour():
    cells = her2st()
    label, donor = cells.entities["label"].to_numpy(), cells.entities["donor"].to_numpy()
    seen, target = ~np.isin(label, UNKNOWN), np.where(np.isin(label, TUMOUR), "tumour", "other")
    found = {}
    for patient in np.unique(donor):
        train, test = donor != patient, seen & (donor == patient)
        for name, ur, neighbors in forms(cells, np.flatnonzero(train)):
            made, p_nc = said(ur, target, train, seen & train, test, neighbors=neighbors)
            value = auroc(p_nc[:, list(made.features).index("tumour")], target[test] == "tumour")
            kept = found.setdefault(name, {"folds": [], "about": []})
            kept["folds"].append(round(value, 4))
            kept["about"].append(about(made))
    return {name: {"mean": round(float(np.mean(kept["folds"])), 4), **kept} for name, kept in found.items()}


def layers():
    return left_out(starmap(), TASKS["b_starmap_layers"]["supervised"]["folds"], 400)


def bulb():
    cells = opened("stahl2016_mouse_olfactory_bulb.h5ad", "layer", ["x", "y"])
    return left_out(cells, TASKS["h_olfactory_bulb_layers"]["folds"]["bulb_out"], 1.5)


def left_out(cells, folds, buffer):
    label, fold_n = cells.entities["label"].to_numpy(), np.array(list(folds)).astype(int)
    seen, best, notes = label != "", {}, {}
    for fold in np.unique(fold_n):
        test = fold_n == fold
        train = ~test & (cKDTree(cells.coordinates[test]).query(cells.coordinates)[0] >= buffer)
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


def niches():
    """All that was looked at: two encoders, two widths, four rounds; the most stable one counts."""
    cells = starmap()
    truth, links, rows = cells.entities["label"].to_numpy(), link(cells, RULE).links, []
    for encoder in ("factor-analysis", "count-pca"):
        for dim in (10, 20):
            ur = replace(states(cells, np.arange(len(cells)), encoder, dim), links=links)
            rows += [{"encoder": encoder, "axes": dim, **divided(ur, rounds, truth)} for rounds in (1, 2, 3, 4)]
    chosen = max(rows, key=lambda row: row["stability"])
    order = np.random.default_rng(0).permutation(len(cells))
    ur = replace(states(cells, np.arange(len(cells)), chosen["encoder"], chosen["axes"]), links=links[order][:, order])
    return {"chosen": chosen, "shuffled": divided(ur, chosen["rounds"], truth), "looked at": rows}


def divided(ur, rounds, truth):
    x_nd, k = surroundings(ur, reach=0, rounds=rounds), len(set(truth))
    runs = [k_means(x_nd, k, seed=seed) for seed in range(10)]
    label = [squares(x_nd, centers).argmin(axis=1) for centers, _ in runs]
    ari = [adjusted_rand(each, truth) for each in label]
    stability = np.mean([adjusted_rand(a, b) for a, b in combinations(label, 2)])
    best = ari[int(np.argmin([far for _, far in runs]))]
    return {"rounds": rounds, "stability": round(float(stability), 4), "ari": round(float(np.mean(ari)), 4)} | {
        "sd": round(float(np.std(ari)), 4),
        "best_fit": round(best, 4),
    }


def retrieval():
    """Shells averaged with the cell, each section whitened; agreement between sections of a patient chooses rounds."""
    cells = her2st()
    label, donor = cells.entities["label"].to_numpy(), cells.entities["donor"].to_numpy()
    every, rows = np.arange(len(cells)), []
    parts = states(cells, every)
    for shuffled in (False, True):
        ur = shells(cells, every, parts, shuffled=shuffled)
        rows += [
            {"rounds": rounds, "shuffled": shuffled, **found_alike(ur, rounds, label, donor)} for rounds in range(5)
        ]
    real = [row for row in rows if not row["shuffled"]]
    chosen = max(real, key=lambda row: row["same_patient"])
    return {"chosen": chosen, "looked at": rows}


def found_alike(ur, rounds, label, donor):
    x_nd = surroundings(ur, reach=REACH, rounds=rounds)
    x_nd = x_nd / np.maximum(np.linalg.norm(x_nd, axis=1, keepdims=True), 1e-12)
    seen, table = ~np.isin(label, UNKNOWN), []
    for patient in np.unique(donor):
        ask, among = np.flatnonzero(seen & (donor == patient)), np.flatnonzero(seen & (donor != patient))
        order = np.argsort(-x_nd[ask] @ x_nd[among].T, axis=1, kind="stable")[:, :50]
        hit = (label[among][order] == label[ask][:, None]).mean(axis=1)
        table.append(pd.DataFrame({"label": label[ask], "patient": patient, "hit": hit}))
    found = pd.concat(table).groupby(["label", "patient"])["hit"].mean().groupby("label").mean()
    return {"p50": round(float(found[list(RETRIEVED)].mean()), 4), "same_patient": round(own_patient(x_nd, ur), 4)}


def own_patient(x_nd, ur):
    """How often the ten nearest in other sections are of the same patient, without labels: what repeats is tissue."""
    section, donor = (ur.entities[name].to_numpy() for name in ("section", "donor"))
    rows = np.random.default_rng(0).permutation(len(ur))[:500]
    alike = np.where(section[rows][:, None] == section[None], -np.inf, x_nd[rows] @ x_nd.T)
    near = np.argsort(-alike, axis=1)[:, :10]
    return float((donor[near] == donor[rows][:, None]).mean())


def stages():
    table = pd.read_parquet(DATA / "E" / "damond2019_imc_pancreas_diabetes.parquet")
    names = [f"{i}" for i in range(len(table))]
    entities = pd.DataFrame(
        {"section": table["imageID"].astype(str), "donor": table["case"].astype(str)}
        | {"cell_type": table["cellType"].astype(str), STAGES: table["stage"].astype(str)}
    ).set_axis(names)
    types = memberships(entities, "cell_type")
    links = link(types.replace(coordinates=apart(table)), RULE).links
    ur = UR(types.values, Space("types", Scale.CELLULAR, len(types.features), "types"), entities, links=links)
    images = entities.drop_duplicates("section").set_index("section").sort_index()
    share = pd.crosstab(entities["section"], entities["cell_type"], normalize="index").to_numpy()
    donor, stage = images["donor"].to_numpy(), images[STAGES].to_numpy()
    folds = {}
    for out in np.unique(donor):
        train = ur.take((entities["donor"] != out).to_numpy())
        found = find_niches(train, reach=0, numbers=(NICHES,), rounds=(2,), runs=1)
        folds[out] = found.frequencies(ur).sort_index().to_numpy()
    same = dict.fromkeys(folds, share)
    return {name: judged(each, donor, stage) for name, each in (("niches", folds), ("composition", same))}


def apart(table):
    """Positions are whole numbers, and several cells may share one: move these by less than a unit."""
    points = table[["x", "y"]].to_numpy(float)
    return points + np.random.default_rng(0).uniform(-0.25, 0.25, points.shape)


def judged(folds, donor, stage):
    rng, names = np.random.default_rng(0), np.unique(donor)
    seen = staged(folds, donor, stage)
    of = dict(zip(donor, stage, strict=True))
    null = []
    for _ in range(PERMUTATIONS):
        dealt = dict(zip(names, rng.permutation([of[name] for name in names]), strict=True))
        null.append(staged(folds, donor, np.array([dealt[name] for name in donor], dtype=object))[0])
    p = (1 + sum(each >= seen[0] for each in null)) / (1 + len(null))
    return {"balanced_accuracy": round(seen[0], 4), "donors_right": seen[1], "p": round(p, 4)} | {
        "null_mean": round(float(np.mean(null)), 4),
        "null_95": round(float(np.quantile(null, 0.95)), 4),
        "p5": round(alike(folds, donor, stage), 4),
    }


def staged(folds, donor, stage):
    kinds, best, right = np.unique(stage), np.full(len(stage), "", dtype=object), 0
    for out, share in folds.items():
        test = donor == out
        x = np.sqrt(share)
        y = (stage[~test, None] == kinds).astype(float)
        weight = (y / np.maximum(y.sum(axis=0), 1)).sum(axis=1)
        p = np.zeros((test.sum(), len(kinds)))
        for penalty in (1.0, 0.1, 0.01):
            center, slopes, middle = fit_slopes(x[~test], y, penalty, weight_n=weight / weight.sum())
            p += softmax((x[test] - center) @ slopes + middle) / 3
        best[test] = kinds[p.argmax(axis=1)]
        right += int(kinds[np.log(p).mean(axis=0).argmax()] == stage[test][0])
    return float(np.mean([(best[stage == kind] == kind).mean() for kind in kinds])), right


def alike(folds, donor, stage):
    """Precision among the five most alike images of other donors, with niches found without the donor asked about."""
    hit = np.zeros(len(stage))
    for out, share in folds.items():
        x, among = np.sqrt(share), np.flatnonzero(donor != out)
        for at in np.flatnonzero(donor == out):
            near = among[np.argsort(((x[among] - x[at]) ** 2).sum(axis=1), kind="stable")[:5]]
            hit[at] = (stage[near] == stage[at]).mean()
    return float(np.mean([hit[stage == kind].mean() for kind in np.unique(stage)]))


def auroc(score, truth):
    rank, n = rankdata(score), truth.sum()
    return float((rank[truth].sum() - n * (n + 1) / 2) / n / (len(truth) - n))


def macro_f1(own, best):
    same = [2 * ((own == c) & (best == c)).sum() / ((own == c).sum() + (best == c).sum()) for c in np.unique(own)]
    return float(np.mean(same))


if __name__ == "__main__":
    main()
