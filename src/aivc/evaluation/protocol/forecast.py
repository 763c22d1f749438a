"""Predicted cells with intervals beside them, as a model of another environment states both."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, final

import numpy as np

from aivc.core.errors import DataError, SchemaError, UnitsError
from aivc.core.measurement import Measurement
from aivc.data.io.labels import some
from aivc.evaluation.metrics.stated_levels import LEVELS

LOW, HIGH, LEVEL = "low", "high", "level"
USUAL = 0.9
# What single precision may move a mean, or an end, by.
_ROUNDING = 1e-5


@final
@dataclass(frozen=True, eq=False)
class Forecast:
    """Predicted cells, and the interval in which each answer says that the measured mean lies.

    Attributes:
        cells: Rows that answer; several rows of one answer are cells of one population.
        low: Lower ends, row by row and feature by feature, in the units of the cells; all rows of one answer say the
            same.
        high: Upper ends.
        level: Share of measured means that the intervals promise to hold, one of `LEVELS`.
    """

    cells: Measurement
    low: Measurement
    high: Measurement
    level: float = USUAL

    def __post_init__(self) -> None:
        require_level(self.level)
        for name, side in ((LOW, self.low), (HIGH, self.high)):
            if len(side) != len(self.cells) or not np.array_equal(side.features, self.cells.features):
                raise DataError(
                    [
                        f"The {name} ends have {len(side)} rows and {len(side.features)} features, the values "
                        f"{len(self.cells)} and {len(self.cells.features)}. Give both for the same rows and features, "
                        "in one order."
                    ]
                )
            if side.units != self.cells.units:
                raise UnitsError(
                    f"The {name} ends are in {side.units}, the predicted values in {self.cells.units}. Give both in "
                    "the same."
                )

    @property
    def units(self) -> str:
        """Of values and of both ends."""
        return self.cells.units

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Where the cells come from."""
        return self.cells.provenance

    def take(self, rows: np.ndarray) -> "Forecast":
        """Some rows, in that order."""
        return replace(self, cells=self.cells.take(rows), low=self.low.take(rows), high=self.high.take(rows))

    def select(self, features: np.ndarray) -> "Forecast":
        """Some features, in that order."""
        sides = {name: getattr(self, name).select(features) for name in ("cells", LOW, HIGH)}
        return replace(self, **sides)

    def ends(self, rows: np.ndarray) -> np.ndarray:
        """``(2, f)`` the interval that the rows of one answer state (`interval_problems` finds those that do not)."""
        first = rows[:1]
        return np.vstack([_dense(side.take(first)) for side in (self.low, self.high)])


Predicted: TypeAlias = Measurement | Forecast


def cells_of(predicted: Predicted) -> Measurement:
    """The cells alone."""
    return predicted.cells if isinstance(predicted, Forecast) else predicted


def require_level(level: float) -> None:
    """Refuse a level at which nothing is scored.

    Raises:
        DataError: It is none of `LEVELS`.
    """
    if not any(np.isclose(level, each) for each in LEVELS):
        raise DataError(
            [
                f"Intervals are scored at the levels {', '.join(map(str, LEVELS))}, and these are said to be at "
                f'{level:g}. State one of these, uns["{LEVEL}"] = {USUAL}.'
            ]
        )


def level_of(declared: object, asked: float | None, name: str) -> float:
    """The level that a file or the user declares; 0.9 where neither does.

    Raises:
        DataError: The two differ, or it is no level.
    """
    if declared is None:
        level = USUAL if asked is None else asked
    else:
        try:
            level = float(str(declared))
        except ValueError:
            raise DataError([f'{name} says that its level is {declared!r}. Write uns["{LEVEL}"] = {USUAL}.']) from None
    if asked is not None and not np.isclose(level, asked):
        raise DataError([f"{name} says that its intervals are at {level:g}, but {asked:g} was asked for. Correct one."])
    require_level(level)
    return level


def both_or_neither(there: Sequence[str], name: str) -> bool:
    """Whether a file brings intervals.

    Args:
        there: Names of its layers.
        name: Of the file.

    Raises:
        SchemaError: It holds one end without the other.
    """
    held = [side for side in (LOW, HIGH) if side in there]
    if len(held) == 1:
        lacking = HIGH if held == [LOW] else LOW
        raise SchemaError(
            f"{name} holds the layer {held[0]!r} and no layer {lacking!r}. An interval has two ends: add the other, or "
            "take this layer out."
        )
    return bool(held)


def interval_problems(
    forecast: Forecast, answers: Mapping[Any, np.ndarray], spoken: Callable[[Any], str]
) -> Iterator[str]:
    """Say what keeps intervals from being scored: ends that are no numbers, crossed, or apart from their mean.

    Args:
        forecast: With the features that are scored.
        answers: Rows of each answer.
        spoken: Names an answer.
    """
    found: dict[str, list[str]] = {}
    note = partial(_note, found)
    for key, rows in answers.items():
        low_nf, high_nf = (_dense(side.take(rows)) for side in (forecast.low, forecast.high))
        mean_f = _dense(forecast.cells.take(rows)).mean(axis=0, dtype=np.float64)
        slack_f = _ROUNDING * (1 + np.abs(mean_f))
        if not (np.isfinite(low_nf).all() and np.isfinite(high_nf).all()):
            note("have ends that are NaN or infinite. State finite ones", spoken(key))
        elif len(rows) > 1 and (np.ptp(low_nf, axis=0).any() or np.ptp(high_nf, axis=0).any()):
            note("say other intervals in other rows. They are of the mean: repeat them in every row", spoken(key))
        elif (low_nf[0] > high_nf[0]).any():
            note("have a low end above the high end. Exchange them", spoken(key))
        elif (mean_f < low_nf[0] - slack_f).any() or (mean_f > high_nf[0] + slack_f).any():
            note(
                "lie apart from the mean that they are of. Ends are profiles in the units of the values, not distances "
                "from them and not effects",
                spoken(key),
            )
    for text, names in found.items():
        yield f"The intervals of {len(names)} of {len(answers)} answers {text}: {some(names)}."


def _note(found: dict[str, list[str]], text: str, name: str) -> None:
    found.setdefault(text, []).append(name)


def _dense(cells: Measurement) -> np.ndarray:
    block = cells.block(0, len(cells))
    return np.asarray(block if isinstance(block, np.ndarray) else block.toarray(), dtype=np.float64)


def require_units(forecast: Forecast, wanted: str, name: str) -> None:
    """Refuse intervals that are not of mean profiles in the units that are scored.

    Raises:
        UnitsError: They are in others: an interval of logs does not follow from one of counts.
    """
    if forecast.units != wanted:
        raise UnitsError(
            f"{name} states intervals in {forecast.units}, and means are scored in {wanted}. Give one row per answer, "
            f"the mean profile in {wanted}, and {LOW} and {HIGH} in the same; or leave the intervals out."
        )


def layers_of(path: Path) -> list[str]:
    """Names of the layers of an h5ad or zarr."""
    from aivc.data.io.formats import keys, opened

    with opened(path) as store:
        return list(keys(store["layers"])) if "layers" in store else []
