"""How strong an effect is at a dose or a time that was not measured, from those that were."""

import numpy as np
from jaxtyping import Float

_SLOPES = (0.5, 1.0, 2.0, 4.0)
_HALVES, _MOST = 41, 5.0


def strength(measured_k: Float[np.ndarray, " k"], amplitude_k: Float[np.ndarray, " k"], asked: float) -> float:
    """Amplitude at the dose asked about over that at the nearest measured one, between 0 and 5.

    The curve ``A x**h / (E**h + x**h)`` (Hill 1910) has the least squared error over a grid of ``E`` and ``h``, and
    ``A`` is never negative. One dose alone tells no curve: it is then taken for that of half the maximum, with slope 1.

    Args:
        measured_k: Doses, positive.
        amplitude_k: How strong the effect is at each.
        asked: The dose asked about, in the same unit.

    >>> strength(np.array([1.0]), np.array([3.0]), 1.0)
    1.0
    >>> round(strength(np.array([1.0, 10.0, 100.0]), np.array([1.0, 5.0, 9.0]), 0.1), 1)
    0.1
    """
    near = float(measured_k[nearest(measured_k, asked)])
    if len(measured_k) < 2 or not amplitude_k.max() > 0:
        return float(2 * asked / (asked + near))
    best = (np.inf, near, 1.0)
    for half in np.geomspace(measured_k.min() / 10, measured_k.max() * 10, _HALVES):
        for slope in _SLOPES:
            curve_k = hill(measured_k, half, slope)
            top = max(float(curve_k @ amplitude_k / (curve_k @ curve_k)), 0.0)
            error = float(((amplitude_k - top * curve_k) ** 2).sum())
            if error < best[0]:
                best = (error, half, slope)
    curve = hill(np.array([asked, near]), best[1], best[2])
    return float(min(curve[0] / curve[1], _MOST))


def hill(dose: np.ndarray, half: float, slope: float) -> np.ndarray:
    """Share of the largest effect, 0 to 1."""
    return np.asarray(1 / (1 + (half / np.maximum(dose, 1e-300)) ** slope))


def nearest(measured_k: np.ndarray, asked: float) -> int:
    """Position of the measured dose with the smallest ratio to the one asked about."""
    return int(np.abs(np.log(measured_k) - np.log(asked)).argmin())


def times(measured_k: Float[np.ndarray, " k"], asked: float) -> dict[int, float]:
    """Which measured times an effect is made of, and with which weights: on a line between its neighbors.

    Before the first it grows from nothing, and after the last it stays.

    Args:
        measured_k: Hours, rising.
        asked: The hours asked about.

    >>> times(np.array([6.0, 24.0]), 15.0)
    {0: 0.5, 1: 0.5}
    >>> times(np.array([6.0, 24.0]), 3.0), times(np.array([6.0, 24.0]), 48.0)
    ({0: 0.5}, {1: 1.0})
    """
    after = int(np.searchsorted(measured_k, asked))
    if after == len(measured_k):
        return {after - 1: 1.0}
    if after == 0:
        # Nothing has happened at 0 h, unless that was measured.
        return {0: asked / float(measured_k[0]) if measured_k[0] else 1.0}
    before, then = float(measured_k[after - 1]), float(measured_k[after])
    late = (asked - before) / (then - before)
    return {after - 1: 1 - late, after: late}
