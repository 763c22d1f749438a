"""Niches found without labels, places and images like others, and the stage of a patient.

Niches take the encoder and the rounds that are most stable. A spot is searched for across patients by the cosine of its
mean surroundings; agreement between sections of a patient chooses the rounds. Stages are read by `PatientPool`, and
images are like each other where its log odds are, fitted without the patient who is asked about.
"""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd

from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.data.priors.memberships import memberships
from aivc.data.tissue.clusters import adjusted_rand, k_means, squares
from aivc.data.tissue.graph import link
from aivc.experiments.niches import surroundings
from aivc.instruments.decoders.patient_pool import PatientPool
from aivc.instruments.decoders.section_views import KINDS, SectionRows, SectionViews
from tissue_tasks.labels import REACH, RULE, shells, states
from tissue_tasks.tables import UNKNOWN, bar, her2st, pancreas, starmap

RETRIEVED, PERMUTATIONS, NEAR = ("invasive cancer", "connective tissue", "adipose tissue"), 24, 5


def niches() -> dict:
    """Task b without labels. Two encoders, two widths and four rounds are looked at; the most stable counts."""
    cells = starmap()
    truth, links, rows = cells.entities["label"].to_numpy(), link(cells, RULE).links, []
    for encoder in ("factor-analysis", "count-pca"):
        for dim in (10, 20):
            ur = replace(states(cells, np.arange(len(cells)), encoder, dim), links=links)
            rows += [{"encoder": encoder, "axes": dim, **divided(ur, rounds, truth)} for rounds in (1, 2, 3, 4)]
    chosen = max(rows, key=lambda row: row["stability"])
    order = np.random.default_rng(0).permutation(len(cells))
    ur = replace(states(cells, np.arange(len(cells)), chosen["encoder"], chosen["axes"]), links=links[order][:, order])
    return {
        "bars": [bar("b: ARI of k-means, mean of 10 seeds", chosen["ari"], 0.80)],
        "chosen": chosen,
        "shuffled": divided(ur, chosen["rounds"], truth),
        "looked at": rows,
    }


def divided(ur: UR, rounds: int, truth: np.ndarray) -> dict:
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


def retrieval() -> dict:
    """Task e: shells averaged with the cell, each section whitened; what sections of a patient share chooses rounds."""
    cells = her2st()
    label, donor = cells.entities["label"].to_numpy(), cells.entities["donor"].to_numpy()
    every, rows = np.arange(len(cells)), []
    parts = states(cells, every)
    for shuffled in (False, True):
        ur, _ = shells(cells, every, parts, shuffled=shuffled)
        rows += [
            {"rounds": rounds, "shuffled": shuffled, **found_alike(ur, rounds, label, donor)} for rounds in range(5)
        ]
    real = [row for row in rows if not row["shuffled"]]
    chosen = max(real, key=lambda row: row["same_patient"])
    return {"bars": [bar("e: P@50 of three labels", chosen["p50"], 0.43)], "chosen": chosen, "looked at": rows}


def found_alike(ur: UR, rounds: int, label: np.ndarray, donor: np.ndarray) -> dict:
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


def own_patient(x_nd: np.ndarray, ur: UR) -> float:
    """How often the ten nearest in other sections are of the same patient, without labels: what repeats is tissue."""
    section, donor = (ur.entities[name].to_numpy() for name in ("section", "donor"))
    rows = np.random.default_rng(0).permutation(len(ur))[:500]
    alike = np.where(section[rows][:, None] == section[None], -np.inf, x_nd[rows] @ x_nd.T)
    near = np.argsort(-alike, axis=1)[:, :10]
    return float((donor[near] == donor[rows][:, None]).mean())


def stages() -> dict:
    """Tasks d and e: stage of an image and of a patient left out, and images of the same stage."""
    file, entities = pancreas()
    types = memberships(entities, "cell_type")
    links = link(types.replace(coordinates=apart(file)), RULE).links
    ur = UR(types.dense(), Space("types", Scale.CELLULAR, len(types.features), "types"), entities, links=links)
    given = SectionRows.of(entities, "section", "donor", "stage")
    described = {}
    for out in np.unique(given.owner):
        train = ur.take((entities["donor"] != out).to_numpy())
        views = SectionViews.fit(train, SectionRows.of(train.entities, "section", "donor", "stage"), KINDS, 0)
        described[out] = views, views.tables(ur, given)
    found = {"all": judged(described, given, PERMUTATIONS)}
    for kind in KINDS:
        alone = {
            out: (views, {view: x for view, x in tables.items() if view.kind == kind})
            for out, (views, tables) in described.items()
        }
        found[kind] = judged(alone, given, 0)
    best = found["all"]
    return {
        "bars": [
            bar("d: balanced accuracy of stage", best["balanced_accuracy"], 0.78),
            bar("d: permutation p", best["p"], 0.05, "lower"),
            bar("e: P@5 of images", best["p5"], 0.60),
        ],
        "descriptions": found,
    }


def apart(file: pd.DataFrame) -> np.ndarray:
    """Positions are whole numbers, and several cells may share one: move these by less than a unit."""
    points = file[["x", "y"]].to_numpy(float)
    return points + np.random.default_rng(0).uniform(-0.25, 0.25, points.shape)


def judged(described: dict, given: SectionRows, permutations: int) -> dict:
    rng, names = np.random.default_rng(0), np.unique(given.owner)
    pools, p_sc, kinds = pooled(described, given.label, given.owner)
    own, null = balanced(p_sc, kinds, given.label), []
    of = dict(zip(given.owner, given.label, strict=True))
    for _ in range(permutations):
        dealt = dict(zip(names, rng.permutation([of[name] for name in names]), strict=True))
        label = np.array([dealt[name] for name in given.owner], dtype=object)
        null.append(balanced(pooled(described, label, given.owner)[1], kinds, label))
    right = {out: kinds[np.log(p_sc[given.owner == out]).mean(axis=0).argmax()] == of[out] for out in described}
    truth = pd.Index(kinds).get_indexer(given.label)
    found = {
        "balanced_accuracy": round(own, 4),
        "donors_right": int(sum(right.values())),
        "nll": round(float(-np.log(p_sc[np.arange(len(p_sc)), truth]).mean()), 4),
        "p5": round(alike(described, pools, given), 4),
        "weights": {out: pool.weights().round(3).to_dict() for out, pool in pools.items()},
    }
    if permutations:
        found |= {"p": round((1 + sum(each >= own for each in null)) / (1 + permutations), 4)}
        found |= {"null_mean": round(float(np.mean(null)), 4), "null_95": round(float(np.quantile(null, 0.95)), 4)}
    return found


def pooled(described: dict, label: np.ndarray, owner: np.ndarray) -> tuple[dict, np.ndarray, np.ndarray]:
    """One pool for each patient left out, and what they say of the sections of these."""
    kinds = np.unique(label)
    pools, p_sc = {}, np.full((len(label), len(kinds)), 1e-12)
    for out, (views, tables) in described.items():
        asked = owner == out
        pools[out] = PatientPool.of(
            views, {view: x[~asked] for view, x in tables.items()}, label[~asked], owner[~asked]
        )
        # A stage that no other patient has cannot be said.
        columns = pd.Index(kinds).get_indexer(pools[out].classes)
        p_sc[np.ix_(asked, columns)] = pools[out].probabilities({view: x[asked] for view, x in tables.items()})
    return pools, p_sc, kinds


def balanced(p_sc: np.ndarray, kinds: np.ndarray, label: np.ndarray) -> float:
    best = kinds[p_sc.argmax(axis=1)]
    return float(np.mean([(best[label == kind] == kind).mean() for kind in kinds]))


def alike(described: dict, pools: dict, given: SectionRows) -> float:
    """Precision among the five images of other patients that are nearest in log odds, mean over stages."""
    hit = np.zeros(len(given.label))
    for out, (_, tables) in described.items():
        x, among = pools[out].odds(tables), np.flatnonzero(given.owner != out)
        for at in np.flatnonzero(given.owner == out):
            near = among[np.argsort(((x[among] - x[at]) ** 2).sum(axis=1), kind="stable")[:NEAR]]
            hit[at] = (given.label[near] == given.label[at]).mean()
    return float(np.mean([hit[given.label == kind].mean() for kind in np.unique(given.label)]))
