"""Fates of a made-up bifurcation: found before it shows, surer with clones, and never beyond what was asked."""

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError
from aivc.core.prediction import Applicability
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.data.priors.memberships import memberships
from aivc.instruments.decoders.cell_fates import CellFates

SPACE = Space("made-up", Scale.CELLULAR, 4, "0")
PER_CLONE, CLONES = 3, 24


def course(seed=0, hidden=1.0, marked=True):
    """Clones of three cells at each of two times; the side of a clone shows little at first, and all at last."""
    rng = np.random.default_rng(seed)
    side_n = np.repeat(np.tile([-1.0, 1.0], CLONES // 2), PER_CLONE)
    n = len(side_n)
    early_nd, late_nd = rng.normal(size=(n, 4)), rng.normal(size=(n, 4))
    # What tells sides apart at first is another axis than at last: only clones know of it.
    early_nd[:, 0] += 0.4 * side_n
    early_nd[:, 1] += hidden * 2 * side_n
    late_nd[:, 0] += 3 * side_n
    clone_n = np.repeat([f"c{i}" for i in range(CLONES)], PER_CLONE)
    kind_n = np.where(side_n > 0, "right", "left")
    frame = pd.DataFrame(
        {
            "time": np.repeat([48.0, 96.0], n),
            "clone": np.tile(clone_n, 2) if marked else "",
            "fate": np.r_[np.full(n, ""), kind_n],
        },
        index=[f"cell{i}" for i in range(2 * n)],
    )
    return UR(np.vstack([early_nd, late_nd]), SPACE, frame), side_n


def fitted(ur, draws=6):
    return CellFates.fit(ur, memberships(ur.entities, "fate"), draws=draws)


@pytest.fixture(scope="module")
def bifurcation():
    ur, side_n = course()
    return ur, side_n, fitted(ur)


def test_fates_sum_to_one_and_are_found_early(bifurcation):
    ur, side_n, fates = bifurcation
    p_nc = fates.probabilities(ur)
    np.testing.assert_allclose(p_nc.sum(axis=1), 1)
    assert list(fates.features) == ["left", "right"]
    early_n = p_nc[: len(side_n), 1]
    assert early_n[side_n > 0].mean() > early_n[side_n < 0].mean() + 0.4
    assert ((p_nc[len(side_n) :, 1] > 0.5) == (side_n > 0)).mean() > 0.95
    assert ((fates.resolved(ur) > 0) & (fates.resolved(ur) <= 1 + 1e-9)).all()


def test_new_cells_are_answered_and_clones_tell_more_than_transport(bifurcation):
    _, _, fates = bifurcation
    new, side_n = course(seed=5)
    early = new.take(np.arange(len(side_n)))
    said_n = fates.probabilities(early)[:, 1] > 0.5
    unmarked, _ = course(marked=False)
    without = fitted(unmarked)
    assert fates.evidence["clones"] == CLONES
    assert fates.evidence["log_loss"] < fates.evidence["log_loss_base"]
    assert without.evidence == {"clones": 0.0}
    assert (said_n == (side_n > 0)).mean() > ((without.probabilities(early)[:, 1] > 0.5) == (side_n > 0)).mean()


def test_draws_disagree_where_little_is_known(bifurcation):
    ur, side_n, fates = bifurcation
    read = fates.decode(ur)
    assert len(read.draws) == 6
    assert read.applicability is Applicability.IN
    spread_n = np.std([draw.values[:, 1] for draw in read.draws], axis=0)
    assert spread_n[: len(side_n)].mean() > spread_n[len(side_n) :].mean()
    between = ur.take(np.arange(3))
    between = UR(between.values, SPACE, between.entities.assign(time=60.0))
    assert fates.decode(between).applicability is Applicability.EDGE
    beyond = UR(between.values, SPACE, between.entities.assign(time=200.0))
    assert fates.decode(beyond).applicability is Applicability.OUT


def test_it_comes_back_from_its_state(bifurcation):
    ur, _, fates = bifurcation
    again = CellFates.from_state(fates.state())
    np.testing.assert_array_equal(again.probabilities(ur), fates.probabilities(ur))


def test_of_one_time_the_state_itself_is_the_evidence():
    ur, side_n = course()
    now = ur.take(np.arange(len(side_n), 2 * len(side_n)))
    timeless = UR(now.values, SPACE, now.entities.drop(columns="time"))
    for states in (now, timeless):
        fates = fitted(states)
        assert len(fates.times) == 0
        assert ((fates.probabilities(states)[:, 1] > 0.5) == (side_n > 0)).mean() > 0.95


def test_terminal_states_that_are_not_reached_are_refused():
    ur, _ = course()
    frame = ur.entities.assign(fate=["", *ur.entities["fate"][1:-1], "rare"])
    with pytest.raises(DataError, match="too few are of rare"):
        fitted(UR(ur.values, SPACE, frame))


def test_without_clones_early_cells_become_what_the_last_are():
    # Cells walk far before they part: the two fates lie half a step to either side of a way of six.
    rng = np.random.default_rng(3)
    time, side = np.repeat([0.0, 24.0, 48.0], 40), np.tile([-1.0, -1.0, 1.0, 1.0, 1.0], 24)
    way = np.stack([time / 8, 0.5 * side * (time == 48.0)], axis=1) + rng.normal(0, 0.3, (120, 2))
    last = time == 48.0
    names = np.where(last, np.where(side < 0, "left", "right"), "")
    way[last, 1] += 0.4 * rng.normal(size=last.sum())
    entities = pd.DataFrame({"time": time, "fate": names}, index=[f"c{i}" for i in range(120)])
    # The regression is made to lean on the way itself.
    way[:, 0] += np.where(last & (side < 0), 0.5, 0.0)
    ur = UR(way, Space("cells", Scale.CELLULAR, 2, "walk"), entities)
    decoder = CellFates.fit(ur, memberships(entities, "fate"), draws=6)
    for hours in (0.0, 24.0):
        left = decoder.probabilities(ur.take(np.flatnonzero(time == hours)))[:, list(decoder.features).index("left")]
        assert left.mean() == pytest.approx(0.4, abs=0.06)
