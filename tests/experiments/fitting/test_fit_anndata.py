"""A cell is fitted on what scanpy users have in memory, and on files, as on a Measurement."""

import anndata
import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError, SchemaError
from aivc.data.synthetic import synthetic_screen
from aivc.experiments.fitting.fit import fit
from aivc.experiments.fitting.shared_fit import Recipe
from aivc.experiments.predict import predict

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


TIMED = {
    "units": "counts", "perturbation": "compound", "control": "vehicle", "kind": "drug", "hours": "time",
    "species": "none",
}  # fmt: skip


def timed(cells=40, features=30):
    """Two drugs at 24 h and 72 h; time alone moves half of the features, and one drug does nothing."""
    rng = np.random.default_rng(0)
    base, late = rng.normal(3, 0.5, features), np.where(np.arange(features) % 2, 1.0, 0.0)
    does = {"vehicle": np.zeros(features), "idle": np.zeros(features), "strong": rng.normal(0, 0.7, features)}
    rows = [(label, hours) for hours in (24, 72) for label in does for _ in range(cells)]
    mean = np.array([base + does[label] + late * (hours == 72) for label, hours in rows])
    obs = pd.DataFrame(rows, columns=["compound", "time"], index=[f"c{i}" for i in range(len(rows))])
    return anndata.AnnData(rng.poisson(np.exp(mean)).astype(np.float32), obs), late


@pytest.mark.parametrize("manipulator", ["effect.v2", "additive", "set.v1"])
def test_the_passage_of_time_is_no_effect_where_controls_were_read_at_each_time(manipulator):
    adata, late = timed()
    cell = fit(adata, manipulator, parts=None, recipe=QUICK, **TIMED)
    start = cell.start("all")
    assert sorted(set(start.entities["matched:hours"])) == ["24", "72"]
    moved = {hours: cell.predict("all", f"drug:idle for {hours}h") for hours in (24, 72)}
    # The slope on what time does by itself, which is about 0.5 up and down where controls are pooled.
    for said in moved.values():
        assert abs(np.polyfit(late, said.effect, 1)[0]) < 0.15
    # The profile is that of its hours, not of all controls.
    difference = moved[72].mean - moved[24].mean
    assert np.polyfit(late, difference, 1)[0] > 0.7


def test_many_questions_at_once_start_at_controls_of_their_hours():
    adata, _ = timed()
    cell = fit(adata, "additive", parts=None, recipe=QUICK, **TIMED)
    texts = [f"drug:{drug} for {hours}h" for drug in ("idle", "strong") for hours in (24, 72)]
    for text, said in zip(texts, predict(cell, "all", texts), strict=True):
        alone = cell.predict("all", text)
        np.testing.assert_allclose(said.mean, alone.mean, atol=1e-6)
        np.testing.assert_allclose(said.effect, alone.effect, atol=1e-6)


def test_new_words_of_a_schema_are_keywords():
    adata, _ = timed(cells=6)
    adata.obs["compound"] = np.where(np.arange(len(adata)) % 12 == 8, "nan", adata.obs["compound"])
    with pytest.raises(DataError, match='exclude = \\["nan"\\]'):
        fit(adata, "additive", parts=None, recipe=QUICK, **TIMED)
    cell = fit(adata, "additive", parts=None, recipe=QUICK, **TIMED, exclude=["nan"], zero_dose="perturbation")
    assert any("left out, as exclude says: 'nan'" in note for note in cell.card["data"]["notes"])
