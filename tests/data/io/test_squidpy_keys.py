"""Neighbors in the keys of squidpy: read where they are, checked, and never made up."""

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from aivc.core.errors import DataError
from aivc.data.io.as_measurement import as_measurement
from aivc.data.io.read import read
from tiny_tissues import counts_of, declared, places

NEAR = sparse.random(20, 20, 0.2, format="csr", random_state=0, dtype=np.float64)


def placed(matrix, key="spatial_connectivities"):
    cells = anndata.AnnData(
        counts_of(20).astype(np.float32), pd.DataFrame({"batch": ["a", "b"] * 10}, index=[f"c{i}" for i in range(20)])
    )
    cells.obsm["spatial"] = places(20)
    cells.obsp[key] = matrix
    return cells


@pytest.mark.parametrize("form", [sparse.csr_matrix, sparse.csc_matrix, lambda found: found.toarray()])
def test_neighbors_come_in_without_an_own_and_as_directed_as_they_are(tmp_path, form):
    cells = placed(form(NEAR + sparse.identity(20)))
    cells.write_h5ad(tmp_path / "t.h5ad")
    wanted = NEAR.toarray().astype(np.float32)
    np.fill_diagonal(wanted, 0)
    for m in (as_measurement(cells, declared()), read(tmp_path / "t.h5ad", declared())):
        np.testing.assert_allclose(m.links.toarray(), wanted)
        notes = " ".join(m.provenance["notes"])
        assert "20 links" in notes
        assert "neighbors go one way" in notes


def test_links_are_read_with_coordinates_of_obsm_or_where_named():
    assert as_measurement(placed(NEAR), declared(coordinates=None, coordinate_unit=None)).links is None
    cells = placed(NEAR, "visium_connectivities")
    assert as_measurement(cells, declared()).links is None
    assert as_measurement(cells, declared(links="obsp:visium_connectivities")).links is not None
    with pytest.raises(DataError, match="no obsp key 'absent' for links; there are: visium_connectivities"):
        as_measurement(cells, declared(links="absent"))


@pytest.mark.parametrize("wrong", [-1.0, np.inf])
def test_weights_that_are_none_are_refused(wrong):
    bad = NEAR.copy()
    bad.data[0] = wrong
    with pytest.raises(DataError, match="finite weights"):
        as_measurement(placed(bad), declared())


def test_what_is_excluded_is_nobodys_neighbor():
    m = as_measurement(placed(NEAR), declared(batch="batch", exclude="b"))
    own = NEAR[::2][:, ::2].toarray().astype(np.float32)
    np.fill_diagonal(own, 0)
    np.testing.assert_allclose(m.links.toarray(), own)
