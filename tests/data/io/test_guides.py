"""Cells with several guides: matrices of cells × guides become combinations, counts by a declared threshold."""

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from aivc.core.errors import DataError
from aivc.data.io.as_measurement import as_measurement
from aivc.data.io.read import read
from aivc.data.io.schema import Schema

VALUES_NF = np.arange(1.0, 13.0).reshape(4, 3)
GUIDES = ["JAK2-1", "MYC-1", "NT-1"]
HELD_NG = np.array([[0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 0, 0]])
TRANSLATED = ["control", "crispri:JAK2-1 + crispri:MYC-1", "crispri:JAK2-1"]


def schema(**more):
    declared = {"units": "counts", "perturbation": "guides", "control": ["NT-1"], "kind": "crispri", "species": "none"}
    return Schema.from_json({**declared, "separator": "+", "exclude": [""], **more})


def adata(guides, **uns):
    made = anndata.AnnData(VALUES_NF, pd.DataFrame(index=list("abcd")), pd.DataFrame(index=["G1", "G2", "G3"]))
    made.obsm["guides"], made.uns = guides, uns
    return made


MATRICES = {
    "table": (pd.DataFrame(HELD_NG, columns=GUIDES, index=list("abcd")), {}),
    "sparse, names of its key": (
        sparse.csr_matrix(HELD_NG), {"guides_names": np.array(GUIDES), "x": np.array(GUIDES[::-1])},
    ),
    "by column": (sparse.csc_matrix(HELD_NG), {"guides_names": np.array(GUIDES)}),
    "dense, the only names": (HELD_NG.astype(bool), {"sgrna": np.array(GUIDES), "other": 3}),
}  # fmt: skip


@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("backed", [None, False, True])
def test_a_matrix_in_obsm_becomes_combinations(tmp_path, name, backed):
    made = adata(MATRICES[name][0], **MATRICES[name][1])
    made.write_h5ad(tmp_path / "x.h5ad")
    m = as_measurement(made, schema()) if backed is None else read(tmp_path / "x.h5ad", schema(), backed=backed)
    assert m.perturbations.tolist() == TRANSLATED
    np.testing.assert_array_equal(m.dense(), VALUES_NF[:3])
    assert "guides: 3 guides; 1 of 4 entities have none, 1 one, 2 several." in m.provenance["notes"]


def test_counts_need_a_declared_threshold():
    table = pd.DataFrame(HELD_NG * 20 + 2, columns=GUIDES, index=list("abcd"))
    with pytest.raises(DataError, match=r"holds values up to 22: from how many on.*guide_threshold = 5"):
        as_measurement(adata(table), schema())
    assert as_measurement(adata(table), schema(guide_threshold=5)).perturbations.tolist() == TRANSLATED


@pytest.mark.parametrize(
    ("matrix", "uns", "more", "wanted"),
    [
        (HELD_NG, {}, {}, r'shape \(4, 3\), for 4 entities, and no names of its guides.*uns\["guides_names"\]'),
        (HELD_NG, {"a": np.array(GUIDES), "b": np.array(GUIDES)}, {}, "no names of its guides"),
        (HELD_NG, {"a": np.array(GUIDES)}, {"separator": None}, 'Say what joins their names: separator = "\\+"'),
        (HELD_NG, {"a": np.array(GUIDES)}, {"separator": "-"}, "holds the separator '-'. Declare another"),
        (-HELD_NG, {"a": np.array(GUIDES)}, {}, "no numbers from 0 on"),
    ],
)  # fmt: skip
def test_what_a_matrix_does_not_say_is_asked(matrix, uns, more, wanted):
    declared = {name: value for name, value in {**schema().to_json(), **more}.items() if value is not None}
    with pytest.raises(DataError, match=wanted):
        as_measurement(adata(matrix, **uns), Schema.from_json(declared))


def test_a_column_of_that_name_comes_first():
    made = adata(pd.DataFrame(HELD_NG, columns=GUIDES, index=list("abcd")))
    made.obs["guides"] = ["NT-1", "x", "y", "z"]
    assert as_measurement(made, schema()).perturbations.tolist() == ["control", *(f"crispri:{x}" for x in "xyz")]


@pytest.mark.parametrize("backed", [False, True])
def test_counts_of_guides_in_a_file_of_cell_ranger(tmp_path, backed):
    matrix = sparse.csr_matrix(np.hstack([VALUES_NF, HELD_NG * 30]).astype(np.int32))
    with h5py.File(tmp_path / "x.h5", "w") as file:
        group = file.create_group("matrix")
        for key in ("data", "indices", "indptr"):
            group[key] = getattr(matrix, key)
        group["shape"], group["barcodes"] = np.array([6, 4]), np.array(list("abcd"), dtype="S")
        types = ["Gene Expression"] * 3 + ["CRISPR Guide Capture"] * 3
        for key, texts in (
            ("name", ["G1", "G2", "G3", *GUIDES]),
            ("id", ["E1", "E2", "E3", *GUIDES]),
            ("feature_type", types),
        ):
            group[f"features/{key}"] = np.array(texts, dtype="S")
    m = read(tmp_path / "x.h5", schema(perturbation="CRISPR Guide Capture", guide_threshold=5), backed=backed)
    assert m.perturbations.tolist() == TRANSLATED
    np.testing.assert_array_equal(m.dense(), VALUES_NF[:3])
