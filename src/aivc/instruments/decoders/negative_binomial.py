"""Counts with a wanted mean: the negative binomial, seen through library size and logarithm."""

import numpy as np
from jaxtyping import Float
from scipy.special import betainc, gammaincinv

# Each count is summed up to 64, then steps that grow geometrically: the logarithm is flat there.
_SINGLE = 64
_EDGES = np.unique(np.round(np.geomspace(_SINGLE + 1, 1e7, 120)))
# What is left above the single counts is not summed where it is less than rounding errors.
_NOTHING = 1e-13

# Up to here the distribution function is inverted step by step; beyond, a Poisson draw of a stratified gamma rate is
# quicker and its own wobble is small beside the mean.
_NEAR = 20.0


def log1p_mean(mean: np.ndarray, dispersion: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Expected ``log1p(scale * y)`` of ``y ~ NB(mean, dispersion)``, variance ``mean + dispersion * mean**2``.

    Args:
        mean: Any shape.
        dispersion: Broadcastable, positive.
        scale: Broadcastable.

    Returns:
        Array of the broadcast shape.
    """
    shape = np.broadcast_shapes(mean.shape, dispersion.shape, scale.shape)
    mean, dispersion, scale = (np.broadcast_to(each, shape).ravel() for each in (mean, dispersion, scale))
    size, odds = 1 / dispersion, dispersion * mean
    term, ratio, total = np.exp(-size * np.log1p(odds)), odds / (1 + odds), np.zeros(len(mean))
    left = 1 - term
    for count in range(1, _SINGLE + 1):
        term = term * (ratio * ((size + count - 1) / count))
        left -= term
        total += term * np.log1p(scale * count)
    far = np.flatnonzero(left > _NOTHING)
    total[far] += _above(size[far, None], 1 / (1 + odds[far, None]), scale[far, None])
    return total.reshape(shape)


def _above(size: np.ndarray, probability: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """The part of the expectation above the counts that are summed one by one."""
    edges = np.concatenate([[_SINGLE], _EDGES])
    mass = np.diff(betainc(size, edges + 1, probability), axis=-1)
    return np.asarray((mass * np.log1p(scale * (edges[:-1] + 1 + edges[1:]) / 2)).sum(axis=-1))


def sample(mean_nf: Float[np.ndarray, "n f"], dispersion_f: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw counts whose column means are as close to ``mean_nf`` as stratified uniforms make them.

    Each column uses ``n`` uniforms, one from each n-th of [0, 1) in random order: the marginal of every cell is
    negative binomial, while the mean over cells hardly wobbles.

    Returns:
        ``(n, f)`` integers.
    """
    n, f = mean_nf.shape
    strata_nf = rng.permuted(np.broadcast_to(np.arange(n)[:, None], (n, f)), axis=0)
    uniform = ((strata_nf + rng.random((n, f))) / n).ravel()
    mean, dispersion = mean_nf.ravel(), np.broadcast_to(dispersion_f, (n, f)).ravel()
    counts = np.zeros(n * f, dtype=np.int64)
    near = (mean <= _NEAR) & (mean * dispersion <= _NEAR)
    counts[near] = _walk(uniform[near], mean[near], dispersion[near])
    size, far = 1 / dispersion[~near], mean[~near]
    counts[~near] = rng.poisson(gammaincinv(size, uniform[~near]) * far / size)
    return counts.reshape(n, f)


def _walk(left: np.ndarray, mean: np.ndarray, dispersion: np.ndarray) -> np.ndarray:
    """Invert the distribution function by walking up; most entries stop after a step or two. Overwrites ``left``."""
    size, counts = 1 / dispersion, np.zeros(len(left), dtype=np.int64)
    ratio = mean * dispersion / (1 + mean * dispersion)
    term = np.exp(-size * np.log1p(mean * dispersion))
    todo = np.flatnonzero(left >= term)
    # Further up there is less than rounding errors.
    cap = int(40 * (1 + (mean * dispersion).max(initial=0)) + 10 * mean.max(initial=0)) + 50
    for k in range(1, cap):
        if not len(todo):
            break
        left[todo] -= term[todo]
        term[todo] *= ratio[todo] * (size[todo] + k - 1) / k
        counts[todo] = k
        todo = todo[left[todo] >= term[todo]]
    return counts
