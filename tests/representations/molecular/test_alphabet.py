"""Letters, codons and windows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aivc.core.errors import DataError, UnknownNameError
from aivc.representations.molecular import alphabet
from aivc.representations.molecular.alphabet import (
    AMINO_ACIDS,
    CODE,
    CODONS,
    HUMAN_USAGE,
    SYMBOLS,
    UNKNOWN,
    coding_rna,
    encode,
    framed,
    translate,
    windows,
)


def text(codes):
    return "".join(SYMBOLS[code] for code in codes)


def test_a_transcript_spells_what_its_gene_spells():
    assert (encode("ACGT", "dna") == encode("ACGU", "rna")).all()


def test_alanine_is_not_adenine():
    assert encode("A", "protein") != encode("A", "dna")


def test_case_does_not_matter():
    assert (encode("mkl", "protein") == encode("MKL", "protein")).all()


@pytest.mark.parametrize(("letters", "kind"), [("N", "dna"), ("RY", "rna"), ("XBZJUO", "protein")])
def test_letters_for_several_are_unknown(letters, kind):
    assert set(encode(letters, kind)) == {UNKNOWN}


@pytest.mark.parametrize(
    ("sequence", "kind", "says"),
    [
        ("ACGE", "dna", "letter 4 is 'E'"),
        ("MK-L", "protein", "letter 3 is '-'"),
        ("MKé", "protein", "letter 3"),
        ("", "rna", "empty"),
    ],
)
def test_illegal_letters_are_named(sequence, kind, says):
    with pytest.raises(DataError, match=says):
        encode(sequence, kind)


def test_an_unknown_kind_is_refused():
    with pytest.raises(UnknownNameError, match="sugar"):
        encode("ACGT", "sugar")


def test_the_standard_code():
    assert len(set(CODONS)) == 64
    assert {codon for codon, amino in CODE.items() if amino == "*"} == {"UAA", "UAG", "UGA"}
    assert [codon for codon, amino in CODE.items() if amino in "MW"] == ["UGG", "AUG"]
    assert sum(amino in "LSR" for amino in CODE.values()) == 18
    assert set(CODE.values()) == {*AMINO_ACIDS, "*"}
    assert text(translate(encode("AUGGCNUAAAU", "rna"))) == "M<unknown>*"


def test_usage_is_per_thousand():
    assert sum(HUMAN_USAGE.values()) == pytest.approx(1000, abs=2)


@given(st.text(alphabet=AMINO_ACIDS + "*", min_size=1, max_size=60), st.integers(0, 10_000))
def test_a_drawn_rna_spells_its_protein(protein, seed):
    codes = encode(protein, "protein")
    assert text(translate(coding_rna(codes, np.random.default_rng(seed)))) == protein


def test_codons_are_drawn_as_often_as_human_genes_use_them():
    rna = coding_rna(encode("L" * 20_000, "protein"), np.random.default_rng(0)).reshape(-1, 3)
    share = float((rna == encode("CUG", "rna")).all(1).mean())
    leucine = sum(usage for codon, usage in HUMAN_USAGE.items() if CODE[codon] == "L")
    assert share == pytest.approx(HUMAN_USAGE["CUG"] / leucine, abs=0.02)


def test_an_unknown_residue_has_unknown_codons():
    assert text(coding_rna(encode("MX", "protein"), np.random.default_rng(0))) == "ATG" + "<unknown>" * 3


def test_only_true_ends_are_marked():
    codes = encode("MK", "protein")
    assert text(framed(codes)) == "<start>MK<end>"
    assert text(framed(codes, first=False)) == "MK<end>"
    assert text(framed(codes, last=False)) == "<start>MK"


@given(st.integers(1, 400), st.integers(8, 60), st.integers(0, 7))
def test_windows_answer_for_every_letter_once(length, size, overlap):
    cut = windows(length, size, overlap)
    assert [at for _, _, first, last in cut for at in range(first, last)] == list(range(length))
    for start, stop, first, last in cut:
        assert 0 <= start <= first < last <= stop <= length
        assert stop - start == min(size, length)
        assert start in (0, first) or first - start >= overlap // 2
        assert stop in (length, last) or stop - last >= overlap // 2


def test_a_first_symbol_starts_each_alphabet():
    for kind, letters in alphabet.LETTERS.items():
        first = alphabet.first_symbol(kind)
        assert (encode(letters, kind) == np.arange(first, first + len(letters))).all()
