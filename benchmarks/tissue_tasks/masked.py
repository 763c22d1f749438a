"""What neighbours say of a cell beyond itself: its hidden expression and type, hidden genes, a slice from others.

Each gain stands beside its shuffle. Penalties, and which of the lengths, are chosen inside training.
"""

import anndata
import numpy as np
import pandas as pd

from aivc.core.axes import Axes
from aivc.core.measurement import Measurement
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.units import ARBITRARY
from aivc.core.ur import UR
from aivc.data.priors.memberships import memberships
from aivc.data.tissue.graph import GraphRule, link
from aivc.instruments.decoders.neighbor_labels import NeighborLabels
from aivc.instruments.decoders.neighbour_blocks import shuffled_within
from aivc.instruments.decoders.tissue_expression import TissueExpression
from tissue_tasks.tables import (
    DATA,
    TASKS,
    Errors,
    bar,
    digits,
    far_from,
    nearness,
    pancreas,
    rowhash,
    states_of,
    table,
)

# Cells of a training fold, and of those left out inside it, stand at least so far from what is asked: micrometres.
BUFFER_C, BUFFER_I = 50.0, 10.0
# Links weigh less the longer they are: standard deviation in micrometres.
WIDTH_C, WIDTH_D = 15.0, 12.0
RULE_D, REACH_D = "nearest:20", 1


def seen(measurement: Measurement, rows: np.ndarray) -> Measurement:
    """Hide the readings of all other rows from the fit."""
    return measurement.replace(observed=np.broadcast_to(rows[:, None], measurement.values.shape).copy())


# --- c: expression of a cell of the cortex, from its type and its neighbours ---


def osmfish() -> tuple[Measurement, np.ndarray]:
    task = TASKS["c_osmfish_neighbour_effect"]
    file = anndata.read_h5ad(DATA / task["data"])
    fold = digits(task["folds"])
    file, fold = file[fold >= 0], fold[fold >= 0]
    counts = file.X.toarray().astype(np.float64)
    total = counts.sum(axis=1, keepdims=True)
    x = np.log1p(counts * np.median(total) / np.maximum(total, 1))
    entities = pd.DataFrame({"cell_type": file.obs["ClusterName"].astype(str).to_numpy()}, file.obs_names.astype(str))
    points = np.asarray(file.obsm["spatial"], dtype=np.float64) * 0.065
    cells = table((x - x.mean(axis=0)) / x.std(axis=0), list(file.var_names), entities, points, "nearest:10")
    return cells.replace(links=nearness(cells, WIDTH_C)), fold


FORMS = {
    "type": {"own": "type", "neighbours": "none"},
    "type and neighbours": {"own": "type"},
    "type and neighbours, shuffled within type": {"own": "type", "shuffled": True},
    "type and the same gene next door": {"own": "type", "neighbours": "same"},
    "type and other genes next door": {"own": "type", "neighbours": "others"},
    "type, other genes": {"own": "both", "neighbours": "none"},
    "type, other genes and neighbours": {"own": "both"},
    "type, other genes and neighbours, shuffled within type": {"own": "both", "shuffled": True},
}


def neighbour_effect() -> dict:
    cells, fold = osmfish()
    ur, axes = states_of(cells, cells.dense(), "osmfish"), Axes(cells.features, np.zeros(33), np.zeros((33, 0)))
    errors, covered = {name: Errors() for name in FORMS}, []
    mixed = shuffled_within(ur)
    for each in np.unique(fold):
        asked = fold == each
        train = far_from(cells.coordinates, asked, BUFFER_C)
        for name, form in FORMS.items():
            settings = {key: value for key, value in form.items() if key != "shuffled"}
            source = mixed if "shuffled" in form else None
            fitted = TissueExpression.fit(ur, seen(cells, train), axes=axes, source=source, **settings)
            read, deviation = fitted.expect(ur, source)
            errors[name].add(ur.values[asked], read[asked], ur.values[train].mean(axis=0))
            if name == "type and neighbours":
                covered.append(np.abs(ur.values[asked] - read[asked]) <= 1.645 * deviation)
    found = {name: each.report() for name, each in errors.items()}
    gain = {name: errors[name].r2 - errors["type"].r2 for name in FORMS}
    full, same = gain["type and neighbours"], gain["type and the same gene next door"]
    return {
        "bars": [
            bar("c: R² of 33 genes from type and neighbours", found["type and neighbours"]["r2"], 0.40),
            bar("c: R² with own other genes", found["type, other genes and neighbours"]["r2"], 0.44),
        ],
        "forms": found,
        "same_gene_share": round(float(same.mean() / full.mean()), 3),
        "covered_90": round(float(np.concatenate(covered).mean()), 3),
        "genes": {
            str(gene): {"gain": round(float(a), 4), "same gene alone": round(float(b), 4)}
            for gene, a, b in zip(cells.features, full, same, strict=True)
        },
    }


# --- d: the type of a cell that is hidden ---


def masked_type() -> dict:
    """Types of cells of a donor left out, from the types around them."""
    file, entities = pancreas()
    known = memberships(entities, "cell_type")
    cells = link(known.replace(coordinates=file[["x", "y"]].to_numpy(np.float64)), GraphRule.parse(RULE_D))
    cells = cells.replace(links=nearness(cells, WIDTH_D))
    labelled, donors = (entities["cell_type"] != "unknown").to_numpy(), entities["donor"].to_numpy()
    train_rows, test_rows = rowhash(len(file), 16) == 0, rowhash(len(file), 10, 5) == 1
    found: dict = {"neighbours": [], "types shuffled in the image": []}
    mixed = known.dense()[_shuffled_in(entities["section"].to_numpy())]
    for form, values in (("neighbours", known.dense()), ("types shuffled in the image", mixed)):
        ur = states_of(cells, values, "types")
        for donor in np.unique(donors):
            own = donors == donor
            if form != "neighbours" and len(found[form]) > 1:
                break
            train = train_rows & labelled & ~own
            target = known.replace(values=known.dense() * train[:, None]).select(
                [f for f in known.features if f != "unknown"]
            )
            fitted = NeighborLabels.fit(ur, target, own="nothing", reach=REACH_D)
            asked = np.flatnonzero(test_rows & labelled & own)
            p = fitted.probabilities(ur, asked)
            true = pd.Index(fitted.features).get_indexer(entities["cell_type"].iloc[asked])
            found[form].append({"donor": str(donor), **_type_scores(p, true)})
    means = {
        form: {key: round(float(np.mean([each[key] for each in of])), 4) for key in ("accuracy", "macro_f1", "nll")}
        for form, of in found.items()
    }
    best = means["neighbours"]
    return {
        "bars": [
            bar("d: accuracy of a masked type", best["accuracy"], 0.71),
            bar("d: macro-F1 of a masked type", best["macro_f1"], 0.28),
            bar("d: negative log-likelihood of a masked type", best["nll"], 0.91, "lower"),
        ],
        "forms": means,
        "folds": found,
        "note": "types shuffled: two donors only",
    }


def _shuffled_in(section: np.ndarray) -> np.ndarray:
    rng, order = np.random.default_rng(0), np.arange(len(section))
    for name in np.unique(section):
        rows = np.flatnonzero(section == name)
        order[rows] = rng.permutation(rows)
    return order


def _type_scores(p: np.ndarray, true: np.ndarray) -> dict:
    said = p.argmax(axis=1)
    f1 = [
        2 * ((said == c) & (true == c)).sum() / ((said == c).sum() + (true == c).sum()) for c in np.union1d(said, true)
    ]
    likely = np.log(np.maximum(p[np.arange(len(true)), true], 1e-12))
    return {
        "accuracy": round(float((said == true).mean()), 4),
        "macro_f1": round(float(np.mean(f1)), 4),
        "nll": round(float(-likely.mean()), 4),
    }


# --- i: hidden genes of the embryo ---

FORMS_I = {
    "other genes": {"reach": 0},
    "other genes, neighbours and position": {},
    "other genes, neighbours shuffled, and position": {"shuffled": True},
}


def embryo() -> dict:
    task = TASKS["i_embryo_3d"]
    file = pd.read_parquet(DATA / task["data"])
    points = file[["x", "y", "z"]].to_numpy(np.float64)
    genes = [name for name in file.columns if name not in ("x", "y", "z")]
    entities = pd.DataFrame(index=file.index.astype(str))
    cells = table(file[genes].to_numpy(np.float64), genes, entities, points, "nearest:6")
    group, fold = digits(task["gene_groups"]), digits(task["block"]["folds"])
    known = digits(task["sparse"]["observed"]) == 1
    blocks = [(fold == each, far_from(points, fold == each, BUFFER_I)) for each in np.unique(fold)]
    # What is left out inside training is of the kind that is asked: blocks, or positions here and there.
    kinds = {
        "block": (blocks, fold % 4),
        "sparse": ([(~known, known)], np.random.default_rng(0).integers(0, 5, len(points))),
    }
    found = {
        name: {
            kind: [_embryo_errors(cells, group == q, *questions, form) for q in np.unique(group)]
            for kind, questions in kinds.items()
        }
        for name, form in FORMS_I.items()
    }
    forms = {
        name: {kind: round(float(np.concatenate(r2).mean()), 4) for kind, r2 in each.items()}
        for name, each in found.items()
    }
    best = forms["other genes, neighbours and position"]
    return {
        "bars": [bar("i: R² of blocks", best["block"], 0.63), bar("i: R² where 10 % is seen", best["sparse"], 0.86)],
        "forms": forms,
    }


def _embryo_errors(cells: Measurement, asked: np.ndarray, folds: list, inner: np.ndarray, form: dict) -> np.ndarray:
    """R² of each gene of one group, from the genes of the others."""
    errors, read = Errors(), cells.select(cells.features[asked])
    for test, train in folds:
        x = cells.dense()[:, ~asked]
        x = (x - x[train].mean(axis=0)) / x[train].std(axis=0)
        if form.get("reach") != 0:
            # Position counts as much as the other genes do, in the cell and its shells together.
            width = np.sqrt(x.shape[1] / 9)
            x = np.concatenate([x, cells.coordinates / cells.coordinates.std(axis=0).mean() * width], axis=1)
        ur = states_of(cells, x, "embryo")
        source = (
            np.where(np.arange(x.shape[1]) < (~asked).sum(), shuffled_within(ur), x) if "shuffled" in form else None
        )
        fitted = TissueExpression.fit(
            ur, seen(read, train), groups=inner, source=source, reach=form.get("reach", 2), landmarks=400
        )
        y = read.dense()
        errors.add(y[test], fitted.expect(ur, source)[0][test], y[train].mean(axis=0))
    return errors.r2


# --- j: a slice from the three others ---


def slices() -> dict:
    task = TASKS["j_breast_four_slices"]
    file = anndata.read_h5ad(DATA / task["data"])
    name, counts = file.obs["slice"].astype(str).to_numpy(), file.X.tocsr().astype(np.float64)
    total = np.asarray(counts.sum(axis=1)).ravel()
    points = file.obs[["x", "y"]].to_numpy(np.float64)
    forms = {"position": Errors(), "positions permuted": Errors()}
    for each in np.unique(name):
        asked = name == each
        x = counts.multiply((np.median(total[~asked]) / total)[:, None]).tocsr()
        x.data = np.log1p(x.data)
        mean = np.asarray(x[~asked].mean(axis=0)).ravel()
        spread = np.asarray(x[~asked].multiply(x[~asked]).mean(axis=0)).ravel() - mean**2
        genes = np.argsort(-spread, kind="stable")[:300]
        entities = pd.DataFrame(index=file.obs_names.astype(str))
        read = Measurement(x[:, genes].toarray(), file.var_names.to_numpy()[genes].astype(object), entities, ARBITRARY)
        for form, errors in forms.items():
            at = points if form == "position" else np.random.default_rng(0).permutation(points)
            ur = UR(at, Space("position", Scale.CELLULAR, 2, "benchmark"), entities)
            fitted = TissueExpression.fit(ur, seen(read, ~asked), reach=0)
            errors.add(read.dense()[asked], fitted.expect(ur)[0][asked], read.dense()[~asked].mean(axis=0))
    # The 300 genes differ from fold to fold, so folds are averaged, not pooled.
    found = {
        form: {"r2": round(float(np.mean(errors.folds)), 4), "folds": errors.folds} for form, errors in forms.items()
    }
    return {"bars": [bar("j: R² of a slice from the others", found["position"]["r2"], 0.04)], "forms": found}
