"""Cells as a person has them: an AnnData, a path, a Measurement."""

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from aivc.core.errors import DataError, SchemaError, UnavailableError, UnknownNameError
from aivc.data.io.as_measurement import as_measurement
from aivc.data.io.check import check
from aivc.data.io.schema import Constant, Schema

COLUMNS = {
    "units": "counts", "perturbation": "gene", "control": "NT", "kind": "ko", "context": "cell_line", "species": "none",
}  # fmt: skip


def made(values=None, **obs):
    counts = np.random.default_rng(0).poisson(2.0, (6, 4)) + 1
    frame = {"gene": ["NT", "NT", "TP53", "TP53", "JUN", "JUN"], "cell_line": "K562", **obs}
    index = [f"c{i}" for i in range(6)]
    var = pd.DataFrame({"id": list("wxyz")}, index=["TP53", "MYC", "JUN", "ACTB"])
    return anndata.AnnData(counts if values is None else values, pd.DataFrame(frame, index=index), var)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array])
def test_memory_and_file_give_the_same(form, tmp_path):
    adata = made(form(made().X))
    adata.write_h5ad(tmp_path / "s.h5ad")
    one, other = as_measurement(adata, **COLUMNS), as_measurement(tmp_path / "s.h5ad", **COLUMNS)
    np.testing.assert_array_equal(one.dense(), other.dense())
    assert one.perturbations.tolist() == other.perturbations.tolist()
    assert one.perturbations.tolist() == ["control", "control", "ko:TP53", "ko:TP53", "ko:JUN", "ko:JUN"]
    assert (one.contexts == "K562").all()
    assert one.features.tolist() == other.features.tolist() == ["TP53", "MYC", "JUN", "ACTB"]
    assert one.provenance["schema"] == other.provenance["schema"]


def test_the_same_by_a_schema_and_by_columns():
    schema = Schema(units="counts", perturbation="gene", control="NT", kind="ko", context=Constant("A"), species="none")
    one = as_measurement(made(), schema)
    other = as_measurement(made(), **{**COLUMNS, "context": Constant("A")})
    assert one.provenance == other.provenance
    assert one.contexts.tolist() == other.contexts.tolist() == ["A"] * 6


def test_layers_coordinates_and_names_of_features():
    adata = made()
    adata.layers["raw_counts"] = adata.X + 1
    adata.obsm["spatial"] = np.arange(12.0).reshape(6, 2)
    found = as_measurement(
        adata, **COLUMNS, layer="raw_counts", features="id", coordinates="spatial", coordinate_unit="um"
    )
    np.testing.assert_array_equal(found.dense(), adata.X + 1)
    assert found.features.tolist() == list("wxyz")
    assert found.coordinates.tolist() == adata.obsm["spatial"].tolist()
    adata.raw = made(made().X + 7)
    assert (as_measurement(adata, **COLUMNS, layer="raw").dense() == adata.raw.X).all()
    with pytest.raises(DataError, match="no layer 'counts'; there are X, raw_counts, raw"):
        as_measurement(adata, **COLUMNS, layer="counts")
    with pytest.raises(DataError, match="no obsm key 'X_umap'"):
        as_measurement(adata, **COLUMNS, coordinates="X_umap", coordinate_unit="um")


def test_every_problem_is_found_as_in_a_file(tmp_path):
    values = made().X.astype(float)
    values[2, 1], values[3, 0] = 0.5, -1
    adata = made(values)
    with pytest.raises(DataError) as refused:
        as_measurement(adata, **{**COLUMNS, "control": "non-targeting", "context": "cell_lin"})
    said = str(refused.value)
    assert "Did you mean 'cell_line'?" in said
    assert "Did you mean 'NT'?" in said
    assert "values are negative" in said
    assert "values are fractional" in said
    adata.write_h5ad(tmp_path / "s.h5ad")
    schema = Schema(**COLUMNS)
    assert check(adata, schema) == check(tmp_path / "s.h5ad", schema)
    with pytest.raises(SchemaError, match=r"check\(data, schema\)"):
        check(adata)


def test_a_measurement_is_returned_as_it_is(cells):
    assert as_measurement(cells) is cells
    with pytest.raises(SchemaError, match="A Measurement knows"):
        as_measurement(cells, units="counts", perturbation="gene", control="NT")


def test_what_is_unclear_is_refused(tmp_path):
    with pytest.raises(SchemaError, match="one or the other"):
        as_measurement(made(), Schema(**COLUMNS), units="counts")
    with pytest.raises(SchemaError, match="nothing was given"):
        as_measurement(made())
    with pytest.raises(SchemaError, match="declares what the values are"):
        as_measurement(made(), perturbation="gene", control="NT", kind="ko")
    with pytest.raises(UnknownNameError, match="perturbation"):
        as_measurement(made(), units="counts", pertubation="gene")
    with pytest.raises(UnavailableError, match="There is no file"):
        as_measurement(tmp_path / "none.h5ad", **COLUMNS)
    with pytest.raises(DataError, match="not numbers"):
        as_measurement(anndata.AnnData(made().X.astype(object).astype(str), made().obs, made().var), **COLUMNS)


def test_an_anndata_on_disk_is_named_by_its_file(tmp_path):
    made().write_h5ad(tmp_path / "s.h5ad")
    backed = anndata.read_h5ad(tmp_path / "s.h5ad", backed="r")
    with pytest.raises(DataError, match="Give its path instead"):
        as_measurement(backed, **COLUMNS)
    backed.file.close()


def test_the_anndata_is_left_alone():
    adata = made(sparse.csr_matrix(made().X))
    before = adata.copy()
    as_measurement(adata, **COLUMNS)
    assert (adata.X != before.X).nnz == 0
    pd.testing.assert_frame_equal(adata.obs, before.obs)
