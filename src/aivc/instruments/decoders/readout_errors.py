"""How wrong readouts were on cells left out, and how wide an interval must be to hold the next one."""

import numpy as np

LEVELS = np.arange(1, 100) / 100
_BORROWED = 5


def patterns(y_nf: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Readouts that were measured on the same cells, with those cells."""
    masks, which_f = np.unique(np.packbits(np.isfinite(y_nf), axis=0), axis=1, return_inverse=True)
    columns = [np.flatnonzero(which_f.ravel() == i) for i in range(masks.shape[1])]
    return [(own, np.flatnonzero(np.isfinite(y_nf[:, own[0]]))) for own in columns]


def error_sizes(error_nf: np.ndarray, state_nf: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``(f,)`` residual variance beyond that of the state, and ``(n, f)`` the expected size of each error."""
    seen_nf = np.isfinite(error_nf)
    square_f = np.nanmean(error_nf**2, axis=0)
    # Readouts share units: one that was hardly ever seen to vary borrows the size of the errors from all.
    count_f, all_square = seen_nf.sum(axis=0), float(np.nanmean(error_nf**2))
    square_f = (count_f * square_f + _BORROWED * all_square + 1e-12) / (count_f + _BORROWED)
    explained_f = np.where(seen_nf, state_nf, 0.0).sum(axis=0) / count_f
    noise_f = np.maximum(square_f - explained_f, 0.1 * square_f)
    return noise_f, np.sqrt(noise_f + state_nf)


def thresholds(score_nf: np.ndarray, group_n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``(99, f)`` scores that hold each level, and ``(f,)`` whether it is cells that were left out."""
    thresholds_lf, alone_f = np.zeros((len(LEVELS), score_nf.shape[1])), np.zeros(score_nf.shape[1], dtype=bool)
    for columns, rows in patterns(score_nf):
        here_nf = score_nf[np.ix_(rows, columns)]
        _, code_n, size_g = np.unique(group_n[rows], return_inverse=True, return_counts=True)
        alone = len(size_g) in (1, len(rows))
        if alone:
            code_n, size_g = np.arange(len(rows)), np.ones(len(rows), dtype=int)
        weight_n = 1 / (len(size_g) + 1) / size_g[code_n]
        widest_lf = here_nf.max(axis=0) if alone else _widest(here_nf, code_n)
        thresholds_lf[:, columns] = np.minimum(_pooled(here_nf, weight_n), widest_lf)
        alone_f[columns] = alone
    return thresholds_lf, alone_f


def _pooled(score_nf: np.ndarray, weight_n: np.ndarray) -> np.ndarray:
    found_lf = np.full((len(LEVELS), score_nf.shape[1]), np.inf)
    for column, score_n in enumerate(score_nf.T):
        order = np.argsort(score_n, kind="stable")
        where = np.searchsorted(np.cumsum(weight_n[order]), LEVELS - 1e-12)
        inside = where < len(order)
        found_lf[inside, column] = score_n[order[where[inside]]]
    return found_lf


def _widest(score_nf: np.ndarray, code_n: np.ndarray) -> np.ndarray:
    """Largest among groups of the score that holds each level of a group."""
    widest_lf = np.zeros((len(LEVELS), score_nf.shape[1]))
    for group in range(int(code_n.max()) + 1):
        own_nf = score_nf[code_n == group]
        levels = np.minimum(LEVELS * (1 + 1 / len(own_nf)), 1.0)
        widest_lf = np.maximum(widest_lf, np.quantile(own_nf, levels, axis=0, method="higher"))
    return widest_lf
