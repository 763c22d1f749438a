"""Fill a symmetric table with gaps: few directions, shrunk, as many as entries left out bear out."""

from collections.abc import Iterator
from itertools import islice

import numpy as np
from jaxtyping import Bool, Float

_SHRINKAGES = np.geomspace(0.9, 0.02, 12)
_RANK, _STEPS, _STILL, _PATIENCE = 30, 40, 1e-3, 2
_LEFT_OUT, _FEWEST = 0.1, 30


def complete(
    values_aa: Float[np.ndarray, "a a"], known_aa: Bool[np.ndarray, "a a"], *, seed: int = 0
) -> tuple[Float[np.ndarray, "a r"], Float[np.ndarray, " r"]]:
    """Vectors and weights of a low-rank table, ``(v * w) @ v.T``: soft-impute (Mazumder, Hastie & Tibshirani 2010).

    Gaps are filled with the estimate and eigenvalues shrunk, in turn, until it is still. The shrinkage, and with it the
    rank, has the smallest squared error on a tenth of the known entries, left out; so has one factor that undoes what
    shrinking takes from the leading directions. Where nothing predicts these, or fewer than 30 pairs are known, the
    rank is 0.

    Args:
        values_aa: Symmetric; what is not known is not read.
        known_aa: Symmetric, False on the diagonal.
        seed: Leaves out and starts.
    """
    rng = np.random.default_rng(seed)
    one, other = np.nonzero(np.triu(known_aa, 1))
    nothing = np.zeros((len(values_aa), 0)), np.zeros(0)
    if len(one) < _FEWEST:
        return nothing
    out = rng.permutation(len(one))[: max(1, round(_LEFT_OUT * len(one)))]
    kept_aa = known_aa.copy()
    kept_aa[one[out], other[out]] = kept_aa[other[out], one[out]] = False
    true_t = values_aa[one[out], other[out]]
    gained, steps, factor = 0.0, 0, 1.0
    for number, (v_ar, w_r) in enumerate(_path(np.where(kept_aa, values_aa, 0.0), kept_aa, rng), 1):
        said_t = ((v_ar[one[out]] * w_r) * v_ar[other[out]]).sum(axis=1)
        along, size = max(float(said_t @ true_t), 0.0), float(said_t @ said_t)
        if along > 0 and along**2 / size > gained:
            gained, steps, factor = along**2 / size, number, along / size
        if steps and number - steps >= _PATIENCE:
            break
    if not steps:
        return nothing
    v_ar, w_r = list(islice(_path(np.where(known_aa, values_aa, 0.0), known_aa, rng), steps))[-1]
    used = np.abs(w_r) > 0
    return v_ar[:, used], factor * w_r[used]


def _path(
    known_values_aa: np.ndarray, known_aa: np.ndarray, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Estimates of less and less shrinkage, each started from the one before."""
    rank = min(_RANK, len(known_aa))
    v_ar, w_r = np.linalg.qr(rng.normal(size=(len(known_aa), rank)))[0], np.zeros(rank)
    for _ in range(_STEPS):
        v_ar, strength_r = _turned(known_values_aa, v_ar)
    largest = np.abs(strength_r).max()
    for shrinkage in _SHRINKAGES * largest:
        for _ in range(_STEPS):
            before = (v_ar * w_r) @ v_ar.T
            v_ar, strength_r = _turned(np.where(known_aa, known_values_aa, before), v_ar)
            w_r = np.sign(strength_r) * np.maximum(np.abs(strength_r) - shrinkage, 0.0)
            if np.linalg.norm((v_ar * w_r) @ v_ar.T - before) <= _STILL * np.linalg.norm(w_r):
                break
        yield v_ar, w_r


def _turned(table_aa: np.ndarray, v_ar: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Orthonormal vectors turned towards the leading eigenvectors of a table, and their eigenvalues."""
    v_ar = np.linalg.qr(table_aa @ (table_aa @ v_ar))[0]
    strength_r, turn_rr = np.linalg.eigh(v_ar.T @ table_aa @ v_ar)
    return v_ar @ turn_rr, strength_r
