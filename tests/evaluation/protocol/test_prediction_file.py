"""Predictions are read from the files that other environments write, and their units are never guessed."""

import hashlib

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from aivc.core.errors import DataError, IntegrityError, SchemaError, UnavailableError, UnitsError
from aivc.evaluation.protocol.prediction_file import content_digest, read_predictions


def written(path, values=None, *, names=("A", "B"), **uns):
    values = np.array([[1.0, 0.0], [2.0, 3.0]]) if values is None else values
    obs = pd.DataFrame(
        {"fold": [0, 1], "context": pd.Categorical(["x", "x"]), "perturbation": ["ko:A", " ko:B "]}, index=["c1", "c2"]
    )
    anndata.AnnData(values, obs=obs, var=pd.DataFrame(index=list(names)), uns=uns).write_h5ad(path)
    return path


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
def test_values_labels_and_what_the_file_is(tmp_path, form):
    path = written(tmp_path / "a.h5ad", form(np.array([[1.0, 0.0], [2.0, 3.0]])), units="counts", digest="abc")
    found = read_predictions(path)
    assert found.dense().tolist() == [[1, 0], [2, 3]]
    assert found.entities["fold"].tolist() == ["0", "1"]
    assert found.entities["perturbation"].tolist() == ["ko:A", "ko:B"]
    assert found.units == "counts"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert found.provenance == {"file": "a.h5ad", "sha256": digest, "benchmark": "abc"}


def test_names_of_cells_may_stand_twice(tmp_path):
    path = written(tmp_path / "a.h5ad", units="counts")
    made = anndata.read_h5ad(path)
    made.obs_names = ["same", "same"]
    made.write_h5ad(path)
    assert len(read_predictions(path)) == 2


def test_units_are_said_by_the_file_or_by_the_user(tmp_path):
    silent = written(tmp_path / "silent.h5ad")
    with pytest.raises(UnitsError, match="give --units"):
        read_predictions(silent)
    assert read_predictions(silent, units="log1p_cp100").units == "log1p_cp100"
    said = written(tmp_path / "said.h5ad", units="counts")
    with pytest.raises(UnitsError, match="Correct one"):
        read_predictions(said, units="log1p_cp100")
    with pytest.raises(UnitsError, match="log1p_cp10k"):
        read_predictions(silent, units="tpm")


def test_what_is_no_such_file_is_refused(tmp_path):
    with pytest.raises(UnavailableError, match="Check the path"):
        read_predictions(tmp_path / "none.h5ad")
    table = tmp_path / "a.csv"
    table.write_text("fold,context\n")
    with pytest.raises(SchemaError, match=r"Write one"):
        read_predictions(table)
    path = written(tmp_path / "a.h5ad", units="counts")
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(IntegrityError, match="truncated"):
        read_predictions(path)


def test_features_that_stand_twice_are_refused(tmp_path):
    with pytest.warns(UserWarning, match="not unique"):
        path = written(tmp_path / "a.h5ad", names=("A", "A"), units="counts")
    with pytest.raises(DataError, match="stand twice"):
        read_predictions(path)


def test_another_value_label_or_unit_makes_another_digest(tmp_path):
    one = read_predictions(written(tmp_path / "a.h5ad", units="counts"))
    again = read_predictions(written(tmp_path / "b.h5ad", sparse.csr_matrix(one.dense()), units="counts", digest="x"))
    assert content_digest(one) == content_digest(again)
    others = (
        one.replace(values=one.dense() + 1),
        one.replace(units="arbitrary"),
        one.replace(entities=one.entities.assign(fold="2")),
        one.replace(features=np.array(["A", "C"], dtype=object)),
    )
    assert len({content_digest(each) for each in (one, *others)}) == 5
