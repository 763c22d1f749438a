"""Folders of 10x matrices: one sample, several with prefixes as in GEO, and what is no such folder."""

import gzip

import numpy as np
import pytest
from scipy import sparse
from scipy.io import mmwrite

from aivc.core.errors import IntegrityError, SchemaError
from aivc.data.io.read import read
from aivc.data.io.schema import Schema
from aivc.data.io.ten_x_files import prefixes

COUNTS_NF = np.array([[0, 2, 0], [1, 0, 300], [0, 0, 5], [4, 1, 0]])
FEATURES = "".join(f"E{i}\tG{i}\tGene Expression\n" for i in range(3))


def schema(prefix=None):
    return Schema(
        units="counts",
        perturbation="target",
        control="NT",
        kind="ko",
        metadata="meta.csv",
        species="none",
        prefix=prefix,
    )


def sample(folder, prefix, rows, *, zipped=True, features="features.tsv"):
    mmwrite(folder / "made.mtx", sparse.coo_matrix(COUNTS_NF[rows].T))
    files = {
        "matrix.mtx": (folder / "made.mtx").read_bytes(),
        features: FEATURES.encode(),
        "barcodes.tsv": "".join(f"{prefix}{row}\n" for row in rows).encode(),
    }
    (folder / "made.mtx").unlink()
    for name, content in files.items():
        end = ".gz" if zipped else ""
        (folder / f"{prefix}{name}{end}").write_bytes(gzip.compress(content) if zipped else content)
    with (folder / "meta.csv").open("a") as file:
        if not file.tell():
            file.write("barcode,target\n")
        file.writelines(f"{prefix}{row},{'NT' if i == 0 else 'TP53'}\n" for i, row in enumerate(rows))


def test_samples_of_a_folder_are_listed_and_one_is_taken(tmp_path):
    sample(tmp_path, "GSM1_A_", [0, 2])
    sample(tmp_path, "GSM2_B.", [1, 3], zipped=False, features="genes.tsv")
    assert prefixes(tmp_path) == ["GSM1_A_", "GSM2_B."]
    with pytest.raises(SchemaError, match=r'samples: GSM1_A_, GSM2_B\..*prefix = "GSM1_A_"'):
        read(tmp_path, schema())
    for prefix, rows in (("GSM1_A_", [0, 2]), ("GSM1_A", [0, 2]), ("GSM2_B", [1, 3])):
        m = read(tmp_path, schema(prefix))
        np.testing.assert_array_equal(m.dense(), COUNTS_NF[rows])
        assert m.features.tolist() == ["G0", "G1", "G2"]
        assert m.perturbations.tolist() == ["control", "ko:TP53"]
    with pytest.raises(SchemaError, match=r"no matrix.mtx of prefix 'GSM3'; prefixes there are: 'GSM1_A_', 'GSM2_B.'"):
        read(tmp_path, schema("GSM3"))


def test_the_only_sample_needs_no_word_and_genes_may_be_shared(tmp_path):
    sample(tmp_path, "GSM1_A_", [0, 1, 2])
    (tmp_path / "GSM1_A_features.tsv.gz").rename(tmp_path / "features.tsv.gz")
    m = read(tmp_path, schema())
    np.testing.assert_array_equal(m.dense(), COUNTS_NF[:3])
    assert "begin with 'GSM1_A_'" in m.provenance["notes"][0]
    (tmp_path / "GSM1_A_barcodes.tsv.gz").unlink()
    with pytest.raises(IntegrityError, match=r"no GSM1_A_barcodes.tsv \(plain or .gz\) for .*GSM1_A_matrix.mtx.gz"):
        read(tmp_path, schema())


def test_what_is_no_such_folder_says_what_to_give_instead(tmp_path):
    (tmp_path / "filtered_feature_bc_matrix").mkdir()
    sample(tmp_path / "filtered_feature_bc_matrix", "", [0, 1])
    (tmp_path / "raw.h5").write_bytes(b"")
    with pytest.raises(IntegrityError, match=r"Give instead .*raw.h5 or .*filtered_feature_bc_matrix\."):
        read(tmp_path, schema())
    np.testing.assert_array_equal(read(tmp_path / "filtered_feature_bc_matrix", schema()).dense(), COUNTS_NF[:2])
