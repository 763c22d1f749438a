"""Say what cells of a type do in a region where they were never seen, and beside a neighbour that is added.

`tissue-response.v1` on three tissues, beside the same map with neighbours shuffled within their types. Unseen region:
every cell of a type in a region is hidden, as a sample and as a neighbour. Add a neighbour: fitted on even blocks and
asked about odd ones, and the reverse. Penalties are chosen in every fit, on types left out of regions or blocks.

Run: AIVC_DATA=FOLDER python benchmarks/tissue_counterfactual.py TISSUE_TASKS.json
"""

import json
import os
import platform
import resource
import sys
import time
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from scipy import sparse
from scipy.spatial import cKDTree

from aivc.core.measurement import Measurement
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.data.tissue.graph import GraphRule, link
from aivc.instruments.manipulators.tissue.response_map import shuffled
from aivc.instruments.manipulators.tissue.surroundings import averages
from aivc.instruments.manipulators.tissue.tissue_response import TissueResponse

DATA = Path(os.environ["AIVC_DATA"])
RESULT = Path(__file__).parent / "results" / "tissue_counterfactual.json"
NEIGHBOURS, FEWEST, MICROMETRES = 10, 30, 0.065
REGION_BARS = {"osmFISH": (0.74, 0.58), "MERFISH lung tumour": (0.63, 0.50), "STARmap BY3": (0.44, 0.23)}
ADD_BARS = {"osmFISH": (0.53, 0.38), "MERFISH lung tumour": (0.34, 0.12)}
SHUFFLE_BAR, STARMAP = 0.08, "STARmap BY3"


@dataclass(frozen=True, eq=False)
class Tissue:
    """Log-normalized cells ``(n, f)``, their places and labels, and what is asked."""

    values: np.ndarray
    places: np.ndarray
    entities: pd.DataFrame
    pairs: list[list[str]]
    blocks: np.ndarray
    radius: float


def main() -> None:
    tasks = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["tasks"]
    report: dict = {"command": "AIVC_DATA=FOLDER python benchmarks/tissue_counterfactual.py TISSUE_TASKS.json"}
    report |= {"graph": f"nearest:{NEIGHBOURS}", "unseen_region": {}, "add_neighbour": {}}
    for name, load in {"MERFISH lung tumour": merfish, STARMAP: starmap, "osmFISH": osmfish}.items():
        tissue = load(tasks)
        for question, ask in (("unseen_region", unseen_region), ("add_neighbour", add_neighbour)):
            if question == "add_neighbour" and name not in ADD_BARS:
                continue
            began = time.process_time()
            report[question][name] = ask(tissue) | {"cpu_s": round(time.process_time() - began, 1)}
            print(
                name,
                question,
                json.dumps({k: v for k, v in report[question][name].items() if k != "pairs"}),
                flush=True,
            )
            write(report)


def write(report: dict) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    made = {"python": platform.python_version(), "aivc": version("aivc"), "numpy": version("numpy")}
    body = {"bars": bars(report), **report, "peak_memory_mb": round(peak), "versions": made}
    RESULT.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")


def bars(report: dict) -> list[dict]:
    found = []
    for question, wanted in (("unseen_region", REGION_BARS), ("add_neighbour", ADD_BARS)):
        for name, values in wanted.items():
            if name not in report[question]:
                continue
            said = report[question][name]
            for what, bar in zip(("pearson", "skill"), values, strict=True):
                found.append(line(f"{question}, {name}: {what}", said["own"][what], bar))
            if question == "unseen_region" and name != STARMAP:
                gap = said["own"]["pearson"] - said["shuffled"]["pearson"]
                found.append(line(f"{question}, {name}: pearson above shuffled neighbours", gap, SHUFFLE_BAR))
    return found


def line(name: str, value: float, bar: float) -> dict:
    return {"name": name, "value": round(value, 4), "bar": bar, "better": "higher", "met": bool(value >= bar)}


def unseen_region(tissue: Tissue) -> dict:
    types, regions = (tissue.entities[name].to_numpy() for name in ("cell_type", "region"))
    said, choices = {"own": [], "shuffled": []}, []
    for cell_type, region in tissue.pairs:
        hidden = (types == cell_type) & (regions == region)
        fitted, shown = hide(tissue, hidden)
        choices.append(fitted.choice)
        # The reference is what is seen of the type, in the truth and in the prediction.
        seen = tissue.values[(types == cell_type) & ~hidden].mean(axis=0)
        truth = tissue.values[hidden].mean(axis=0) - seen
        for name, expected in shown.items():
            said[name].append((f"{cell_type} | {region}", truth, expected.mean(axis=0) - seen))
    return scored(said) | {"choices": counted(choices)}


def hide(tissue: Tissue, hidden: np.ndarray) -> tuple[TissueResponse, dict[str, np.ndarray]]:
    """Fit without some cells, then expect their states from the cells that remain."""
    kept, asked = np.flatnonzero(~hidden), np.flatnonzero(hidden)
    train = states(tissue, kept)
    fitted = TissueResponse.fit(train, blocks="region", draws=0)
    _, near = cKDTree(tissue.places[kept]).query(tissue.places[asked], k=NEIGHBOURS)
    assert train.links is not None
    beside = sparse.csr_matrix(
        (np.ones(near.size, np.float32), (np.repeat(np.arange(len(asked)), NEIGHBOURS), near.ravel())),
        shape=(len(asked), len(kept)),
    )
    # Nobody has a hidden cell for a neighbour.
    links = sparse.csr_matrix(sparse.bmat([[train.links, None], [beside, sparse.csr_matrix((len(asked),) * 2)]]))
    order = np.r_[kept, asked]
    whole = UR(tissue.values[order], train.space, tissue.entities.iloc[order], links=links)
    return fitted, {name: each[len(kept) :] for name, each in expected(fitted, whole).items()}


def expected(fitted: TissueResponse, ur: UR) -> dict[str, np.ndarray]:
    """What the map expects of each cell, and what that of shuffled neighbours does of shuffled neighbours."""
    given, codes = fitted.given, fitted.given.codes(ur)
    others = replace(ur, values=ur.values[shuffled(codes, seed=1)])
    rings = averages(ur.links, len(ur), given.reach)
    pairs = {"own": (fitted.maps[0], ur), "shuffled": (fitted.maps[-1], others)}
    return {name: given.center + by(*given.of(each, rings)) for name, (by, each) in pairs.items()}


def add_neighbour(tissue: Tissue) -> dict:
    types = tissue.entities["cell_type"].to_numpy()
    near = sparse.csr_matrix(link(positions(tissue), GraphRule("radius", tissue.radius)).links)
    odd = tissue.blocks % 2 == 1
    names = sorted(set(types))
    beside = {name: np.asarray(near @ (types == name)).ravel() > 0 for name in names}
    halves = [np.flatnonzero(~odd), np.flatnonzero(odd)]
    maps = [TissueResponse.fit(states(tissue, rows), draws=0) for rows in halves]
    said: dict = {"own": [], "shuffled": []}
    shown = []
    for asked, fitted in ((1, maps[0]), (0, maps[1])):
        rows = halves[asked]
        shown.append((rows, expected(fitted, states(tissue, rows))))
    for cell_type in names:
        for other in names:
            groups = [
                (types == cell_type) & (beside[other] == there) & (odd == half)
                for there in (True, False)
                for half in (True, False)
            ]
            if min(map(np.sum, groups)) < FEWEST:
                continue
            for rows, answers in shown:
                own = types[rows] == cell_type
                there = beside[other][rows]
                truth = contrast(tissue.values[rows], own, there)
                for name, answer in answers.items():
                    said[name].append((f"{cell_type} + {other}", truth, contrast(answer, own, there)))
    return scored(said) | {"count": len(said["own"]) // 2, "choices": counted([each.choice for each in maps])}


def contrast(values: np.ndarray, own: np.ndarray, there: np.ndarray) -> np.ndarray:
    return np.asarray(values[own & there].mean(axis=0) - values[own & ~there].mean(axis=0))


def scored(said: dict[str, list[tuple[str, np.ndarray, np.ndarray]]]) -> dict:
    """Means over pairs; skill, 1 - sum of squared errors / sum of squared changes, over all pairs, and pair by pair."""
    found: dict = {}
    for name, answers in said.items():
        pearson = [float(np.corrcoef(truth, answer)[0, 1]) for _, truth, answer in answers]
        error = np.array([((truth - answer) ** 2).sum() for _, truth, answer in answers])
        size = np.array([(truth**2).sum() for _, truth, _ in answers])
        top = [np.argsort(-np.abs(truth))[:50] for _, truth, _ in answers]
        first = [np.argsort(-np.abs(answer))[:50] for _, _, answer in answers]
        found[name] = {
            "pearson": round(float(np.mean(pearson)), 4),
            "pearson_top": round(
                float(np.mean([np.corrcoef(t[f], a[f])[0, 1] for (_, t, a), f in zip(answers, top, strict=True)])), 4
            ),
            "sign_precision": round(
                float(
                    np.mean(
                        [(np.sign(t[f]) == np.sign(a[f])).mean() for (_, t, a), f in zip(answers, first, strict=True)]
                    )
                ),
                4,
            ),
            "skill": round(float(1 - error.sum() / size.sum()), 4),
            "skill_mean_of_pairs": round(float(np.mean(1 - error / size)), 4),
        }
        if name == "own":
            found["pairs"] = {
                f"{label} {i}": [round(r, 4), round(float(1 - e / s), 4)]
                for i, ((label, _, _), r, e, s) in enumerate(zip(answers, pearson, error, size, strict=True))
            }
    return found


def counted(choices: list[tuple[float, ...]]) -> dict[str, int]:
    return {str(each): choices.count(each) for each in sorted(set(choices))}


def states(tissue: Tissue, rows: np.ndarray) -> UR:
    """Genes as states, with the neighbours that these cells have among each other."""
    links = link(positions(tissue).take(rows), GraphRule("nearest", float(NEIGHBOURS))).links
    space = Space("genes", Scale.CELLULAR, tissue.values.shape[1], "log1p")
    return UR(tissue.values[rows], space, tissue.entities.iloc[rows], links=links)


def positions(tissue: Tissue) -> Measurement:
    blank = np.zeros((len(tissue.entities), 1))
    return Measurement(blank, np.array(["none"]), tissue.entities, "log1p_cp10k", coordinates=tissue.places)


def log_normalized(counts: np.ndarray) -> np.ndarray:
    total = counts.sum(axis=1)
    return np.asarray(np.log1p(counts * (np.median(total) / np.maximum(total, 1))[:, None]))


def labelled(types: np.ndarray, regions: np.ndarray) -> pd.DataFrame:
    names = [f"cell-{i}" for i in range(len(types))]
    return pd.DataFrame({"cell_type": types.astype(str), "region": regions.astype(str)}, index=names, dtype=object)


def question(tasks: dict, name: str) -> dict:
    return tasks["f_counterfactual"]["unseen_region"]["datasets"][name]


def pairs_of(tasks: dict, name: str) -> list[list[str]]:
    return [pair.split(" | ") for pair in question(tasks, name)["pairs"]]


def osmfish(tasks: dict) -> Tissue:
    task = tasks["c_osmfish_neighbour_effect"]
    cells, folds = anndata.read_h5ad(DATA / task["data"]), np.array(list(task["folds"]))
    kept = folds != "."
    blocks, cells = folds[kept].astype(int), cells[kept]
    entities = labelled(cells.obs["ClusterName"].to_numpy(), cells.obs["Region"].to_numpy())
    places = np.asarray(cells.obsm["spatial"], dtype=float) * MICROMETRES
    values = log_normalized(cells.X.toarray().astype(float))
    radius = float(tasks["f_counterfactual"]["add_neighbour"]["osmFISH"]["R_um"])
    return Tissue(values, places, entities, pairs_of(tasks, "osmFISH"), blocks, radius)


def merfish(tasks: dict) -> Tissue:
    name = "MERFISH lung tumour"
    task, add = question(tasks, name), tasks["f_counterfactual"]["add_neighbour"][name]
    cells = anndata.read_h5ad(DATA / task["data"])
    counts = cells.X.toarray().astype(float)
    regions = np.array(["stroma", "border", "core"])[np.array(list(task["regions_by_row"])).astype(int)]
    values = log_normalized(counts)[:, counts.sum(axis=0) >= 100]
    places, blocks = np.asarray(cells.obsm["spatial"], dtype=float), np.array(list(add["folds"])).astype(int)
    entities = labelled(cells.obs["type"].to_numpy(), regions)
    return Tissue(values, places, entities, pairs_of(tasks, name), blocks, float(add["R_um"]))


def starmap(tasks: dict) -> Tissue:
    paths = tasks["b_starmap_layers"]["data"]
    rows = pd.read_csv(DATA / paths[1], index_col=0)
    cells = anndata.read_h5ad(DATA / paths[0])
    cells.obs_names = cells.obs_names.astype(str)
    cells = cells[rows.index.astype(str)]
    entities = labelled(cells.obs["cluster_name"].to_numpy(), rows["smoothed_manual"].to_numpy())
    places, values = rows[["x", "y"]].to_numpy(dtype=float), log_normalized(cells.X.toarray().astype(float))
    return Tissue(values, places, entities, pairs_of(tasks, STARMAP), np.zeros(len(rows), dtype=int), 0.0)


if __name__ == "__main__":
    main()
