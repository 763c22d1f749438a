"""Cells without a call of a guide are left out by a word, and counted; without the word they are asked about."""

import h5py
import numpy as np
import pytest
from scipy import sparse

from aivc.core.errors import DataError
from aivc.core.measurement import StoredRows
from aivc.data.io.check import check
from aivc.data.io.read import read
from aivc.data.io.schema import Schema

COUNTS_NF = np.array([[1, 2, 0], [1, 0, 300], [6, 0, 5], [4, 1, 0], [3, 3, 3]], dtype=np.int32)
CALLS = "cell_barcode,num_features,feature_call,num_umis\na-1,1,NEG-1,9\nc-1,2,JAK2-1|MYC-2,5|4\ne-1,1,JAK2-1,7\n"
TRANSLATED = ["control", "crispri:JAK2-1 + crispri:MYC-2", "crispri:JAK2-1"]


def schema(**more):
    declared = {"units": "counts", "perturbation": "feature_call", "control": ["NEG-1"], "kind": "crispri"}
    beside = {"separator": "|", "metadata": "protospacer_calls_per_cell.csv", "species": "none"}
    return Schema.from_json({**declared, **beside, **more})


def cell_ranger(folder):
    """Genes, guides and an antibody in one h5 file, and calls of three of five cells beside it."""
    types = ["Gene Expression"] * 3 + ["CRISPR Guide Capture"] * 2 + ["Antibody Capture"]
    names = ["G1", "G2", "G3", "JAK2-1", "MYC-2", "CD4"]
    matrix = sparse.csr_matrix(np.hstack([COUNTS_NF, np.arange(15, dtype=np.int32).reshape(5, 3)]))
    with h5py.File(folder / "filtered_feature_bc_matrix.h5", "w") as file:
        group = file.create_group("matrix")
        for key in ("data", "indices", "indptr"):
            group[key] = getattr(matrix, key)
        group["shape"] = np.array([6, 5])
        group["barcodes"] = np.array([f"{x}-1" for x in "abcde"], dtype="S")
        for key, texts in (("name", names), ("id", names), ("feature_type", types)):
            group[f"features/{key}"] = np.array(texts, dtype="S")
    (folder / "protospacer_calls_per_cell.csv").write_text(CALLS)
    return folder / "filtered_feature_bc_matrix.h5"


@pytest.mark.parametrize("backed", [False, True])
def test_cells_without_a_call_are_left_out_by_a_word(tmp_path, backed):
    m = read(cell_ranger(tmp_path), schema(exclude=[""]), backed=backed)
    assert m.perturbations.tolist() == TRANSLATED
    np.testing.assert_array_equal(m.dense(), COUNTS_NF[[0, 2, 4]])
    np.testing.assert_array_equal(m.take(np.array([2, 0])).dense(), COUNTS_NF[[4, 0]])
    notes = " ".join(m.provenance["notes"])
    assert "2 of 5 entities were left out, as exclude says: blank (2)" in notes
    assert "2 of type 'CRISPR Guide Capture', 1 of type 'Antibody Capture'" in notes
    assert isinstance(m.values, StoredRows) == backed


def test_without_the_word_the_remedy_is_not_to_call_them_controls(tmp_path):
    found = check(cell_ranger(tmp_path), schema())
    assert len(found.problems) == 2
    assert all('exclude = [""]' in text for text in found.problems)
    assert check(tmp_path / "filtered_feature_bc_matrix.h5", schema(exclude=[""])).problems == ()


def test_a_label_that_is_missing_for_another_reason_stays_a_problem(tmp_path):
    cell_ranger(tmp_path)
    (tmp_path / "calls.csv").write_text("barcode,donor\na-1,d1\n")
    declared = schema(metadata="calls.csv", perturbation={"value": "control"}, exclude=[""], donor="donor")
    with pytest.raises(DataError, match="does not describe 4 of 5 entities"):
        read(tmp_path / "filtered_feature_bc_matrix.h5", declared)
