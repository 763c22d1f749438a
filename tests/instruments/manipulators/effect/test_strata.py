import numpy as np
import pytest

from aivc.instruments.manipulators.effect.strata import strata

ROWS = np.random.default_rng(0).normal(size=(80, 60)) * np.geomspace(10, 0.1, 60)


@pytest.mark.parametrize("shape", [(80, 60), (80, 12), (80, 3), (20, 60), (2000, 12), (80, 7)])
def test_strata_together_are_the_whole_space(shape):
    rows = np.random.default_rng(0).normal(size=shape)
    cut = strata(rows)
    asked = np.random.default_rng(1).normal(size=(5, shape[1]))
    np.testing.assert_allclose(sum(each.back(each.of(asked)) for each in cut), asked, atol=1e-9)
    size = sum((each.back(each.of(asked)) ** 2).sum() for each in cut)
    assert size == pytest.approx((asked**2).sum())


def test_the_first_strata_are_where_effects_are_large():
    cut = strata(ROWS)
    assert [None if each.basis is None else len(each.basis) for each in cut] == [4, 20, None]
    per_axis = [(each.of(ROWS) ** 2).sum() / count for each, count in zip(cut, (4, 20, 36), strict=True)]
    assert per_axis[0] > 3 * per_axis[1] > 9 * per_axis[2]


def test_noise_is_shared_out_among_the_strata():
    variance = np.random.default_rng(2).uniform(size=(7, 60))
    found = np.array([each.noise(variance) for each in strata(ROWS)])
    np.testing.assert_allclose(found.sum(axis=0), variance.sum(axis=1))
    assert (found > 0).all()


def test_few_rows_or_directions_are_one_stratum():
    assert len(strata(ROWS[:30])) == len(strata(ROWS[:, :4])) == 1
