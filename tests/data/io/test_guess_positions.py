"""A schema of a tissue, suggested: places are found, and their unit is asked for with evidence."""

import anndata
import numpy as np
import pandas as pd
import pytest

from aivc.data.io.check import check
from aivc.data.io.guess import guess
from aivc.data.io.schema import Constant, Schema
from tiny_tissues import cosmx, counts_of, merscope, places, spatialdata, visium, xenium

LATTICE = np.stack(np.meshgrid(np.arange(10.0), np.arange(10.0)), axis=-1).reshape(-1, 2)


def cells(points, **obs):
    frame = pd.DataFrame(obs, index=[f"c{i}" for i in range(len(points))])
    var = pd.DataFrame(index=["EPCAM", "CD3E", "ACTB"])
    return anndata.AnnData(counts_of(len(points)).astype(np.float32), frame, var, obsm={"spatial": points})


def lines(data):
    return {line.field: line for line in guess(data).lines}


@pytest.mark.parametrize(
    ("points", "unit", "evidence"),
    [
        (LATTICE, "array", "1 away (median) in a lattice"),
        (LATTICE * 200, "pixel", "in a lattice, wide for µm"),
        (places(60), "um", "as centers of cells"),
        (places(60) * 8, "pixel", "wide for µm: pixels?"),
    ],
)
def test_the_unit_is_proposed_with_evidence_and_never_sure(tmp_path, points, unit, evidence):
    given = cells(points)
    given.write_h5ad(tmp_path / "t.h5ad")
    for data in (given, tmp_path / "t.h5ad"):
        found = lines(data)
        assert found["coordinates"].value == "obsm:spatial"
        assert (found["coordinate_unit"].value, found["coordinate_unit"].sure) == (unit, False)
        assert evidence in found["coordinate_unit"].evidence
        assert ("um_per_pixel" in found) == (unit == "pixel")
        assert (found["perturbation"].value, found["perturbation"].sure) == ({"value": "control"}, False)


def test_sections_donors_and_types_are_found():
    found = lines(cells(places(60), library_id=["a", "b"] * 30, patient="p", cell_type=["T", "B"] * 30))
    assert found["section"].value == "library_id"
    assert found["donor"].value == "patient"
    assert found["cell_type"].value == "cell_type"
    assert "context" not in found


def test_columns_of_places_and_a_screen_with_labels():
    given = cells(places(60), x=1.0, y=2.0)
    given.obs["x"], given.obs["y"] = places(60).T
    del given.obsm["spatial"]
    given.obs["gene"] = ["NT", "TP53"] * 30
    found = lines(given)
    assert found["coordinates"].value == ["x", "y"]
    assert found["perturbation"].value == "gene"


def test_a_table_of_cells(tmp_path):
    frame = {"x": places(60)[:, 0], "y": places(60)[:, 1], "cellType": ["T", "B"] * 30, "image": "i", "patient": 7}
    pd.DataFrame(frame).to_csv(tmp_path / "t.csv", index=False)
    found = lines(tmp_path / "t.csv")
    said = {name: found[name].value for name in ("coordinates", "section", "donor", "cell_type", "format", "units")}
    assert said == {
        "coordinates": ["x", "y"], "section": "image", "donor": "patient", "cell_type": "cellType", "format": "cells",
        "units": "arbitrary",
    }  # fmt: skip
    words = {name: line.value for name, line in found.items() if line.sure}
    schema = Schema.from_json({**words, "perturbation": {"value": "control"}, "coordinate_unit": "um"})
    assert not check(tmp_path / "t.csv", schema).problems


@pytest.mark.parametrize(
    ("write", "vendor", "unit"),
    [(visium, "Visium", "pixel"), (xenium, "Xenium", "um"), (cosmx, "CosMx", "pixel"), (merscope, "MERSCOPE", "um")],
)
def test_a_folder_of_an_instrument_states_its_unit(tmp_path, write, vendor, unit):
    found = guess(write(tmp_path / "run"))
    assert found.convention == vendor
    words = found.to_json()["schema"]
    assert (words["coordinates"], words["coordinate_unit"]) == ("spatial", unit)
    assert ("um_per_pixel" in found.to_json()["open"]) == (vendor == "CosMx")
    words.pop("species", None)
    more = {"um_per_pixel": 0.12} if vendor == "CosMx" else {}
    schema = Schema(**words, **more, perturbation=Constant("control"), species="none")
    assert not check(tmp_path / "run", schema).problems


def test_spatialdata(tmp_path):
    assert lines(spatialdata(tmp_path / "s.zarr"))["coordinates"].value == "obsm:spatial"


def test_a_screen_without_places_is_guessed_as_before():
    given = cells(places(6), gene=["NT", "TP53"] * 3)
    del given.obsm["spatial"]
    assert not {"coordinates", "coordinate_unit", "section"} & set(lines(given))
