"""Small honest files that the cases then spoil."""

import functools
import shutil
import tempfile
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
from scipy import sparse

from aivc.core.virtual_cell import VirtualCell
from aivc.data.io.schema import Schema
from aivc.data.synthetic import synthetic_screen
from aivc.experiments.fitting.fit import fit
from aivc.experiments.fitting.shared_fit import Recipe

SCHEMA = Schema(units="counts", perturbation="perturbation", control="control", context="context", species="none")


@functools.cache
def screen():
    """A small screen in memory."""
    return synthetic_screen(perturbations=4, features=12, cells=6, controls=12, seed=0)[0]


@functools.cache
def cell():
    """A cell fitted on it."""
    return fit(screen(), "mean-effect", recipe=Recipe(dim=4, members=0, inner_folds=0))


@functools.cache
def _store():
    return Path(tempfile.mkdtemp(prefix="aivc-hostile-made-"))


def h5ad(folder, name="x.h5ad", dense=False):
    """An h5ad with a little of everything."""
    shutil.copyfile(original(dense), folder / name)
    return folder / name


def original(dense=False):
    """The one that is copied."""
    made = _store() / f"{dense}.h5ad"
    if not made.exists():
        cells = screen()
        obs = cells.entities[["perturbation", "context", "batch"]].astype(str)
        obs["depth"] = np.arange(len(obs), dtype=float)
        values = cells.dense().astype(np.float32)
        data = anndata.AnnData(
            values if dense else sparse.csr_matrix(values),
            obs=obs,
            var=pd.DataFrame({"symbol": cells.features.astype(str)}, index=cells.features.astype(str)),
            obsm={"X_pca": values[:, :3].copy()},
            varm={"v": np.ones((len(cells.features), 2))},
            layers={"counts": sparse.csr_matrix(values)},
            uns={"units": "counts", "deep": {"er": {"note": np.arange(3)}}},
        )
        data.raw = data
        data.write_h5ad(made)
    return made


def ten_x(folder, name="x.h5"):
    """What Cell Ranger writes, and labels beside it."""
    cells = screen()
    values = sparse.csr_matrix(cells.dense().astype(np.int32))
    with h5py.File(folder / name, "w") as file:
        matrix = file.create_group("matrix")
        matrix["data"], matrix["indices"], matrix["indptr"] = values.data, values.indices, values.indptr
        matrix["shape"] = np.array(values.shape[::-1])
        matrix["barcodes"] = np.array([str(each).encode() for each in cells.entities.index])
        features = matrix.create_group("features")
        for field in ("id", "name"):
            features[field] = np.array([str(each).encode() for each in cells.features])
        features["feature_type"] = np.array([b"Gene Expression"] * len(cells.features))
    cells.entities[["perturbation", "context"]].astype(str).rename_axis("cell").to_csv(folder / "labels.csv")
    return folder / name


TEN_X = Schema(
    units="counts", perturbation="perturbation", control="control", context="context", species="none",
    metadata="labels.csv", entity="cell",
)  # fmt: skip


def saved_cell(folder):
    """A saved cell."""
    made = _store() / "cell"
    if not made.exists():
        cell().save(made)
    shutil.copytree(made, folder / "cell")
    return folder / "cell"


def loaded(folder):
    """Load a cell and ask it."""
    found = VirtualCell.load(folder)
    return found.predict(next(iter(found.starts)), "ko:G0001")
