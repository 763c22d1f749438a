"""Xenium, CosMx and MERSCOPE: the files of each, in the versions that there are."""

import numpy as np
import pytest

from aivc.core.errors import DataError, IntegrityError, SchemaError
from aivc.data.io.read import read
from tiny_tissues import GENES, cosmx, declared, merscope, places, xenium

COSMX = declared(coordinate_unit="pixel", um_per_pixel=0.12)


@pytest.mark.parametrize("form", ["parquet", "bytes", "csv"])
def test_xenium_in_every_form(tmp_path, form):
    m = read(xenium(tmp_path / "run", form=form), declared())
    np.testing.assert_allclose(m.coordinates, places(30))
    assert m.entities.index[2] == "aaaa002-1"
    assert any("Negative Control Probe" in note for note in m.provenance["notes"])


def test_cosmx_names_cells_by_field_and_leaves_out_what_is_no_cell(tmp_path):
    m = read(cosmx(tmp_path / "run"), COSMX)
    assert len(m) == 30
    assert m.entities.index[:3].tolist() == ["1_1", "2_1", "1_2"]
    notes = " ".join(m.provenance["notes"])
    assert "1 rows of S1_exprMat_file.csv count what lies outside of cells" in notes
    assert "1 blank and negative probes" in notes
    assert m.features.tolist() == GENES


def test_one_of_several_slides_is_named(tmp_path):
    cosmx(tmp_path / "run", slide="S1")
    folder = cosmx(tmp_path / "run", n=20, slide="S2")
    with pytest.raises(SchemaError, match='prefix = "S1_"'):
        read(folder, COSMX)
    assert len(read(folder, declared(coordinate_unit="pixel", um_per_pixel=0.12, prefix="S2"))) == 20
    with pytest.raises(IntegrityError, match="correct prefix"):
        read(folder, declared(prefix="S3"))


def test_merscope_keeps_every_digit_of_a_name(tmp_path):
    m = read(merscope(tmp_path / "run"), declared())
    assert m.entities.index[1] == "110883424764611925"
    assert m.features.tolist() == GENES


def test_cells_that_are_not_described_are_a_problem(tmp_path):
    folder = merscope(tmp_path / "run")
    table = folder / "cell_metadata.csv"
    table.write_text("\n".join(table.read_text().splitlines()[:-2]) + "\n")
    with pytest.raises(DataError, match="does not describe 2 of 30 cells"):
        read(folder, declared())


def test_a_table_without_centers_or_with_a_cell_twice_is_refused(tmp_path):
    folder = xenium(tmp_path / "run", form="csv")
    (folder / "cells.csv.gz").unlink()
    (folder / "cells.csv").write_text("cell_id,x_centroid\naaaa000-1,1\n")
    with pytest.raises(IntegrityError, match="no column y_centroid"):
        read(folder, declared())
    (folder / "cells.csv").write_text("cell_id,x_centroid,y_centroid\na,1,1\na,2,2\n")
    with pytest.raises(IntegrityError, match="describes 'a' twice"):
        read(folder, declared())
