from importlib.util import find_spec

import numpy as np
import pytest

from aivc.core.errors import DataError, UnavailableError
from aivc.core.molecule import Molecule
from aivc.core.state import State
from aivc.representations.molecular import compounds
from aivc.representations.molecular.compounds import Descriptors, KnownTargets, Morgan, SmilesWords

ASPIRIN, SALICYLATE, CAFFEINE = "CC(=O)Oc1ccccc1C(=O)O", "O=C(O)c1ccccc1O", "Cn1cnc2c1c(=O)n(C)c(=O)n2C"
MOLECULES = [
    Molecule("compound", "aspirin", "", sequence=ASPIRIN),
    Molecule("compound", "salicylate", "", sequence=SALICYLATE),
    Molecule("compound", "caffeine", "", sequence=CAFFEINE),
    Molecule("compound", "nameless", ""),
    Molecule("gene", "TP53"),
]
needs_rdkit = pytest.mark.skipif(find_spec("rdkit") is None, reason='rdkit is not installed: pip install "aivc[chem]"')


@pytest.mark.parametrize(
    "provider", [SmilesWords(width=256), pytest.param(Morgan(), marks=needs_rdkit)], ids=["words", "morgan"]
)
def test_like_structures_lie_together(provider):
    said = provider.embed(MOLECULES)
    assert said.known.tolist() == [True, True, True, False, False]
    assert said.values.shape == (5, provider.dim)
    np.testing.assert_allclose(np.linalg.norm(said.values, axis=1), [1, 1, 1, 0, 0], atol=1e-6)
    aspirin, salicylate, caffeine = said.values[:3]
    assert aspirin @ salicylate > aspirin @ caffeine
    one = provider.embed(MOLECULES[1:2]).values[0]
    np.testing.assert_allclose(one, salicylate, atol=1e-6)


@needs_rdkit
def test_descriptors_are_finite_and_tell_size():
    said = Descriptors().embed(MOLECULES)
    assert np.abs(said.values).max() <= 3
    names = said.provenance["axes"]
    assert said.values[0, names.index("MolWt")] > said.values[1, names.index("MolWt")]


@needs_rdkit
def test_morgan_does_not_care_how_a_structure_is_written():
    other = Molecule("compound", "aspirin", "", sequence="O=C(C)Oc1ccccc1C(O)=O")
    ours, theirs = Morgan().embed([MOLECULES[0], other]).values
    np.testing.assert_allclose(ours, theirs)


@needs_rdkit
def test_a_structure_that_cannot_be_read_is_refused():
    with pytest.raises(DataError, match="cannot be read"):
        Morgan().embed([Molecule("compound", "broken", "", sequence="CC(C)(C)(C)(C)C")])


@pytest.mark.parametrize("provider", [Morgan(), Descriptors()], ids=["morgan", "descriptors"])
def test_without_rdkit_it_says_what_to_install_and_what_works(provider, monkeypatch):
    monkeypatch.setattr(compounds, "find_spec", lambda name: None)
    assert "aivc[chem]" in provider.available()
    with pytest.raises(UnavailableError, match="SmilesWords reads structures without it"):
        provider.embed(MOLECULES)
    assert SmilesWords.available() is None


def test_known_targets_go_by_compound_whatever_its_salt():
    known = KnownTargets.of({"Imatinib (mesylate)": ["ABL1", "KIT"], "dasatinib": ["ABL1", "SRC"]})
    said = known.embed([Molecule("compound", name, "") for name in ("imatinib", "Dasatinib", "water")])
    assert said.known.tolist() == [True, True, False]
    assert said.values[0] @ said.values[1] == pytest.approx(0.5)
    back = KnownTargets.from_state(State(known.state().settings, known.state().arrays))
    np.testing.assert_array_equal(back.embed(MOLECULES).known, known.embed(MOLECULES).known)


def test_two_compounds_of_one_name_are_refused():
    with pytest.raises(DataError, match="Rename one"):
        KnownTargets.of({"imatinib": ["ABL1"], "Imatinib HCl": ["KIT"]})


def test_known_targets_of_the_catalog(aivc_data):
    known = KnownTargets.build()
    said = known.embed([Molecule("compound", "amlodipine", "")])
    assert said.known.all()
    assert "CACNA1C" in np.array(known.genes)[said.values[0] > 0]
    assert "MIT" in said.provenance["licence"]
