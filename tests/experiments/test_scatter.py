"""Cells that are read out and encoded again scatter as those that were measured."""

import numpy as np
import pytest

from aivc.core.measurement import CONTROL
from aivc.data.synthetic import synthetic_screen
from aivc.experiments.groundwork import Recipe, groundwork
from aivc.experiments.scatter import calmed, own_share
from aivc.experiments.summary import summarize


@pytest.fixture(scope="module")
def screen():
    return synthetic_screen(perturbations=10, features=80, cells=30, controls=300, batches=1)[0]


@pytest.fixture(scope="module")
def ground(screen):
    return groundwork(summarize(screen), Recipe(dim=8, members=0, inner_folds=0))


@pytest.fixture(scope="module")
def control(screen, ground):
    return ground.encoder.encode(screen.take(screen.perturbations == CONTROL))


def read_again(ground, states):
    return ground.encoder.encode(ground.decoder.decode(states).draws[0]).values.var(axis=0)


def test_cells_that_were_read_out_scatter_as_those_measured(ground, control):
    share = own_share(control, ground.encoder, ground.decoder)
    measured = control.values.var(axis=0)
    raw, ours = (read_again(ground, each) / measured for each in (control, calmed(control, share)))
    # As they are, the counting is in them twice.
    assert np.median(raw) > 1.25
    assert np.median(ours) == pytest.approx(1.0, abs=0.12)
    assert (share <= 1).all()
    assert (share >= 0.1).all()


def test_the_mean_of_each_population_stays_exactly(ground, control):
    halved = calmed(control, np.full(control.space.dim, 0.5))
    np.testing.assert_allclose(halved.mean, control.mean, atol=1e-12)
    np.testing.assert_allclose(halved.values.std(axis=0), 0.5 * control.values.std(axis=0))


def test_groups_keep_their_own_means(ground, screen):
    cells = ground.encoder.encode(screen)
    ours = calmed(cells, ground.own)
    for text in set(screen.perturbations):
        rows = screen.perturbations == text
        np.testing.assert_allclose(ours.values[rows].mean(axis=0), cells.values[rows].mean(axis=0), atol=1e-9)


def test_predictions_start_from_a_calmed_population(ground, control):
    start = ground.start("line1")
    spread = start.values.std(axis=0) / control.values.std(axis=0)
    np.testing.assert_allclose(spread, ground.own, atol=0.15)
    assert np.median(ground.own) < 0.9


def test_scatter_is_left_alone_where_the_axes_are_not_known(screen):
    ground = groundwork(summarize(screen), Recipe(encoder="ppca", dim=8, members=0, inner_folds=2))
    assert (ground.own == 1).all()
    assert all((inner.own == 1).all() for inner, _ in ground.inner)
