"""Intervals for what becomes of clones hold what they promise, also where the distribution behind them is wrong."""

import numpy as np
import pytest

from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.data.priors.memberships import memberships
from aivc.data.synthetic_clones import synthetic_clones
from aivc.instruments.decoders.cell_fates import CellFates
from aivc.instruments.decoders.fate_intervals import FateIntervals, SaidOfClones


def said(concentration, clones, seed, bias=0.0):
    """Clones about what was said of them, and their true shares; a bias makes what was said wrong."""
    rng = np.random.default_rng(seed)
    p_nc = rng.dirichlet(np.ones(3), clones)
    share_nc = np.array([rng.dirichlet(concentration * p_c + 1e-6) for p_c in p_nc])
    count_nc = np.array([rng.multinomial(rng.integers(1, 9), share_c) for share_c in share_nc]).astype(float)
    p_nc = (1 - bias) * p_nc + bias / 3
    return SaidOfClones(p_nc, count_nc, np.full(clones, 1 / clones), clones), share_nc


@pytest.mark.parametrize("concentration", [1.0, 20.0])
def test_the_spread_of_clones_is_found_and_covered(concentration):
    inside = FateIntervals.of(said(concentration, 600, 0)[0], seed=0)
    new, share_nc = said(concentration, 2000, 1)
    low_nc, high_nc = inside.ends(new.p_nc, 0.9)
    assert inside.concentration == pytest.approx(concentration, rel=0.3)
    assert ((share_nc >= low_nc) & (share_nc <= high_nc)).mean() == pytest.approx(0.9, abs=0.06)


def test_numbers_of_new_clones_are_covered_though_what_is_said_is_biased():
    inside = FateIntervals.of(said(2.0, 300, 0, bias=0.6)[0], seed=0)
    new, _ = said(2.0, 2000, 1, bias=0.6)
    covered_c = (inside.scores(new, seed=3) <= inside.masses(0.9)).mean(axis=0)
    assert covered_c.mean() == pytest.approx(0.9, abs=0.04)


def test_of_few_clones_nothing_is_promised_but_everything():
    inside = FateIntervals.of(said(2.0, 8, 0)[0], seed=0)
    low_nc, high_nc = inside.ends(np.array([[0.2, 0.3, 0.5]]), 0.9)
    assert (low_nc == 0).all()
    assert (high_nc == 1).all()


def test_known_chances_of_new_clones_lie_inside_and_not_within_the_spread_of_draws():
    cells, truth = synthetic_clones(clones=60, hidden=1.0)
    space = Space("made-up", Scale.CELLULAR, cells.values.shape[1], "0")
    last = (cells.times == 96).astype(bool)
    frame = cells.entities.assign(fate=np.where(last, cells.entities["cell_type"], ""))
    fates = CellFates.fit(UR(cells.dense(), space, frame), memberships(frame, "fate"), draws=6)
    new, truth = synthetic_clones(clones=200, hidden=1.0, seed=5)
    early = np.flatnonzero(new.times == 48)
    ur = UR(new.dense()[early], space, new.entities.iloc[early])
    low_nc, high_nc, tried_n = fates.intervals(ur, 0.9)
    share_nc = truth.share[early]
    drawn = np.quantile(fates.draws_of(ur), [0.05, 0.95], axis=0)
    assert tried_n.all()
    assert 0.8 < ((share_nc >= low_nc) & (share_nc <= high_nc)).mean() < 0.99
    assert ((share_nc >= drawn[0]) & (share_nc <= drawn[1])).mean() < 0.6
    later = UR(new.dense()[-5:], space, new.entities.iloc[-5:])
    assert not fates.intervals(later, 0.9)[2].any()
