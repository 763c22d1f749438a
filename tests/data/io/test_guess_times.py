"""Suggested times: the unit only where the file says it, clones and layers where they lie."""

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from aivc.data.io.guess import guess


def suggested(tmp_path, column, texts, **more):
    obs = pd.DataFrame({"gene": ["NT", "JUN"] * 3, column: texts}, index=[f"c{i}" for i in range(6)])
    made = anndata.AnnData(np.ones((6, 3)) + np.eye(6, 3), obs, pd.DataFrame(index=["TP53", "MYC", "JUN"]), **more)
    made.write_h5ad(tmp_path / "cells.h5ad")
    from_file, in_memory = guess(tmp_path / "cells.h5ad").to_json(), guess(made).to_json()
    assert from_file["schema"] == in_memory["schema"]
    return from_file


@pytest.mark.parametrize(
    ("column", "texts", "schema", "asked"),
    [
        ("day", ["d2", "d4", "d6"] * 2, {"time": "day", "times": "stated"}, set()),
        ("stage", ["E15.5", "P0"] * 3, {"time": "stage", "times": "embryonic"}, {"birth"}),
        ("day", [2, 4, 6] * 2, {"time": "day", "time_unit": "d"}, set()),
        ("time_info", ["2", "4", "6"] * 2, {}, {"time", "time_unit"}),
        ("time_point", [0, 1, 2] * 2, {}, {"time", "time_unit", "time_map"}),
        ("stage", ["early", "late"] * 3, {}, set()),
    ],
)
def test_a_unit_is_never_made_up(tmp_path, column, texts, schema, asked):
    found = suggested(tmp_path, column, texts)
    fields = ("time", "times", "time_unit", "time_map", "birth")
    assert {name: value for name, value in found["schema"].items() if name in fields} == schema
    assert {name for name in found["open"] if name in fields} == asked


def test_clones_and_layers_are_found(tmp_path):
    layers = {"spliced": np.ones((6, 3)), "unspliced": np.ones((6, 3))}
    found = suggested(tmp_path, "day", [2, 4] * 3, obsm={"X_clone": sparse.eye(6, format="csr")}, layers=layers)
    wanted = {"clone": "obsm:X_clone", "spliced": "spliced", "unspliced": "unspliced"}
    assert {name: found["schema"][name] for name in wanted} == wanted
