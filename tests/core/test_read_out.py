from dataclasses import replace

import numpy as np
import pytest

from aivc.core.errors import ScoreError, SpaceError
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Applicability, Prediction
from aivc.core.read_out import MeanReader, read_out
from aivc.testing import sample_ur
from tiny_parts import TinyDecoder, TinyManipulator, TinyRecognizer

ASKED = Perturbation.parse("ko:G00 for 48h")


@pytest.fixture
def start(tiny_cell, control):
    return tiny_cell.encode(control)


@pytest.fixture
def decoder(tiny_cell):
    return tiny_cell.decoder()


@pytest.fixture
def moved(start):
    rng = np.random.default_rng(0)
    draws = tuple(start.moved(shift, str(ASKED)) for shift in rng.normal(size=(4, start.space.dim)))
    return Prediction(draws, ("mover",), Applicability.EDGE)


def test_draws_share_the_states_and_keep_the_mean_of_all(moved, start, decoder):
    few, many = (read_out(moved, start, decoder, cells=cells) for cells in (8, 36))
    assert [len(draw) for draw in few.draws] == [2] * 4
    assert len({name.rsplit("-", 2)[0] for draw in many.draws for name in draw.entities.index}) == 36
    for read in (few, many):
        np.testing.assert_allclose(read.profiles, [decoder.profile(draw) for draw in moved.draws], atol=1e-9)
        np.testing.assert_allclose(read.control, decoder.profile(start), atol=1e-9)
    assert (few.made_by, few.applicability) == (("mover", "tiny-decoder"), Applicability.EDGE)


@pytest.mark.parametrize("kind", [TinyManipulator, TinyRecognizer])
def test_means_are_those_of_the_cells(kind, cells, tiny_cell, start, decoder):
    states = tiny_cell.encode(cells)
    moved = kind.fit(states).manipulate(start, ASKED)
    whole, means = read_out(moved, start, decoder), MeanReader(decoder, start)(moved, start)
    np.testing.assert_allclose(means.effect, whole.effect, atol=1e-9)
    np.testing.assert_allclose(means.retrieval_effect, whole.retrieval_effect, atol=1e-9)
    assert (means.made_by, means.applicability, means.profile_units) == (
        whole.made_by,
        whole.applicability,
        whole.profile_units,
    )
    assert (means.retrieval is None) == (kind is TinyManipulator)
    assert means.draws[0].perturbations[0] == str(ASKED)
    assert len(means.draws[0]) == 1


class Silent(TinyDecoder):
    def decode(self, ur):
        said = super().decode(ur)
        return replace(said, profiles=said.profiles * np.nan)


def test_answers_that_are_not_numbers_are_refused(moved, start, decoder):
    silent = Silent(decoder.reads, decoder.features, decoder.weights)
    with pytest.raises(ScoreError, match=r"mover \+ tiny-decoder answered ko:G00 for 48h with NaN"):
        read_out(moved, start, silent)
    with pytest.raises(ScoreError, match="mend the method, or leave it out"):
        MeanReader(silent, start)(moved, start)


def test_states_of_another_space_are_refused(decoder):
    strange = sample_ur(dim=4)
    with pytest.raises(SpaceError, match="refit the instrument"):
        read_out(Prediction((strange,), ("mover",), Applicability.IN), strange, decoder)


def test_many_are_read_as_each_alone(moved, start, decoder):
    other = Prediction((start.moved(np.ones(start.space.dim), "ko:G01"),), ("mover",), Applicability.IN)
    reader = MeanReader(decoder, start)
    together = list(reader.each([(moved, start), (other, start), (moved, moved.draws[0])]))
    for said, alone in zip(
        together, (reader(moved, start), reader(other, start), reader(moved, moved.draws[0])), strict=True
    ):
        np.testing.assert_allclose(said.profiles, alone.profiles, rtol=0, atol=1e-12)
        np.testing.assert_allclose(said.control, alone.control, rtol=0, atol=1e-12)
        assert said.draws[0].perturbations[0] == alone.draws[0].perturbations[0]
        assert said.applicability == alone.applicability
