"""A cell is fitted on what scanpy users have in memory, and on files, as on a Measurement."""

import anndata
import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError, SchemaError
from aivc.data.synthetic import synthetic_screen
from aivc.experiments.fitting.fit import fit
from aivc.experiments.fitting.shared_fit import Recipe

COLUMNS = {
    "units": "counts", "perturbation": "perturbation", "control": "control", "context": "context", "batch": "batch",
    "species": "none",
}  # fmt: skip
QUICK = Recipe(dim=4, members=2, inner_folds=0)


@pytest.fixture(scope="module")
def screen():
    cells, _ = synthetic_screen(perturbations=6, features=40, cells=12, controls=30, seed=0)
    obs = cells.entities[["perturbation", "context", "batch"]].astype(str)
    return cells, anndata.AnnData(cells.values.copy(), obs, pd.DataFrame(index=pd.Index(cells.features.astype(str))))


def test_memory_file_and_measurement_give_one_answer(screen, tmp_path):
    cells, adata = screen
    adata.write_h5ad(tmp_path / "screen.h5ad")
    answers = [
        fit(given, "additive", parts=None, recipe=QUICK, **named).predict(str(cells.contexts[0]), "ko:G0001").mean
        for given, named in ((cells, {}), (adata, COLUMNS), (tmp_path / "screen.h5ad", COLUMNS))
    ]
    np.testing.assert_allclose(answers[1], answers[0], rtol=0, atol=1e-9)
    np.testing.assert_allclose(answers[2], answers[0], rtol=0, atol=1e-9)


def test_what_the_columns_mean_has_to_be_said(screen):
    with pytest.raises(SchemaError, match="nothing was given"):
        fit(screen[1], "additive")
    with pytest.raises(SchemaError, match="A Measurement knows"):
        fit(screen[0], "additive", **COLUMNS)
    with pytest.raises(DataError, match="Did you mean 'batch'"):
        fit(screen[1], "additive", **{**COLUMNS, "batch": "bacth"})
