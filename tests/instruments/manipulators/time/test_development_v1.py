import numpy as np
import pytest

from aivc.core.errors import UnknownNameError
from aivc.instruments.manipulators.time.development_v1 import HALVED, MIXED, SIMPLE, DevelopmentV1, chosen, prior_of
from aivc.instruments.manipulators.time.judging import Held
from tiny_development import DAY, after, arc, at, cells_at


@pytest.fixture(scope="module")
def fitted():
    return DevelopmentV1.fit(arc((0, 1, 3, 4), count=40), growth="none")


def test_shares_move_to_ways_that_fill_times_left_out(fitted):
    shares, prior = fitted.verdict["shares"], prior_of("none")
    assert fitted.verdict["kept"] == MIXED
    assert shares["curved, exact sums"] > prior["curved, exact sums"] + 0.02
    assert fitted.shares.sum() == pytest.approx(1.0)


def test_a_time_that_was_never_read_is_filled(fitted):
    cells = arc((0, 1, 3, 4), count=40)
    found = fitted.manipulate(at(cells, DAY), after(24)).draws[0]
    assert np.median(np.linalg.norm(found.values, axis=1)) == pytest.approx(10.0, abs=0.8)
    np.testing.assert_array_equal(found.mass, 1.0)


def test_with_too_few_times_the_shares_were_laid_down_before():
    fitted = DevelopmentV1.fit(arc((0, 1), count=20), growth="none", extrapolate=True)
    assert fitted.verdict["kept"] == "prior"
    shares, prior = dict(zip(prior_of("none"), fitted.shares, strict=True)), prior_of("none")
    assert shares.pop("pool") == pytest.approx(0.5 + prior["pool"] / 2)
    assert all(share == pytest.approx(prior[name] / 2) for name, share in shares.items())
    assert fitted.verdict["beyond"] == "today"


def test_without_power_the_nearest_time_answers():
    noise = np.random.default_rng(0).normal(size=(60, 30))
    ur = cells_at(noise, np.repeat([0.0, 48.0], 30))
    fitted = DevelopmentV1.fit(ur)
    assert fitted.verdict["kept"] == "nearest"
    assert fitted.verdict["halves"] > 0.75 * fitted.verdict["copy"]
    start = at(ur, 0.0)
    np.testing.assert_array_equal(fitted.manipulate(start, after(20)).draws[0].values, start.values)
    moved = fitted.manipulate(start, after(30)).draws[0].values
    assert {tuple(row) for row in moved} <= {tuple(row) for row in at(ur, 48.0).values}


def held(simple, others):
    names = list(prior_of("none"))
    score = np.array([simple if name == "next" else others + 0.5 * (name in SIMPLE) for name in names])
    return Held(0.0, (score + 1) / 2, np.ones((7, 7)), 0.0, 1.0)


def test_before_a_simple_way_that_was_better_each_time_the_mixture_steps_back():
    names, prior = list(prior_of("none")), np.array(list(prior_of("none").values()))
    shares, verdict = chosen([held(0.1, 3.0), held(0.1, 3.0)], names, prior)
    assert verdict["kept"] == "next"
    np.testing.assert_array_equal(shares, np.eye(7)[names.index("next")])
    shares, verdict = chosen([held(0.1, 0.5), held(3.0, 0.5)], names, prior)
    assert verdict["kept"] == MIXED
    assert shares.sum() == pytest.approx(1.0)
    # Better by much on one time, and worse by little on the other: half of the answer is its own.
    shares, verdict = chosen([held(0.1, 3.0), held(1.5, 1.0)], names, prior)
    assert verdict["kept"] == HALVED
    assert 0.5 < shares[names.index("next")] < 0.9


def test_growth_by_scores_is_not_its_own():
    with pytest.raises(UnknownNameError, match=r"scores of development.v1"):
        DevelopmentV1.fit(arc((0, 1), count=10), growth="scores")


def test_a_stop_between_two_times_moves_copied_cells_no_second_time():
    cells = arc((0, 1), count=40)
    fitted, start = DevelopmentV1.fit(cells, growth="none"), at(cells, 0.0)
    once = fitted.manipulate(start, after(24)).draws[0].values
    twice = fitted.manipulate(fitted.manipulate(start, after(10)).draws[0], after(14)).draws[0].values
    # Cells of half of the answer are copied, and these are the same ones; on plans those nearby continue.
    assert (twice == once).all(axis=1).mean() > 0.5
    assert np.linalg.norm(twice - once, axis=1).mean() < 0.1 * np.linalg.norm(once - start.values, axis=1).mean()
