"""Gene names that a spreadsheet turned into dates are recognized, and the genes named."""

import numpy as np
import pandas as pd
import pytest

from aivc.core.measurement import Measurement
from aivc.data.io import check as checking
from aivc.data.io.check import check
from aivc.data.io.excel_names import excel_features, excel_genes, excel_targets
from aivc.data.names.gene_files import GeneNames

GENES = ("TP53", "JAK2", "STAT1", "IRF1", "MYC", "GATA1", "SPI1")


@pytest.mark.parametrize(
    ("name", "gene"),
    [
        ("2-Mar", "MARCHF2"), ("02-Mar", "MARCHF2"), ("Mar-02", "MARCHF2"), ("Mar-2", "MARCHF2"),
        ("1-Sep", "SEPTIN1"), ("1-sep", "SEPTIN1"), ("11-Sep-24", "SEPTIN11"), ("10-Sep-2024", "SEPTIN10"),
        ("2024-09-01", "SEPTIN1"), ("2024-09-01 00:00:00", "SEPTIN1"), ("2023/03/01", "MARCHF1"),
        ("9/7/2024", "SEPTIN7"), ("07.09.2024", "SEPTIN7"), ("2. Mrz", "MARCHF2"), ("2-mars", "MARCHF2"),
        ("1-Dec", "DELEC1"), ("1-Dez", "DELEC1"), ("4-Oct", "POU5F1"), ("1-Mar", "MTARC1"),
    ],
)  # fmt: skip
def test_a_date_names_the_gene_it_was(name, gene):
    assert gene in str(excel_genes(name))
    (note,) = excel_features([*GENES, name])
    assert "Excel" in note
    assert gene in note


@pytest.mark.parametrize(
    "name", ["MARCHF2", "SEPT2", "DEC1", "2-45-3", "7SK", "RP11-1", "3-Foo", "13/13/2024", "1-May2"]
)
def test_other_names_are_no_dates(name):
    assert excel_genes(name) is None
    assert excel_features([*GENES, name]) == []


def test_a_date_that_no_gene_reads_like_is_still_a_date():
    assert excel_genes("5-Jul") == ""
    assert "'5-Jul' is a date" in excel_features([*GENES, "5-Jul"])[0]


def test_numbers_of_days_are_dates_among_names_and_identifiers_among_numbers():
    assert "MARCHF1" in excel_features([*GENES, "44621"])[0]
    assert excel_features([str(number) for number in range(44600, 44700)]) == []
    assert excel_features([*GENES, "44700"]) == []


def test_long_numbers_were_clones():
    assert "RIKEN" in excel_features([*GENES, "2.31E+13"])[0]


def test_a_label_that_was_a_gene_is_a_problem():
    assert excel_targets(["TP53"]) == []
    assert "SEPTIN2" in excel_targets(["TP53", "2-Sep"])[0]


def test_the_check_says_both(monkeypatch):
    monkeypatch.setattr(checking, "gene_table", lambda species: GeneNames("human", frozenset(GENES), {}, {}, {}))
    entities = pd.DataFrame({"perturbation": ["control", "ko:1-Mar"] * 2}, index=list("abcd"))
    features = np.array([*GENES, "2-Sep"], dtype=object)
    made = Measurement(np.arange(1.0, 33).reshape(4, 8), features, entities, "counts")
    report = check(made)
    assert "MARCHF1" in report.problems[0]
    assert "SEPTIN2" in report.reading[0]
    assert check(made, species="none").problems == ()
    drugs = made.replace(entities=entities.assign(perturbation=["control", "drug:1-Mar"] * 2))
    assert check(drugs).problems == ()
