"""Variants: text to object and back, and what they make of a sequence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aivc.core.errors import MoleculeError
from aivc.core.variant import Variant

AMINO = "ACDEFGHIKLMNPQRSTVWY"
PROTEIN = "MEEPQSDPSVEPPLSQ"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("p.R175H", "p.R175H"),
        ("p.Arg175His", "p.R175H"),
        ("p.(Arg175His)", "p.R175H"),
        ("p.R175R", "p.R175="),
        ("p.Arg175Ter", "p.R175*"),
        ("p.K23_E25del", "p.K23_E25del"),
        ("p.Lys23_Glu24insAlaGln", "p.K23_E24insAQ"),
        ("p.K23_E25delinsW", "p.K23_E25delinsW"),
        ("p.Arg97ProfsTer23", "p.R97fs"),
        ("p.[D40G;V39A]", "p.[V39A;D40G]"),
        ("p.=", "p.="),
        ("c.5A>G", "c.5A>G"),
        ("n.5_7delACG", "n.5_7delACG"),
        ("n.5=", "n.5="),
    ],
)
def test_every_spelling_has_one_form_that_is_read_back(text, written):
    variant = Variant.parse(text)
    assert str(variant) == written
    assert Variant.parse(written) == variant


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("p.E2A", "MAEPQSDPSVEPPLSQ"),
        ("p.E2=", PROTEIN),
        ("p.=", PROTEIN),
        ("p.E3*", "ME"),
        ("p.E3fs", "ME"),
        ("p.E2del", "MEPQSDPSVEPPLSQ"),
        ("p.E2_P4del", "MQSDPSVEPPLSQ"),
        ("p.M1_E2insWW", "MWWEEPQSDPSVEPPLSQ"),
        ("p.E2_P4delinsK", "MKQSDPSVEPPLSQ"),
        ("p.[E2A;P4K;Q16*]", "MAEKQSDPSVEPPLS"),
        ("p.[E2del;E2_E3insW]", "MWEPQSDPSVEPPLSQ"),
    ],
)
def test_a_variant_makes_what_it_says(text, made):
    assert Variant.parse(text).apply(PROTEIN) == made


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("n.2C>T", "ATGTAC"),
        ("c.2_4del", "AAC"),
        ("n.2_4delCGT", "AAC"),
        ("n.6_7insGG", None),
        ("n.1_2insGG", "AGGCGTAC"),
        ("n.1delinsTT", "TTCGTAC"),
    ],
)
def test_dna_and_rna_change_alike(text, made):
    if made is None:
        with pytest.raises(MoleculeError, match="has 6 letters"):
            Variant.parse(text).apply("ACGTAC")
    else:
        assert Variant.parse(text).apply("ACGTAC") == made
        assert Variant.parse(text).apply("ACGUAC") == made.replace("T", "U")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("p.K2A", "expects K at position 2, but the sequence has E"),
        ("p.E2_K4del", "expects E at position 2 and K at 4, but the sequence has EP"),
        ("p.E200A", "needs position 200, but the sequence has 16 letters"),
    ],
)
def test_another_reference_is_refused_with_what_was_expected(text, why):
    with pytest.raises(MoleculeError, match=why):
        Variant.parse(text).apply(PROTEIN)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("R175H", "begins with p."),
        ("g.5A>G", "begins with p."),
        ("p.175H", "Write R175H"),
        ("p.R0H", "Write R175H"),
        ("p.K25_K23del", "Write the lower position first"),
        ("p.K23_E25insA", "between two neighbors"),
        ("p.[V39A;V39G]", "overlap"),
        ("n.5_7delAC", "names 2"),
        ("c.-5A>G", "count in n. instead"),
        ("c.76+2T>C", "count in n. instead"),
        ("p.[V39A;]", "is no change"),
    ],
)
def test_what_is_no_variant_is_refused(text, why):
    with pytest.raises(MoleculeError, match=why):
        Variant.parse(text)


def test_ends_and_silence_are_stated():
    assert Variant.parse("p.R97fs").ends_early
    assert Variant.parse("p.[A2G;R97*]").ends_early
    assert not Variant.parse("p.R97H").ends_early
    assert Variant.parse("p.R97=").is_synonymous
    assert Variant.parse("n.=").is_synonymous
    assert not Variant.parse("p.[R97=;A99G]").is_synonymous


@given(st.data())
def test_the_difference_of_two_sequences_leads_from_one_to_the_other(data):
    reference = data.draw(st.text(AMINO, min_size=1, max_size=30))
    changed = data.draw(st.text(AMINO, min_size=len(reference), max_size=len(reference)))
    variant = Variant.between(reference, changed)
    assert Variant.parse(str(variant)) == variant
    assert variant.apply(reference) == changed


def test_a_difference_ends_at_a_stop_and_needs_one_length():
    assert str(Variant.between("MVKD", "AV*W")) == "p.[M1A;K3*]"
    assert str(Variant.between("ACGU", "ACGA", "n")) == "n.4T>A"
    with pytest.raises(MoleculeError, match="Write insertions and deletions yourself"):
        Variant.between("MV", "M")
