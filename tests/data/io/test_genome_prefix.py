"""Names that begin with a genome are a problem with its line, and the line takes the genome off."""

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from aivc.core.measurement import StoredRows
from aivc.data.io.check import check
from aivc.data.io.conventions import features_lines
from aivc.data.io.genome_prefix import genomes
from aivc.data.io.read import read
from aivc.data.io.schema import Schema

MIXED = ["GRCh38_TP53", "mm10___Trp53", "GRCh38_MYC", "mm10___Myc", "GRCh38_JAK2"]
SCREEN = {"units": "counts", "perturbation": "target", "control": "NT", "kind": "ko", "species": "none"}


def written(path, names=MIXED, **var):
    values = sparse.csr_matrix(np.arange(1.0, 4 * len(names) + 1, dtype=np.float32).reshape(4, -1))
    obs = pd.DataFrame({"target": ["NT", "NT", "JAK2", "JAK2"]}, index=list("abcd"))
    anndata.AnnData(values, obs=obs, var=pd.DataFrame(var, index=list(names))).write_h5ad(path)
    return path


def test_genomes_are_counted():
    assert genomes(["hg19_TP53", "hg19_MYC"]) == {"hg19_": 2}
    assert genomes(["TP53", "HG19", "MM10_gene", "human"]) == {"MM10_": 1}
    assert genomes([*map(str, range(99)), "hg19_eGFP"]) == {}


def test_one_genome_is_a_problem_with_its_line(tmp_path):
    problems = check(written(tmp_path / "a.h5ad", MIXED[::2]), Schema(**SCREEN)).problems
    assert any('Add feature_prefix = "GRCh38_".' in text for text in problems)


def test_two_genomes_are_two_species(tmp_path):
    problems = check(written(tmp_path / "a.h5ad"), Schema(**SCREEN)).problems
    assert any("Features are of 2 genomes: GRCh38_ (3), mm10___ (2)" in text for text in problems)


@pytest.mark.parametrize("backed", [False, True])
def test_the_line_takes_it_off_and_leaves_the_other_out(tmp_path, backed):
    found = read(written(tmp_path / "a.h5ad"), Schema(**SCREEN, feature_prefix="GRCh38_"), backed=backed)
    assert found.features.tolist() == ["TP53", "MYC", "JAK2"]
    assert isinstance(found.values, StoredRows) == backed
    assert found.dense()[0].tolist() == [1, 3, 5]
    assert "2 of 5 features do not begin with 'GRCh38_' and are left out." in found.provenance["notes"]


def test_a_column_of_names_is_stripped(tmp_path):
    path = written(tmp_path / "a.h5ad", list("ABCDE"), symbol=MIXED)
    found = read(path, Schema(**SCREEN, features="symbol", feature_prefix="mm10___"))
    assert found.features.tolist() == ["Trp53", "Myc"]


def test_a_prefix_that_stands_nowhere_is_a_problem(tmp_path):
    report = check(written(tmp_path / "a.h5ad"), Schema(**SCREEN, feature_prefix="hg38_"))
    assert any("No feature begins with 'hg38_'" in text for text in report.problems)


def test_guess_proposes_the_line():
    lines = {line.field: line for line in features_lines(MIXED[::2], pd.DataFrame(index=MIXED[::2]))}
    assert (lines["feature_prefix"].value, lines["feature_prefix"].sure) == ("GRCh38_", True)
    assert lines["species"].value == "human"
    both = {line.field: line for line in features_lines(MIXED, pd.DataFrame(index=MIXED))}
    assert (both["feature_prefix"].value, both["feature_prefix"].sure) == ("GRCh38_", False)
