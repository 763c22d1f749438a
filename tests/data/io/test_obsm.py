import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from aivc.core.errors import DataError, IntegrityError, UnavailableError, UnknownNameError
from aivc.data.io.obsm import load_obsm


def cells(**obsm):
    values = {"X_uce": np.arange(12.0).reshape(4, 3)} | obsm
    obs = pd.DataFrame({"perturbation": list("abcd")}, index=[f"c{i}" for i in range(4)])
    return anndata.AnnData(sparse.csr_matrix(np.ones((4, 2))), obs=obs, obsm=values)


def test_rows_of_nan_were_not_observed_and_notes_are_kept():
    values = np.arange(12.0).reshape(4, 3)
    values[2] = np.nan
    found = load_obsm(cells(X_scgpt=values), "X_scgpt", source="scGPT whole-human, MIT")
    assert found.observed.all(axis=1).tolist() == [True, True, False, True]
    assert np.isfinite(found.values).all()
    assert (found.units, found.modality, list(found.entities)) == ("arbitrary", "embedding", [])
    assert found.features.tolist() == [f"embedding:X_scgpt/{i}" for i in range(3)]
    assert found.provenance == {"obsm": "X_scgpt", "source": "scGPT whole-human, MIT"}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("ending", ["h5ad", "zarr"])
def test_a_file_reads_as_what_is_in_memory(tmp_path, ending):
    table = pd.DataFrame({"UMAP1": [1, 2, 3, 4], "UMAP2": [5.0, 6, 7, 8]}, index=[f"c{i}" for i in range(4)])
    mine, path = cells(X_umap=table), tmp_path / f"cells.{ending}"
    mine.write_h5ad(path) if ending == "h5ad" else mine.write_zarr(path)
    for key in ("X_uce", "X_umap"):
        ours, theirs = load_obsm(path, key), load_obsm(mine, key)
        assert np.array_equal(ours.values, theirs.values)
        assert ours.entities.equals(theirs.entities)
    assert load_obsm(str(path), "X_uce").provenance["file"] == path.name


def test_sparse_and_boolean_matrices_are_read():
    assert load_obsm(cells(X_clone=sparse.csr_matrix(np.eye(4))), "X_clone").values.tolist() == np.eye(4).tolist()
    assert load_obsm(cells(X_clone=np.eye(4) > 0), "X_clone").values.tolist() == np.eye(4).tolist()


def test_what_is_no_embedding_is_refused(tmp_path):
    with pytest.raises(UnknownNameError, match="keys there are: X_pca, X_uce"):
        load_obsm(cells(X_pca=np.ones((4, 2))), "X_scvi")
    with pytest.raises(DataError, match="no number at all"):
        load_obsm(cells(X_new=np.full((4, 2), np.nan)), "X_new")
    with pytest.raises(DataError, match="infinite"):
        load_obsm(cells(X_new=np.full((4, 2), np.inf)), "X_new")
    few = np.ones((4, 2))
    few[1, 0] = np.nan
    with pytest.raises(DataError, match="a few NaN among numbers"):
        load_obsm(cells(X_new=few), "X_new")
    with pytest.raises(DataError, match="Write it as a matrix"):
        load_obsm(cells(X_new=np.ones((4, 2, 2))), "X_new")
    text = pd.DataFrame({"type": list("abcd")}, index=[f"c{i}" for i in range(4)])
    with pytest.raises(DataError, match="Leave columns of text out"):
        load_obsm(cells(X_new=text), "X_new")
    with pytest.raises(UnavailableError, match="Check the path"):
        load_obsm(tmp_path / "none.h5ad", "X_uce")
    damaged = tmp_path / "damaged.h5ad"
    damaged.write_bytes(b"no such thing")
    with pytest.raises(IntegrityError, match="Fetch or export it again"):
        load_obsm(damaged, "X_uce")
