"""How many cells there are at a time left out, from the numbers at two others: bookkeeping of mass, not biology."""

from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np

from aivc.core.errors import IntegrityError, PerturbationError
from aivc.core.measurement import Measurement
from aivc.core.perturbation import Perturbation
from aivc.evaluation.benchmarks.protocol import POOLED, REFUSED, Protocol, ScoreRow
from aivc.evaluation.time.time_inputs import EXTRAPOLATE, cells_at, fitted, require_of_time

PREVIOUS, LINE, CURVE = "copy-previous", "linear", "exponential"
MEAN, BETWEEN, AFTER = "abs_ln_ratio", "abs_ln_ratio_between", "abs_ln_ratio_after"
_NEEDED = ("dataset", "numbers", "stretch", "draws")


@final
class CellNumbers(Protocol):
    """Each time but the first is left out, with its cells; its number of cells is predicted from the two others.

    Methods are manipulators of time that are given the two numbers (``counts``): cells of the time before are taken to
    the time left out, and the sum of their masses is the answer. ``NAME:extrapolate`` is asked to answer after the last
    time it read; by default it refuses. ``copy-previous`` is the number of the time before, ``linear`` and
    ``exponential`` lie on the line through the two numbers and through their logarithms.

    A score is ``|ln(predicted / observed)|``, for the time ``between`` two others, for the one ``after`` them, and the
    mean of both; notes hold the numbers.

    Settings: ``dataset``; ``numbers``, of cells, by time, three of them; ``stretch``, by which times are multiplied to
    be hours; ``draws`` of a manipulator.
    """

    def require(self, settings: Mapping[str, Any], methods: Sequence[str]) -> None:
        """See `Protocol.require`."""
        require_of_time(methods, (PREVIOUS, LINE, CURVE), suffixes=(EXTRAPOLATE,), keyword="counts")
        missing = [key for key in _NEEDED if key not in settings]
        if missing or len(settings["numbers"]) != 3:
            raise IntegrityError(
                f"Settings of cell-numbers lack {', '.join(missing) or 'numbers of three times'}. State them."
            )

    def run(self, data: Mapping[str, Any], settings: Mapping[str, Any], method: str, seed: int) -> list[ScoreRow]:
        """See `Protocol.run`."""
        cells: Measurement = data[settings["dataset"]]
        number = {float(time): int(count) for time, count in settings["numbers"].items()}
        _, middle, last = sorted(number)
        times = cells.times
        if times is None or dict(zip(*np.unique(times, return_counts=True), strict=True)) != number:
            raise IntegrityError(
                f"The benchmark was frozen on cells at times {number}, and the data have others. Read the same file."
            )
        rows = [
            _row(method, metric, _said(cells, settings, number, hold, method, seed), number[hold])
            for metric, hold in ((BETWEEN, middle), (AFTER, last))
        ]
        values, notes = [row.value for row in rows], [row.note for row in rows]
        known = [value for value in values if value is not None]
        if len(known) < len(values):
            return [ScoreRow(method, POOLED, MEAN, None, "lower", note=f"{REFUSED}: one of the times"), *rows]
        return [ScoreRow(method, POOLED, MEAN, float(np.mean(known)), "lower", note="; ".join(notes)), *rows]


def _row(method: str, metric: str, said: float | str, observed: int) -> ScoreRow:
    if isinstance(said, str):
        return ScoreRow(method, POOLED, metric, None, "lower", note=f"{REFUSED}: {said}")
    ratio = float(np.log(said / observed))
    note = f"{said:,.0f} cells for {observed:,}, ln ratio {ratio:+.3f}"
    return ScoreRow(method, POOLED, metric, abs(ratio), "lower", note=note)


def _said(
    cells: Measurement, settings: Mapping[str, Any], number: Mapping[float, int], hold: float, method: str, seed: int
) -> float | str:
    """Number of cells that a method says, or why it does not."""
    known = [time for time in sorted(number) if time != hold]
    counts = np.array([number[time] for time in known], dtype=np.float64)
    before = max(time for time in known if time < hold)
    if method == PREVIOUS:
        return float(number[before])
    if method in (LINE, CURVE):
        y = counts if method == LINE else np.log(counts)
        found = y[0] + (y[1] - y[0]) * (hold - known[0]) / (known[1] - known[0])
        return float(max(found, 1.0) if method == LINE else np.exp(found))
    stretch, shown = settings["stretch"], np.flatnonzero(cells.times != hold)
    time_n = np.asarray(cells.times)[shown]
    ur = cells_at(cells.dense()[shown].astype(np.float64), time_n * stretch)
    declared = {time * stretch: float(number[time]) for time in known}
    made = fitted(method, ur, settings, seed, counts=declared)
    try:
        draws = made.manipulate(
            ur.take(np.flatnonzero(time_n == before)), Perturbation((), (hold - before) * stretch)
        ).draws
    except PerturbationError as error:
        return str(error)
    return float(np.mean([draw.mass.sum() for draw in draws]))
