"""Positions of a file: their unit is declared, and brought to µm."""

import anndata
import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError, SchemaError, UnknownNameError
from aivc.data.io.as_measurement import as_measurement
from aivc.data.io.read import read
from aivc.data.io.schema import Schema
from tiny_tissues import counts_of, declared, places


def cells(points, **obsm):
    n = len(points)
    obs = pd.DataFrame({"x": points[:, 0], "y": points[:, 1]}, index=[f"c{i}" for i in range(n)])
    return anndata.AnnData(counts_of(n).astype(np.float32), obs, obsm={"spatial": points, **obsm})


@pytest.mark.parametrize("where", ["spatial", "obsm:spatial", ("x", "y")])
@pytest.mark.parametrize(
    ("unit", "size", "factor", "kept"),
    [("um", None, 1, "um"), ("array", None, 1, "array"), ("pixel", 0.25, 0.25, "um")],
)
def test_units(tmp_path, where, unit, size, factor, kept):
    schema = declared(coordinates=where, coordinate_unit=unit, um_per_pixel=size)
    given = cells(places(30))
    given.write_h5ad(tmp_path / "t.h5ad")
    for m in (as_measurement(given, schema), read(tmp_path / "t.h5ad", schema)):
        np.testing.assert_allclose(m.coordinates, places(30) * factor)
        said = m.provenance["coordinates"]
        assert (said["unit"], said["lattice"]) == (kept, False)
        assert said.get("um_per_pixel") == size


def test_a_lattice_is_found():
    points = np.stack(np.meshgrid(np.arange(6.0), np.arange(5.0)), axis=-1).reshape(-1, 2)
    said = as_measurement(cells(points), declared(coordinate_unit="array")).provenance["coordinates"]
    assert said == {"unit": "array", "lattice": True, "nearest": 1.0}


def test_three_dimensions():
    points = np.c_[places(30), np.arange(30.0)]
    assert as_measurement(cells(points), declared()).coordinates.shape == (30, 3)


@pytest.mark.parametrize(
    ("changes", "remedy"),
    [
        ({"coordinate_unit": None}, "need their unit"),
        ({"coordinates": None}, "a unit its coordinates"),
        ({"coordinate_unit": "mm"}, "one of um, array, pixel"),
        ({"um_per_pixel": 0.5}, 'goes with coordinate_unit = "pixel"'),
        ({"coordinate_unit": "pixel", "um_per_pixel": 0}, "positive size"),
        ({"format": "cells"}, "cell_type"),
    ],
)
def test_contradictions(changes, remedy):
    with pytest.raises(SchemaError, match=remedy):
        declared(**changes)


def test_a_patient_is_a_donor():
    with pytest.raises(UnknownNameError, match="write donor"):
        Schema.from_json({"units": "counts", "patient": "case"})


def test_pixels_without_a_size_and_other_shapes_are_problems():
    with pytest.raises(DataError, match="um_per_pixel"):
        as_measurement(cells(places(30)), declared(coordinate_unit="pixel"))
    given = cells(places(30), X_pca=np.ones((30, 5)))
    with pytest.raises(DataError, match=r"shape \(30, 5\)"):
        as_measurement(given, declared(coordinates="X_pca"))
    points = places(30)
    points[3] = np.nan
    with pytest.raises(DataError, match="1 of 30 are not"):
        as_measurement(cells(points), declared())


def test_sections_donors_and_types_are_columns_of_ours():
    given = cells(places(30))
    given.obs["image"], given.obs["case"], given.obs["cellType"] = [7.0, 8.0] * 15, "p", ["T", None, "B"] * 10
    m = as_measurement(given, declared(section="image", donor="case", cell_type="cellType"))
    assert m.entities["section"].tolist()[:2] == ["7", "8"]
    assert m.entities["donor"].tolist() == ["p"] * 30
    assert m.entities["cell_type"].tolist()[:3] == ["T", "", "B"]
    given.obs.loc["c0", "image"] = None
    with pytest.raises(DataError, match="1 of 30 entities have no section"):
        as_measurement(given, declared(section="image"))


def test_a_table_of_cells_becomes_its_types(tmp_path):
    table = pd.DataFrame({"x": places(30)[:, 0], "y": places(30)[:, 1], "cellType": ["T", "B", "T"] * 10})
    table = table.assign(image="i1", patient=6362, age=12)
    schema = declared(
        units="arbitrary", format="cells", cell_type="cellType", coordinates=("x", "y"), section="image",
        donor="patient", modality="cell-type",
    )  # fmt: skip
    table.to_csv(tmp_path / "t.csv", index=False)
    table.to_parquet(tmp_path / "t.parquet")
    for name in ("t.csv", "t.parquet"):
        m = read(tmp_path / name, schema)
        assert m.features.tolist() == ["B", "T"]
        assert m.dense()[:3].tolist() == [[0, 1], [1, 0], [0, 1]]
        assert m.entities["donor"].tolist()[0] == "6362"
        assert m.entities["age"].tolist()[0] == 12
    with pytest.raises(SchemaError, match="no column 'cell'"):
        read(tmp_path / "t.csv", declared(format="cells", cell_type="cell", coordinates=("x", "y")))
