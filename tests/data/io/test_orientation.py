"""Tables of genes × cells: noticed by shape and names, read by a word of the schema."""

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.io import mmwrite

from aivc.core.errors import DataError, SchemaError
from aivc.data.io.as_measurement import as_measurement
from aivc.data.io.check import check
from aivc.data.io.read import read
from aivc.data.io.schema import Schema
from aivc.data.names.gene_files import GeneNames

COUNTS_NF = np.array([[1, 2, 0], [1, 0, 7], [3, 0, 5], [4, 1, 0]], dtype=np.float32)
CELLS = ["AAACCTGAGAAACCTA-1", "AAACCTGAGAAACCTC-1", "AAACCTGAGAAACCTG-1", "AAACCTGAGAAACCTT-1"]
GENES = ["TP53", "MYC", "JAK2"]
LABELS = ["NT", "TP53", "MYC", "TP53"]
TRANSLATED = ["control", "ko:TP53", "ko:MYC", "ko:TP53"]
SCHEMA = {"units": "counts", "perturbation": "target", "control": ["NT"], "kind": "ko"}


def of(**more):
    return Schema.from_json({**SCHEMA, **more})


def table(folder, genes=GENES):
    pd.DataFrame(COUNTS_NF.T, index=genes, columns=CELLS).to_csv(folder / "counts.csv")
    pd.DataFrame({"target": LABELS}, index=CELLS).to_csv(folder / "cells.csv")
    return folder / "counts.csv"


def test_a_table_of_genes_by_cells_is_read_by_a_word(tmp_path):
    path = table(tmp_path)
    m = read(path, of(metadata="cells.csv", format="transposed"))
    np.testing.assert_array_equal(m.dense(), COUNTS_NF)
    assert (m.features.tolist(), m.entities.index.tolist()) == (GENES, CELLS)
    assert m.perturbations.tolist() == TRANSLATED


def test_columns_that_say_what_a_gene_is_are_no_cells(tmp_path):
    frame = pd.DataFrame(COUNTS_NF.T, columns=CELLS)
    frame.insert(0, "gene", GENES)
    frame.insert(1, "type", "coding")
    frame.insert(2, "length", [100, 200, 300])
    frame.to_csv(tmp_path / "counts.csv", index=False)
    pd.DataFrame({"target": LABELS}, index=CELLS).to_csv(tmp_path / "cells.csv")
    declared = of(metadata="cells.csv", format="transposed", feature="gene", describe=["length"])
    m = read(tmp_path / "counts.csv", declared)
    np.testing.assert_array_equal(m.dense(), COUNTS_NF)
    assert m.features.tolist() == GENES


def test_effects_of_genes_by_perturbations(tmp_path):
    (tmp_path / "effects.csv").write_text(",TP53,MYC\nG1,0.5,\nG2,1,2\n")
    m = read(tmp_path / "effects.csv", Schema(units="log2fc", kind="ko", format="transposed"))
    assert m.perturbations.tolist() == ["ko:TP53", "ko:MYC"]
    np.testing.assert_array_equal(m.values, [[0.5, 1], [0, 2]])
    np.testing.assert_array_equal(m.observed, [[True, True], [False, True]])


def test_without_the_word_the_labels_beside_it_say_so(tmp_path):
    with pytest.raises(DataError, match=r'describes what are features here.*format = "transposed"'):
        read(table(tmp_path), of(metadata="cells.csv"))


def test_without_the_word_barcodes_and_ensembl_ids_say_so(tmp_path):
    with pytest.raises(DataError, match=r"Features are named by barcodes of cells \(AAAC.*genes × cells"):
        read(table(tmp_path), of())
    ids = [f"ENSG0000014151{i}" for i in range(3)]
    frame = pd.DataFrame(COUNTS_NF.T, index=ids, columns=["s1", "s2", "s3", "s4"])
    frame.to_csv(tmp_path / "samples.csv")
    with pytest.raises(DataError, match="Entities are named by Ensembl ids"):
        read(tmp_path / "samples.csv", of())


def test_known_genes_among_entities_are_named_by_the_check(monkeypatch):
    known = GeneNames("human", frozenset(GENES), {}, {}, {})
    monkeypatch.setattr("aivc.data.io.check.gene_table", lambda species: known)
    cells = [f"s{i}" for i in range(4)]
    turned = anndata.AnnData(COUNTS_NF.T, pd.DataFrame({"target": ["NT", "x", "y"]}, index=GENES))
    turned.var_names = cells
    assert any("Names of entities are genes (TP53, MYC)" in text for text in check(turned, of()).problems)
    right = anndata.AnnData(COUNTS_NF, pd.DataFrame({"target": LABELS}, index=cells), pd.DataFrame(index=GENES))
    assert check(right, of()).problems == ()


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
def test_h5ad_and_memory_are_turned_too(tmp_path, kind):
    adata = anndata.AnnData(kind(COUNTS_NF.T), pd.DataFrame(index=GENES), pd.DataFrame({"target": LABELS}, index=CELLS))
    adata.write_h5ad(tmp_path / "x.h5ad")
    for data in (adata, tmp_path / "x.h5ad"):
        m = as_measurement(data, of(format="transposed", species="none"))
        np.testing.assert_array_equal(m.dense(), COUNTS_NF)
        assert m.perturbations.tolist() == TRANSLATED
    with pytest.raises(SchemaError, match="cannot stay on disk"):
        read(tmp_path / "x.h5ad", of(format="transposed"), backed=True)


def test_a_matrix_beside_its_names_is_turned_by_its_shape(tmp_path):
    mmwrite(tmp_path / "matrix.mtx", sparse.coo_matrix(COUNTS_NF.astype(int)))
    (tmp_path / "barcodes.tsv").write_text("\n".join(CELLS) + "\n")
    (tmp_path / "features.tsv").write_text("".join(f"E{i}\t{gene}\n" for i, gene in enumerate(GENES)))
    pd.DataFrame({"target": LABELS}, index=CELLS).to_csv(tmp_path / "cells.csv")
    m = read(tmp_path, of(metadata="cells.csv"))
    np.testing.assert_array_equal(m.dense(), COUNTS_NF)
    assert "cells × genes" in m.provenance["notes"][0]


def test_names_that_differ_by_an_ending_are_named(tmp_path):
    (tmp_path / "t.csv").write_text("cell,G1\nAAAC,1\nAAAG,2\n")
    (tmp_path / "cells.csv").write_text("cell,target\nAAAC-1,NT\nAAAG-1,TP53\n")
    with pytest.raises(DataError, match="Names differ by an ending: 'AAAC' here, 'AAAC-1' there"):
        read(tmp_path / "t.csv", of(metadata="cells.csv", entity="cell"))


def test_names_that_are_labels_or_ids_on_both_sides_say_nothing(tmp_path):
    ids = [f"ENSG0000014151{i}" for i in range(3)]
    frame = pd.DataFrame(np.eye(3), index=ids, columns=["TP53", "MYC", "JAK2"])
    frame.to_csv(tmp_path / "effects.csv")
    effects = Schema(units="zscore", kind="ko", species="none")
    assert read(tmp_path / "effects.csv", effects).perturbations.tolist() == [f"ko:{name}" for name in ids]
    frame.set_axis(ids, axis=1).assign(target=LABELS[:3]).to_csv(tmp_path / "both.csv")
    assert read(tmp_path / "both.csv", of()).features.tolist() == ids


def test_a_word_too_many_is_named(tmp_path):
    obs = pd.DataFrame({"target": LABELS}, index=CELLS)
    adata = anndata.AnnData(COUNTS_NF, obs, pd.DataFrame(index=[f"ENSG0000014151{i}" for i in range(3)]))
    with pytest.raises(DataError, match='Leave format = "transposed" out'):
        as_measurement(adata, of(format="transposed", species="none"))
