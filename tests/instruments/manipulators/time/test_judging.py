import dataclasses

import numpy as np
import pytest

from aivc.instruments.manipulators.time.judging import (
    Held,
    energy_distance,
    halves_and_copy,
    held_out,
    kept_of,
    stacked,
)
from aivc.instruments.manipulators.time.snapshots import lines_of, table_of
from aivc.instruments.manipulators.time.transporter import Moved
from tiny_development import DAY, arc, cells_at


@pytest.fixture(scope="module")
def line():
    return next(iter(lines_of(table_of("x", arc((0, 1, 2, 3)), None, 0)).values()))


def oracle(rest):
    """Knows the circle."""

    def turn(cells, end, salt):
        angle = np.arctan2(cells.values[:, 1], cells.values[:, 0]) + (end - cells.start) / DAY * np.pi / 4
        return Moved(10 * np.stack([np.cos(angle), np.sin(angle)], axis=1), np.ones(len(angle)))

    return turn


def stay(rest):
    return lambda cells, end, salt: Moved(cells.values, np.ones(len(cells.values)))


def test_what_knows_the_way_is_kept_and_what_does_not_is_not(line):
    found = kept_of(line, "oracle", oracle, 0)
    assert found["kept"] == "oracle"
    assert found["scores"]["oracle"] < 0.1 < found["scores"]["mixture"]
    assert "2 times left out" in found["because"]
    assert kept_of(line, "stay", stay, 0)["kept"] != "stay"


def test_the_better_copy_has_the_score_of_one(line):
    held = held_out(line, lambda rest: {"stay": stay(rest)}, 0)
    assert [each.hours for each in held] == [DAY, 2 * DAY]
    # On a circle the times before and after are as far.
    assert [each.score(np.ones(1)) for each in held] == pytest.approx([1.0, 1.0], abs=0.15)


def test_shares_go_where_the_evidence_is(line):
    held = held_out(line, lambda rest: {"oracle": oracle(rest), "stay": stay(rest)}, 0)
    prior = np.array([0.5, 0.5])
    free, drawn_back = stacked(held, prior, 0.01), stacked(held, prior, 100.0)
    assert free[0] > 0.95
    np.testing.assert_allclose(drawn_back, prior, atol=0.02)
    np.testing.assert_array_equal(stacked([], prior), prior)


def test_a_mixture_scores_as_its_population_would():
    rng = np.random.default_rng(0)
    one, other, truth = rng.normal(size=(300, 2)), rng.normal(size=(300, 2)) + 3, rng.normal(size=(300, 2)) + 1
    between = np.array([[np.linalg.norm(a[:, None] - b, axis=2).mean() for b in (one, other)] for a in (one, other)])
    to_truth = np.array([np.linalg.norm(a[:, None] - truth, axis=2).mean() for a in (one, other)])
    within = np.linalg.norm(truth[:, None] - truth, axis=2).mean()
    score = Held(0.0, to_truth, between, within, 1.0).score(np.array([0.5, 0.5]))
    assert score == pytest.approx(energy_distance(np.concatenate([one, other]), truth))


def test_halves_are_as_far_as_copies_only_where_times_are_alike(line):
    halves, copy = halves_and_copy(line, 0)
    assert halves < 0.5 * copy
    same = tuple(dataclasses.replace(line[0], hours=hours) for hours in (0.0, 24.0, 48.0))
    halves, copy = halves_and_copy(same, 0)
    assert copy == pytest.approx(halves, rel=0.05)
    # Populations ten noises apart: halfway it is five.
    rng = np.random.default_rng(0)
    values = rng.normal(0, 0.1, (80, 2)) + np.repeat([0.0, 1.0], 40)[:, None] * [1.0, 0.0]
    apart = lines_of(table_of("x", cells_at(values, np.repeat([0.0, 24.0], 40)), None, 0))
    assert halves_and_copy(next(iter(apart.values())), 0)[1] == pytest.approx(0.5, abs=0.05)
