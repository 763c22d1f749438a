"""Molecules: text to object and back, nothing lost; and what is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aivc.core.errors import DataError, MoleculeError
from aivc.core.molecule import Molecule
from aivc.core.smiles import check_smiles, is_inchi_key

NAMES = st.text(min_size=1, max_size=12).filter(lambda name: name == name.strip())
SPECIES = st.sampled_from(["human", "mouse", "", "nonesuch", "s-cerevisiae"])
SEQUENCES = {
    "gene": st.text("ACGT"),
    "transcript": st.text("ACGU"),
    "protein": st.text("ACDEFGHIKLMNPQRSTVWYX*"),
    "dna": st.text("ACGTN"),
    "rna": st.text("ACGUN"),
    "compound": st.sampled_from(["", "CCO", "C[C@H](O)C(=O)[O-]", "c1ccccc1", "[Na+].[Cl-]"]),
}
VARIANTS = {
    "gene": ["", "p.R175H", "c.5A>G"],
    "transcript": ["", "n.5_7del"],
    "protein": ["", "p.[V39A;D40G]", "p.R175*", "p.K23_E24insAQ"],
    "dna": ["", "n.5A>G"],
    "rna": ["", "n.5A>G"],
    "compound": [""],
}


@given(st.data())
def test_molecules_survive_their_text(data):
    kind = data.draw(st.sampled_from(sorted(SEQUENCES)))
    # A name of letters alone would be a sequence that the variant must fit.
    name = data.draw(NAMES.map(lambda name: f"{name}z"))
    variant = data.draw(st.sampled_from(VARIANTS[kind]))
    molecule = Molecule(kind, name, data.draw(SPECIES), variant, data.draw(SEQUENCES[kind]))
    assert Molecule.parse(str(molecule)) == molecule


@given(st.text("ACGT", min_size=1), st.text("ACGT"), SPECIES)
def test_bare_sequences_survive_their_text(name, sequence, species):
    molecule = Molecule("dna", name, species, sequence=sequence)
    assert molecule.sequence == (sequence or name)
    assert Molecule.parse(str(molecule)) == molecule


@pytest.mark.parametrize(
    ("text", "molecule"),
    [
        ("gene:TP53", Molecule("gene", "TP53")),
        ("mouse/gene:Trp53", Molecule("gene", "Trp53", "mouse")),
        ("protein:TP53:p.R175H", Molecule("protein", "TP53", variant="p.R175H")),
        ("protein:P04637", Molecule("protein", "P04637")),
        ("none/protein:GB1[MQYK]", Molecule("protein", "GB1", "", sequence="MQYK")),
        ("dna:ACGT", Molecule("dna", "ACGT", sequence="ACGT")),
        ("rna:ACGU:n.4T>A", Molecule("rna", "ACGU", variant="n.4T>A", sequence="ACGA")),
        ("compound:nutlin-3", Molecule("compound", "nutlin-3", "")),
        ("compound:acetate[CC(=O)[O-]]", Molecule("compound", "acetate", sequence="CC(=O)[O-]")),
        ("compound:H3%3A x", Molecule("compound", "H3: x")),
    ],
)
def test_the_grammar_by_example(text, molecule):
    assert Molecule.parse(text) == molecule
    assert str(molecule) == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("TP53", r"Write \[species/\]kind:name"),
        ("lipid:x", r"Write \[species/\]kind:name"),
        ("gene:", r"Write \[species/\]kind:name"),
        ("gene: TP53", "without spaces around it"),
        ("mouse/compound:x", "Leave mouse/ out"),
        ("protein:TP53:c.5A>G", "counts in p."),
        ("gene:TP53:p.nonsense", "is no change"),
        ("dna:ACGT:n.2A>T", "expects A at position 2"),
        ("compound:x[C(C]", "is never closed"),
    ],
)
def test_what_is_no_molecule_is_refused(text, why):
    with pytest.raises(MoleculeError, match=why):
        Molecule.parse(text)


def test_compounds_have_no_variants_and_letters_must_be_legal():
    with pytest.raises(MoleculeError, match="has no variants"):
        Molecule("compound", "x", variant="p.R175H")
    with pytest.raises(MoleculeError, match="one lower-case word"):
        Molecule("gene", "x", "Homo sapiens")
    with pytest.raises(DataError, match="Write capitals"):
        Molecule("protein", "x", sequence="MKv")
    with pytest.raises(DataError, match="got '1' at position 2"):
        Molecule("dna", "promoter", sequence="A1")


def test_a_reference_is_changed_on_the_way_in():
    assert Molecule.parse("protein:X:p.E2A").with_sequence("MEE").sequence == "MAE"
    with pytest.raises(MoleculeError, match="expects E at position 2"):
        Molecule.parse("protein:X:p.E2A").with_sequence("MKE")


SMILES = ["C", "CC(=O)Oc1ccccc1C(=O)O", "C1CC2CCC1CC2", "[13CH4]", "F/C=C\\F", "C%12CCCCC%12", "*"]


@pytest.mark.parametrize("smiles", SMILES)
def test_smiles_are_known(smiles):
    assert check_smiles(smiles) == smiles


@pytest.mark.parametrize(
    ("smiles", "why"),
    [
        ("", "nothing at 1"),
        ("C1CC", "'1' at 2 is never closed"),
        ("C)C", r"'\)' at 2 closes no branch"),
        ("C=", "cannot be the end"),
        ("=C", "does not belong there"),
        ("CXC", "'X' at 2"),
        ("C()C", r"'\)' at 3"),
        ("-666", "'-' at 1"),
    ],
)
def test_what_is_no_smiles_is_refused(smiles, why):
    with pytest.raises(MoleculeError, match=why):
        check_smiles(smiles)


def test_inchi_keys_are_known_by_their_spelling():
    assert is_inchi_key("LFQSCWFLJHTTHZ-UHFFFAOYSA-N")
    assert not is_inchi_key("InChIKey=LFQSCWFLJHTTHZ-UHFFFAOYSA-N")
