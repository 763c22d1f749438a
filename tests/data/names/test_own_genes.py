"""The target's own gene is found whichever way targets and features are named."""

import numpy as np
import pytest

from aivc.core.errors import UnavailableError
from aivc.data.names import own_genes
from aivc.data.names.gene_files import GeneNames
from aivc.data.names.own_genes import GeneColumns, ensembl_species

IDS = {"ENSG00000096968": "JAK2", "ENSG00000136997": "MYC", "ENSG00000141510": "TP53"}
TABLE = GeneNames("human", frozenset(IDS.values()), {"JTK10": frozenset({"JAK2"})}, IDS, {})


@pytest.fixture
def known(monkeypatch):
    monkeypatch.setattr(own_genes, "known_genes", lambda species: TABLE if species == "human" else None)


@pytest.mark.parametrize("end", ["", ".7"])
def test_a_symbol_is_found_among_ensembl_ids(known, end):
    columns = GeneColumns.of([f"{name}{end}" for name in IDS])
    assert columns.own(["MYC"]).tolist() == [False, True, False]
    assert columns.own(["JTK10", "TP53", "ABSENT"]).tolist() == [True, False, True]
    assert columns.own(["ENSG00000136997"]).tolist() == [False, True, False]
    assert columns.own(["ENSG00000136997.12"]).tolist() == [False, True, False]


def test_an_ensembl_id_is_found_among_symbols(known):
    assert GeneColumns.of(["MYC", "TP53"]).own(["ENSG00000141510.3"]).tolist() == [False, True]


def test_symbols_are_compared_as_they_are(known):
    assert not GeneColumns.of(["JAK2"]).own(["JTK10", "jak2"]).any()
    assert GeneColumns.of(np.array(["JAK2", "MYC"], dtype=object)).find("MYC") == (1,)


def test_without_the_table_names_are_compared_without_versions(monkeypatch):
    def nowhere(species):
        raise UnavailableError("not here")

    own_genes.known_genes.cache_clear()
    monkeypatch.setattr(own_genes, "gene_table", nowhere)
    columns = GeneColumns.of([f"{name}.1" for name in IDS])
    assert not columns.own(["MYC"]).any()
    assert columns.own(["ENSG00000136997"]).tolist() == [False, True, False]
    own_genes.known_genes.cache_clear()


def test_most_names_say_the_species():
    assert ensembl_species(["ENSMUSG00000096968.2", "ENSMUSG1", "Actb"]) == "mouse"
    assert ensembl_species(["ENSG1", "TP53", "MYC"]) == ""
    assert ensembl_species([]) == ""
