"""Series over log time: what is known to be there is found, and a common zero is not taken for signal."""

import numpy as np
import pytest

from aivc.core.errors import DataError
from aivc.experiments.time_series import Readings, fit_series, later_effects

SECONDS = np.array([30.0, 60.0, 120.0, 240.0, 600.0])


def course(seed, noise=0.3, level=0.0, sites=300):
    rng = np.random.default_rng(seed)
    size, rate = rng.normal(size=sites), rng.uniform(20, 200, sites)
    truth = np.array([size * (1 - np.exp(-t / rate)) for t in SECONDS])
    base = level * rng.normal(size=sites)
    zero = base + noise * rng.normal(size=(4, sites))
    later = tuple(x + noise * rng.normal(size=(4, sites)) for x in truth)
    return zero, later, truth


def without(zero, later, hidden):
    kept = [i for i in range(len(SECONDS)) if i != hidden]
    return Readings(SECONDS[kept], zero, tuple(later[i] for i in kept))


def test_a_time_left_out_is_found_better_than_by_its_neighbors():
    zero, later, truth = course(0)
    effect, spread = fit_series(without(zero, later, 2)).at(SECONDS[2:3])
    error = np.sqrt(np.mean((effect[0] - truth[2]) ** 2))
    copied = np.sqrt(np.mean((later[1].mean(axis=0) - zero.mean(axis=0) - truth[2]) ** 2))
    assert error < 0.8 * copied
    assert 0.5 * spread[0] < error < 2 * spread[0]


def test_signals_that_are_noise_alone_are_drawn_to_nothing():
    rng = np.random.default_rng(1)
    zero, *later = rng.normal(size=(6, 3, 400))
    fitted = fit_series(Readings(SECONDS, zero, tuple(later)))
    effect, _ = fitted.at(np.array([90.0]))
    plain = np.mean(later, axis=(0, 1)) - zero.mean(axis=0)
    assert effect[0].std() < 0.5 * plain.std()
    assert fitted.named["signal"] < 0.3


def test_levels_that_do_not_last_are_used_only_where_asked():
    zero, later, truth = course(2, level=1.0)
    wanted = truth[2] - zero.mean(axis=0)
    errors = [
        np.mean((fit_series(without(zero, later, 2), level=level).at(SECONDS[2:3])[0][0] - wanted) ** 2)
        for level in (False, True)
    ]
    assert errors[1] < errors[0]
    assert fit_series(without(zero, later, 2), level=True).named["level_lost"] > 0.6


def test_later_effects_of_new_signals_follow_their_early_ones():
    rng = np.random.default_rng(3)
    early = rng.normal(size=(120, 2))
    later = early @ np.array([[1.0, 0.5], [0.0, 1.0]]) + 0.1 * rng.normal(size=(120, 2))
    said = later_effects(early[:80], later[:80], early[80:], np.arange(80) // 2)
    assert np.corrcoef(said[:, 1], later[80:, 1])[0, 1] > 0.95
    with pytest.raises(DataError, match="one protein"):
        later_effects(early[:80], later[:80], early[80:], np.zeros(80))


def test_readings_that_are_no_series_are_refused():
    zero, later, _ = course(4)
    with pytest.raises(DataError, match="rising"):
        Readings(SECONDS[::-1].copy(), zero, later)
    with pytest.raises(DataError, match="Leave zero out"):
        fit_series(Readings(SECONDS, zero, later)).at(np.array([0.0]))
