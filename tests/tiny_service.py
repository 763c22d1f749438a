"""A service on a tiny synthetic cell, and files that people bring to it."""

import io
import secrets
import tempfile
from functools import cache
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from fastapi.testclient import TestClient

from aivc.core.virtual_cell import VirtualCell
from aivc.data.synthetic import synthetic_screen
from aivc.experiments.fitting.fit import fit
from aivc.experiments.fitting.shared_fit import Recipe
from aivc.service.app import create_app
from aivc.service.served_datasets import DatasetShelf
from aivc.service.settings import Settings

HOST = "testserver"
SCHEMA = {"units": "counts", "perturbation": "gene", "control": ["NT"], "kind": "ko", "species": "none"}


@cache
def tiny_cell() -> VirtualCell:
    """A cell of six knock-outs, forty features and one context."""
    screen, _ = synthetic_screen(perturbations=6, features=40, cells=20, controls=40, seed=0)
    return fit(screen, "effect.v2", parts=None, recipe=Recipe(dim=4, members=2, inner_folds=0))


def tiny_client(home: Path, *, cell: bool = True, **settings) -> TestClient:
    """A client of a fresh service; on loopback unless a host is given."""
    if cell:
        folder = home / "given" / "tiny"
        tiny_cell().save(folder)
        settings["cells"] = (folder,)
    made = Settings(**{"home": home, "hosts": (HOST,), "job_slots": 0, **settings})
    return TestClient(create_app(made), raise_server_exceptions=False)


def tiny_h5ad(cells: int = 30, *, plane: bool = False) -> bytes:
    """A screen as people keep it: counts, a column of targets, and perhaps a UMAP."""
    rng = np.random.default_rng(0)
    obs = pd.DataFrame({"gene": ["NT", "TP53", "MYC"] * (cells // 3)}, index=[f"c{i}" for i in range(cells)])
    var = pd.DataFrame(index=["TP53", "MYC", "JUN", "FOS"])
    made = anndata.AnnData(rng.poisson(5.0, (cells, 4)).astype(np.float32), obs, var)
    if plane:
        made.obsm["X_umap"] = np.arange(2.0 * cells).reshape(cells, 2)
    with tempfile.TemporaryDirectory() as folder:
        made.write_h5ad(Path(folder) / "x.h5ad")
        return (Path(folder) / "x.h5ad").read_bytes()


def bring(client: TestClient, content: bytes, name: str = "screen.h5ad", **more):
    """Send a file."""
    return client.post("/api/v1/datasets", files={"file": (name, io.BytesIO(content))}, **more)


def waiting(shelf: DatasetShelf, content: bytes) -> Path:
    """A file that came, where a service lets it wait."""
    path = shelf.settings.folder("uploads") / f"{secrets.token_hex(4)}.partial"
    path.write_bytes(content)
    return path
