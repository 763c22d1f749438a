import dataclasses
from dataclasses import dataclass

import numpy as np
import pytest

from aivc.core.contracts import Encoder, Manipulator, Part
from aivc.core.errors import IntegrityError, UnknownNameError
from aivc.core.state import State
from tiny_parts import POINTS, TinyEncoder, TinyManipulator


@dataclass(frozen=True, eq=False)
class Committee(Part):
    """A part of every kind of field."""

    name = "committee"
    group = "wrappers"
    title: str
    options: dict
    names: np.ndarray
    words: tuple
    nothing: object
    weights: np.ndarray
    reads: object
    chair: Part
    members: tuple
    empty: tuple


@pytest.fixture
def committee(states, register):
    register(*POINTS)
    members = tuple(TinyManipulator(states.space, np.full(4, float(i))) for i in range(12))
    names, words = np.array(["ko:A", "Δ"], dtype=object), ("a", "b")
    return Committee("x", {"is": "array"}, names, words, None, np.eye(2), states.space, members[3], members, ())


def test_every_kind_of_field_survives_the_disk(committee, tmp_path):
    committee.state().save(tmp_path)
    back = Committee.from_state(State.load(tmp_path))
    assert (back.title, back.options, back.words, back.nothing) == ("x", {"is": "array"}, ("a", "b"), None)
    assert back.names.tolist() == ["ko:A", "Δ"]
    assert back.reads == committee.reads
    assert back.empty == ()
    np.testing.assert_array_equal(back.weights, committee.weights)
    assert isinstance(back.chair, TinyManipulator)
    assert [member.shift[0] for member in back.members] == list(range(12))
    assert back.state().digest() == committee.state().digest()


def test_state_of_another_part_is_refused(committee, states):
    with pytest.raises(IntegrityError, match=r"made of .* but the state holds .* fit again"):
        TinyManipulator.from_state(committee.state())


@pytest.mark.parametrize(
    "damage",
    [
        {"reads": {"is": "json", "value": {"name": "x"}}},
        {"reads": {"is": "json", "value": {"name": "x", "scale": "cosmic", "dim": 1, "fingerprint": ""}}},
        {"reads": None},
        {"shift": {"is": "array", "was": "removed"}},
        {"shift": {}},
    ],
)
def test_damaged_state_is_refused(states, damage):
    part = TinyManipulator(states.space, np.zeros(4))
    arrays = {} if "was" in str(damage) else part.state().arrays
    with pytest.raises(IntegrityError, match=r"tiny-manipulator is damaged .* Fetch it again"):
        TinyManipulator.from_state(State({**part.state().settings, **damage}, arrays))


def test_nested_part_that_is_not_installed_is_named(committee):
    state = committee.state()
    chair = {**state.settings["chair"], "name": "tiny-manipulatr"}
    with pytest.raises(UnknownNameError, match="Did you mean 'tiny-manipulator'"):
        Committee.from_state(State({**state.settings, "chair": chair}, state.arrays))


def test_space_tells_one_fit_from_another(cells):
    encoder = TinyEncoder.fit(cells, dim=4, seed=0)
    assert encoder.writes == TinyEncoder.fit(cells, dim=4, seed=0).writes
    assert encoder.writes != TinyEncoder.fit(cells, dim=4, seed=1).writes
    assert encoder.writes != TinyEncoder.fit(cells.take(np.arange(20)), dim=4, seed=0).writes
    assert (encoder.writes.name, encoder.writes.dim) == ("tiny-encoder", 4)


@pytest.mark.parametrize("contract", [Encoder, Manipulator])
def test_a_part_without_its_verbs_cannot_be_made(contract):
    with pytest.raises(TypeError, match="abstract method"):
        dataclass(frozen=True)(type("Half", (contract,), {}))()


def test_parts_are_frozen(cells):
    with pytest.raises(dataclasses.FrozenInstanceError):
        TinyEncoder.fit(cells, dim=4, seed=0).center = np.zeros(3)
