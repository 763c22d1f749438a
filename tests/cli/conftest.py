"""A small screen on disk, with its schema and its priors."""

from pathlib import Path

import anndata
import pandas as pd
import pytest

from aivc import Schema
from aivc.data.synthetic import synthetic_screen


@pytest.fixture(scope="session")
def small_screen(tmp_path_factory) -> Path:
    """A folder with ``screen.h5ad``, ``schema.toml`` and ``priors``."""
    folder = tmp_path_factory.mktemp("screen")
    cells, truth = synthetic_screen(perturbations=6, features=40, cells=16, controls=40, seed=0)
    obs = cells.entities[["perturbation", "context", "batch"]].astype(str)
    var = pd.DataFrame(index=pd.Index(cells.features.astype(str)))
    anndata.AnnData(cells.values, obs=obs, var=var).write_h5ad(folder / "screen.h5ad")
    schema = Schema(units="counts", perturbation="perturbation", control="control", context="context", species="none")
    schema.to_toml(folder / "schema.toml")
    truth.priors.save(folder / "priors")
    return folder


@pytest.fixture
def no_catalog(monkeypatch, tmp_path) -> None:
    """Neither data nor cache nor network."""
    monkeypatch.delenv("AIVC_DATA", raising=False)
    monkeypatch.setenv("AIVC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("AIVC_OFFLINE", "1")
