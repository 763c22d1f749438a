"""MuData files: the modality that a schema names, labels from all of them, guides from one of them."""

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from anndata.io import write_elem

from aivc.core.errors import SchemaError
from aivc.data.io.read import read
from aivc.data.io.schema import Schema

COUNTS_NF = np.arange(1.0, 13.0, dtype=np.float32).reshape(4, 3)
HELD_NG = np.array([[0, 1], [1, 0], [1, 1]], dtype=np.float32)
CELLS = list("abcd")


def schema(**more):
    declared = {"units": "counts", "perturbation": "target", "control": ["NT"], "kind": "ko", "species": "none"}
    return Schema.from_json({**declared, **more})


def mudata(path, names=("rna", "adt", "guide"), *, shared=True):
    """As mudata writes it: a group of anndata for each modality, and a table of all cells."""
    obs = pd.DataFrame({"target": ["NT", "TP53", "MYC", "TP53"], "lane": ["1", "1", "2", "2"]}, index=CELLS)
    rna = anndata.AnnData(COUNTS_NF, obs[["lane"]].copy(), pd.DataFrame(index=["G1", "G2", "G3"]))
    adt = anndata.AnnData(COUNTS_NF[:, :2] * 10, pd.DataFrame(index=CELLS), pd.DataFrame(index=["CD4", "CD8"]))
    # Not every cell has guides, and the order is another.
    guide = anndata.AnnData(HELD_NG * 9, pd.DataFrame(index=["d", "b", "a"]), pd.DataFrame(index=["TP53", "NT"]))
    guide.layers["guide_assignment"] = HELD_NG
    with h5py.File(path, "w") as file:
        file.attrs.update({"encoding-type": "MuData", "encoding-version": "0.1.0"})
        for name, made in zip(names, (rna, adt, guide), strict=True):
            write_elem(file.require_group("mod"), name, made)
        write_elem(
            file, "obs", obs.rename(columns={"lane": f"{names[0]}:lane"}) if shared else pd.DataFrame(index=CELLS)
        )
    return path


@pytest.mark.parametrize("backed", [False, True])
def test_the_modality_of_a_schema_is_read_with_labels_of_all(tmp_path, backed):
    m = read(mudata(tmp_path / "x.h5mu"), schema(batch="lane"), backed=backed)
    np.testing.assert_array_equal(m.dense(), COUNTS_NF)
    assert m.perturbations.tolist() == ["control", "ko:TP53", "ko:MYC", "ko:TP53"]
    assert m.entities["batch"].tolist() == ["1", "1", "2", "2"]
    assert "rna:lane" not in m.entities
    assert "Modality 'rna' is read; left aside: adt, guide." in m.provenance["notes"]
    protein = read(tmp_path / "x.h5mu", schema(modality="protein"), backed=backed)
    assert (protein.features.tolist(), protein.modality) == (["CD4", "CD8"], "protein")


def test_another_name_of_it_is_known_and_none_is_listed(tmp_path):
    path = mudata(tmp_path / "x.h5mu", ("GEX", "adt", "guide"))
    assert read(path, schema()).features.tolist() == ["G1", "G2", "G3"]
    path = mudata(tmp_path / "y.h5mu", ("cells", "adt", "guide"))
    with pytest.raises(SchemaError, match=r"no modality 'rna'; it holds .*cells.*modality = "):
        read(path, schema())
    assert read(path, schema(modality="cells")).features.tolist() == ["G1", "G2", "G3"]


@pytest.mark.parametrize("name", ["guide", "grna"])
def test_guides_of_a_modality_label_the_cells_of_another(tmp_path, name):
    path = mudata(tmp_path / "x.h5mu", ("rna", "adt", name), shared=False)
    m = read(path, schema(perturbation=name, exclude=[""], separator="+"))
    assert m.entities.index.tolist() == ["a", "b", "d"]
    assert m.perturbations.tolist() == ["ko:TP53", "ko:TP53", "control"]


def test_an_anndata_of_that_ending_is_named(tmp_path):
    anndata.AnnData(COUNTS_NF).write_h5ad(tmp_path / "x.h5mu")
    with pytest.raises(SchemaError, match=r"no modalities.*Rename it to .h5ad"):
        read(tmp_path / "x.h5mu", schema())
