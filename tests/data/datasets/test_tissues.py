"""Tissues of the catalog: places, sections, donors and labels, as their files say."""

import os
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import IntegrityError
from aivc.data import catalog
from aivc.data.datasets import tissues
from aivc.data.tissue.graph import GraphRule, link, sections
from tiny_tissues import places

HERE = os.environ.get("AIVC_DATA", "")
needs_data = pytest.mark.skipif(not Path(HERE or "none").is_dir(), reason="AIVC_DATA names no folder of datasets")

# Entities, features, dimensions, sections, donors, unit, lattice; and how many have each label.
WHAT = {
    "her2st": (3346, 16293, 2, 12, 4, "array", True, {"label": 1123}),
    "starmap-cortex": (1549, 1020, 2, 1, 1, "um", False, {"layer": 1207, "cell_type": 1207}),
    "merfish-lung": (3177, 479, 2, 1, 1, "um", False, {"cell_type": 3177}),
    "olfactory-bulb": (262, 15928, 2, 1, 1, "array", True, {"layer": 260}),
    "breast-layers": (1031, 13360, 2, 4, 1, "array", True, {}),
    "imc-pancreas": (180515, 16, 2, 80, 8, "um", False, {"cell_type": 180515, "stage": 180515}),
    "drosophila-embryo": (3035, 84, 3, 1, 1, "um", False, {}),
    "osmfish": (6471, 33, 2, 1, 1, "um", False, {"cell_type": 6471, "region": 6471}),
}


@needs_data
@pytest.mark.parametrize("name", WHAT)
def test_each_loads_with_places_sections_donors_and_labels(name):
    n, f, dimensions, parts, donors, unit, lattice, labels = WHAT[name]
    m = catalog.load(name)
    assert (len(m), len(m.features)) == (n, f)
    assert m.coordinates.shape == (n, dimensions)
    assert catalog.entry(name).positions
    assert np.isfinite(m.coordinates).all()
    assert len(sections(m)) == parts
    assert m.entities["donor"].nunique() == donors
    said = m.provenance["coordinates"]
    assert (said["unit"], said["lattice"]) == (unit, lattice)
    assert {label: int((m.entities[label] != "").sum()) for label in labels} == labels
    assert m.provenance["dataset"] == name
    # Spots lie 1 place apart; centers of cells some µm.
    assert 0.9 < said["nearest"] < 1.1 if lattice else 4 < said["nearest"] < 16


@needs_data
@pytest.mark.parametrize("name", ["her2st", "olfactory-bulb", "drosophila-embryo"])
def test_each_can_be_linked(name):
    assert (np.diff(link(catalog.load(name), GraphRule("nearest", 4)).links.indptr) >= 4).all()


def test_layers_are_joined_by_name_and_blank_where_unknown(tmp_path):
    obs = pd.DataFrame({"x": places(3)[:, 0], "y": places(3)[:, 1], "cluster_name": ["A", None, "B"]}, ["7", "8", "9"])
    anndata.AnnData(np.ones((3, 2), dtype=np.float32), obs).write_h5ad(tmp_path / "c.h5ad")
    table = tmp_path / "l.csv"
    table.write_text(",x,smoothed_manual\n9,1,L2\n7,1,L1\n")
    files = {"cells": tmp_path / "c.h5ad", "layers": table}
    m = tissues.convert_starmap(files)
    assert m.entities["layer"].tolist() == ["L1", "", "L2"]
    assert m.entities["cell_type"].tolist() == ["A", "", "B"]
    np.testing.assert_allclose(m.coordinates, places(3) * 0.1)
    table.write_text(",smoothed_manual\n70,L2\n")
    with pytest.raises(IntegrityError, match="names cells that are not in the file"):
        tissues.convert_starmap(files)


def test_cells_without_readings_are_their_types(tmp_path):
    cells = {"imageID": "A", "imageCellID": ["a", "b", "c"], "x": [1, 2, 3], "y": [0, 0, 9], "case": 6362}
    more = {"cellType": ["beta", "alpha", "beta"], "stage": "Onset", "part": "Tail"}
    pd.DataFrame({**cells, **more}).to_parquet(tmp_path / "p.parquet")
    m = tissues.convert_pancreas({"cells": tmp_path / "p.parquet"})
    assert m.features.tolist() == ["alpha", "beta"]
    assert m.dense().tolist() == [[0, 1], [1, 0], [0, 1]]
    assert m.entities["donor"].tolist() == ["6362"] * 3
