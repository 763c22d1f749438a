import pytest

from aivc.core.errors import PerturbationError, SchemaError
from aivc.core.perturbation import Perturbation
from aivc.data.names.compound_names import family_of
from aivc.data.names.label_rules import (
    LabelPart,
    balanced,
    compounds_behind,
    gene_behind,
    holds_dose,
    parsed,
    require_rule,
    split,
    tuples,
)


@pytest.mark.parametrize(
    ("label", "gene"),
    [
        ("X_g1", "X"), ("X-2", "X"), ("sgX_1", "X"), ("CEBPAg1", "CEBPA"), ("X_posctrl", "X"), ("sgJAK2", "JAK2"),
        ("gJAK2-1", "JAK2"), ("JAK2_sgRNA_3", "JAK2"), ("JAK2.1", "JAK2"), ("JAK2#2", "JAK2"), ("JAK2 guide 3", "JAK2"),
        ("JAK2_ACGTACGTACGTACGTACGT", "JAK2"), ("CEBPA_-_33793413.23-P1P2", "CEBPA"), ("JAK2_P1P2", "JAK2"),
        ("NKX2-1_2", "NKX2-1"), ("NKX2-1-2", "NKX2-1"), ("HLA-A_1", "HLA-A"), ("SMG1g2", "SMG1"), ("Jak2_g1", "Jak2"),
        ("non-targeting_3", "non-targeting"),
    ],
)  # fmt: skip
def test_a_guide_names_its_gene(label, gene):
    assert parsed(label, "guide") == (LabelPart(gene),)


@pytest.mark.parametrize(
    "symbol",
    ["NKX2-1", "HLA-DRA", "SMG1", "ATG5", "Atg5", "SGK1", "MT-ND1", "PLCG1", "KRTAP5-1", "H2-K1", "AC004556.1", "H3-4"],
)
def test_symbols_stay_whole(symbol):
    assert parsed(symbol, "guide") == (LabelPart(symbol),)
    assert gene_behind(symbol) == symbol


@pytest.mark.parametrize(
    ("label", "part"),
    [
        ("0.2 uM drug", LabelPart("drug", 0.2, "uM")),
        ("drug_0.2", LabelPart("drug", 0.2)),
        ("10uM_drug", LabelPart("drug", 10.0, "uM")),
        ("drug (10 nM)", LabelPart("drug", 10.0, "nM")),
        ("BI_2536_0.2", LabelPart("BI_2536", 0.2)),
        ("Trametinib_0.1_uM", LabelPart("Trametinib", 0.1, "uM")),
        ("IFN-g, 10 ng/ml", LabelPart("IFN-g", 10.0, "ng/ml")),
        ("drug@1\u00b5M", LabelPart("drug", 1.0, "\u00b5M")),
    ],
)
def test_a_dose_stands_in_a_label(label, part):
    assert parsed(label, "dose-in-label") == (part,)


def test_a_label_that_does_not_follow_the_rule_is_none():
    assert parsed("drug", "dose-in-label") is None
    assert parsed("drug", "drug-tuple") is None
    assert parsed("drug", r"(?P<target>.+)_rep\d") is None
    assert parsed("a_1", "whole") == parsed("a_1", None) == (LabelPart("a_1"),)


@pytest.mark.parametrize(
    ("label", "parts"),
    [
        ("[('Alvespimycin', 5.0, 'uM')]", (LabelPart("Alvespimycin", 5.0, "uM"),)),
        ("('A', 5, 'nM')", (LabelPart("A", 5.0, "nM"),)),
        ("[['A', 5.0, 'uM']]", (LabelPart("A", 5.0, "uM"),)),
        ("[(\"4'-x\", 1e-3, 'uM'), ('B (hydrochloride)', 1.0, 'uM')]",
         (LabelPart("4'-x", 0.001, "uM"), LabelPart("B (hydrochloride)", 1.0, "uM"))),
        ("[('A', None, 'uM')]", None), ("(+)-JQ1", None), ("[('A', 5.0, 'uM')", (LabelPart("A", 5.0, "uM"),)),
        ("", None), ("[]", None),
    ],
)  # fmt: skip
def test_tuples_of_a_name_a_dose_and_a_unit(label, parts):
    assert tuples(label) == parts


def test_a_rule_is_a_name_or_a_pattern_with_a_target():
    require_rule("guide")
    require_rule(r"(?P<target>.+)_(?P<dose>[0-9.]+)(?P<unit>nM)")
    for wrong, why in (("guides", "groups are none"), ("(?P<target>", "does not read"), ("(?P<gene>.+)", "gene")):
        with pytest.raises(SchemaError, match=why):
            require_rule(wrong)
    assert holds_dose(r"(?P<target>.+)_(?P<dose>[0-9.]+)")
    assert holds_dose("drug-tuple")
    assert not holds_dose("guide")
    with pytest.raises(PerturbationError, match="Correct labels"):
        parsed("a_x", r"(?P<target>.+)_(?P<dose>.)")


def test_a_split_never_goes_through_a_name_in_silence():
    assert split("A+B", "+") == ["A", "B"]
    assert split('"(+)-JQ1" + "A+B"+C', "+") == ["(+)-JQ1", "A+B", "C"]
    assert split('"A+B"', "+") == ["A+B"]
    assert split("5330286+1234", "+") == ["5330286", "1234"]
    for label, separator, why in (
        ("(+)-JQ1", "+", "bracket"), ("2i (LIF+MEKi+GSK3i)", "+", "bracket"), ("A+", "+", "empty"),
        ("+A", "+", "empty"), ("A++B", "+", "empty"), ("BI_2536", "_", "only a number"),
        ("JAK2_1", "_", "only a number"),
    ):  # fmt: skip
        with pytest.raises(PerturbationError, match=f"{why}.*double quotes"):
            split(label, separator)
    assert not balanced("a]b[")


@pytest.mark.parametrize(
    ("texts", "family"),
    [
        (("ko:STAT1_g1", "ko:STAT1_g2", "crispri:sgSTAT1-3", "ko:STAT1"), "STAT1"),
        (("drug:X_0.2uM", "drug:0.2 uM X", "drug:X hydrochloride@3uM", "drug:[('X', 5.0, 'uM')]", "drug:X_0.5"), "x"),
        (("ko:A_g1 + drug:B 10 nM", "ko:A + drug:B@1uM"), "A + b"),
    ],
)
def test_families_see_through_guides_and_doses(texts, family):
    assert {family_of(Perturbation.parse(text)) for text in texts} == {family}


def test_names_with_numbers_stay_families_of_their_own():
    assert compounds_behind("BI_2536") == ("BI_2536",)
    assert len({family_of(Perturbation.parse(f"ko:gene_{i}")) for i in range(3)}) == 3
    assert len({family_of(Perturbation.parse(f"drug:cmpd-{i}")) for i in range(3)}) == 3


@pytest.mark.parametrize(
    "guide",
    ["sg3_STAT1", "gRNA1-STAT1", "STAT1_TSS1", "STAT1_exon2", "STAT1_crRNA1", "STAT1_KO1", "shSTAT1_2", "siSTAT1",
     "1001_STAT1_P1P2_ENSG00000012345"],
)  # fmt: skip
def test_marks_that_only_a_guide_has(guide):
    assert gene_behind(guide) == "STAT1"


@pytest.mark.parametrize("guide", ["STAT1_A", "1_STAT1", "STAT1:2", "STAT1 (2)", "STAT1.2", "STAT1-g2"])
def test_marks_of_a_guide_once_the_rule_is_declared(guide):
    assert parsed(guide, "guide")[0].target == "STAT1"


def test_tuples_as_numpy_2_writes_them_and_without_a_unit():
    assert tuples("[('JQ1', np.float64(0.5), 'uM')]") == (LabelPart("JQ1", 0.5, "uM"),)
    assert tuples("('JQ1', 1.0)") == (LabelPart("JQ1", 1.0, ""),)
