"""SpatialData: its table is read as the anndata it is, and its regions are sections."""

import numpy as np
import pytest

from aivc.core.errors import SchemaError
from aivc.data.io.check import check
from aivc.data.io.read import read
from tiny_tissues import GENES, declared, places, spatialdata


@pytest.mark.parametrize("backed", [False, True])
def test_table_regions_and_positions(tmp_path, backed):
    m = read(spatialdata(tmp_path / "s.zarr"), declared(), backed=backed)
    assert m.features.tolist() == GENES
    assert m.entities["section"].tolist()[:3] == ["left", "right", "left"]
    np.testing.assert_allclose(m.coordinates, places(30))


def test_a_schema_may_name_other_sections(tmp_path):
    m = read(spatialdata(tmp_path / "s.zarr"), declared(section="instance"))
    assert m.entities["section"].tolist()[:2] == ["0", "1"]


def test_one_of_several_tables_is_named(tmp_path):
    folder = spatialdata(tmp_path / "s.zarr", names=("cells", "spots"))
    with pytest.raises(SchemaError, match='modality = "cells"'):
        read(folder, declared())
    m = read(folder, declared(modality="spots"))
    assert any("Table 'spots' is read; left aside: cells." in note for note in m.provenance["notes"])


def test_positions_that_are_not_there_are_a_problem(tmp_path):
    folder = spatialdata(tmp_path / "s.zarr")
    assert "there are: spatial" in check(folder, declared(coordinates="centers")).problems[0]
