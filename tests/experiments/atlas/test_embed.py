import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from aivc.core.errors import DataError, IntegrityError, SchemaError, UnknownNameError
from aivc.core.registry import ENCODERS
from aivc.data.io.read import read
from aivc.data.io.schema import Constant, Schema
from aivc.experiments.atlas.embed import coverage, embed, embed_file, embedding
from aivc.experiments.fitting.fit import fit
from aivc.testing import sample_measurement
from tiny_images import image_schema, screen_of_crops

SCHEMA = Schema(units="counts", perturbation=Constant("control"), species="none")


def made(measurement=None):
    cells = sample_measurement() if measurement is None else measurement
    return anndata.AnnData(cells.values.copy(), obs=cells.entities.copy(), var=pd.DataFrame(index=list(cells.features)))


def test_writes_what_scanpy_reads_and_nothing_else():
    adata = made()
    before = adata.X.copy()
    assert embed(adata, schema=SCHEMA, dim=4) is adata
    assert adata.obsm["X_aivc"].shape == (184, 4)
    assert adata.uns["aivc"]["encoder"] == "factor-analysis"
    assert (adata.obs["aivc_coverage"] == 1).all()
    assert 0.8 < adata.obs["aivc_novelty"].median() < 1.2
    assert (before != adata.X).nnz == 0
    same = embed(sample_measurement(), dim=4)
    np.testing.assert_array_equal(same.obsm["X_aivc"], adata.obsm["X_aivc"])


def test_fewer_features_mean_less_coverage_and_more_variance():
    cells = sample_measurement()
    encoder = ENCODERS.load("ppca").fit(cells, dim=4)
    whole, part = embedding(cells, encoder), embedding(cells.select(cells.features[:6]), encoder)
    np.testing.assert_allclose(part.coverage, 0.2)
    assert (part.uncertainty > whole.uncertainty).all()
    assert np.isnan(part.novelty).all()
    mask = np.ones((len(cells), 30), dtype=bool)
    mask[:50, :15] = False
    assert coverage(encoder, cells.replace(observed=mask))[[0, 60]].tolist() == [0.5, 1.0]


def test_an_encoder_without_posterior_states_no_uncertainty():
    assert np.isnan(embed(sample_measurement(), "count-pca", dim=4).obs["aivc_uncertainty"]).all()


def test_cells_of_another_kind_are_novel_to_a_virtual_cell(tmp_path):
    cells = sample_measurement()
    fit(cells, "mean-effect").save(tmp_path / "cell")
    rng = np.random.default_rng(0)
    foreign = cells.replace(
        values=sparse.csr_matrix(rng.poisson(rng.gamma(0.3, 20.0, 30), (184, 30)).astype(np.float32))
    )
    known, new = (embed(each, tmp_path / "cell").obs["aivc_novelty"].median() for each in (cells, foreign))
    assert known < 1.2
    assert new > 1.4


def test_layers_missing_values_and_feature_columns_are_understood():
    adata = made()
    adata.layers["counts"] = adata.X.toarray().astype(float)
    adata.layers["counts"][:20, :10] = np.nan
    adata.X = adata.X * 0
    adata.var["symbol"] = [f"S{i}" for i in range(30)]
    schema = Schema(units="counts", perturbation=Constant("control"), layer="counts", features="symbol", species="none")
    embed(adata, schema=schema, dim=3)
    assert adata.obs["aivc_coverage"].iloc[[0, 40]].round(6).tolist() == [round(20 / 30, 6), 1.0]
    with pytest.raises(UnknownNameError, match="column of features"):
        embed(made(), schema=schema.__class__(units="counts", perturbation=Constant("control"), features="symbl"))
    with pytest.raises(SchemaError, match="Name one of them"):
        embed(made(), schema=schema)


def test_large_data_are_fitted_on_a_sample_of_cells_and_features(monkeypatch):
    monkeypatch.setattr("aivc.experiments.atlas.embed._CELLS", 100)
    monkeypatch.setattr("aivc.experiments.atlas.embed._FEATURES", 12)
    monkeypatch.setattr("aivc.experiments.atlas.embed.CHUNK", 50)
    answer = embedding(sample_measurement(), dim=4)
    assert answer.about["training_states"] == 100
    assert answer.values.shape == (184, 4)
    assert np.isfinite(answer.novelty).all()


def test_nothing_is_written_over(tmp_path):
    adata = embed(made(), schema=SCHEMA, dim=3)
    with pytest.raises(IntegrityError, match="Remove obsm"):
        embed(adata, schema=SCHEMA)
    with pytest.raises(SchemaError, match="schema"):
        embed(made())
    adata.write_h5ad(tmp_path / "done.h5ad")
    with pytest.raises(IntegrityError, match="Choose another name"):
        embed_file(tmp_path / "done.h5ad", tmp_path / "done.h5ad", schema=SCHEMA)
    with pytest.raises(IntegrityError, match="Remove obsm"):
        embed_file(tmp_path / "done.h5ad", tmp_path / "again.h5ad", schema=SCHEMA, dim=3)
    assert [path.name for path in tmp_path.iterdir()] == ["done.h5ad"]


@pytest.mark.parametrize("on_disk", [False, True])
def test_a_file_keeps_all_it_holds(tmp_path, on_disk):
    adata = made()
    adata.obsm["X_umap"] = np.ones((184, 2))
    adata.layers["spliced"] = adata.X.copy()
    adata.write_h5ad(tmp_path / "in.h5ad")
    answer = embed_file(tmp_path / "in.h5ad", tmp_path / "out.h5ad", schema=SCHEMA, on_disk=on_disk, dim=3)
    after = anndata.read_h5ad(tmp_path / "out.h5ad")
    np.testing.assert_array_equal(after.obsm["X_aivc"], answer.values)
    assert set(after.obsm) == {"X_umap", "X_aivc"}
    assert list(after.layers) == ["spliced"]
    assert list(after.obs)[-3:] == ["aivc_uncertainty", "aivc_coverage", "aivc_novelty"]
    assert after.obs["perturbation"].astype(str).tolist() == adata.obs["perturbation"].tolist()


def test_a_table_becomes_an_h5ad(tmp_path):
    cells = sample_measurement()
    pd.DataFrame(cells.dense(), index=cells.entities.index, columns=list(cells.features)).to_csv(tmp_path / "in.csv")
    embed_file(tmp_path / "in.csv", tmp_path / "out.h5ad", schema=SCHEMA, dim=3)
    after = anndata.read_h5ad(tmp_path / "out.h5ad")
    assert after.shape == (184, 30)
    assert after.obsm["X_aivc"].shape == (184, 3)


def test_columns_stand_for_a_schema_and_a_path_for_cells(tmp_path):
    by_schema, by_columns = made(), made()
    embed(by_schema, schema=SCHEMA, dim=3)
    embed(by_columns, dim=3, **{name: value for name, value in SCHEMA.to_json().items() if name != "perturbation"})
    np.testing.assert_array_equal(by_columns.obsm["X_aivc"], by_schema.obsm["X_aivc"])
    made().write_h5ad(tmp_path / "cells.h5ad")
    from_file = embed(tmp_path / "cells.h5ad", schema=SCHEMA, dim=3)
    np.testing.assert_allclose(from_file.obsm["X_aivc"], by_schema.obsm["X_aivc"], atol=1e-9)
    with pytest.raises(SchemaError, match="one or the other"):
        embed(made(), schema=SCHEMA, units="counts")


def test_an_old_file_is_copied_and_gets_the_embedding(tmp_path):
    cells = sample_measurement()
    with h5py.File(tmp_path / "in.h5ad", "w") as file:
        file["X"] = cells.dense()
        file["obs"] = np.array([(str(name).encode(),) for name in cells.entities.index], dtype=[("index", "S20")])
        file["var"] = np.array([(str(name).encode(),) for name in cells.features], dtype=[("index", "S20")])
    embed_file(tmp_path / "in.h5ad", tmp_path / "out.h5ad", schema=SCHEMA, dim=3)
    assert read(tmp_path / "out.h5ad", SCHEMA).entities.index.tolist() == cells.entities.index.astype(str).tolist()


def test_what_was_left_out_is_not_written(tmp_path):
    adata = made()
    adata.obs["guide"] = ["", *["NT"] * (adata.n_obs - 1)]
    adata.write_h5ad(tmp_path / "in.h5ad")
    dropped = Schema(units="counts", perturbation="guide", control="NT", kind="ko", species="none", exclude=("",))
    embed_file(tmp_path / "in.h5ad", tmp_path / "out.h5ad", schema=dropped, dim=3)
    assert anndata.read_h5ad(tmp_path / "out.h5ad").n_obs == adata.n_obs - 1


def test_images_are_refused_before_they_are_read(tmp_path):
    # No file is there: whoever had read first would have said so.
    nowhere = tmp_path / "plate.zarr"
    for scale in ("cellular", "multicellular"):
        with pytest.raises(DataError, match='such as "morphology"'):
            embed(nowhere, schema=image_schema(), scale=scale)
    with pytest.raises(DataError, match='such as "morphology"'):
        embed_file(nowhere, tmp_path / "out.h5ad", schema=image_schema())
    with pytest.raises(DataError, match="morphology for images"):
        embed(screen_of_crops(2))
