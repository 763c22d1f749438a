"""Gene names: what they mean today, what is lost, and that nothing is lost in silence."""

import gzip
import os
import shutil
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rdata
from scipy import sparse

from aivc.core.errors import DataError, UnavailableError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.data import catalog
from aivc.data.names import genes
from aivc.data.names.gene_files import table_from
from aivc.data.names.genes import harmonize, orthologs, resolve

here = os.environ.get("AIVC_DATA")
needs_data = pytest.mark.skipif(
    not here or not Path(here, "H/human_mouse_gene_symbols_nichenet.csv.gz").is_file(),
    reason="AIVC_DATA does not name a folder with the files about genes",
)


@pytest.fixture
def files(tmp_path):
    def write(name, text):
        path = tmp_path / name
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
        return path

    pd.DataFrame(
        {"pr_gene_id": ["7157", "55016", "1///2", "79614"], "pr_gene_symbol": ["TP53", "MARCH8", None, "nan"]}
    ).to_parquet(tmp_path / "lincs.parquet")
    return {
        "uniprot-human": write(
            "u.tab.gz",
            "Entry\tGene names\nP04637\tTP53 P53\nQ5T0T0\tMARCH8 MIR RNF178\nX\tOLD1 LRMDA C10orf11\n"
            "Y\tAAA DUP; BBB DUP\nZ\t\nV\tMARC1 MOSC1\nW\tMARCH10 RNF190\n",
        ),
        "cellphonedb-genes": write("c.csv", "gene_name,uniprot,hgnc_symbol,ensembl\nA,P1,AAA,ENSG00000000001\n"),
        "mrna-halflife": write(
            "h.tsv.gz",
            "ensembl_gene_id\texternal_gene_name\tx\nENSG00000141510\tTP53\t1\nENSG00000165406\tMARCHF8\t2\n"
            "ENSG00000148655\tLRMDA\t3\n",
        ),
        "orthologs-symbols": write(
            "o.csv.gz",
            '"symbol","entrez","entrez_mouse","symbol_mouse"\n"TP53","7157","22059","Trp53"\n"NA","9","8","Na1"\n',
        ),
        "orthologs-ensembl": write("e.tsv.gz", "ENSG00000141510\tENSMUSG00000059552\tortholog_one2one\t1\t2\n"),
        "lincs-geneinfo": tmp_path / "lincs.parquet",
    }


@pytest.mark.parametrize(
    ("name", "symbol", "how"),
    [
        ("TP53", "TP53", "exact"),
        ("tp53", "TP53", "case"),
        ("P53", "TP53", "previous"),
        ("p53", "TP53", "previous"),
        ("MARCH8", "MARCHF8", "previous"),
        ("RNF178", "MARCHF8", "previous"),
        ("MARC1", "MTARC1", "previous"),
        ("MOSC1", "MTARC1", "previous"),
        ("MARCH10", "MARCHF10", "previous"),
        ("MARCHF10", "MARCHF10", "exact"),
        ("C10orf11", "LRMDA", "previous"),
        ("C10ORF11", "LRMDA", "previous"),
        ("OLD1", "LRMDA", "previous"),
        ("ENSG00000141510.17", "TP53", "ensembl"),
        ("7157", "TP53", "entrez"),
        ("55016", "MARCHF8", "entrez"),
        ("NA", "NA", "exact"),
        ("nan", None, "unknown"),
        ("79614", None, "unknown"),
        ("DUP", None, "ambiguous"),
        ("RP11-228B15.4", None, "unknown"),
        ("ENSG00000999999", None, "unknown"),
    ],
)
def test_a_name_is_understood_and_says_how(files, name, symbol, how):
    found = resolve([name], table=table_from(files))
    assert (found.resolved, found.how) == ((symbol,), (how,))


def test_to_ensembl(files):
    found = resolve(["TP53", "MARCH8", "ENSG00000000001.2", "NA"], "ensembl", table=table_from(files))
    assert found.resolved == ("ENSG00000141510", "ENSG00000165406", "ENSG00000000001", None)
    with pytest.raises(UnknownNameError, match="Did you mean 'ensembl'"):
        resolve(["TP53"], "ensemble", table=table_from(files))


def test_mouse_names_come_from_the_orthologs(files):
    found = resolve(
        ["Trp53", "TRP53", "ENSMUSG00000059552", "22059"], species="mouse", table=table_from(files, "mouse")
    )
    assert set(found.resolved) == {"Trp53"}
    assert found.how == ("exact", "case", "ensembl", "entrez")


def test_originals_say_the_same_as_prepared_tables(files, tmp_path):
    prepared = pd.read_csv(files["orthologs-symbols"], dtype="string")
    rdata.write_rda(tmp_path / "o.rda", {"geneinfo": prepared}, file_format="ascii", compression=None)
    # R's package for tidy tables adds two classes of its own.
    plain, tidy = (
        "16\n1\n262153\n10\ndata.frame\n",
        "16\n3\n262153\n6\ntbl_df\n262153\n3\ntbl\n262153\n10\ndata.frame\n",
    )
    text = (tmp_path / "o.rda").read_text()
    assert plain in text
    (tmp_path / "o.rda").write_text(text.replace(plain, tidy))
    numbers = pd.read_parquet(files["lincs-geneinfo"]).replace("nan", "")
    numbers.to_csv(tmp_path / "l.tsv.gz", sep="\t", index=False)
    shutil.copy(files["mrna-halflife"], tmp_path / "h.txt.gz")
    originals = {"orthologs-symbols": "o.rda", "lincs-geneinfo": "l.tsv.gz", "mrna-halflife": "h.txt.gz"}
    others = {**files, **{name: tmp_path / file for name, file in originals.items()}}
    for species in ("human", "mouse"):
        one, other = table_from(files, species), table_from(others, species)
        assert [getattr(one, field.name) for field in fields(one)] == [
            getattr(other, field.name) for field in fields(one)
        ]


def test_files_that_are_missing_are_all_named(files, monkeypatch):
    def path(name):
        if name == "uniprot-human":
            return files[name]
        raise UnavailableError(f"{name} is not here. Set AIVC_DATA.")

    monkeypatch.setattr(catalog, "path", path)
    genes.gene_table.cache_clear()
    with pytest.raises(UnavailableError) as caught:
        resolve(["TP53"])
    said = str(caught.value)
    assert "uniprot-human" not in said
    assert "cellphonedb-genes, mrna-halflife, orthologs-symbols, lincs-geneinfo" in said
    assert said.endswith("Set AIVC_DATA.")


def test_what_is_not_understood_stays_as_it_came(files):
    found = resolve(["P53", " DUP", "RP11-1", "tp53"], table=table_from(files))
    assert found.current == ("TP53", " DUP", "RP11-1", "TP53")


def measured(names, units="counts", **more):
    values = sparse.csr_matrix(np.arange(1, 2 * len(names) + 1, dtype=np.float32).reshape(2, -1))
    return Measurement(values, np.array(names, dtype=object), pd.DataFrame(index=["a", "b"]), units, **more)


def test_harmonize_sums_counts_and_keeps_unknown_names(files):
    before = measured(["MARCH8", "MARCHF8", "RP11-1", "DUP"], observed=np.array([True, False, True, True]))
    after, coverage = harmonize(before, table=table_from(files))
    assert after.features.tolist() == ["MARCHF8", "RP11-1", "DUP"]
    assert sparse.issparse(after.values)
    np.testing.assert_array_equal(after.dense(), [[3, 3, 4], [11, 7, 8]])
    assert after.dense().sum() == before.dense().sum()
    assert after.observed.tolist() == [False, True, True]
    assert coverage.unknown == ("RP11-1", "DUP")
    assert coverage.merged == ("MARCHF8",)
    assert coverage.to_json()["renamed"] == {"MARCH8": "MARCHF8"}
    assert str(coverage).startswith("2 of 4 names are known genes (50 %): 1 exact, 1 previous; 2 unknown, kept")


def test_harmonize_refuses_to_sum_logs(files):
    with pytest.raises(DataError, match="MARCHF8, and values in log1p_cp10k cannot be summed"):
        harmonize(measured(["MARCH8", "MARCHF8"], "log1p_cp10k"), table=table_from(files))
    renamed, _ = harmonize(measured(["MARCH8", "TP53"], "log1p_cp10k"), table=table_from(files))
    assert renamed.features.tolist() == ["MARCHF8", "TP53"]


@needs_data
def test_real_names():
    found = resolve(["MARCH8", "SEPT2", "C10orf11", "DARS", "RP11-228B15.4", "ENSG00000141510.17"])
    assert found.resolved == ("MARCHF8", "SEPTIN2", "LRMDA", "DARS1", None, "TP53")
    # The files still call some of these by names that look like dates.
    dated = resolve(["MARCH10", "MARCH11", "SEPT14", "MARC1", "MARC2"])
    assert dated.resolved == ("MARCHF10", "MARCHF11", "SEPTIN14", "MTARC1", "MTARC2")


@needs_data
def test_real_orthologs_and_back():
    there = orthologs(["Trp53", "Actb", "Cd8a", "nonsense"])
    assert there.resolved == ("TP53", "ACTB", "CD8A", None)
    assert there.how == ("ortholog", "ortholog", "ortholog", "unknown")
    assert orthologs(["TP53", "ACTB"], source="human", target="mouse").resolved == ("Trp53", "Actb")
    with pytest.raises(UnknownNameError, match=r"Did you mean .human to mouse"):
        orthologs(["TP53"], source="human", target="rat")
