"""Counts with a wanted mean: the negative binomial, seen through library size and logarithm."""

import numpy as np
from jaxtyping import Float
from scipy.special import betainc, gammaincinv

# Exact up to 64 counts, then in geometric steps: the logarithm is flat there.
_EDGES = np.unique(np.round(np.concatenate([np.arange(65), np.geomspace(65, 1e7, 120)])))

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
    size, probability = 1 / dispersion[..., None], 1 / (1 + dispersion * mean)[..., None]
    cdf = betainc(size, _EDGES + 1, probability)
    mass = np.diff(cdf, axis=-1, prepend=0.0)
    middle = np.concatenate([_EDGES[:65], (_EDGES[64:-1] + 1 + _EDGES[65:]) / 2])
    return np.asarray((mass * np.log1p(scale[..., None] * middle)).sum(axis=-1))


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
