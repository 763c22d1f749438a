"""Signals over a time course: at times nobody measured, with intervals, beside how well times left out were met."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import pandas as pd
from scipy.stats import norm

from aivc.core.errors import DataError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.data.io.as_measurement import Cells, as_measurement
from aivc.data.io.schema import Schema
from aivc.experiments.time_series import Readings, fit_series

MODEL, NULL = "gaussian-process", "signals permuted"
_SECONDS = 3600.0
# A time left out leaves a zero and two others behind, and replicates of zero are halved.
_FEWEST_TIMES, _FEWEST_ZEROS = 3, 2


def _nearest(readings: Readings, seconds: np.ndarray) -> np.ndarray:
    """``(q, s)`` effects at the nearest time, in log time."""
    apart_qt = np.abs(np.log(seconds)[:, None] - np.log(readings.seconds)[None, :])
    return readings.effects[apart_qt.argmin(axis=1)]


def _line(readings: Readings, seconds: np.ndarray) -> np.ndarray:
    """``(q, s)`` effects on lines between times, in log time; from nothing at zero to the first."""
    at = np.searchsorted(readings.seconds, seconds)
    effects, log_t = readings.effects, np.log(readings.seconds)
    rows = []
    for second, i in zip(seconds, at, strict=True):
        if i == 0:
            rows.append(effects[0] * second / readings.seconds[0])
        else:
            i = min(i, len(log_t) - 1)
            share = (np.log(second) - log_t[i - 1]) / (log_t[i] - log_t[i - 1])
            rows.append((1 - share) * effects[i - 1] + share * effects[i])
    return np.array(rows)


def _mean(readings: Readings, seconds: np.ndarray) -> np.ndarray:
    """``(q, s)`` mean effect over the times measured."""
    return np.repeat(readings.effects.mean(axis=0)[None], len(seconds), axis=0)


def _zero(readings: Readings, seconds: np.ndarray) -> np.ndarray:
    """``(q, s)`` no effect."""
    return np.zeros((len(seconds), readings.zero.shape[1]))


# What a model has to beat, the simplest first.
SIMPLE: Mapping[str, Callable[[Readings, np.ndarray], np.ndarray]] = {
    "no effect": _zero, "nearest time": _nearest, "mean of the times": _mean, "line in log time": _line,
}  # fmt: skip


@final
@dataclass(frozen=True, eq=False)
class TimeCourse:
    """One series: what was measured, and which answer met times left out best.

    Attributes:
        name: Of the series.
        signals: ``(s,)`` names.
        readings: Replicates at zero, and at later times.
        left_out: One row a method: ``r`` over signals and ``rmse``, means over times left out and halves of the zeros;
            of the model also ``held``, the share of its intervals at ``level`` that hold what was measured. Empty
            where no time can be left out.
        made_by: The method that answers: the model, or what met times left out better.
        level: Of intervals.
        dropped: Number of signals left out because a sample of the series has no value of them.
    """

    name: str
    signals: np.ndarray
    readings: Readings
    left_out: pd.DataFrame
    made_by: str
    level: float
    dropped: int = 0

    @property
    def note(self) -> str:
        """How well times left out were met, in a sentence."""
        if self.left_out.empty:
            return (
                f"{self.name}: no time could be left out, which takes two replicates of zero and three later times. "
                "How good the answers are is not known."
            )
        score = self.left_out.set_index("method")
        simple = score.loc[list(SIMPLE), "rmse"].idxmin()
        model, best = score.loc[MODEL], score.loc[simple]
        said = f"RMSE {model['rmse']:.3f} against {best['rmse']:.3f} of the best simple answer ({simple})"
        if self.made_by == MODEL:
            return (
                f"{self.name}: on times left out, {said}; intervals of {self.level:.0%} held {model['held']:.0%} of "
                "what was measured."
            )
        return f"{self.name}: the model was no better on times left out, {said}. Answers are made by: {self.made_by}."

    def at(self, seconds: Sequence[float]) -> pd.DataFrame:
        """Effects at some times.

        Args:
            seconds: After the zero of this series, up to its last time.

        Returns:
            One row for each time and signal: ``series``, ``seconds``, ``signal``, ``effect`` beside zero in the units
            of the values, ``low``, ``high`` and ``made_by``.

        Raises:
            DataError: A time is not after zero, or later than the last that was measured.
        """
        asked_q = np.asarray(seconds, dtype=np.float64)
        last = float(self.readings.seconds[-1])
        if outside := [f"{each:g}" for each in asked_q if not 0 < each <= last]:
            raise DataError(
                [
                    f"{', '.join(outside)} s is outside of what {self.name} was measured at, from 0 to {last:g} s: "
                    "nothing is known of it. Ask for times between."
                ]
            )
        if self.made_by == MODEL:
            effect_qs, spread_q = fit_series(self.readings).at(asked_q)
        else:
            effect_qs = SIMPLE[self.made_by](self.readings, asked_q)
            spread_q = np.full(len(asked_q), float(self.left_out.set_index("method").at[self.made_by, "rmse"]))
        half_q = _width(self.level) * spread_q
        q, s = effect_qs.shape
        return pd.DataFrame(
            {
                "series": self.name,
                "seconds": np.repeat(asked_q, s),
                "signal": np.tile(self.signals, q),
                "effect": effect_qs.ravel(),
                "low": (effect_qs - half_q[:, None]).ravel(),
                "high": (effect_qs + half_q[:, None]).ravel(),
                "made_by": self.made_by,
            }
        )


def time_courses(
    table: Cells,
    *,
    by: str = "context",
    schema: Schema | None = None,
    level: float = 0.9,
    splits: int = 5,
    seed: int = 0,
    **columns: Any,
) -> tuple[TimeCourse, ...]:
    """Fit each series of a table, and find out on times left out what it is worth.

    Args:
        table: A Measurement with ``time``, an AnnData, or a file: rows are samples, features are signals, such as
            phosphorylation sites in log intensity; several rows of one time are replicates.
        by: Column that says which series a sample belongs to. Each has its own zero: two experiments are never pooled.
        schema: What the columns of an AnnData or a file mean.
        level: Of intervals.
        splits: How often zeros are halved at random: one half is subtracted from what predicts, the other from what
            is predicted, so that they share no noise.
        seed: Halves them.
        **columns: Instead of ``schema``, its fields.

    Raises:
        DataError: No times, or a series without a zero, two later times, replicates, or a signal that all samples have.
        UnknownNameError: No such column.
    """
    measured = as_measurement(table, schema, controls=False, **columns)
    measured.require_table("A time course")
    problems: list[str] = []
    read = {name: _readings(measured, rows, name, problems) for name, rows in _series(measured, by).items()}
    if problems:
        raise DataError(problems)
    made = []
    for name, each in read.items():
        assert each is not None
        readings, kept_f = each
        left_out = leave_times_out(readings, level=level, splits=splits, seed=seed)
        made_by = MODEL if left_out.empty else _best(left_out)
        signals = measured.features[kept_f].astype(str)
        made.append(TimeCourse(name, signals, readings, left_out, made_by, level, int((~kept_f).sum())))
    return tuple(made)


def _best(left_out: pd.DataFrame) -> str:
    score = left_out.set_index("method")["rmse"].drop(NULL)
    return MODEL if score[MODEL] <= score.min() else str(score.idxmin())


def _readings(
    cells: Measurement, rows: np.ndarray, name: str, problems: list[str]
) -> tuple[Readings, np.ndarray] | None:
    """A series, and ``(f,)`` which signals every sample of it has; None where it is none, and what is wrong."""
    assert cells.times is not None
    own = cells.take(rows)
    # Times of minutes and seconds come as fractions of an hour.
    seconds_n = np.round(cells.times[rows] * _SECONDS, 6)
    every = np.ones((1, len(cells.features)), bool)
    seen = np.asarray((every if own.observed is None else np.atleast_2d(own.observed)).all(axis=0))
    values_ns = own.dense()[:, seen]
    times, count = np.unique(seconds_n, return_counts=True)
    later = times[times > 0]
    if times[0] != 0 or len(later) < 2:
        problems.append(
            f"The series {name} was read at {', '.join(f'{each:g}' for each in times)} s. Each has its own zero and "
            "two later times at least: add them, or say with another column which series there are (by, --by)."
        )
    elif count.max() < 2:
        problems.append(f"The series {name} has no replicates, so its noise is not known. Give each replicate a row.")
    elif not seen.any():
        problems.append(f"No signal has a value in every sample of the series {name}. Fill them in, and say how.")
    else:
        at = tuple(values_ns[seconds_n == second] for second in later)
        return Readings(later, values_ns[seconds_n == 0], at), seen
    return None


def _series(cells: Measurement, by: str) -> dict[str, np.ndarray]:
    if cells.times is None:
        raise DataError(['A time course has times. Declare them: time = "seconds", time_unit = "s".'])
    if by == "context":
        label_n = cells.contexts.astype(str)
    elif by in cells.entities:
        label_n = cells.entities[by].astype(str).to_numpy()
    else:
        raise UnknownNameError("column", by, map(str, cells.entities), "Name the column that says what the series are.")
    return {name: np.flatnonzero(label_n == name) for name in dict.fromkeys(label_n.tolist())}


def leave_times_out(readings: Readings, *, level: float = 0.9, splits: int = 5, seed: int = 0) -> pd.DataFrame:
    """Score the model, simple answers and a null on each time between zero and the last, left out in turn.

    Returns:
        ``method``, ``r``, ``rmse`` and ``held``; no rows where zeros have one replicate or later times are two.
    """
    times = readings.seconds
    if len(times) < _FEWEST_TIMES or len(readings.zero) < _FEWEST_ZEROS:
        return pd.DataFrame(columns=["method", "r", "rmse", "held"])
    rng, rows = np.random.default_rng(seed), []
    for _ in range(splits):
        drawn = rng.permutation(len(readings.zero))
        own, other = np.array_split(readings.zero[drawn], 2)
        for hidden in range(len(times) - 1):
            kept = np.delete(np.arange(len(times)), hidden)
            seen = Readings(times[kept], own, tuple(readings.later[i] for i in kept))
            target_s = readings.later[hidden].mean(axis=0) - other.mean(axis=0)
            noise = readings.noise * (1 / len(readings.later[hidden]) + 1 / len(other))
            effect_qs, spread_q = fit_series(seen).at(times[hidden : hidden + 1])
            half = _width(level) * np.sqrt(spread_q[0] ** 2 + noise)
            held = float(np.mean(np.abs(effect_qs[0] - target_s) <= half))
            rows.append((MODEL, *_fit(effect_qs[0], target_s), held))
            rows += [
                (each, *_fit(say(seen, times[hidden : hidden + 1])[0], target_s), np.nan)
                for each, say in SIMPLE.items()
            ]
            rows.append((NULL, *_fit(rng.permutation(effect_qs[0]), target_s), np.nan))
    table = pd.DataFrame(rows, columns=["method", "r", "rmse", "held"])
    return table.groupby("method", sort=False).mean().reset_index()


def _fit(answer_s: np.ndarray, target_s: np.ndarray) -> tuple[float, float]:
    same = answer_s.std() == 0 or target_s.std() == 0
    r = 0.0 if same else float(np.corrcoef(answer_s, target_s)[0, 1])
    return r, float(np.sqrt(np.mean((answer_s - target_s) ** 2)))


def _width(level: float) -> float:
    return float(norm.ppf(0.5 + level / 2))
