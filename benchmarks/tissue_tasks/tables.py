"""What the tissue tasks share: files, rules of rows and folds, and scores."""

import json
import os
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from scipy import sparse
from scipy.spatial import cKDTree
from scipy.stats import rankdata

from aivc.core.measurement import Measurement
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.units import ARBITRARY
from aivc.core.ur import UR
from aivc.data.streaming.normalize import normalize, profile_units
from aivc.data.tissue.graph import GraphRule, link

DATA = Path(os.environ["AIVC_DATA"])
TASKS = json.loads((DATA.parent / "benchmarks" / "tissue_tasks.json").read_text(encoding="utf-8"))["tasks"]
GENES = 1000
TUMOUR, UNKNOWN = ("invasive cancer", "cancer in situ"), ("unlabelled", "undetermined")


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


def states_of(measurement: Measurement, values: np.ndarray, name: str) -> UR:
    space = Space(name, Scale.CELLULAR, values.shape[1], "benchmark")
    return UR(values, space, measurement.entities, links=measurement.links)


def nearness(cells: Measurement, width: float) -> sparse.csr_matrix:
    """Links with weights that fall with distance."""
    links = cells.links.tocoo()
    away = np.linalg.norm(cells.coordinates[links.row] - cells.coordinates[links.col], axis=1)
    return sparse.csr_matrix((np.exp(-0.5 * (away / width) ** 2) + 1e-9, (links.row, links.col)), shape=links.shape)


def opened(name: str, label: str, columns: list[str], **entities: str) -> Measurement:
    cells = anndata.read_h5ad(DATA / "E" / name)
    columns_of = pd.DataFrame({key: cells.obs[column].astype(str) for key, column in entities.items()})
    columns_of["label"] = cells.obs[label].astype(str).replace("nan", "")
    counts, genes = sparse.csr_matrix(cells.X, dtype=float), cells.var_names.astype(str).to_numpy(dtype=object)
    return Measurement(counts, genes, columns_of, "counts", coordinates=cells.obs[columns].to_numpy(float))


def her2st() -> Measurement:
    name = "andersson2021_her2st_dev_patients_ABCD.h5ad"
    return opened(name, "label", ["array_x", "array_y"], section="section", donor="patient")


def starmap() -> Measurement:
    cells = anndata.read_h5ad(DATA / "E" / "starmap_visual_cortex_BY3.h5ad")
    meta = pd.read_csv(DATA / "E" / "starmap_visual_cortex_BY3_meta.csv", index_col=0)
    names = meta.index.astype(str)
    counts = sparse.csr_matrix(cells[names].X, dtype=float)
    columns = {"label": meta["smoothed_manual"].astype(str).to_numpy()}
    genes = cells.var_names.astype(str).to_numpy(dtype=object)
    positions = meta[["x", "y"]].to_numpy(float)
    return Measurement(counts, genes, pd.DataFrame(columns, index=names), "counts", coordinates=positions)


def pancreas() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Cells of the imaging mass cytometry set as they are filed, and as entities."""
    file = pd.read_parquet(DATA / "E" / "damond2019_imc_pancreas_diabetes.parquet")
    columns = {"section": "imageID", "donor": "case", "cell_type": "cellType", "stage": "stage"}
    entities = pd.DataFrame({name: file[column].astype(str).to_numpy() for name, column in columns.items()})
    return file, entities.set_axis([f"{i}" for i in range(len(file))], axis=0)


def chosen_genes(cells: Measurement, train: np.ndarray) -> Measurement:
    """Log-normalized by totals over all genes and the median total of training; the most variable of training."""
    x = normalize(cells, profile_units(cells.take(train)))
    seen = x.values[train]
    variance = np.asarray(seen.multiply(seen).mean(axis=0)).ravel() - np.asarray(seen.mean(axis=0)).ravel() ** 2
    return x.select(x.features[np.sort(np.argsort(-variance, kind="stable")[:GENES])])


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


def auroc(score: np.ndarray, truth: np.ndarray) -> float:
    rank, n = rankdata(score), truth.sum()
    return float((rank[truth].sum() - n * (n + 1) / 2) / n / (len(truth) - n))


def macro_f1(own: np.ndarray, best: np.ndarray) -> float:
    same = [2 * ((own == c) & (best == c)).sum() / ((own == c).sum() + (best == c).sum()) for c in np.unique(own)]
    return float(np.mean(same))
