"""Targets named by symbol among features named by Ensembl ids: found by the table of genes, or said with the remedy."""

import anndata
import numpy as np
import pandas as pd
import pytest

from aivc.data.io.check import check
from aivc.data.io.schema import Schema
from aivc.data.names import own_genes
from aivc.data.names.gene_files import GeneNames

IDS = {"ENSG00000096968": "JAK2", "ENSG00000136997": "MYC", "ENSG00000141510": "TP53"}
SCHEMA = {"units": "counts", "perturbation": "target", "control": ["NT"], "kind": "ko", "species": "none"}


def adata(**var):
    obs = pd.DataFrame({"target": ["NT", "NT", "JAK2", "JAK2", "ABSENT", "ABSENT"]}, index=list("abcdef"))
    names = [f"{name}.{i}" for i, name in enumerate(IDS)]
    return anndata.AnnData(np.ones((6, 3)), obs, pd.DataFrame(var, index=names))


@pytest.fixture
def table(monkeypatch):
    def give(known):
        monkeypatch.setattr(own_genes, "known_genes", lambda species: known)

    return give


def test_by_the_table_of_genes_they_are_found_and_it_is_said(table):
    table(GeneNames("human", frozenset(IDS.values()), {}, IDS, {}))
    found = check(adata(gene_name=list(IDS.values())), Schema.from_json(SCHEMA))
    assert found.problems == ()
    assert any("own gene of 1 of 2 targets is among the features" in text for text in found.notes)
    assert "1 targets are not found among the features: ABSENT." in found.notes


@pytest.mark.parametrize("column", ["gene_name", "gene_symbols", "feature_name"])
def test_where_only_the_file_says_the_schema_names_its_column(table, column):
    table(None)
    data = adata(**{column: list(IDS.values())})
    problems = check(data, Schema.from_json(SCHEMA)).problems
    assert len(problems) == 1
    assert f'Add features = "{column}" to the schema' in problems[0]
    named = check(data, Schema.from_json({**SCHEMA, "features": column}))
    assert named.problems == ()
    assert not any("Ensembl" in text for text in named.notes)


def test_where_nothing_says_the_targets_are_named(table):
    table(None)
    found = check(adata(), Schema.from_json(SCHEMA))
    assert found.problems == ()
    assert "2 targets are not found among the features: ABSENT, JAK2." in found.notes
