import numpy as np
import pytest

from aivc.core.axes import Axes

NAMES = np.array(["A", "B", "C"], dtype=object)


def test_states_lead_back_to_readings_on_the_axes():
    loadings = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 2)))[0]
    axes, z_nd = Axes(NAMES, np.array([1.0, 2.0, 3.0]), loadings), np.array([[1.0, -1.0], [0.5, 2.0]])
    assert not axes.identity
    np.testing.assert_allclose((axes.reading(z_nd) - axes.center) @ loadings, z_nd)
    np.testing.assert_allclose(axes.reading(z_nd[0]), axes.reading(z_nd)[0])


def test_the_variance_of_states_is_that_of_repeated_readings():
    rng = np.random.default_rng(0)
    loadings = np.linalg.qr(rng.normal(size=(3, 2)))[0]
    variance_f = np.array([1.0, 4.0, 0.25])
    drawn = rng.normal(size=(20000, 3)) * np.sqrt(variance_f) @ loadings
    np.testing.assert_allclose(Axes(NAMES, np.zeros(3), loadings).variance(variance_f), drawn.var(axis=0), rtol=0.05)


def test_the_identity_needs_no_matrix():
    axes = Axes(NAMES, np.zeros(3), np.zeros((3, 0)))
    assert axes.identity
    assert axes.reading(np.array([1.0, 2.0, 3.0])).tolist() == [1.0, 2.0, 3.0]
    assert axes.variance(np.array([1.0, 0.0, np.inf])) == pytest.approx([1.0, 0.0, np.inf])
