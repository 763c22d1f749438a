"""What cells of a type do in a region where they were never seen, and beside a neighbour that is added.

`tissue-response.v1` on three tissues, beside the same map with neighbours shuffled within their types. Unseen region:
every cell of a type in a region is hidden, as a sample, as a neighbour and for the constant of normalization. Add a
neighbour: fitted on even blocks and asked about odd ones, and the reverse. Penalties are chosen in every fit, on types
left out of regions or blocks.
"""

from dataclasses import dataclass, replace

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
from tissue_tasks.tables import DATA, TASKS, bar

NEIGHBOURS, FEWEST, MICROMETRES = 10, 30, 0.065
REGION_BARS = {"osmFISH": (0.74, 0.58), "MERFISH lung tumour": (0.63, 0.50), "STARmap BY3": (0.44, 0.23)}
ADD_BARS = {"osmFISH": (0.53, 0.38), "MERFISH lung tumour": (0.34, 0.12)}
SHUFFLE_BAR, STARMAP = 0.08, "STARmap BY3"


@dataclass(frozen=True, eq=False)
class Tissue:
    """Counts of cells ``(n, f)`` of the genes asked about, totals over all genes, places, labels and questions."""

    counts: np.ndarray
    totals: np.ndarray
    places: np.ndarray
    entities: pd.DataFrame
    pairs: list[list[str]]
    blocks: np.ndarray
    radius: float

    def values(self, train: np.ndarray) -> np.ndarray:
        """Log-normalized cells; the constant is the median total of those trained on."""
        return np.log1p(self.counts * (np.median(self.totals[train]) / np.maximum(self.totals, 1))[:, None])


def counterfactual() -> dict:
    """Task f: both questions, of every tissue that they are asked of."""
    bars, found = [], {"unseen_region": {}, "add_neighbour": {}}
    for name, load in {"MERFISH lung tumour": merfish, STARMAP: starmap, "osmFISH": osmfish}.items():
        tissue = load()
        said = found["unseen_region"][name] = unseen_region(tissue)
        bars += pair_of_bars(f"f: unseen region, {name}", said["own"], REGION_BARS[name])
        if name != STARMAP:
            gap = said["own"]["pearson"] - said["shuffled"]["pearson"]
            bars.append(bar(f"f: unseen region, {name}: pearson above shuffled neighbours", gap, SHUFFLE_BAR))
        if name in ADD_BARS:
            said = found["add_neighbour"][name] = add_neighbour(tissue)
            bars += pair_of_bars(f"f: a neighbour added, {name}", said["own"], ADD_BARS[name])
    return {"bars": bars, "graph": f"nearest:{NEIGHBOURS}", **found}


def pair_of_bars(name: str, said: dict, wanted: tuple[float, float]) -> list[dict]:
    return [bar(f"{name}: {what}", said[what], least) for what, least in zip(("pearson", "skill"), wanted, strict=True)]


def unseen_region(tissue: Tissue) -> dict:
    types, regions = (tissue.entities[name].to_numpy() for name in ("cell_type", "region"))
    said, choices = {"own": [], "shuffled": []}, []
    for cell_type, region in tissue.pairs:
        hidden = (types == cell_type) & (regions == region)
        values = tissue.values(~hidden)
        fitted, shown = hide(tissue, values, hidden)
        choices.append(fitted.choice)
        # The reference is what is seen of the type, in the truth and in the prediction.
        seen = values[(types == cell_type) & ~hidden].mean(axis=0)
        truth = values[hidden].mean(axis=0) - seen
        for name, expected in shown.items():
            said[name].append((f"{cell_type} | {region}", truth, expected.mean(axis=0) - seen))
    return scored(said) | {"choices": counted(choices)}


def hide(tissue: Tissue, values: np.ndarray, hidden: np.ndarray) -> tuple[TissueResponse, dict[str, np.ndarray]]:
    """Fit without some cells, then expect their states from the cells that remain."""
    kept, asked = np.flatnonzero(~hidden), np.flatnonzero(hidden)
    train = states(tissue, values, kept)
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
    whole = UR(values[order], train.space, tissue.entities.iloc[order], links=links)
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
    said: dict = {"own": [], "shuffled": []}
    shown, choices = [], []
    for train, asked in (halves, halves[::-1]):
        values = tissue.values(train)
        fitted = TissueResponse.fit(states(tissue, values, train), draws=0)
        choices.append(fitted.choice)
        shown.append((asked, values, expected(fitted, states(tissue, values, asked))))
    for cell_type in names:
        for other in names:
            groups = [
                (types == cell_type) & (beside[other] == there) & (odd == half)
                for there in (True, False)
                for half in (True, False)
            ]
            if min(map(np.sum, groups)) < FEWEST:
                continue
            for rows, values, answers in shown:
                own = types[rows] == cell_type
                there = beside[other][rows]
                truth = contrast(values[rows], own, there)
                for name, answer in answers.items():
                    said[name].append((f"{cell_type} + {other}", truth, contrast(answer, own, there)))
    return scored(said) | {"count": len(said["own"]) // 2, "choices": counted(choices)}


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


def states(tissue: Tissue, values: np.ndarray, rows: np.ndarray) -> UR:
    """Genes as states, with the neighbours that these cells have among each other."""
    links = link(positions(tissue).take(rows), GraphRule("nearest", float(NEIGHBOURS))).links
    space = Space("genes", Scale.CELLULAR, values.shape[1], "log1p")
    return UR(values[rows], space, tissue.entities.iloc[rows], links=links)


def positions(tissue: Tissue) -> Measurement:
    blank = np.zeros((len(tissue.entities), 1))
    return Measurement(blank, np.array(["none"]), tissue.entities, "log1p_cp10k", coordinates=tissue.places)


def labelled(types: np.ndarray, regions: np.ndarray) -> pd.DataFrame:
    names = [f"cell-{i}" for i in range(len(types))]
    return pd.DataFrame({"cell_type": types.astype(str), "region": regions.astype(str)}, index=names, dtype=object)


def question(name: str) -> dict:
    return TASKS["f_counterfactual"]["unseen_region"]["datasets"][name]


def pairs_of(name: str) -> list[list[str]]:
    return [pair.split(" | ") for pair in question(name)["pairs"]]


def osmfish() -> Tissue:
    task = TASKS["c_osmfish_neighbour_effect"]
    cells, folds = anndata.read_h5ad(DATA / task["data"]), np.array(list(task["folds"]))
    kept = folds != "."
    blocks, cells = folds[kept].astype(int), cells[kept]
    entities = labelled(cells.obs["ClusterName"].to_numpy(), cells.obs["Region"].to_numpy())
    places = np.asarray(cells.obsm["spatial"], dtype=float) * MICROMETRES
    counts = cells.X.toarray().astype(float)
    radius = float(TASKS["f_counterfactual"]["add_neighbour"]["osmFISH"]["R_um"])
    return Tissue(counts, counts.sum(axis=1), places, entities, pairs_of("osmFISH"), blocks, radius)


def merfish() -> Tissue:
    name = "MERFISH lung tumour"
    task, add = question(name), TASKS["f_counterfactual"]["add_neighbour"][name]
    cells = anndata.read_h5ad(DATA / task["data"])
    counts = cells.X.toarray().astype(float)
    regions = np.array(["stroma", "border", "core"])[np.array(list(task["regions_by_row"])).astype(int)]
    totals, counts = counts.sum(axis=1), counts[:, counts.sum(axis=0) >= 100]
    places, blocks = np.asarray(cells.obsm["spatial"], dtype=float), np.array(list(add["folds"])).astype(int)
    entities = labelled(cells.obs["type"].to_numpy(), regions)
    return Tissue(counts, totals, places, entities, pairs_of(name), blocks, float(add["R_um"]))


def starmap() -> Tissue:
    paths = TASKS["b_starmap_layers"]["data"]
    rows = pd.read_csv(DATA / paths[1], index_col=0)
    cells = anndata.read_h5ad(DATA / paths[0])
    cells.obs_names = cells.obs_names.astype(str)
    cells = cells[rows.index.astype(str)]
    entities = labelled(cells.obs["cluster_name"].to_numpy(), rows["smoothed_manual"].to_numpy())
    places, counts = rows[["x", "y"]].to_numpy(dtype=float), cells.X.toarray().astype(float)
    blocks = np.zeros(len(rows), dtype=int)
    return Tissue(counts, counts.sum(axis=1), places, entities, pairs_of(STARMAP), blocks, 0.0)
