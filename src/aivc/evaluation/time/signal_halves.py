"""Signals of a series scored against a zero that the predictor never saw, and what agrees with them how well."""

from collections.abc import Sequence

import numpy as np

from aivc.core.errors import IntegrityError
from aivc.core.measurement import Measurement
from aivc.evaluation.benchmarks.protocol import POOLED, ScoreRow

# Replicates of each time of one series, in seconds.
Series = dict[float, np.ndarray]
CONSTANT = "the same for all signals, which counts as no correlation"


def by_time(cells: Measurement, series: str, rows: int) -> Series:
    """Time in seconds → ``(r, s)`` replicates of one series, in the order of the file.

    Args:
        cells: With the columns ``series`` and ``seconds``.
        series: Its name.
        rows: Number of samples that the benchmark was frozen on.

    Raises:
        IntegrityError: There are more or fewer samples, or none at zero.
    """
    if len(cells) != rows:
        raise IntegrityError(f"The benchmark was frozen on {rows} samples, and there are {len(cells)}. Read its file.")
    own = cells.entities["series"] == series
    values = cells.dense()
    found = {float(t): values[rows_t] for t, rows_t in _rows(cells, own.to_numpy()).items()}
    if 0.0 not in found:
        raise IntegrityError(f"Series {series!r} has no samples at zero. Read the file that the benchmark names.")
    return found


def _rows(cells: Measurement, own_n: np.ndarray) -> dict[float, np.ndarray]:
    seconds_n = cells.entities["seconds"].to_numpy()
    return {float(t): np.flatnonzero(own_n & (seconds_n == t)) for t in np.unique(seconds_n[own_n])}


def halves(replicates_rs: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Replicates split at random in two: the predictor's, and those that its target is measured against.

    With one zero for both, predictor and target share its noise, and any answer seems right.
    """
    drawn = np.random.default_rng(seed).permutation(len(replicates_rs))
    return replicates_rs[drawn[: len(drawn) // 2]], replicates_rs[drawn[len(drawn) // 2 :]]


def agreement(answer_s: np.ndarray, target_s: np.ndarray) -> tuple[float, float]:
    """Correlation over signals, 0 where the answer is the same for all, and root mean squared error.

    >>> tuple(round(each, 6) for each in agreement(np.array([0.0, 2.0]), np.array([1.0, 3.0])))
    (1.0, 1.0)
    """
    r = float(np.corrcoef(answer_s, target_s)[0, 1]) if np.ptp(answer_s) > 0 else 0.0
    return r, float(np.sqrt(np.mean((answer_s - target_s) ** 2)))


def summed_up(method: str, suffix: str, folds: Sequence[str], found_kt2: np.ndarray, note: str = "") -> list[ScoreRow]:
    """Rows of ``r`` and ``rmse``: the mean over splits for each fold, and over all with the interval of the splits.

    Args:
        method: Name.
        suffix: Of the metrics, such as ``_long``.
        folds: Names of the times.
        found_kt2: ``(k, t, 2)`` correlation and error of each split and time.
        note: Of the rows over all folds.
    """
    rows = []
    for column, (metric, better) in enumerate((("r", "higher"), ("rmse", "lower"))):
        of_kt = found_kt2[:, :, column]
        rows += [
            ScoreRow(method, fold, metric + suffix, float(value), "higher" if better == "higher" else "lower")
            for fold, value in zip(folds, of_kt.mean(axis=0), strict=True)
        ]
        low, high = map(float, np.quantile(of_kt.mean(axis=1), [0.025, 0.975]))
        value = float(of_kt.mean())
        rows.append(
            ScoreRow(
                method, POOLED, metric + suffix, value, "higher" if better == "higher" else "lower", low, high, note
            )
        )
    return rows
