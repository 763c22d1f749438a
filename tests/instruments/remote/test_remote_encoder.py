import dataclasses

import numpy as np
import pytest

from aivc.core.errors import IntegrityError, SpaceError, UnitsError
from aivc.core.registry import ENCODERS
from aivc.core.scale import Scale
from aivc.core.virtual_cell import VirtualCell
from aivc.instruments.remote import remote_encoder
from aivc.instruments.remote.remote_encoder import RemoteEncoder
from aivc.testing import sample_measurement, sample_parts
from far_parts import far_service


@pytest.fixture
def here():
    return ENCODERS.load("count-pca").fit(sample_measurement(), dim=4, seed=0)


@pytest.fixture
def remote(here, tmp_path, monkeypatch):
    return RemoteEncoder.connect(f"{far_service(monkeypatch, tmp_path, VirtualCell([here], {}))}/encoder-cellular")


def test_it_writes_the_states_and_the_space_of_the_part_there(remote, here):
    cells = sample_measurement(seed=2)
    ours, theirs = (each.encode(cells, sample_parts()) for each in (remote, here))
    np.testing.assert_array_equal(ours.values, theirs.values)
    assert ours.space == theirs.space == remote.writes
    assert ours.entities is cells.entities
    assert (remote.dim, remote.scale, remote.notes) == (4, Scale.CELLULAR, here.notes)
    assert list(remote.features) == list(here.features)


def test_many_cells_go_in_several_portions(remote, here, monkeypatch):
    cells = sample_measurement()
    monkeypatch.setattr(remote_encoder, "_AT_ONCE", 50 * len(cells.features))
    ours, theirs = (each.encode(cells) for each in (remote, here))
    np.testing.assert_allclose(ours.values, theirs.values, atol=1e-12)
    np.testing.assert_array_equal(ours.mass, theirs.mass)
    assert (ours.variance is None) == (theirs.variance is None)


def test_an_instrument_fitted_here_reads_its_states(remote):
    cells = sample_measurement()
    ur = remote.encode(cells)
    from aivc.core.registry import MANIPULATORS

    cell = VirtualCell([remote], {"move": MANIPULATORS.load("mean-effect").fit(ur)})
    assert cell.encode(cells).space == cell.instruments["move"].reads


def test_what_it_does_not_read_is_refused(remote, tmp_path):
    with pytest.raises(UnitsError, match="said by"):
        remote.encode(sample_measurement().replace(units="log_intensity"))
    with pytest.raises(SpaceError, match="encodes cellular entities"):
        RemoteEncoder.fit(sample_measurement(scale=Scale.MULTICELLULAR), address=remote.address)
    assert RemoteEncoder.fit(sample_measurement(), address=remote.address).writes == remote.writes


def test_fewer_states_than_cells_are_not_believed(remote, monkeypatch):
    few = remote.encode(sample_measurement()).take(np.arange(3))
    monkeypatch.setattr(remote_encoder.FarPart, "ask", lambda *_args, **_more: few.state())
    with pytest.raises(IntegrityError, match="with 3"):
        remote.encode(sample_measurement())
    other = dataclasses.replace(few, space=dataclasses.replace(few.space, fingerprint="another"))
    monkeypatch.setattr(remote_encoder.FarPart, "ask", lambda *_args, **_more: other.state())
    with pytest.raises(SpaceError):
        remote.encode(sample_measurement())
