"""The mean effect of each context, as if all contexts had been asked the same perturbations."""

import numpy as np
from jaxtyping import Float, Int

_ROUNDS, _STILL = 200, 1e-9


def context_means(
    shifts_rd: Float[np.ndarray, "r d"],
    codes_r: Int[np.ndarray, " r"],
    places_r: Int[np.ndarray, " r"],
    contexts: int,
) -> Float[np.ndarray, "c d"]:
    """Means of an additive model: an effect is that of its context, plus what its perturbation adds everywhere.

    A plain mean over what was measured is too large in a context where only strong perturbations were. What a
    perturbation adds is a random effect, of as much variance as is left over, and is solved for in turn with the means
    (Gauss-Seidel). Where every context saw the same perturbations, or no two saw the same, it is the plain mean.

    Args:
        shifts_rd: Effect of each perturbation in each context; a perturbation with many cells is no more typical.
        codes_r: Which perturbation each is of.
        places_r: Which context each was measured in; none is empty.
        contexts: How many there are.

    >>> effects = np.array([[1.0], [5.0], [5.0]])  # a weak one and a strong one; the second context saw the strong one
    >>> context_means(effects, np.array([0, 1, 1]), np.array([0, 0, 1]), 2).round(2).tolist()
    [[3.0], [4.0]]
    """
    rows_c = np.bincount(places_r, minlength=contexts)[:, None]
    rows_p = np.bincount(codes_r)[:, None]
    own_pd = np.zeros((len(rows_p), shifts_rd.shape[1]))
    size = float(np.abs(shifts_rd).max(initial=0.0))
    mean_cd = np.zeros((contexts, shifts_rd.shape[1]))
    for _ in range(_ROUNDS):
        before_cd, mean_cd = mean_cd, _sums(shifts_rd - own_pd[codes_r], places_r, contexts) / rows_c
        if np.abs(mean_cd - before_cd).max(initial=0.0) <= _STILL * size:
            break
        own_pd = _sums(shifts_rd - mean_cd[places_r], codes_r, len(rows_p)) / (rows_p + 1)
        own_pd -= own_pd.mean(axis=0)
    return mean_cd


def _sums(rows_rd: np.ndarray, codes_r: np.ndarray, count: int) -> np.ndarray:
    total = np.zeros((count, rows_rd.shape[1]))
    np.add.at(total, codes_r, rows_rd)
    return total
