"""Folders of instruments: positions in µm beside counts, whoever wrote them; and several sections at once."""

import shutil

import numpy as np
import pytest

from aivc.core.errors import DataError, SchemaError
from aivc.data.io.check import check
from aivc.data.io.read import read
from aivc.data.io.vendor_folders import vendor_of, vendors_of
from tiny_tissues import GENES, cosmx, counts_of, declared, merscope, places, spatialdata, visium, xenium

PIXELS = {"coordinate_unit": "pixel"}
ALL = {
    "Visium": (visium, PIXELS),
    "Xenium": (xenium, {}),
    "CosMx": (cosmx, {**PIXELS, "um_per_pixel": 0.12}),
    "MERSCOPE": (merscope, {}),
}


@pytest.mark.parametrize("vendor", ALL)
def test_each_is_known_by_its_files_and_read(tmp_path, vendor):
    write, words = ALL[vendor]
    folder = write(tmp_path / "run")
    assert vendor_of(folder) == vendor
    m = read(folder, declared(**words))
    assert m.features.tolist() == GENES
    assert m.coordinates.shape == (len(m), 2)
    assert m.provenance["coordinates"]["unit"] == "um"
    assert m.provenance["coordinates"]["lattice"] == (vendor == "Visium")
    assert not check(folder, declared(**words)).problems


@pytest.mark.parametrize("vendor", ["Xenium", "CosMx", "MERSCOPE"])
def test_cells_lie_where_the_folder_says(tmp_path, vendor):
    write, words = ALL[vendor]
    m = read(write(tmp_path / "run"), declared(**words))
    np.testing.assert_allclose(m.coordinates, places(30))
    np.testing.assert_array_equal(m.dense(), counts_of(30, 4)[:, :3] if vendor == "Xenium" else counts_of(30))


def test_without_coordinates_in_the_schema_there_are_none(tmp_path):
    m = read(xenium(tmp_path / "run"), declared(coordinates=None, coordinate_unit=None))
    assert m.coordinates is None
    assert "cell_area" in m.entities


def test_a_folder_of_folders_is_read_as_sections(tmp_path):
    visium(tmp_path / "all" / "p1", diameter=130.0)
    visium(tmp_path / "all" / "p2", diameter=260.0, genes=["CD3E", "EPCAM", "KRT8"])
    (tmp_path / "all" / "notes").mkdir()
    assert vendors_of(tmp_path / "all") == ["Visium"]
    m = read(tmp_path / "all", declared(**PIXELS))
    assert m.entities["section"].unique().tolist() == ["p1", "p2"]
    assert m.features.tolist() == ["EPCAM", "CD3E"]
    assert m.entities.index[0] == "p1/SPOT0-1"
    # Each image has pixels of its own size; in µm the two sections are the same.
    np.testing.assert_allclose(m.coordinates[:12], m.coordinates[12:], atol=0.5)
    np.testing.assert_array_equal(m.dense()[:12, 0], counts_of(12)[:, 0])
    np.testing.assert_array_equal(m.dense()[12:, 0], counts_of(12)[:, 1])
    assert any("left aside: others lack them" in note for note in m.provenance["notes"])


def test_sections_of_two_instruments_are_refused(tmp_path):
    visium(tmp_path / "a")
    xenium(tmp_path / "b")
    with pytest.raises(SchemaError, match="each instrument by itself"):
        read(tmp_path, declared())


def test_a_unit_that_the_format_contradicts_is_a_problem(tmp_path):
    with pytest.raises(DataError, match='coordinate_unit = "um"'):
        read(xenium(tmp_path / "run"), declared(**PIXELS, um_per_pixel=0.2))
    with pytest.raises(DataError, match='coordinate_unit = "pixel"'):
        read(visium(tmp_path / "spots"), declared())


def test_pixels_need_their_size(tmp_path):
    with pytest.raises(DataError, match="um_per_pixel"):
        read(cosmx(tmp_path / "run"), declared(**PIXELS))


def test_another_key_is_refused(tmp_path):
    with pytest.raises(SchemaError, match='coordinates = "spatial"'):
        read(xenium(tmp_path / "run"), declared(coordinates="X_umap"))


def test_spatialdata_is_told_from_an_anndata_zarr(tmp_path):
    folder = spatialdata(tmp_path / "s.zarr")
    assert vendors_of(folder) == []
    shutil.rmtree(folder / "tables")
    assert "s.zarr" in check(folder, declared()).problems[0]
