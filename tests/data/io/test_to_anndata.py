"""Out to scanpy and squidpy, and back."""

import anndata
import numpy as np
import pytest
from scipy import sparse

from aivc.data.io.as_measurement import as_measurement
from aivc.data.io.read import read
from aivc.data.io.to_anndata import to_anndata
from aivc.data.tissue.graph import GraphRule, link
from tiny_tissues import declared, places, tissue

CELLS = link(
    tissue(places(30), section=["a", "b"] * 15, donor=["p"] * 30).replace(
        provenance={"coordinates": {"unit": "um", "lattice": False, "nearest": None}}
    ),
    GraphRule("nearest", 4),
)


def test_the_keys_that_squidpy_looks_for():
    made = to_anndata(CELLS)
    np.testing.assert_array_equal(made.obsm["spatial"], CELLS.coordinates)
    near, far = made.obsp["spatial_connectivities"], made.obsp["spatial_distances"]
    assert (near.dtype, far.dtype) == (np.float32, np.float64)
    assert (near != CELLS.links).nnz == 0
    rows, columns = far.nonzero()
    length = np.linalg.norm(CELLS.coordinates[rows] - CELLS.coordinates[columns], axis=1)
    np.testing.assert_allclose(np.asarray(far[rows, columns]).ravel(), length)
    said = made.uns["spatial_neighbors"]
    assert said["connectivities_key"] == "spatial_connectivities"
    assert said["distances_key"] == "spatial_distances"
    assert said["params"]["coord_type"] == "generic"
    assert made.obs["section"].dtype == "category"
    assert made.uns["coordinates"] == {"unit": "um", "lattice": False}


@pytest.mark.parametrize("way", ["memory", "h5ad"])
def test_there_and_back(tmp_path, way):
    made = to_anndata(CELLS)
    schema = declared(section="section", donor="donor")
    if way == "memory":
        back = as_measurement(made, schema)
    else:
        made.write_h5ad(tmp_path / "t.h5ad")
        back = read(tmp_path / "t.h5ad", schema)
    assert (back.links != CELLS.links).nnz == 0
    np.testing.assert_array_equal(back.coordinates, CELLS.coordinates)
    np.testing.assert_array_equal(back.dense(), CELLS.dense())
    assert back.entities["section"].tolist() == CELLS.entities["section"].tolist()


def test_without_positions_nothing_spatial_is_written():
    plain = to_anndata(tissue(places(5)).replace(coordinates=None))
    assert not list(plain.obsm)
    assert dict(plain.uns) == {"units": "counts"}
    alone = to_anndata(tissue(places(5)))
    assert list(alone.obsm) == ["spatial"]
    assert not list(alone.obsp)


def test_what_was_not_measured_is_nan():
    seen = np.ones((5, 2), dtype=bool)
    seen[0, 0] = False
    made = to_anndata(tissue(places(5)).replace(observed=seen))
    assert isinstance(made, anndata.AnnData)
    assert np.isnan(made.X[0, 0])
    assert not sparse.issparse(made.X)
