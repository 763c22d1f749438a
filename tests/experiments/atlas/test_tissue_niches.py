import numpy as np
import pytest

from aivc.core.errors import DataError, UnknownNameError
from aivc.data.synthetic_tissue import synthetic_tissue
from aivc.data.tissue.clusters import adjusted_rand
from aivc.experiments.atlas.reference import Atlas
from aivc.experiments.atlas.tissue_niches import NICHE, tissue_niches


@pytest.fixture(scope="module")
def found():
    tissue, _ = synthetic_tissue(patients=2, cells=120, seed=3)
    return tissue_niches(tissue, dim=12, reach=2, numbers=[3])


def test_niches_are_of_tissue_and_not_of_patients(found):
    entities = found.embedding.states.entities
    assert adjusted_rand(found.labels, entities["niche"].to_numpy()) > 0.6
    assert set(found.table["donors"]) == {2}
    assert (found.shares["donor"].sum(axis=1) - 1).abs().max() < 1e-9
    assert len(set(found.names.values())) == 3
    assert any("T2" in name for name in found.names.values())


def test_squidpy_finds_its_keys(found):
    adata = found.to_anndata()
    assert list(adata.obs[NICHE].cat.categories) == [found.names[number] for number in range(3)]
    assert {"spatial_connectivities", "spatial_distances"} <= set(adata.obsp)
    assert "spatial_neighbors" in adata.uns
    assert set(adata.uns["aivc_niches"]["names"].values()) == set(found.names.values())


def test_an_atlas_of_surroundings_finds_a_niche_in_another_patient(found, tmp_path):
    found.atlas().save(tmp_path / "atlas")
    atlas = Atlas.load(tmp_path / "atlas")
    entities, tissue = atlas.states.entities, found.embedding.tissue
    rows = np.flatnonzero((entities["niche"] == "N1") & (entities["donor"] == "P1"))
    near = atlas.ask(atlas.states.take(rows), k=10, apart="donor").near
    assert set(near["donor"]) == {"P2"}
    assert (near["niche"] == "N1").mean() > 0.6
    assert (near.groupby("entity")["distance"].diff().dropna() >= 0).all()
    table = atlas.where_else(atlas.states.take(rows), "niche", apart="donor").set_index("niche")
    assert table.index[0] == "N1"
    assert table.loc["N1", "log2_ratio"] > 0.5
    np.testing.assert_allclose(table["expected"].sum(), 1)
    assert atlas.where_else(atlas.states.take(rows), "donor", apart="donor")["donor"].tolist() == ["P2"]
    # Another section is read by both encoders.
    own = atlas.ask(tissue.replace(links=None), k=1)
    assert (own.near["match"] == own.near["entity"]).all()


def test_what_cannot_be_looked_for_is_refused(found):
    atlas = found.atlas()
    with pytest.raises(UnknownNameError, match="mood"):
        atlas.ask(atlas.states, apart="mood")
    one = atlas.states.take((atlas.states.entities["donor"] == "P1").to_numpy())
    with pytest.raises(DataError, match="others as well"):
        Atlas.of(atlas.encoder, one).ask(one, apart="donor")
    with pytest.raises(DataError, match="too few"):
        tissue_niches(synthetic_tissue(patients=1, cells=20)[0], dim=4)
