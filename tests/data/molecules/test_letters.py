"""Letters: strands, codons, and files of sequences."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aivc.core.errors import DataError
from aivc.data.molecules.letters import CODE, read_fasta, reverse_complement, reverse_transcribe, transcribe, translate


@given(st.text("ACGTRYSWKMBDHVN"))
def test_strands_come_back(dna):
    assert reverse_complement(reverse_complement(dna)) == dna
    assert reverse_transcribe(transcribe(dna)) == dna
    assert reverse_complement(transcribe(dna), "rna") == transcribe(reverse_complement(dna))


def test_the_code_is_the_standard_one():
    assert len(CODE) == 64
    assert [sum(amino == letter for amino in CODE.values()) for letter in "*MWLRS"] == [3, 1, 1, 6, 6, 6]
    assert translate("ATGGTGAGCAAGGGCGAGGAGCTGTTCACCGGG", "dna") == "MVSKGEELFTG"
    assert translate("AUGUGAAAA", to_stop=True) == "M"
    assert translate("AUGANA") == "MX"


def test_what_cannot_be_read_is_refused():
    with pytest.raises(DataError, match="Give the coding sequence alone"):
        translate("AUGA")
    with pytest.raises(DataError, match="name the right kind"):
        transcribe("AUG")
    with pytest.raises(DataError, match="Only dna and rna"):
        reverse_complement("MK", "protein")


def test_fasta_plain_and_zipped(tmp_path):
    text = ">sp|P04637|P53_HUMAN Cellular tumor antigen\nMEEpq\nSD *\n\n>b two words\nMK\n"
    (tmp_path / "a.fasta").write_text(text)
    (tmp_path / "a.fasta.gz").write_bytes(gzip.compress(text.encode()))
    expected = {"P04637": "MEEPQSD", "b": "MK"}
    assert read_fasta(tmp_path / "a.fasta", "protein") == expected
    assert read_fasta(tmp_path / "a.fasta.gz", "protein") == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "holds no sequence"),
        (">a\nMK1\n", "a has '1', no letter of protein"),
        (">a\nMK\n>a\nMR\n", "a stands twice"),
        (">a\n>b\nMK\n", "a has no letters"),
        ("MK\n>b\nMK\n", "has no name"),
        ("> \nMK\n", "has no name"),
    ],
)
def test_broken_fasta_is_refused(tmp_path, text, why):
    (tmp_path / "a.fasta").write_text(text)
    with pytest.raises(DataError, match=why):
        read_fasta(tmp_path / "a.fasta", "protein")


def test_a_truncated_file_and_an_unknown_kind_are_refused(tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(b">a\n" + bytes(range(65, 90)) * 500)[:60])
    with pytest.raises(DataError, match="Fetch it again"):
        read_fasta(tmp_path / "a.gz", "protein")
    with pytest.raises(DataError, match="Say which these are"):
        read_fasta(tmp_path / "a.gz", "lipid")
