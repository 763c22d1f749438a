import dataclasses

import numpy as np
import pytest

from aivc.core.errors import DataError, IntegrityError, PerturbationError, SpaceError
from aivc.core.perturbation import Perturbation
from aivc.core.virtual_cell import VirtualCell
from aivc.data import far_part
from aivc.instruments.remote.remote_manipulator import RemoteManipulator
from far_parts import far_service
from tiny_service import tiny_cell


@pytest.fixture
def at(tmp_path, monkeypatch):
    return far_service(monkeypatch, tmp_path, tiny_cell())


def start():
    return next(iter(tiny_cell().starts.values()))


def questions():
    return [Perturbation.parse(text) for text in sorted(tiny_cell().trained)]


def here():
    return tiny_cell().instruments["effect.v2"]


def test_it_says_what_the_part_there_says(at):
    remote = RemoteManipulator.connect(f"{at}/effect.v2")
    assert set(remote.molecules) == set(here().molecules)
    assert (remote.grows, remote.edits_tissue, remote.needs_times) == (False, False, False)
    ours, theirs = (each.manipulate(start(), questions()[0]) for each in (remote, here()))
    np.testing.assert_array_equal(ours.profiles, theirs.profiles)
    assert ours.made_by == ("remote-manipulator", *theirs.made_by)
    assert ours.applicability is theirs.applicability


def test_many_questions_are_one_request(at, monkeypatch):
    remote = RemoteManipulator.connect(f"{at}/effect.v2")
    ur, asked = start().sample(1), questions()
    sent = []
    ask = far_part.FarPart.ask
    monkeypatch.setattr(far_part.FarPart, "ask", lambda *args, **more: sent.append(args[1]) or ask(*args, **more))
    remote.prepare(ur, asked)
    said = [remote.manipulate(ur, each) for each in asked]
    assert len(sent) == 1
    for ours, each in zip(said, asked, strict=True):
        # Products of other sizes round otherwise.
        np.testing.assert_allclose(ours.profiles, here().manipulate(ur, each).profiles, atol=1e-12)
    other = start().sample(1, seed=5)
    wanted = here().manipulate(other, asked[0]).profiles
    np.testing.assert_allclose(remote.manipulate(other, asked[0]).profiles, wanted, atol=1e-12)
    assert len(sent) == 2


def test_states_of_another_space_are_not_even_sent(at):
    remote = RemoteManipulator.connect(f"{at}/effect.v2")
    ur = dataclasses.replace(start(), space=dataclasses.replace(start().space, fingerprint="another"))
    with pytest.raises(SpaceError, match="remote-manipulator reads"):
        remote.manipulate(ur, questions()[0])
    with pytest.raises(SpaceError):
        RemoteManipulator.fit(ur, address=f"{at}/effect.v2")


def test_a_part_that_was_fitted_again_is_not_believed(at, tmp_path, monkeypatch):
    remote = RemoteManipulator.connect(f"{at}/effect.v2")
    changed = dataclasses.replace(remote, far={**remote.far, "digest": "0" * 64})
    with pytest.raises(IntegrityError, match="Connect again"):
        changed.manipulate(start(), questions()[0])


def test_a_part_of_another_kind_is_refused(at):
    name = next(name for name, part in tiny_cell().parts.items() if part.group == "encoders")
    with pytest.raises(DataError, match="manipulator was wanted"):
        RemoteManipulator.connect(f"{at}/{name}")


def test_what_the_part_there_refuses_is_refused_here(at):
    remote = RemoteManipulator.connect(f"{at}/effect.v2")

    class Odd(Perturbation):
        def __str__(self):
            return "ko:"

    with pytest.raises(PerturbationError, match="said by"):
        remote.manipulate(start(), Odd((), None))


def test_a_part_that_asks_others_is_not_offered(at, tmp_path, monkeypatch):
    remote = RemoteManipulator.connect(f"{at}/effect.v2")
    cell = tiny_cell()
    mixed = VirtualCell(cell.encoders, {**cell.instruments, "effect.v2": remote}, cell.card, cell.starts)
    again = far_service(monkeypatch, tmp_path / "again", mixed)
    with pytest.raises(far_part.UnavailableError, match=r"named 'effect\.v2'"):
        RemoteManipulator.connect(f"{again}/effect.v2")


def test_a_cell_with_it_is_saved_and_asks_again(at, tmp_path):
    cell = tiny_cell()
    remote = RemoteManipulator.connect(f"{at}/effect.v2", token="")
    mixed = VirtualCell(cell.encoders, {**cell.instruments, "effect.v2": remote}, cell.card, cell.starts)
    mixed.save(tmp_path / "mixed")
    assert "token" not in (tmp_path / "mixed" / "parts" / "effect.v2" / "settings.json").read_text()
    back = VirtualCell.load(tmp_path / "mixed")
    asked = questions()[0]
    context = next(iter(cell.starts))
    ours, theirs = (each.predict(context, asked) for each in (back, cell))
    np.testing.assert_array_equal(ours.effect, theirs.effect)
    for one, other in zip(ours.interval(0.9), theirs.interval(0.9), strict=True):
        np.testing.assert_array_equal(one, other)
