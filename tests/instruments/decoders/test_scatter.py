"""Cells that are read out and encoded again scatter as those that were measured."""

import dataclasses

import numpy as np
import pytest

from aivc.core.measurement import CONTROL
from aivc.data.synthetic import synthetic_screen
from aivc.instruments.decoders.linear_expression import LinearExpression
from aivc.instruments.decoders.scatter import calmed, own_share
from aivc.representations.cellular.full_space import FullSpace


@pytest.fixture(scope="module")
def screen():
    return synthetic_screen(perturbations=10, features=80, cells=30, controls=300, batches=1)[0]


@pytest.fixture(scope="module")
def encoder(screen):
    return FullSpace.fit(screen, dim=8)


@pytest.fixture(scope="module")
def decoder(screen, encoder):
    return LinearExpression.fit(encoder.encode(screen), screen, axes=encoder.projection)


@pytest.fixture(scope="module")
def control(screen, encoder):
    return encoder.encode(screen.take(screen.perturbations == CONTROL))


def test_cells_that_were_read_out_scatter_as_those_measured(encoder, decoder, control):
    ratios = []
    for reader in (dataclasses.replace(decoder, own=np.ones(encoder.dim)), decoder):
        read = encoder.encode(reader.decode(control).draws[0])
        ratios.append(np.median(read.values.var(axis=0) / control.values.var(axis=0)))
    # As they are, the counting is in them twice.
    assert ratios[0] > 1.25
    assert ratios[1] == pytest.approx(1.0, abs=0.12)


def test_the_share_is_between_a_tenth_and_all(encoder, decoder, control):
    plain = dataclasses.replace(decoder, own=np.ones(encoder.dim))
    share = own_share(control, plain, encoder.projection)
    assert (share <= 1).all()
    assert (share >= 0.1).all()
    assert np.median(share) < 0.9


def test_the_mean_profile_of_a_population_does_not_depend_on_the_share(encoder, decoder, control):
    plain = dataclasses.replace(decoder, own=np.ones(encoder.dim))
    np.testing.assert_array_equal(decoder.profile(control), plain.profile(control))
    np.testing.assert_array_equal(decoder.decode(control).mean, plain.decode(control).mean)


def test_groups_keep_their_own_means(encoder, screen):
    cells, share = encoder.encode(screen), np.full(encoder.dim, 0.5)
    ours = calmed(cells, share)
    for text in set(screen.perturbations):
        rows = screen.perturbations == text
        np.testing.assert_allclose(ours.values[rows].mean(axis=0), cells.values[rows].mean(axis=0), atol=1e-9)
        np.testing.assert_allclose(ours.values[rows].std(axis=0), 0.5 * cells.values[rows].std(axis=0), atol=1e-9)


def test_without_axes_states_are_taken_as_they_are(encoder, screen):
    assert (LinearExpression.fit(encoder.encode(screen), screen).own == 1).all()
