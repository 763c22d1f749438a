import dataclasses

import numpy as np
import pytest

from aivc.core.contracts import Decoder
from aivc.core.errors import IntegrityError, SpaceError
from aivc.core.state import State
from aivc.data import far_part
from aivc.instruments.remote import remote_decoder
from aivc.instruments.remote.remote_decoder import RemoteDecoder
from far_parts import far_service
from tiny_service import tiny_cell


@pytest.fixture
def remote(tmp_path, monkeypatch):
    at = far_service(monkeypatch, tmp_path, tiny_cell())
    return RemoteDecoder.connect(f"{at}/{name()}")


def name():
    return next(key for key, part in tiny_cell().instruments.items() if isinstance(part, Decoder))


def here():
    return tiny_cell().instruments[name()]


def populations():
    ur = next(iter(tiny_cell().starts.values()))
    return [ur.take(np.arange(5)), ur.take(np.arange(3, 9)), ur]


def test_it_reads_what_the_part_there_reads(remote):
    ours, theirs = (each.decode(populations()[0]) for each in (remote, here()))
    np.testing.assert_array_equal(ours.draws[0].dense(), theirs.draws[0].dense())
    np.testing.assert_array_equal(ours.profiles, theirs.profiles)
    assert (ours.profile_units, ours.least) == (theirs.profile_units, theirs.least)
    assert ours.made_by == ("remote-decoder", *theirs.made_by)


def test_profiles_of_many_populations_take_few_requests(remote, monkeypatch):
    sent = []
    ask = far_part.FarPart.ask
    monkeypatch.setattr(far_part.FarPart, "ask", lambda *args, **more: sent.append(args[1]) or ask(*args, **more))
    # Products of other sizes round otherwise.
    wanted = here().profiles(populations())
    np.testing.assert_allclose(remote.profiles(populations()), wanted, atol=1e-12)
    assert sent == ["profiles"]
    monkeypatch.setattr(remote_decoder, "_AT_ONCE", 1)
    np.testing.assert_allclose(remote.profiles(populations()), wanted, atol=1e-12)
    assert len(sent) == 4
    np.testing.assert_allclose(remote.profile(populations()[0]), wanted[0], atol=1e-12)


def test_other_spaces_are_refused(remote):
    ur = populations()[0]
    other = dataclasses.replace(ur, space=dataclasses.replace(ur.space, fingerprint="another"))
    for ask in (remote.decode, remote.profile):
        with pytest.raises(SpaceError):
            ask(other)


def test_too_few_profiles_are_not_believed(remote, monkeypatch):
    monkeypatch.setattr(far_part.FarPart, "ask", lambda *_args, **_more: State({}, {"profiles": np.zeros((1, 40))}))
    with pytest.raises(IntegrityError, match="3 profiles"):
        remote.profiles(populations())
