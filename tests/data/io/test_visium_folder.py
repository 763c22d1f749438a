"""Visium: spots, their pixels, and the size of a pixel, from every version of Space Ranger."""

import json

import numpy as np
import pytest

from aivc.core.errors import DataError, IntegrityError
from aivc.data.io.read import read
from tiny_tissues import declared, visium

SPOTS = declared(coordinate_unit="pixel")


@pytest.mark.parametrize("form", ["csv", "list", "parquet"])
def test_positions_of_every_version(tmp_path, form):
    m = read(visium(tmp_path / "run", form=form), SPOTS)
    assert m.entities["array_row"].tolist()[:4] == [0, 0, 0, 1]
    # x runs along a row of the image: pixels of columns come first.
    np.testing.assert_allclose(m.coordinates[:3], [[0, 0], [100, 0], [200, 0]])
    assert m.provenance["coordinates"]["um_per_pixel"] == 0.5
    assert m.provenance["coordinates"]["nearest"] == pytest.approx(100, abs=0.5)


def test_the_size_of_a_pixel_is_stated_by_hd_and_by_the_schema(tmp_path):
    folder = visium(tmp_path / "run")
    scales = folder / "spatial" / "scalefactors_json.json"
    scales.write_text(json.dumps({"microns_per_pixel": 0.25, "spot_diameter_fullres": 130.0, "bin_size_um": 8.0}))
    assert read(folder, SPOTS).coordinates[1, 0] == 50
    assert read(folder, declared(coordinate_unit="pixel", um_per_pixel=2)).coordinates[1, 0] == 400
    scales.unlink()
    with pytest.raises(DataError, match="um_per_pixel"):
        read(folder, SPOTS)
    scales.write_text("[1]")
    with pytest.raises(IntegrityError, match="no scale factors"):
        read(folder, SPOTS)


def test_places_on_the_array_are_columns_too(tmp_path):
    words = {"coordinates": ("array_row", "array_col"), "coordinate_unit": "array"}
    m = read(visium(tmp_path / "run"), declared(**words))
    assert m.coordinates[3].tolist() == [1, 1]
    assert m.provenance["coordinates"]["unit"] == "array"


def test_spots_without_a_position_are_a_problem(tmp_path):
    folder = visium(tmp_path / "run")
    table = folder / "spatial" / "tissue_positions.csv"
    table.write_text("\n".join(table.read_text().splitlines()[:5]) + "\n")
    with pytest.raises(DataError, match="9 of 12 spots have no position"):
        read(folder, SPOTS)
    table.write_text("barcode,x\nSPOT0-1,1\n")
    with pytest.raises(IntegrityError, match="no column in_tissue"):
        read(folder, SPOTS)


def test_a_folder_without_a_matrix_is_refused(tmp_path):
    folder = visium(tmp_path / "run")
    (folder / "filtered_feature_bc_matrix.h5").unlink()
    with pytest.raises(IntegrityError, match="holds 0 files"):
        read(folder, SPOTS)
