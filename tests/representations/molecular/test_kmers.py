import numpy as np
import pytest

from aivc.core.errors import DataError
from aivc.core.molecule import Molecule
from aivc.core.state import State
from aivc.representations.molecular.kmers import Kmers


def _dna(*sequences):
    return [Molecule("dna", sequence, sequence=sequence) for sequence in sequences]


def test_vectors_have_length_one_and_others_are_masked():
    said = Kmers.of("dna", width=128).embed(
        [*_dna("ACGTACGT"), Molecule("protein", "P", sequence="MKV"), Molecule("dna", "unread region")]
    )
    assert said.known.tolist() == [True, False, False]
    assert said.values.shape == (3, 128)
    np.testing.assert_allclose(np.linalg.norm(said.values, axis=1), [1, 0, 0], atol=1e-6)


def test_like_sequences_lie_together():
    rng = np.random.default_rng(0)
    one, other = ("".join(rng.choice(list("ACDEFGHIKLMNPQRSTVWY"), 200)) for _ in range(2))
    changed = one[:100] + "W" + one[101:]
    vectors = [Kmers.of("protein").count(each) for each in (one, changed, other)]
    assert vectors[0] @ vectors[1] > 0.95
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.3


def test_rna_and_dna_share_their_words():
    kmers = Kmers.of("dna")
    dna, rna = kmers.embed([*_dna("ACGTTGCA"), Molecule("rna", "r", sequence="ACGUUGCA")]).values
    np.testing.assert_allclose(dna, rna)


def test_words_do_not_depend_on_neighbours_order_or_batch():
    rng = np.random.default_rng(1)
    molecules = _dna(*("".join(rng.choice(list("ACGT"), size)) for size in rng.integers(1, 90, 40)))
    kmers, order = Kmers.of("dna", width=256), rng.permutation(40)
    whole = kmers.embed(molecules).values
    np.testing.assert_allclose(kmers.embed([molecules[i] for i in order]).values, whole[order], atol=1e-6)
    pieces = [kmers.embed(molecules[i : i + 7]).values for i in range(0, 40, 7)]
    np.testing.assert_allclose(np.concatenate(pieces), whole, atol=1e-6)


def test_longer_words_see_order_that_letters_do_not():
    same, longer = Kmers.of("dna", longest=1), Kmers.of("dna", longest=2)
    assert same.count("AACC") @ same.count("CACA") == pytest.approx(1)
    assert longer.count("AACC") @ longer.count("CACA") < 0.95


def test_refusals_say_what_to_do():
    with pytest.raises(DataError, match="at position 3"):
        Kmers.of("dna").count("AC*T")
    with pytest.raises(DataError, match="Write capitals"):
        Kmers.of("protein").count("MKv")
    with pytest.raises(DataError, match="1 to 8 letters"):
        Kmers("dna", 12)
    with pytest.raises(DataError, match="protein, dna or rna"):
        Kmers.of("sugar")


def test_it_survives_saving(tmp_path):
    kmers = Kmers.of("rna", width=64)
    kmers.state().save(tmp_path / "part")
    back = Kmers.from_state(State.load(tmp_path / "part"))
    assert back.provenance == kmers.provenance
    np.testing.assert_array_equal(back.count("ACGU"), kmers.count("ACGU"))
