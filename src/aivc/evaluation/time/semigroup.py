"""Whether two steps in time lead each cell to where one step does, of one model and of one fitted on the ends alone."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, final

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from aivc.core.errors import IntegrityError
from aivc.core.measurement import Measurement
from aivc.core.perturbation import Perturbation
from aivc.core.ur import UR
from aivc.evaluation.benchmarks.protocol import POOLED, SHUFFLED, Protocol, ScoreRow
from aivc.evaluation.time.held_out_time import wasserstein
from aivc.evaluation.time.time_inputs import cells_at, fitted, manipulator_of, require_of_time

PLANS = "exact-plans"
REFIT, CHAIN, STOP, HALF, WAY = "refit_apart", "chain_apart", "stop_apart", "halves_apart", "way"
_NEEDED = ("dataset", "rows", "times", "stretch", "most", "power", "resamples", "draws")


class Ends(NamedTuple):
    """Where two ways lead the same cells.

    Attributes:
        two: ``(n, d)`` ends of one.
        one: ``(n, d)`` ends of the other, whose length counts.
        start: ``(n, d)`` where both begin.
    """

    two: np.ndarray
    one: np.ndarray
    start: np.ndarray


@final
class Semigroup(Protocol):
    """The cells of the first of three times are taken to the last one, with a stop on the way and without.

    Ways are compared cell by cell: the mean distance between two ends of a cell, in the mean distance from its start
    to the end without a stop. Distances between clouds would not do: plans that keep their sums give 0 by construction.

    ``refit_apart`` is the question: the expected descendants (means over ``draws``) by a model of all three times, with
    a stop at the middle one, against those by a model that never saw the middle time. ``chain_apart`` asks one model
    for both, and ``stop_apart`` for a stop halfway to the middle time, with the same chance. ``halves_apart`` is a
    repeat: two models of the end times alone, each fitted on one half of the cells, differ by this much, through cells
    and draws and no middle time; with half as many cells each, it is rather too large. ``way`` is the mean length in
    standard deviations; where it is below ``power`` times the exact distance W1 between the first and the last
    population, which no map of one to the other can be below, cells hardly move and nothing is said.

    Methods are manipulators of time, and ``exact-plans``: best assignments between as many cells of each time, chained
    and direct. Shuffled: the ends of the chain are dealt anew to the cells, as where a model knows the population
    and forgets which cell came from where. One that always forgets, such as ``copy-time``, is consistent for nothing:
    its expected descendant is nearly the same for all cells. Intervals draw starting cells.

    Settings: ``dataset``; ``rows``, how many it has; three ``times``; ``stretch``, by which they are multiplied to be
    hours; ``most`` cells of a time in exact plans; ``power``; ``resamples``; ``draws`` of a manipulator.
    """

    def __init__(self) -> None:
        self._cells: tuple[np.ndarray, np.ndarray] | None = None
        self._found: dict[str, dict[str, Ends]] = {}

    def require(self, settings: Mapping[str, Any], methods: Sequence[str]) -> None:
        """See `Protocol.require`."""
        require_of_time(methods, (PLANS, PLANS + SHUFFLED))
        missing = [key for key in _NEEDED if key not in settings]
        times = settings.get("times", (0, 1, 2))
        if missing or len(times) != 3 or not times[0] < times[1] < times[2]:
            raise IntegrityError(
                f"Settings of semigroup lack {', '.join(missing) or 'three times that rise'}. State them."
            )

    def run(self, data: Mapping[str, Any], settings: Mapping[str, Any], method: str, seed: int) -> list[ScoreRow]:
        """See `Protocol.run`."""
        x_nd, time_n = self._scaled(data[settings["dataset"]], settings)
        name = manipulator_of(method)
        if name not in self._found:
            ask = _plans if name == PLANS else _models
            self._found[name] = ask(x_nd, time_n, name, settings, seed)
        first, last = (_some(x_nd[time_n == settings["times"][i]], settings["most"], seed) for i in (0, 2))
        n = min(len(first), len(last))
        least = settings["power"] * wasserstein(first[:n], last[:n])
        rows = []
        for metric, ends in self._found[name].items():
            if method.endswith(SHUFFLED):
                dealt = np.random.default_rng(seed).permutation(len(ends.two))
                ends = ends._replace(two=ends.two[dealt])
            rows.append(_scored(method, metric, ends, least, settings["resamples"], seed))
        refit = self._found[name][REFIT]
        return [*rows, ScoreRow(method, POOLED, WAY, float(np.linalg.norm(refit.one - refit.start, axis=1).mean()))]

    def _scaled(self, cells: Measurement, settings: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
        """``(n, d)`` states in standard deviations of the cells of the three times, and ``(n,)`` times."""
        if self._cells is None:
            times = cells.times
            if len(cells) != settings["rows"] or times is None or not np.isin(settings["times"], times).all():
                raise IntegrityError(
                    f"The benchmark was frozen on {settings['rows']} cells with times {settings['times']}, and the "
                    f"data have {len(cells)}. Read the same file."
                )
            kept = np.isin(times, settings["times"])
            x_nd = cells.dense().astype(np.float64)[kept]
            self._cells = (x_nd - x_nd.mean(axis=0)) / x_nd.std(axis=0), times[kept]
        return self._cells


def _some(x_nd: np.ndarray, most: int, seed: int) -> np.ndarray:
    return x_nd[np.random.default_rng(seed).permutation(len(x_nd))[:most]]


def _models(x_nd: np.ndarray, time_n: np.ndarray, name: str, settings: Mapping[str, Any], seed: int) -> dict[str, Ends]:
    """Ends of the ways of a manipulator, by metric."""
    first, middle, last = (float(each) * settings["stretch"] for each in settings["times"])
    hours_n, (one, two) = time_n * settings["stretch"], (middle - first, last - middle)
    ends = np.flatnonzero(hours_n != middle)
    dealt = np.random.default_rng(seed).permutation(ends)
    whole, skip, *halves = (
        fitted(name, cells_at(x_nd[rows], hours_n[rows]), {**settings, "draws": 1}, seed)
        for rows in (np.arange(len(x_nd)), ends, np.sort(dealt[::2]), np.sort(dealt[1::2]))
    )
    start_nd, draws = x_nd[hours_n == first], settings["draws"]
    begun = cells_at(start_nd, np.full(len(start_nd), first))
    straight = _taken(whole, begun, one + two)
    by_half = [_expected(half, start_nd, first, draws, one + two) for half in halves]
    through, onward = (
        _expected(whole, start_nd, first, draws, one, two),
        _expected(skip, start_nd, first, draws, one + two),
    )
    return {
        REFIT: Ends(through, onward, start_nd),
        CHAIN: Ends(_taken(whole, begun, one, two), straight, start_nd),
        STOP: Ends(_taken(whole, begun, one / 2, one / 2), _taken(whole, begun, one), start_nd),
        HALF: Ends(by_half[0], by_half[1], start_nd),
    }


def _taken(manipulator: Any, start: UR, *steps: float) -> np.ndarray:
    """``(n, d)`` one descendant of each cell after these hours, each step going on from the one before."""
    for hours in steps:
        start = manipulator.manipulate(start, Perturbation((), hours)).draws[0]
    return start.values


def _expected(manipulator: Any, start_nd: np.ndarray, first: float, draws: int, *steps: float) -> np.ndarray:
    """``(n, d)`` mean descendant of each cell; copies of a cell have names of their own, and so their own chance."""
    when_n = np.full(len(start_nd), first)
    clouds = [_taken(manipulator, cells_at(start_nd, when_n, f"copy{i}-"), *steps) for i in range(draws)]
    return np.asarray(np.mean(clouds, axis=0))


def _plans(x_nd: np.ndarray, time_n: np.ndarray, name: str, settings: Mapping[str, Any], seed: int) -> dict[str, Ends]:
    """Ends along best assignments between equal numbers of cells."""
    clouds = [_some(x_nd[time_n == each], settings["most"], seed) for each in settings["times"]]
    n = min(map(len, clouds))
    first, middle, last = (cloud[:n] for cloud in clouds)
    through = last[_assigned(middle, last)][_assigned(first, middle)]
    return {REFIT: Ends(through, last[_assigned(first, last)], first)}


def _assigned(one_nd: np.ndarray, other_nd: np.ndarray) -> np.ndarray:
    return linear_sum_assignment(cdist(one_nd, other_nd, "sqeuclidean"))[1]


def _scored(method: str, metric: str, ends: Ends, least: float, resamples: int, seed: int) -> ScoreRow:
    apart_n = np.linalg.norm(ends.two - ends.one, axis=1)
    way_n = np.linalg.norm(ends.one - ends.start, axis=1)
    # The way to the middle time may be short; only ways to the last one are known to have a least length.
    if (metric != STOP and way_n.mean() < least) or not way_n.mean():
        note = f"cells move by {way_n.mean():.3f} in the mean, not by {least:.3f}: they hardly move"
        return ScoreRow(method, POOLED, metric, None, "lower", note=note)
    drawn = np.random.default_rng(seed).integers(len(way_n), size=(resamples, len(way_n)))
    low, high = np.quantile(apart_n[drawn].mean(axis=1) / way_n[drawn].mean(axis=1), [0.025, 0.975])
    value = float(apart_n.mean() / way_n.mean())
    return ScoreRow(method, POOLED, metric, value, "lower", low=float(low), high=float(high))
