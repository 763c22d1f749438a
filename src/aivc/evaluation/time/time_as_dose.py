"""What do some hours of a treatment do, given its other hours? Populations and mean effects, beside simple answers."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, final

import numpy as np
import pandas as pd
from scipy.linalg import eigh
from scipy.stats import t as student

from aivc.core.errors import IntegrityError
from aivc.core.measurement import Measurement
from aivc.core.perturbation import Perturbation
from aivc.core.registry import MANIPULATORS
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.data.io.as_measurement import Cells, as_measurement
from aivc.data.io.schema import Schema
from aivc.evaluation.benchmarks.protocol import Protocol, ScoreRow
from aivc.evaluation.time.dose_course import DoseCourse
from aivc.evaluation.time.held_out_time import Cloud, distances
from aivc.evaluation.time.time_inputs import require_of_time

# Behind the name of a manipulator: its clock is the logarithm of one plus hours, on which early hours count for more.
LOG = ":log-time"
COPIES = ("copy-previous", "copy-next")
POOL, HALVES = "pooled-times", "split-half"
EFFECTS = ("zero", "copy-effect", "linear-log-time", "shrunken-log-time")
NULLS = (*COPIES, POOL, *EFFECTS[:3])
DEFAULTS: Mapping[str, Any] = {
    "agent": "",
    "axes": 10,
    "genes": 1000,
    "seeds": 5,
    "sets": 10,
    "most": 750,
    "power": 0.75,
    "draws": 16,
    "splits": 20,
    "refits": 10,
    "fitted": 200,
}
# Of the variance of the first axis; what has less is rounding.
_LEAST = 1e-12
# Points of a half beyond which one set of them is enough.
_MANY = 200
_TIME = ("mixture-time", "development.v1", f"mixture-time{LOG}", f"development.v1{LOG}")


class _Shown(NamedTuple):
    """Principal axes of the cells that are shown.

    Attributes:
        rows: Cells that are shown.
        z_nd: ``(n, d)`` scores of all cells, in standard deviations of the first axis.
        axes_df: ``(d, f)`` what one unit of a score is in features; zero for those not chosen.
    """

    rows: np.ndarray
    z_nd: np.ndarray
    axes_df: np.ndarray


class _Held(NamedTuple):
    """One time that is left out, and what every method is measured by.

    Attributes:
        hours: Under the agent.
        shown: All other cells.
        truth: ``(m, d)`` the cells left out.
        best: W1 of the better copy.
        half: W1 of split halves.
        sets: Of points drawn from an answer; one where there are many points in it.
    """

    hours: float
    shown: _Shown
    truth: np.ndarray
    best: float
    half: float
    sets: int


@final
class TimeAsDose(Protocol):
    """Cells of one time under an agent are left out, and all others shown; see `time_as_dose` for what is scored.

    Methods are manipulators of time, ``NAME:log-time`` on a clock of ``log(1 + hours)``; ``copy-previous``,
    ``copy-next`` and ``pooled-times`` for populations; ``zero``, ``copy-effect``, ``linear-log-time`` and
    ``shrunken-log-time`` for effects; and ``split-half``, the repeat.

    Settings: ``dataset``; ``rows``, how many it has; ``agent``, the only one where empty; principal ``axes`` of as many
    ``genes`` that vary most; ``seeds``, ``sets``, ``most`` and ``power`` as of ``held-out-time``; ``draws`` of a
    manipulator; ``splits`` into halves for effects; and how many of these a manipulator is fitted in, ``refits``, to
    ``fitted`` cells of each time, since a fit shared by splits would have seen controls of their targets.
    """

    def __init__(self) -> None:
        self._course: DoseCourse | None = None
        self._held: dict[float, _Held] = {}
        self._fits: dict[tuple[float, int], _Shown] = {}

    def require(self, settings: Mapping[str, Any], methods: Sequence[str]) -> None:
        """See `Protocol.require`."""
        if missing := [key for key in ("dataset", "rows", *DEFAULTS) if key not in settings]:
            raise IntegrityError(f"Settings of time-as-dose lack {', '.join(missing)}. State them.")
        if min(settings[name] for name in ("seeds", "splits", "refits")) < 2:
            raise IntegrityError(
                "Settings of time-as-dose need two seeds, two splits and two refits or more: intervals span them."
            )
        require_of_time(methods, (*COPIES, POOL, HALVES, *EFFECTS), suffixes=(LOG,))

    def run(self, data: Mapping[str, Any], settings: Mapping[str, Any], method: str, seed: int) -> list[ScoreRow]:
        """See `Protocol.run`."""
        cells: Measurement = data[settings["dataset"]]
        if len(cells) != settings["rows"]:
            raise IntegrityError(
                f"The benchmark was frozen on {settings['rows']} cells, and the data have {len(cells)}. Read the same "
                "file."
            )
        course = self._course = self._course or DoseCourse.of(cells, settings["agent"])
        rows: list[ScoreRow] = []
        for hold in map(float, course.later):
            if method not in EFFECTS and not (method == COPIES[1] and hold == course.later[-1]):
                if hold not in self._held:
                    self._held[hold] = _held_out(course, hold, settings, seed)
                rows += _populations(course, self._held[hold], method, settings, seed)
            if method not in (*COPIES, POOL):
                rows += self._effects(course, hold, method, settings, seed)
        return rows

    def _effects(
        self, course: DoseCourse, hold: float, method: str, settings: Mapping[str, Any], seed: int
    ) -> list[ScoreRow]:
        fold, scores, simple = f"effect of {hold:g} h", [], method in (HALVES, *EFFECTS)
        splits = settings["splits"] if simple else min(settings["splits"], settings["refits"])
        for split in range(seed, seed + splits):
            first_n = course.halves(split)
            target_f = _effect(course, hold, ~first_n, ~first_n)[0]
            if simple:
                said_f = _simple(course, hold, method, first_n)
            else:
                # Axes are those of the split, and every manipulator and clock has the same.
                if (hold, split) not in self._fits:
                    self._fits[hold, split] = _fitted_on(course, hold, first_n, settings, split)
                said_f = _developed_effect(course, self._fits[hold, split], hold, method, first_n, settings, split)
            scores.append((_pearson(said_f, target_f), float(np.sqrt(((said_f - target_f) ** 2).mean()))))
        r_s, rmse_s = np.array(scores).T
        return [_row(method, fold, "pearson", r_s, "", better="higher"), _row(method, fold, "rmse", rmse_s, "")]


def time_as_dose(
    cells: Cells,
    methods: Sequence[str] = _TIME,
    *,
    schema: Schema | None = None,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    **columns: Any,
) -> pd.DataFrame:
    """Score what is said of hours left out, with time in the place of a dose.

    Each later time is left out in turn. *Populations*: W1 and energy distance to its cells in principal axes of the
    cells shown, and ``w1_excess``, 0 for a repeat and 1 for the better copy, None without power; the last time may only
    be copied from before. *Effects*: Pearson correlation over features and RMSE of the mean profile less that of
    controls. Controls are split into disjoint halves, one for what is shown and one for the target, since a shared one
    would make noise look like knowledge; the target takes half of the cells left out, and ``split-half`` is the other
    half of both. It has half as many treated cells as the answers have, so that these may pass it.

    Args:
        cells: Under an agent at two later times or more, and controls; an AnnData or a path with a schema.
        methods: Manipulators of time, or ``NAME:log-time``; simple answers and the repeat always stand beside them.
        schema: What the columns of an AnnData or a file mean.
        seed: Of halves and points.
        settings: Instead of some of ``DEFAULTS``; see `TimeAsDose`.
        **columns: Instead of a schema, its fields.

    Returns:
        One row for each hour left out, method and metric: ``fold``, ``method``, ``metric``, ``value``, ``low`` and
        ``high`` (95 %, over splits and not over cells), and ``note``.

    Raises:
        DataError: Too few times or cells, no controls, or no hours.
        UnknownNameError: No such method or agent.

    >>> from aivc.data.synthetic_dose_of_time import synthetic_dose_of_time
    >>> cells, truth = synthetic_dose_of_time(cells=60, features=30)
    >>> small = {"splits": 2, "seeds": 2, "sets": 1}
    >>> table = time_as_dose(cells, [], settings=small).set_index(["fold", "method", "metric"])["value"]
    >>> bool(table["effect of 1 h", "copy-effect", "pearson"] > 0.5), float(table["effect of 3 h", "zero", "pearson"])
    (True, 0.0)
    """
    measured = as_measurement(cells, schema, **columns)
    every = [HALVES, *COPIES, POOL, *EFFECTS, *methods]
    stated = {"dataset": "cells", "rows": len(measured), **DEFAULTS, **(settings or {})}
    protocol = TimeAsDose()
    protocol.require(stated, every)
    rows = [row for method in every for row in protocol.run({"cells": measured}, stated, method, seed)]
    found = pd.DataFrame([{key: getattr(row, key) for key in _COLUMNS} for row in rows])
    return found.sort_values(["fold", "metric"], kind="stable", ignore_index=True)


_COLUMNS = ("fold", "method", "metric", "value", "better", "low", "high", "note")


def _shown(course: DoseCourse, rows: np.ndarray, settings: Mapping[str, Any]) -> _Shown:
    """Axes of the cells that are shown, to which none of those left out has contributed."""
    seen_nf = course.values[rows]
    chosen = np.argsort(-seen_nf.var(axis=0), kind="stable")[: settings["genes"]]
    center = seen_nf[:, chosen].mean(axis=0)
    loadings = _axes(seen_nf[:, chosen] - center, settings["axes"])
    z_nd = (course.values[:, chosen] - center) @ loadings.T
    wide = max(float(z_nd[rows, 0].std()), 1e-12)
    axes_df = np.zeros((len(loadings), course.values.shape[1]))
    axes_df[:, chosen] = loadings * wide
    return _Shown(rows, z_nd / wide, axes_df)


def _axes(x_nf: np.ndarray, count: int) -> np.ndarray:
    """``(d, f)`` the first principal axes of centered cells, from products of cells or of features, the fewer ones."""
    wide = len(x_nf) < x_nf.shape[1]
    gram = x_nf @ x_nf.T if wide else x_nf.T @ x_nf
    last = len(gram) - 1
    variance_d, found = eigh(gram, subset_by_index=[max(0, last + 1 - count), last])
    axes_df = (found.T @ x_nf if wide else found.T)[::-1]
    axes_df = axes_df[: max(1, int((variance_d > _LEAST * variance_d[-1]).sum()))]
    return np.asarray(axes_df / np.maximum(np.linalg.norm(axes_df, axis=1, keepdims=True), 1e-300))


def _held_out(course: DoseCourse, hold: float, settings: Mapping[str, Any], seed: int) -> _Held:
    shown = _shown(course, np.flatnonzero(course.hours != hold), settings)
    truth = shown.z_nd[course.hours == hold]
    sets = settings["sets"] if min(len(truth) // 2, settings["most"]) < _MANY else 1
    drawn = {**settings, "sets": sets}
    copies = [_copied(course, shown, hold, name) for name in COPIES[: 1 if hold == course.later[-1] else 2]]
    best = min(float(distances(truth, each, drawn, seed)[0].mean()) for each in copies)
    return _Held(hold, shown, truth, best, float(distances(truth, None, drawn, seed)[0].mean()), sets)


def _populations(
    course: DoseCourse, held: _Held, method: str, settings: Mapping[str, Any], seed: int
) -> list[ScoreRow]:
    hold, last, note = held.hours, held.hours == course.later[-1], ""
    fold = f"cells at {hold:g} h, {'the last time' if last else 'between'}"
    if method == HALVES:
        cloud = None
    elif method in (*COPIES, POOL):
        cloud = _copied(course, held.shown, hold, method)
    else:
        cloud, note = _developed(course, held.shown, hold, method, settings, seed)
    w1_s, energy_s = distances(held.truth, cloud, {**settings, "sets": held.sets}, seed)
    rows = [_row(method, fold, "w1", w1_s, note), _row(method, fold, "energy_distance", energy_s, note)]
    if held.half >= settings["power"] * held.best:
        limit = f"{settings['power']:g} x {held.best:.3f} of copying"
        why = f"No power: split halves lie {held.half:.3f} apart, not below {limit}. {note}".strip()
        return [ScoreRow(method, fold, "w1_excess", None, "lower", note=why), *rows]
    return [_row(method, fold, "w1_excess", (w1_s - held.half) / (held.best - held.half), note), *rows]


def _copied(course: DoseCourse, shown: _Shown, hold: float, name: str) -> Cloud:
    hours = np.unique(course.hours[shown.rows])
    before, after = hours[hours < hold].max(), hours[hours > hold].min(initial=np.inf)
    # After the last time there is none to pool: all that is left is the time before.
    which = {COPIES[0]: [before], COPIES[1]: [after]}.get(name, [before, after])
    rows = shown.rows[np.isin(course.hours[shown.rows], which)]
    return Cloud(shown.z_nd[rows], np.ones(len(rows)))


def _developed(
    course: DoseCourse, shown: _Shown, hold: float, method: str, settings: Mapping[str, Any], seed: int
) -> tuple[Cloud, str]:
    """Points and masses that a manipulator says, from the time before; and what it says of times after the last."""
    hours_n = course.hours[shown.rows]
    if method.endswith(LOG):
        hours_n, hold = np.log1p(hours_n), float(np.log1p(hold))
    names = [f"cell{i}" for i in shown.rows]
    table = pd.DataFrame({"perturbation": "control", "time": hours_n}, index=names).astype({"perturbation": object})
    z_nd = shown.z_nd[shown.rows]
    ur = UR(z_nd, Space("cells", Scale.CELLULAR, z_nd.shape[1], "time-as-dose"), table)
    part: Any = MANIPULATORS.load(method.removesuffix(LOG))
    takes = inspect.signature(part.fit).parameters
    more = {key: value for key, value in (("draws", settings["draws"]), ("extrapolate", True)) if key in takes}
    made = part.fit(ur, seed=seed, **more)
    before = hours_n[hours_n < hold].max()
    said = made.manipulate(ur.take(np.flatnonzero(hours_n == before)), Perturbation((), float(hold - before)))
    masses = [np.ones(len(draw)) if draw.mass is None else draw.mass for draw in said.draws]
    late = hold > hours_n.max()
    note = str(getattr(made, "verdict", {}).get("beyond_because", "")) if late else ""
    return Cloud(np.concatenate([draw.values for draw in said.draws]), np.concatenate(masses)), note


def _effect(
    course: DoseCourse, hours: float, treated_n: np.ndarray, control_n: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """``(f,)`` mean difference from controls, of the halves named, and its variance."""
    rows, beside = course.at(hours), course.controls_for(hours)
    x_nf, y_nf = course.values[rows[treated_n[rows]]], course.values[beside[control_n[beside]]]
    noise_f = x_nf.var(axis=0, ddof=1) / len(x_nf) + y_nf.var(axis=0, ddof=1) / len(y_nf)
    return x_nf.mean(axis=0) - y_nf.mean(axis=0), noise_f


def _simple(course: DoseCourse, hold: float, method: str, first_n: np.ndarray) -> np.ndarray:
    """Effect of hours left out, from other hours and the first half of controls; of a half of both for a repeat."""
    if method == HALVES:
        return _effect(course, hold, first_n, first_n)[0]
    other = course.later[course.later != hold]
    every_n = np.ones(len(first_n), dtype=bool)
    found = [_effect(course, float(hours), every_n, first_n) for hours in other]
    effect_tf, noise_tf = (np.array(each) for each in zip(*found, strict=True))
    if method == "zero":
        return np.zeros(effect_tf.shape[1])
    if method == "copy-effect":
        return np.asarray(effect_tf[np.abs(np.log(other / hold)).argmin()])
    log_t, log_hold = np.log1p(other), np.log1p(hold)
    share_t = log_t * log_hold / (log_t**2).sum()
    line_f, noise_f = share_t @ effect_tf, share_t**2 @ noise_tf
    if method == "linear-log-time":
        return np.asarray(line_f)
    # Of the square of an effect, as much is kept as noise does not explain.
    return np.asarray(line_f * np.maximum(0.0, 1.0 - noise_f / np.maximum(line_f**2, 1e-300)))


def _fitted_on(course: DoseCourse, hold: float, first_n: np.ndarray, settings: Mapping[str, Any], seed: int) -> _Shown:
    """Some cells of each time that is shown, and axes of these; of controls only the first half."""
    rng, rows = np.random.default_rng([seed, 1]), []
    for hours in (0.0, *course.later[course.later != hold]):
        own = course.at(hours) if hours else np.flatnonzero((course.hours == 0) & first_n)
        rows.append(np.sort(rng.permutation(own)[: settings["fitted"]]))
    return _shown(course, np.concatenate(rows), settings)


def _developed_effect(
    course: DoseCourse,
    shown: _Shown,
    hold: float,
    method: str,
    first_n: np.ndarray,
    settings: Mapping[str, Any],
    seed: int,
) -> np.ndarray:
    """Mean shift that a manipulator says, from the first half of controls, in features."""
    cloud, _ = _developed(course, shown, hold, method, {**settings, "draws": 1}, seed)
    beside = course.controls_for(hold)
    mean_d = cloud.mass @ cloud.values / cloud.mass.sum()
    return np.asarray((mean_d - shown.z_nd[beside[first_n[beside]]].mean(axis=0)) @ shown.axes_df)


def _pearson(x_f: np.ndarray, y_f: np.ndarray) -> float:
    """Correlation; 0 where one of the two is the same everywhere, as the answer that nothing happens is."""
    if np.ptp(x_f) == 0 or np.ptp(y_f) == 0:
        return 0.0
    return float(np.corrcoef(x_f, y_f)[0, 1])


def _row(method: str, fold: str, metric: str, value_s: np.ndarray, note: str, *, better: Any = "lower") -> ScoreRow:
    mean = float(value_s.mean())
    wide = float(student.ppf(0.975, len(value_s) - 1) * value_s.std(ddof=1) / len(value_s) ** 0.5)
    return ScoreRow(method, fold, metric, mean, better, low=mean - wide, high=mean + wide, note=note)
