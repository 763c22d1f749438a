"""The population at a time left out, between others or after them, by exact transport distance beside copies."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, final

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from aivc.core.errors import IntegrityError, PerturbationError
from aivc.core.measurement import Measurement
from aivc.core.perturbation import Perturbation
from aivc.evaluation.benchmarks.protocol import POOLED, SHUFFLED, Protocol, ScoreRow
from aivc.evaluation.time.time_inputs import EXTRAPOLATE, cells_at, fitted, refused, require_of_time

COPIES = ("copy-previous", "copy-next")
POOL, HALVES, SHIFT = "pooled-times", "split-half", "mean-shift"
_METRICS = ("w1_excess", "w1", "energy_distance")
_NEEDED = ("dataset", "rows", "hold", "stretch", "seeds", "sets", "most", "power", "draws")
# 97.5 % quantile of Student's t by number of seeds; what it spans is the draw of halves and points, not of cells.
_T975 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 10: 2.262}
Cells = tuple[np.ndarray, np.ndarray]


class Cloud(NamedTuple):
    """What a method says of a population.

    Attributes:
        values: ``(m, d)`` points.
        mass: ``(m,)`` of each.
        others: Who answered beside the method itself.
    """

    values: np.ndarray
    mass: np.ndarray
    others: tuple[str, ...] = ()


@final
class HeldOutTime(Protocol):
    """All cells but those of one time are shown; what lies there is predicted from the cells of the time before.

    Methods are manipulators of time. ``copy-previous`` and ``copy-next`` are the cells of the two times beside it, and
    ``pooled-times`` those of both as they are, which an answer that knows of time has to beat. For each seed the cells
    left out are split into halves of equal size; as many points are drawn by mass from what was predicted and compared
    with one half: ``split-half`` is the other one. The mean over seeds of the exact distance W1 becomes an excess,
    ``(W1 - W1 of split-half) / (W1 of the better copy - W1 of split-half)``: 0 is as good as a repeat, 1 no better than
    copying. Where split halves are not below ``power`` times the better copy, there is no power. Shuffled: times are
    exchanged among the cells that are shown.

    With ``beyond`` the one time left out is the last. There is no ``copy-next``; ``pooled-times`` are all earlier ones,
    and ``mean-shift`` is the last population moved on as means moved in the last interval. A manipulator that answers
    for no time after the last it read is scored as refused; ``NAME:extrapolate`` is asked to answer, and a note says
    where it does so by another way than its own, and where it is no better than today.

    Settings: ``dataset``; ``rows``, how many it has; ``hold``, times left out in turn; ``stretch``, by which times are
    multiplied to be hours; ``seeds``; ``sets`` of points drawn for each; ``most`` points in a set; ``power``;
    ``draws`` of a manipulator; ``beyond``, where true.
    """

    def __init__(self) -> None:
        self._cells: dict[float, tuple[np.ndarray, np.ndarray]] = {}
        self._ends: dict[float, tuple[float, float]] = {}

    def require(self, settings: Mapping[str, Any], methods: Sequence[str]) -> None:
        """See `Protocol.require`."""
        beyond = bool(settings.get("beyond"))
        own = (COPIES[0], POOL, HALVES, SHIFT) if beyond else (*COPIES, POOL, HALVES)
        require_of_time(methods, own, suffixes=(SHUFFLED, EXTRAPOLATE) if beyond else (SHUFFLED,))
        if beyond and len(settings.get("hold", ())) != 1:
            raise IntegrityError("With beyond, held-out-time leaves out one time, the last. Name it alone under hold.")
        if (missing := [key for key in _NEEDED if key not in settings]) or settings["seeds"] not in _T975:
            raise IntegrityError(
                f"Settings of held-out-time lack {', '.join(missing) or f'seeds among {list(_T975)}'}. State them."
            )

    def run(self, data: Mapping[str, Any], settings: Mapping[str, Any], method: str, seed: int) -> list[ScoreRow]:
        """See `Protocol.run`."""
        rows: list[ScoreRow] = []
        for hold in settings["hold"]:
            x_nd, time_n = self._scaled(data[settings["dataset"]], settings, float(hold))
            truth = x_nd[time_n == hold]
            ends = self._range(truth, x_nd, time_n, settings, float(hold), seed)
            fold = POOLED if settings.get("beyond") else f"time {hold:g}"
            try:
                cloud = None if method == HALVES else _cloud(x_nd, time_n, float(hold), method, settings, seed)
            except PerturbationError as error:
                rows += refused(method, fold, _METRICS, error)
                continue
            found = distances(truth, cloud, settings, seed)
            rows += _scored(method, fold, found, ends, settings, _by(cloud))
        return rows

    def _scaled(self, cells: Measurement, settings: Mapping[str, Any], hold: float) -> Cells:
        """``(n, d)`` states in standard deviations of the cells that are shown, and ``(n,)`` times."""
        if hold not in self._cells:
            times = cells.times
            if len(cells) != settings["rows"] or times is None:
                raise IntegrityError(
                    f"The benchmark was frozen on {settings['rows']} cells with times, and the data have {len(cells)}. "
                    "Read the same file."
                )
            seen = times != hold
            later, earlier = (times > hold).any(), len(np.unique(times[times < hold]))
            fits = earlier > 1 and not later if settings.get("beyond") else earlier and later
            if seen.all() or not fits:
                wanted = "after two or more" if settings.get("beyond") else "between"
                raise IntegrityError(f"{hold:g} is no time {wanted} others of {np.unique(times)}. Name one that is.")
            x_nd = cells.dense().astype(np.float64)
            self._cells[hold] = (x_nd - x_nd[seen].mean(axis=0)) / x_nd[seen].std(axis=0), times
        return self._cells[hold]

    def _range(
        self,
        truth: np.ndarray,
        x_nd: np.ndarray,
        time_n: np.ndarray,
        settings: Mapping[str, Any],
        hold: float,
        seed: int,
    ) -> tuple[float, float]:
        """W1 of the better copy, and of split halves."""
        if hold not in self._ends:
            copies = COPIES[:1] if settings.get("beyond") else COPIES
            clouds = [_cloud(x_nd, time_n, hold, name, settings, seed) for name in copies]
            best = min(float(distances(truth, each, settings, seed)[0].mean()) for each in clouds)
            self._ends[hold] = best, float(distances(truth, None, settings, seed)[0].mean())
        return self._ends[hold]


def wasserstein(x_nd: np.ndarray, y_nd: np.ndarray) -> float:
    """W1 of two clouds of as many points of equal weight: their best assignment, which is exact.

    >>> wasserstein(np.array([[0.0], [1.0]]), np.array([[3.0], [0.0]]))
    1.0
    """
    cost_nn = cdist(x_nd, y_nd)
    return float(cost_nn[linear_sum_assignment(cost_nn)].mean())


def energy(x_nd: np.ndarray, y_md: np.ndarray) -> float:
    """Energy distance (Székely and Rizzo 2013), with the zeros of the diagonal.

    >>> energy(np.array([[0.0], [2.0]]), np.array([[1.0]]))
    1.0
    """
    return float(2 * cdist(x_nd, y_md).mean() - cdist(x_nd, x_nd).mean() - cdist(y_md, y_md).mean())


def distances(
    truth: np.ndarray, cloud: Cloud | None, settings: Mapping[str, Any], seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """W1 and energy distance by seed, of points drawn from a cloud against half of the truth.

    Args:
        truth: ``(n, d)`` cells left out.
        cloud: What a method says; None compares the two halves of the truth.
        settings: Of the benchmark.
        seed: Of the first split.
    """
    n, found = min(len(truth) // 2, settings["most"]), []
    for split in range(settings["seeds"]):
        order = np.random.default_rng(seed + split).permutation(len(truth))
        one, other = truth[order[:n]], truth[order[n : 2 * n]]
        sets = [one] if cloud is None else _drawn(cloud, n, settings["sets"], np.random.default_rng([seed + split, 1]))
        found.append(np.mean([(wasserstein(each, other), energy(each, other)) for each in sets], axis=0))
    both = np.array(found)
    return both[:, 0], both[:, 1]


def _drawn(cloud: Cloud, n: int, sets: int, rng: np.random.Generator) -> list[np.ndarray]:
    values, share = cloud.values, cloud.mass / cloud.mass.sum()
    return [values[rng.choice(len(values), n, replace=len(values) < n, p=share)] for _ in range(sets)]


def _cloud(
    x_nd: np.ndarray, time_n: np.ndarray, hold: float, method: str, settings: Mapping[str, Any], seed: int
) -> Cloud:
    """What a method says of the time left out.

    Raises:
        PerturbationError: It answers for no such time.
    """
    seen = time_n != hold
    x_nd, time_n = x_nd[seen], time_n[seen]
    before = time_n[time_n < hold].max()
    if method in (*COPIES, POOL, SHIFT):
        return _simple(x_nd, time_n, hold, method)
    if method.endswith(SHUFFLED):
        time_n = np.random.default_rng(seed).permutation(time_n)
    stretch = settings["stretch"]
    ur = cells_at(x_nd, time_n * stretch)
    made = fitted(method, ur, settings, seed)
    start = ur.take(np.flatnonzero(time_n == before))
    said = made.manipulate(start, Perturbation((), float(hold - before) * stretch))
    masses = [np.ones(len(draw)) if draw.mass is None else draw.mass for draw in said.draws]
    values = np.concatenate([draw.values for draw in said.draws])
    return Cloud(values, np.concatenate(masses), tuple(said.made_by[1:]))


def _simple(x_nd: np.ndarray, time_n: np.ndarray, hold: float, method: str) -> Cloud:
    """Cells of times that are shown, as they are or moved by how means moved."""
    before, later = np.unique(time_n[time_n < hold]), time_n[time_n > hold]
    last = x_nd[time_n == before[-1]]
    if method == SHIFT:
        moved = last.mean(axis=0) - x_nd[time_n == before[-2]].mean(axis=0)
        copied = last + moved * (hold - before[-1]) / (before[-1] - before[-2])
    elif not len(later):
        copied = last if method == COPIES[0] else x_nd
    else:
        beside = {COPIES[0]: [before[-1]], COPIES[1]: [later.min()]}.get(method, [before[-1], later.min()])
        copied = x_nd[np.isin(time_n, beside)]
    return Cloud(copied, np.ones(len(copied)))


def _by(cloud: Cloud | None) -> str:
    """Who answered, where it was not the method itself; nothing for those that are no manipulators."""
    others = () if cloud is None else cloud.others
    return f"answered by: {', '.join(others)}" if others else ""


def _scored(
    method: str,
    fold: str,
    found: tuple[np.ndarray, np.ndarray],
    ends: tuple[float, float],
    settings: Mapping[str, Any],
    said: str,
) -> list[ScoreRow]:
    (w1_s, energy_s), (best, half) = found, ends
    plain = [
        ScoreRow(method, fold, "w1", float(w1_s.mean()), "lower"),
        ScoreRow(method, fold, "energy_distance", float(energy_s.mean()), "lower"),
    ]
    if half >= settings["power"] * best:
        note = f"{fold or 'last time'}: split halves lie {half:.3f} apart"
        note = f"{note}, not below {settings['power']:g} x {best:.3f} of copying"
        return [ScoreRow(method, fold, "w1_excess", None, "lower", note=note), *plain]
    value = (float(w1_s.mean()) - half) / (best - half)
    wide = _T975[len(w1_s)] * float(w1_s.std(ddof=1)) / len(w1_s) ** 0.5 / (best - half)
    if settings.get("beyond") and method not in (*COPIES, HALVES) and value + wide >= 1:
        said = "; ".join(filter(None, ("no better than today", said)))
    return [ScoreRow(method, fold, "w1_excess", value, "lower", low=value - wide, high=value + wide, note=said), *plain]
