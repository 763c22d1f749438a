import anndata
import numpy as np
import pytest

import aivc
from aivc.core.errors import DataError, IntegrityError, SchemaError, SpaceError, UnknownNameError
from aivc.core.registry import ENCODERS
from aivc.core.scale import Scale
from aivc.core.virtual_cell import VirtualCell
from aivc.data.io.schema import Constant, Schema
from aivc.data.io.to_anndata import to_anndata
from aivc.data.synthetic_tissue import synthetic_tissue
from aivc.data.tissue.graph import GraphRule, link
from aivc.experiments.atlas.embed_tissue import embed_tissue_file, tissue_embedding, tissue_encoder, tissue_states

SPACE = {"coordinates": "obsm:spatial", "coordinate_unit": "um", "section": "section"}
SCHEMA = Schema(units="counts", perturbation=Constant("control"), species="none", **SPACE)


@pytest.fixture(scope="module")
def tissue():
    return synthetic_tissue(cells=40, seed=0)[0]


@pytest.fixture(scope="module")
def made(tissue):
    return tissue_embedding(tissue, reach=2, dim=9)


def test_states_are_those_of_the_parts_and_carry_the_neighbors(tissue, made):
    below = made.cell.encoders["cellular"].encode(tissue)
    assert np.allclose(made.cells.values, below.values)
    above = tissue_encoder(made.cell)
    linked = link(tissue, GraphRule("nearest", 8))
    assert np.allclose(made.states.values, above.encode(linked, parts=below).values)
    assert (made.tissue.links != linked.links).nnz == 0
    assert made.about["rule"] == "nearest:8"
    assert made.about["reach"] == 2
    assert made.about["sections"] == 2


def test_no_neighbor_is_of_another_section(made):
    links, section = made.tissue.links.tocoo(), made.tissue.entities["section"].to_numpy()
    assert (section[links.row] == section[links.col]).all()


def test_graph_and_reach_are_options(tissue):
    near = tissue_embedding(tissue, graph="radius:12", reach=1, dim=8)
    assert near.states.values.shape[1] == 8
    assert near.about["rule"] == "radius:12"
    assert near.about["neighbors"] < 6
    alone = tissue_embedding(tissue, graph="radius:1", reach=1, dim=8)
    assert alone.about["without_neighbors"] == len(tissue)
    assert (alone.known == 0.5).all()


def test_a_saved_cell_reads_a_section_of_another_panel(tissue, made, tmp_path):
    made.cell.save(tmp_path / "cell")
    panel = tissue.select(tissue.features[: len(tissue.features) - 9])
    answer = tissue_embedding(panel, tmp_path / "cell")
    assert answer.states.space == made.states.space
    match = [np.corrcoef(*columns)[0, 1] for columns in zip(answer.states.values.T, made.states.values.T, strict=True)]
    assert np.median(match) > 0.9
    assert tissue_states(VirtualCell.load(tmp_path / "cell"), tissue).states.values == pytest.approx(made.states.values)


def test_a_cell_without_an_encoder_of_tissue_gets_one_and_keeps_the_rest(tissue):
    below = ENCODERS.load("factor-analysis").fit(tissue, dim=4)
    cell = VirtualCell({Scale.CELLULAR: below}, {}, {"note": "kept"})
    answer = tissue_embedding(tissue, cell, dim=8)
    assert list(answer.cell.encoders) == ["cellular", "multicellular"]
    assert answer.cell.card["note"] == "kept"
    with pytest.raises(SchemaError, match="reach of its own"):
        tissue_embedding(tissue, answer.cell, reach=1)
    with pytest.raises(UnknownNameError, match="multicellular"):
        tissue_states(cell, tissue)


def test_what_is_no_encoder_of_cells_is_refused(tissue):
    with pytest.raises(SpaceError, match="Name an encoder of cells"):
        tissue_embedding(tissue, "shells")
    with pytest.raises(UnknownNameError, match="folder of a virtual cell"):
        tissue_embedding(tissue, "nowhere")
    with pytest.raises(DataError, match="nearest:8"):
        tissue_embedding(tissue, graph="near")
    with pytest.raises(DataError, match="no positions"):
        tissue_embedding(tissue.replace(coordinates=None))


def test_an_anndata_gets_the_keys_of_squidpy(tissue, made):
    adata = to_anndata(tissue)
    columns = {"units": "counts", "species": "none", **SPACE}
    out = aivc.embed(adata, scale="multicellular", reach=2, dim=9, **columns)
    assert out is adata
    assert np.allclose(adata.obsm["X_aivc_tissue"], made.states.values)
    assert (adata.obs["aivc_tissue_known"] == 1).all()
    keys = adata.uns["spatial_neighbors"]
    assert (adata.obsp[keys["connectivities_key"]] != made.tissue.links).nnz == 0
    assert 0 < adata.obsp[keys["distances_key"]].data.max() < 100
    with pytest.raises(IntegrityError, match="already"):
        aivc.embed(adata, scale="multicellular", **columns)


def test_neighbors_that_an_anndata_holds_are_used_and_kept(tissue):
    adata = to_anndata(link(tissue, GraphRule("nearest", 3)))
    before = adata.obsp["spatial_connectivities"].copy()
    columns = {"units": "counts", "species": "none", **SPACE}
    with pytest.raises(IntegrityError, match="Leave the graph out"):
        aivc.embed(adata, scale="multicellular", graph="nearest:8", **columns)
    aivc.embed(adata, scale="multicellular", dim=8, **columns)
    assert adata.uns["aivc_tissue"]["neighbors"] == pytest.approx(before.nnz / len(tissue))
    assert (adata.obsp["spatial_connectivities"] != before).nnz == 0


def test_a_measurement_becomes_an_anndata(tissue):
    out = aivc.embed(tissue, scale=Scale.MULTICELLULAR, dim=8)
    assert out.obsm["X_aivc_tissue"].shape == (80, 8)
    assert "spatial_neighbors" in out.uns


def test_questions_of_one_scale_are_not_asked_at_another(tissue):
    with pytest.raises(SchemaError, match="multicellular"):
        aivc.embed(tissue, graph="nearest:3")
    with pytest.raises(SchemaError, match="parts out"):
        aivc.embed(tissue, scale="multicellular", parts=tissue_embedding(tissue, dim=4).cells)
    with pytest.raises(UnknownNameError, match="scale to embed at"):
        aivc.embed(tissue, scale="molecular")


def test_a_file_is_copied_with_all_it_holds(tissue, made, tmp_path):
    adata = to_anndata(tissue)
    adata.uns["mine"] = "kept"
    adata.write_h5ad(tmp_path / "in.h5ad")
    answer = embed_tissue_file(tmp_path / "in.h5ad", tmp_path / "out.h5ad", schema=SCHEMA, reach=2, dim=9)
    out = anndata.read_h5ad(tmp_path / "out.h5ad")
    assert out.uns["mine"] == "kept"
    assert np.allclose(out.obsm["X_aivc_tissue"], answer.states.values)
    assert np.allclose(out.obsm["X_aivc_tissue"], made.states.values)
    assert (out.obsp["spatial_connectivities"] != made.tissue.links).nnz == 0
    with pytest.raises(IntegrityError, match="already"):
        embed_tissue_file(tmp_path / "out.h5ad", tmp_path / "again.h5ad", schema=SCHEMA)
    assert not (tmp_path / "again.h5ad").exists()
