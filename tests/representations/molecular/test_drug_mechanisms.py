import numpy as np
import pytest

from aivc.core.molecule import Molecule
from aivc.core.state import State
from aivc.data import catalog
from aivc.data.priors.mechanism_table import Mechanism
from aivc.representations.molecular.drug_mechanisms import DrugMechanisms
from aivc.representations.molecular.target_knowledge import TargetPathways


def compounds(*names):
    return [Molecule("compound", name, "") for name in names]


def drug(name, targets="", action="inhibitor", mechanism="unknown", group="unknown"):
    return Mechanism(name, tuple(targets.split()), action, mechanism, group, "high")


@pytest.fixture(scope="module")
def provider():
    return DrugMechanisms.build()


def likeness(provider, one, other):
    return float(np.prod(provider.embed(compounds(one, other)).values, axis=0).sum())


def test_like_mechanisms_lie_together_and_unlisted_ones_apart(provider):
    same = likeness(provider, "Trametinib", "PD-0325901")
    group = likeness(provider, "Trametinib", "Dabrafenib")
    assert same > 0.9
    assert 0.1 < group < 0.5
    assert likeness(provider, "Trametinib", "Vorinostat") == 0
    assert likeness(provider, "Topotecan hydrochloride", "topotecan") == pytest.approx(1)


def test_every_known_vector_has_length_one(provider):
    np.testing.assert_allclose(np.linalg.norm(provider.values, axis=1), 1)


def test_pushing_a_target_apart_is_less_alike_than_pushing_it_together():
    made = DrugMechanisms.of(
        [
            drug("one", "ESR1", "agonist", "m1", "g1"),
            drug("two", "ESR1", "activator", "m2", "g2"),
            drug("three", "ESR1", "antagonist", "m3", "g3"),
        ]
    )
    alike = made.values @ made.values.T
    assert alike[0, 1] > alike[0, 2] > 0


def test_not_knowing_makes_no_two_drugs_alike():
    made = DrugMechanisms.of(
        [
            drug("a", "ABL1"), drug("b", "HDAC1"),
            drug("c", mechanism="chelator", group="metal"), drug("d", mechanism="oxidant", group="redox"),
            drug("e", mechanism="oxidant", group="redox"),
        ]
    )  # fmt: skip
    alike = made.values @ made.values.T
    assert alike[0, 1] == alike[0, 2] == alike[2, 3] == 0
    # One mechanism without any target: alike, but not the same.
    assert 0.5 < alike[3, 4] < 1


def test_what_the_table_leaves_open_is_masked(provider):
    said = provider.embed([*compounds("AZ-U", "unlisted", "(-)-JQ1", "JQ1"), Molecule("gene", "TP53")])
    assert said.known.tolist() == [False, False, False, True, False]
    assert not said.values[~said.known].any()


def test_it_needs_no_file_and_says_where_it_comes_from(provider, monkeypatch, tmp_path):
    monkeypatch.setenv("AIVC_CACHE", str(tmp_path))
    monkeypatch.setenv("AIVC_OFFLINE", "1")
    monkeypatch.delenv("AIVC_DATA", raising=False)
    assert DrugMechanisms.available() is None
    assert catalog.path("drug-mechanisms").is_file()
    assert provider.provenance["saw"] == []
    assert "CC0" in provider.provenance["licence"]


def test_it_is_saved_and_read_back(provider):
    state = provider.state()
    back = DrugMechanisms.from_state(State(state.settings, state.arrays))
    np.testing.assert_array_equal(back.embed(compounds("JQ1")).values, provider.embed(compounds("JQ1")).values)


def test_drugs_of_one_pathway_are_near_whatever_their_targets(aivc_data):
    said = TargetPathways.build().embed(compounds("Trametinib", "Dabrafenib", "Acetohexamide", "unlisted"))
    assert said.known.tolist() == [True, True, True, False]
    assert said.values[0] @ said.values[1] > said.values[0] @ said.values[2]


def test_of_the_other_isomer_no_pathways_are_known():
    said = TargetPathways(("jq1",), np.array([[0.6, 0.8]]), {}).embed(compounds("(+)-JQ1", "(-)-JQ1"))
    assert said.known.tolist() == [True, False]
    assert said.values.tolist() == [[0.6, 0.8], [0, 0]]
