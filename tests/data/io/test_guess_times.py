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


def differentiating(types, **more):
    """Forty cells of each of three days."""
    obs = pd.DataFrame({"day": np.repeat(["d2", "d4", "d6"], 40), "cell_type": types, **more})
    obs.index = [f"c{i}" for i in range(120)]
    made = guess(anndata.AnnData(np.ones((120, 2)), obs, pd.DataFrame(index=["TP53", "MYC"])))
    return made.to_json(), made.to_toml()


def test_types_that_come_and_go_are_no_context():
    types = ["stem"] * 40 + ["stem", "neuron"] * 20 + ["neuron"] * 39 + ["rare"]
    found, text = differentiating(types)
    assert "context" not in found["schema"]
    assert found["schema"]["time"] == "day"
    (note,) = found["notes"]
    assert "'neuron' at none of d2; 'stem' at none of d6" in note
    assert "rare" not in note
    assert f"# {note}" in text
    found, _ = differentiating(types, line=["H9", "H1"] * 60)
    assert found["schema"]["context"] == "line"


def test_types_that_are_there_all_along_stay_a_context():
    # One cell of a type at one time is chance.
    found, _ = differentiating(["stem", "neuron"] * 59 + ["stem", "rare"])
    assert found["schema"]["context"] == "cell_type"
    assert found["notes"] == []
