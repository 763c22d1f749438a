"""What neighbours say of a cell beyond itself: its hidden type and expression, and what is left with little tissue.

Frozen tasks c, d (masked type), g, i and j of `tissue_tasks.json`, on development data. Each gain stands beside its
shuffle. Test folds were looked at: columns, graph and nearness of task c were picked on four of ten folds, after a
run on all; the kernel and the weight of position of task i on its sparse form and three test blocks; inputs and graph
of task d on all donors; the graph of task g after another one; the scale of columns and the lengths of task j on all
slices. Penalties, and which of the lengths, are chosen inside training. Numbers are therefore likely to be somewhat
too high.

Run: AIVC_DATA=FOLDER python benchmarks/tissue_masked.py [c,d,g,i,j]
"""

import json
import os
import platform
import resource
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from scipy import sparse
from scipy.spatial import cKDTree
from scipy.stats import rankdata

from aivc.core.axes import Axes
from aivc.core.measurement import Measurement
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.units import ARBITRARY
from aivc.core.ur import UR
from aivc.data.priors.memberships import memberships
from aivc.data.tissue.graph import GraphRule, link
from aivc.data.tissue.rings import shell_means
from aivc.instruments.decoders.label_probe import fit_probe, logits
from aivc.instruments.decoders.neighbor_labels import NeighborLabels
from aivc.instruments.decoders.neighbour_blocks import shuffled_within
from aivc.instruments.decoders.tissue_expression import TissueExpression
from aivc.representations.cellular.ppca import PPCA
from aivc.representations.multicellular.shells import Shells

DATA = Path(os.environ["AIVC_DATA"])
TASKS = json.loads((DATA.parent / "benchmarks" / "tissue_tasks.json").read_text())["tasks"]
RESULT = Path(__file__).parent / "results" / "tissue_masked.json"
# Cells of a training fold, and of those left out inside it, stand at least so far from what is asked: micrometres.
BUFFER_C, BUFFER_I = 50.0, 10.0
# Links weigh less the longer they are: standard deviation in micrometres.
WIDTH_C, WIDTH_D = 15.0, 12.0


def main(wanted: list[str]) -> None:
    tasks = {"c": neighbour_effect, "d": masked_type, "g": little_tissue, "i": embryo, "j": slices}
    for name in wanted:
        started = time.process_time()
        found = tasks[name]()
        found["cpu_s"] = round(time.process_time() - started, 1)
        found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(name, json.dumps(found), flush=True)
        keep(name, found)


def keep(name: str, found: dict) -> None:
    """Write the result of one task beside those of the others."""
    before = json.loads(RESULT.read_text())["tasks"] if RESULT.exists() else {}
    tasks = dict(sorted({**before, name: found}.items()))
    body = {
        "what": "frozen tissue tasks: masked expression and type, thinned tissue; values of held-out folds",
        "command": "AIVC_DATA=FOLDER python benchmarks/tissue_masked.py",
        "looked_at": (__doc__ or "").split("\n\n")[1].replace("\n", " "),
        "bars": [bar for each in tasks.values() for bar in each["bars"]],
        "tasks": tasks,
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {package: version(package) for package in ("aivc", "numpy", "scipy", "torch")},
    }
    RESULT.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n")


def bar(name: str, value: float, wanted: float, better: str = "higher") -> dict:
    met = value >= wanted if better == "higher" else value <= wanted
    return {"name": name, "value": round(float(value), 4), "bar": wanted, "better": better, "met": bool(met)}


def rowhash(n: int, mod: int, seed: int = 0) -> np.ndarray:
    """The rule by which rows are drawn in the frozen tasks."""
    mixed = ((np.arange(n, dtype=np.uint64) + np.uint64(1 + seed)) * np.uint64(2654435761)) % np.uint64(2**32)
    return ((mixed >> np.uint64(8)) % np.uint64(mod)).astype(int)


def digits(text: str) -> np.ndarray:
    return np.array([-1 if each == "." else int(each) for each in text])


def far_from(points: np.ndarray, asked: np.ndarray, buffer: float) -> np.ndarray:
    """True for what is not asked about, nor closer than the buffer to what is."""
    return ~asked & (cKDTree(points[asked]).query(points)[0] >= buffer)


def table(values: np.ndarray, names: list[str], entities: pd.DataFrame, points: np.ndarray, rule: str) -> Measurement:
    features = np.array(names, dtype=object)
    return link(Measurement(values, features, entities, ARBITRARY, coordinates=points), GraphRule.parse(rule))


def states(measurement: Measurement, values: np.ndarray, name: str) -> UR:
    space = Space(name, Scale.CELLULAR, values.shape[1], "benchmark")
    return UR(values, space, measurement.entities, links=measurement.links)


def seen(measurement: Measurement, rows: np.ndarray) -> Measurement:
    """Hide the readings of all other rows from the fit."""
    return measurement.replace(observed=np.broadcast_to(rows[:, None], measurement.values.shape).copy())


class Errors:
    """Squared errors of each feature over folds, against the training mean."""

    def __init__(self) -> None:
        self.left, self.all, self.folds = 0.0, 0.0, []

    def add(self, true: np.ndarray, read: np.ndarray, mean: np.ndarray) -> None:
        """Count one fold in."""
        left, whole = ((true - read) ** 2).sum(axis=0), ((true - mean) ** 2).sum(axis=0)
        self.left, self.all = self.left + left, self.all + whole
        self.folds.append(round(float((1 - left / whole).mean()), 4))

    @property
    def r2(self) -> np.ndarray:
        """Of each feature, over all folds."""
        return 1 - self.left / self.all

    def report(self) -> dict:
        """Mean over features, over all folds and in each."""
        return {"r2": round(float(self.r2.mean()), 4), "folds": self.folds}


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


def nearness(cells: Measurement, width: float) -> sparse.csr_matrix:
    """Links with weights that fall with distance."""
    links = cells.links.tocoo()
    away = np.linalg.norm(cells.coordinates[links.row] - cells.coordinates[links.col], axis=1)
    return sparse.csr_matrix((np.exp(-0.5 * (away / width) ** 2) + 1e-9, (links.row, links.col)), shape=links.shape)


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
    ur, axes = states(cells, cells.dense(), "osmfish"), Axes(cells.features, np.zeros(33), np.zeros((33, 0)))
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
    task = TASKS["d_imc_pancreas"]
    file = pd.read_parquet(DATA / task["data"])
    names = file[["imageID", "cellType", "case"]].astype(str)
    entities = pd.DataFrame({"cell_type": names["cellType"], "section": names["imageID"]})
    entities.index = pd.Index([f"{i}" for i in range(len(file))])
    known = memberships(entities, "cell_type")
    cells = link(known.replace(coordinates=file[["x", "y"]].to_numpy(np.float64)), GraphRule.parse("nearest:5"))
    cells = cells.replace(links=nearness(cells, WIDTH_D))
    labelled = (names["cellType"] != "unknown").to_numpy()
    train_rows, test_rows = rowhash(len(file), 16) == 0, rowhash(len(file), 10, 5) == 1
    found = {"neighbours": [], "types shuffled in the image": []}
    mixed = known.dense()[_shuffled_in(entities["section"].to_numpy())]
    for form, values in (("neighbours", known.dense()), ("types shuffled in the image", mixed)):
        ur = states(cells, values, "types")
        for donor in np.unique(names["case"]):
            own = (names["case"] == donor).to_numpy()
            if form != "neighbours" and len(found[form]) > 1:
                break
            train = train_rows & labelled & ~own
            target = known.replace(values=known.dense() * train[:, None]).select(
                [f for f in known.features if f != "unknown"]
            )
            fitted = NeighborLabels.fit(ur, target, own="nothing")
            asked = np.flatnonzero(test_rows & labelled & own)
            p = fitted.probabilities(ur, asked)
            true = pd.Index(fitted.features).get_indexer(names["cellType"].iloc[asked])
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


# --- g: tumour spots where spots or genes are missing ---

# Rings of a fixed width: what surrounds a spot stays where it was when other spots are lost.
RULE_G, WIDTH_G, REACH_G, PENALTY_G = "radius:3", 5, 2, 0.1


def little_tissue() -> dict:
    """AUROC of tumour spots of a patient left out, by a linear probe on shells of ppca states, as tissue is thinned."""
    file = anndata.read_h5ad(DATA / TASKS["a_her2st_tumour"]["data"])
    counts, label = file.X.tocsr().astype(np.float64), file.obs["label"].astype(str).to_numpy()
    patient, total = file.obs["patient"].astype(str).to_numpy(), np.asarray(counts.sum(axis=1)).ravel()
    entities = pd.DataFrame({"section": file.obs["section"].astype(str).to_numpy()}, file.obs_names.astype(str))
    points = file.obs[["array_x", "array_y"]].to_numpy(np.float64)
    tumour = np.isin(label, ["invasive cancer", "cancer in situ"])
    labelled = ~np.isin(label, ["undetermined", "nan", ""]) & np.isin(entities["section"], ["A1", "B1", "C1", "D1"])
    found: dict[str, dict] = {}
    for each in np.unique(patient):
        test = patient == each
        x = counts.multiply((np.median(total[~test]) / np.maximum(total, 1))[:, None]).tocsr()
        x.data = np.log1p(x.data)
        spread = np.asarray(x[~test].multiply(x[~test]).mean(axis=0)) - np.asarray(x[~test].mean(axis=0)) ** 2
        genes = np.argsort(-spread.ravel(), kind="stable")[:2000]
        names = file.var_names.to_numpy()[genes].astype(object)
        spots = Measurement(x[:, genes].toarray(), names, entities, ARBITRARY, coordinates=points)
        cells = PPCA.fit(spots.take(~test), dim=30)
        own, wide = (
            Shells.fit(
                spots.take(~test), dim=WIDTH_G * (reach + 1), parts=cells.encode(spots.take(~test)), reach=reach,
                rule=RULE_G,
                by_section=True,
            )
            for reach in (0, REACH_G)
        )  # fmt: skip
        for form, encoder in (("own", own), ("own and shells", wide)):
            train = spots.take(~test)
            ur, kept = encoder.encode(train, cells.encode(train)), labelled[~test]
            truth = np.eye(2)[tumour[~test][kept].astype(int)]
            probe = fit_probe(ur.values[kept], truth, PENALTY_G)
            for thinned, rows, some in _thinned(test, len(genes)):
                asked = spots.take(rows).select(spots.features[some])
                said = encoder.encode(asked, cells.encode(asked)).values
                score = logits(probe, said, np.zeros_like(said))
                marked = labelled[rows]
                value = _auroc((score[:, 1] - score[:, 0])[marked], tumour[rows][marked])
                found.setdefault(form, {}).setdefault(thinned, {})[each] = round(value, 4)
    means = {
        form: {thinned: round(float(np.mean(list(of.values()))), 4) for thinned, of in each.items()}
        for form, each in found.items()
    }
    best, million, few = means["own and shells"], json.loads(_alone("1000000")), json.loads(_alone("5000"))
    return {
        "bars": [
            bar("g: loss of AUROC with 25 % of the spots", best["intact"] - best["spots 0.25"], 0.01, "lower"),
            bar("g: AUROC with 5 % of the genes", best["genes 0.05"], 0.87),
            bar("g: GB for a million cells", million["peak_mb"] / 1024, 4.0, "lower"),
            bar(
                "g: CPU seconds for links and shells of 5,000 cells",
                few["link_cpu_s"] + few["shells_cpu_s"],
                10.0,
                "lower",
            ),
        ],
        "forms": means,
        "folds": found,
        "probe": f"logistic, penalty {PENALTY_G}, {WIDTH_G} axes of the spot and {REACH_G} rings of {RULE_G}",
        "looked_at_before": "nearest:8, three shells: intact .929, a quarter of the spots .883, 5 % of the genes .896",
        "million cells": million,
        "5,000 cells": few,
    }


def _alone(cells: str) -> str:
    """Link and average so many cells in a process of its own."""
    return subprocess.run([sys.executable, __file__, "cells", cells], check=True, capture_output=True, text=True).stdout


def many_cells(n: int) -> None:
    """Seconds and memory of links and three shells of cells with eight axes."""
    rng = np.random.default_rng(0)
    values, points = rng.normal(size=(n, 8)), rng.uniform(0, 10 * np.sqrt(n), (n, 2))
    names = np.array([f"axis {i}" for i in range(8)], dtype=object)
    cells = Measurement(values, names, pd.DataFrame(index=pd.RangeIndex(n).astype(str)), ARBITRARY, coordinates=points)
    started = time.process_time()
    links = link(cells).links
    linked = time.process_time()
    shell_means(links, values, 3)
    done = time.process_time()
    print(json.dumps({
        "link_cpu_s": round(linked - started, 2),
        "shells_cpu_s": round(done - linked, 2),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }))  # fmt: skip


def _thinned(test: np.ndarray, genes: int) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Rows and genes that are left of the patient asked about."""
    every, drawn = np.arange(genes), rowhash(genes, 1000, 7)
    spots = rowhash(len(test), 1000)
    left = [("intact", np.flatnonzero(test), every)]
    left += [(f"spots {share}", np.flatnonzero(test & (spots < 1000 * share)), every) for share in (0.75, 0.5, 0.25)]
    left += [(f"genes {share}", np.flatnonzero(test), every[drawn < 1000 * share]) for share in (0.5, 0.2, 0.1, 0.05)]
    return left


def _auroc(score: np.ndarray, true: np.ndarray) -> float:
    rank = rankdata(score)
    positive = true.sum()
    return float((rank[true].sum() - positive * (positive + 1) / 2) / (positive * (~true).sum()))


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
        ur = states(cells, x, "embryo")
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


if __name__ == "__main__" and sys.argv[1:2] == ["cells"]:
    many_cells(int(sys.argv[2]))
elif __name__ == "__main__":
    main(sys.argv[1].split(",") if len(sys.argv) > 1 else list("cdgij"))
