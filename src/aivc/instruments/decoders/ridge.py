"""Ridge regression in closed form, with what it would have said of rows it had not seen."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

_GRID = 25
_TINY = 1e-10


class Spectrum(NamedTuple):
    """Singular value decomposition of centered rows: ``x = center + left * sqrt(power) @ axes.T``.

    Attributes:
        left: ``(n, r)`` orthonormal columns.
        power: ``(r,)`` squared singular values.
        axes: ``(d, r)`` orthonormal columns.
        center: ``(d,)`` mean row.
    """

    left: Float[np.ndarray, "n r"]
    power: Float[np.ndarray, " r"]
    axes: Float[np.ndarray, "d r"]
    center: Float[np.ndarray, " d"]

    def slopes(self, y_nf: np.ndarray) -> np.ndarray:
        """``(r, f)`` slopes on the axes before any penalty, times ``power``; ``y`` is centered."""
        return np.sqrt(self.power)[:, None] * (self.left.T @ y_nf)


class HeldOutRows(NamedTuple):
    """What a regression said of rows that it was not fitted on, at the penalties it chose.

    Attributes:
        penalty: ``(f,)`` per readout, the one with the least squared error on rows not seen.
        predicted: ``(n, f)`` predictions for rows not seen.
        error: ``(f,)`` mean squared error at the chosen penalties.
    """

    penalty: Float[np.ndarray, " f"]
    predicted: Float[np.ndarray, "n f"]
    error: Float[np.ndarray, " f"]


def decompose(x_nd: Float[np.ndarray, "n d"]) -> Spectrum:
    """Decompose rows by the smaller of their two Gram matrices.

    >>> decompose(np.array([[0.0, 1.0], [0.0, 3.0], [0.0, 5.0]])).power.round(6).tolist()
    [8.0]
    """
    center_d = x_nd.mean(axis=0)
    z_nd = x_nd - center_d
    wide = z_nd.shape[1] > len(z_nd)
    power, vectors = np.linalg.eigh(z_nd @ z_nd.T if wide else z_nd.T @ z_nd)
    kept = power > _TINY * max(float(power[-1]), _TINY)
    power, vectors = power[kept], vectors[:, kept]
    if wide:
        return Spectrum(vectors, power, (z_nd.T @ vectors) / np.sqrt(power), center_d)
    return Spectrum((z_nd @ vectors) / np.sqrt(power), power, vectors, center_d)


def penalty_grid(spectrum: Spectrum) -> np.ndarray:
    """``(g,)`` penalties worth trying, from nearly none to nearly the mean; relative to the power of the rows."""
    mean_power = float(spectrum.power.sum()) / max(len(spectrum.left) - 1, 1) if len(spectrum.power) else 1.0
    return np.geomspace(1e-3, 1e4, _GRID) * mean_power


def solve(spectrum: Spectrum, y_nf: np.ndarray, penalty_f: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return slopes ``(d, f)`` and intercepts ``(f,)``, each readout with its own penalty."""
    mean_f = y_nf.mean(axis=0)
    shrunk_rf = spectrum.slopes(y_nf - mean_f) / (spectrum.power[:, None] + penalty_f)
    slopes_df = spectrum.axes @ shrunk_rf
    return slopes_df, mean_f - spectrum.center @ slopes_df


def leave_one_out(spectrum: Spectrum, y_nf: np.ndarray, grid: np.ndarray) -> HeldOutRows:
    """Choose penalties by the error on each row left out in turn, which needs no refit."""
    keep_rg = spectrum.power[:, None] / (spectrum.power[:, None] + grid)
    free_ng = 1 - np.minimum(1 / len(y_nf) + spectrum.left**2 @ keep_rg, 1 - 1e-9)
    mean_f = y_nf.mean(axis=0)
    on_axes_rf = spectrum.left.T @ (y_nf - mean_f)

    def predict(column: int) -> np.ndarray:
        y_n1 = y_nf[:, [column]]
        fit_ng = mean_f[column] + spectrum.left @ (keep_rg * on_axes_rf[:, [column]])
        return np.asarray(y_n1 - (y_n1 - fit_ng) / free_ng)

    return _chosen(y_nf, grid, predict)


class SplitRows(NamedTuple):
    """Rows left out together, and the others decomposed.

    Attributes:
        out: ``(m,)`` positions of the rows left out.
        rest: ``(n - m,)`` positions of the others.
        spectrum: Of the others.
        at: ``(m, r)`` the rows left out, on the axes of the others.
    """

    out: np.ndarray
    rest: np.ndarray
    spectrum: Spectrum
    at: Float[np.ndarray, "m r"]


def split_folds(x_nd: np.ndarray, fold_n: np.ndarray) -> tuple[SplitRows, ...]:
    """Decompose the rows without each fold in turn."""
    found = []
    for fold in np.unique(fold_n):
        out, rest = np.flatnonzero(fold_n == fold), np.flatnonzero(fold_n != fold)
        spectrum = decompose(x_nd[rest])
        found.append(SplitRows(out, rest, spectrum, (x_nd[out] - spectrum.center) @ spectrum.axes))
    return tuple(found)


def leave_folds_out(folds: Sequence[SplitRows], y_nf: np.ndarray, grid: np.ndarray) -> HeldOutRows:
    """Choose penalties by the error on each fold left out in turn."""
    means = [y_nf[fold.rest].mean(axis=0) for fold in folds]
    slopes = [fold.spectrum.slopes(y_nf[fold.rest] - mean_f) for fold, mean_f in zip(folds, means, strict=True)]

    def predict(column: int) -> np.ndarray:
        said_ng = np.zeros((len(y_nf), len(grid)))
        for fold, mean_f, slopes_rf in zip(folds, means, slopes, strict=True):
            shrunk_rg = slopes_rf[:, [column]] / (fold.spectrum.power[:, None] + grid)
            said_ng[fold.out] = mean_f[column] + fold.at @ shrunk_rg
        return said_ng

    return _chosen(y_nf, grid, predict)


def folds_of_groups(groups: Sequence[object] | np.ndarray, folds: int = 5) -> np.ndarray:
    """Deal groups to folds, largest first to the emptiest, so that no group is in two.

    >>> folds_of_groups(["a", "a", "b", "c"], 2).tolist()
    [0, 0, 1, 1]
    """
    names, member_n, size_g = np.unique(
        np.asarray([str(group) for group in groups]), return_inverse=True, return_counts=True
    )
    fold_g, load = np.zeros(len(names), dtype=int), np.zeros(min(folds, len(names)))
    for group in np.argsort(-size_g, kind="stable"):
        fold_g[group] = int(np.argmin(load))
        load[fold_g[group]] += size_g[group]
    return fold_g[member_n]


def _chosen(y_nf: np.ndarray, grid: np.ndarray, predict: Callable[[int], np.ndarray]) -> HeldOutRows:
    """Per readout, the penalty with the least error, and what was predicted with it."""
    predicted_nf, best_f, error_f = np.zeros(y_nf.shape), np.zeros(y_nf.shape[1], dtype=int), np.zeros(y_nf.shape[1])
    for column in range(y_nf.shape[1]):
        said_ng = predict(column)
        error_g = ((said_ng - y_nf[:, [column]]) ** 2).mean(axis=0)
        best = int(error_g.argmin())
        predicted_nf[:, column], best_f[column], error_f[column] = said_ng[:, best], best, error_g[best]
    return HeldOutRows(grid[best_f], predicted_nf, error_f)
