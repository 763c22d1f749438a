"""What is found of cells is added to a copy of their file: the rest stays, and nothing is written over."""

import anndata
import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import IntegrityError
from aivc.data.io.added_columns import add_columns, require_no_matrices
from aivc.data.io.read import read
from aivc.data.io.schema import Constant, Schema

SCHEMA = Schema(units="counts", perturbation=Constant("control"), species="none")


@pytest.fixture
def place(tmp_path):
    obs = pd.DataFrame({"kind": ["a", "b", "a"]}, index=["c1", "c2", "c3"])
    made = anndata.AnnData(np.eye(3) + 1, obs, pd.DataFrame(index=["G1", "G2", "G3"]))
    made.obsm["X_pca"], made.layers["more"], made.uns["own"] = np.ones((3, 2)), np.ones((3, 3)), "kept"
    made.write_h5ad(tmp_path / "cells.h5ad")
    return tmp_path


def found(place, name="place"):
    cells = read(place / "cells.h5ad", SCHEMA, controls=False)
    return cells, pd.DataFrame({name: [0.0, 0.5, 1.0]}, index=cells.entities.index)


def test_all_else_stays_as_it_was(place):
    cells, columns = found(place)
    add_columns(place / "cells.h5ad", cells, place / "out.h5ad", columns, {"about": {"how": "by hand"}}, schema=SCHEMA)
    made, before = anndata.read_h5ad(place / "out.h5ad"), anndata.read_h5ad(place / "cells.h5ad")
    assert made.obs["place"].tolist() == [0.0, 0.5, 1.0]
    assert made.obs["kind"].tolist() == ["a", "b", "a"]
    assert (set(made.obsm), set(made.layers), made.uns["own"]) == ({"X_pca"}, {"more"}, "kept")
    assert made.uns["about"]["how"] == "by hand"
    assert "place" not in before.obs


def test_matrices_and_categories_are_added_and_not_written_over(place):
    cells, columns = found(place)
    columns["end"] = pd.Categorical(["x", None, "x"], categories=["x", "y"])
    words = (place / "cells.h5ad", cells, place / "out.h5ad", columns, {"names": np.array(["x", "y"], dtype=object)})
    add_columns(*words, obsm={"fates": np.ones((3, 2)) / 2}, schema=SCHEMA)
    made = anndata.read_h5ad(place / "out.h5ad")
    assert (set(made.obsm), set(made.layers)) == ({"X_pca", "fates"}, {"more"})
    assert made.uns["names"].tolist() == ["x", "y"]
    assert made.obs["end"].cat.categories.tolist() == ["x", "y"]
    assert made.obs["end"].isna().tolist() == [False, True, False]
    for refused in (lambda: require_no_matrices(place / "out.h5ad", ["fates"]),
                    lambda: add_columns(*words[:2], place / "more.h5ad", *words[3:], obsm={"X_pca": np.ones((3, 2))},
                                        schema=SCHEMA)):  # fmt: skip
        with pytest.raises(IntegrityError, match="Remove obsm"):
            refused()
    assert not (place / "more.h5ad").exists()


def test_rows_that_were_left_out_stay_out(place):
    schema = Schema(units="counts", perturbation="kind", control="a", exclude="b", kind="ko", species="none")
    cells = read(place / "cells.h5ad", schema)
    columns = pd.DataFrame({"place": [0.0, 1.0]}, index=cells.entities.index)
    add_columns(place / "cells.h5ad", cells, place / "out.h5ad", columns, {}, schema=schema)
    assert anndata.read_h5ad(place / "out.h5ad").obs["place"].to_dict() == {"c1": 0.0, "c3": 1.0}


def test_columns_and_files_are_not_written_over(place):
    cells, columns = found(place, "kind")
    with pytest.raises(IntegrityError, match="has the columns kind already"):
        add_columns(place / "cells.h5ad", cells, place / "out.h5ad", columns, {}, schema=SCHEMA)
    assert not (place / "out.h5ad").exists()
    cells, columns = found(place)
    with pytest.raises(IntegrityError, match="exists"):
        add_columns(place / "cells.h5ad", cells, place / "cells.h5ad", columns, {}, schema=SCHEMA)
