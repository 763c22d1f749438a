"""Which clones will have grown by the last time, from their cells at an early one; beside their number alone."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, final

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from aivc.core.errors import IntegrityError
from aivc.core.measurement import Measurement
from aivc.core.perturbation import Perturbation
from aivc.evaluation.benchmarks.protocol import POOLED, SHUFFLED, Protocol, ScoreRow
from aivc.evaluation.time.clonal_fate import principal
from aivc.evaluation.time.time_inputs import cells_at, fitted, require_of_time
from aivc.evaluation.tissue.tissue_inputs import auroc, digits
from aivc.experiments.cell_cycle import cell_cycle
from aivc.experiments.time_series import later_effects

STATES, BOTH, CYCLE = "ridge-states", "ridge-states-cycle", "cell-cycle"
NUMBER, PERMUTED = "early-number", "permuted-clones"
RIDGES = (STATES, BOTH)
_OWN = (*RIDGES, *(name + SHUFFLED for name in RIDGES), CYCLE, NUMBER, PERMUTED)
_NEEDED = ("dataset", "rows", "early", "last", "genes", "axes", "penalties", "resamples", "draws")


class Clones(NamedTuple):
    """Clones that have a cell at the early time.

    Attributes:
        cells: Rows of these cells, clone by clone.
        fold_c: ``(c,)`` in which each is left out.
        early_c: ``(c,)`` number of cells then.
        late_c: ``(c,)`` and at the last time.
        last_rows: Rows of the cells of the last time, clone by clone.
    """

    cells: list[np.ndarray]
    fold_c: np.ndarray
    early_c: np.ndarray
    late_c: np.ndarray
    last_rows: list[np.ndarray]

    @property
    def grown_c(self) -> np.ndarray:
        """``(c,)`` doublings between the two times, half a cell added to either number."""
        return np.asarray(np.log2((self.late_c + 0.5) / (self.early_c + 0.5)))


@final
class ClonalExpansion(Protocol):
    """Clones are left out in folds, with their last cells; how much each has grown is ranked from its early cells.

    Methods are manipulators of time, which take early cells to the last time: the mean mass of the cells of a clone is
    its score, and a manipulator that keeps masses ranks nothing. ``ridge-states`` regresses growth on the mean state
    of a clone, ``ridge-states-cycle`` on the scores of S and of G2 and M too, with penalties from inner folds;
    ``cell-cycle`` is the larger of the two scores; ``early-number`` says that clones of few early cells grow most,
    which they do by the ratio itself, whose denominator is that number. ``permuted-clones`` is the null: growth is
    exchanged among clones, beside the scores of ``ridge-states-cycle``. Shuffled: growth is exchanged among training
    clones, or times among the cells shown.

    ``spearman`` is the rank correlation with ``log2((last + 0.5) / (early + 0.5))`` over all clones, and
    ``spearman_given_number`` the partial one given the early number; ``seen_auroc`` asks whether a clone is seen at the
    last time. Intervals draw clones. A note says *not predictable* where the correlation is not above the 95 %
    quantile of its absolute values under permutation.

    Settings: ``dataset``; ``rows``, the fold of each early cell of a clone and a dot for others; ``early`` and
    ``last``, hours; ``genes`` and ``axes`` of states, as of `ClonalFate`; ``penalties``; ``resamples``; ``draws`` of a
    manipulator; ``fit``, arguments of some: name → arguments.
    """

    def __init__(self) -> None:
        self._scores: dict[str, np.ndarray] = {}
        self._states: dict[int, np.ndarray] = {}

    def require(self, settings: Mapping[str, Any], methods: Sequence[str]) -> None:
        """See `Protocol.require`."""
        require_of_time(methods, _OWN)
        if missing := [key for key in _NEEDED if key not in settings]:
            raise IntegrityError(f"Settings of clonal-expansion lack {', '.join(missing)}. State them.")

    def run(self, data: Mapping[str, Any], settings: Mapping[str, Any], method: str, seed: int) -> list[ScoreRow]:
        """See `Protocol.run`."""
        cells: Measurement = data[settings["dataset"]]
        clones = clones_of(cells, settings)
        judged = BOTH if method == PERMUTED else method
        if judged not in self._scores:
            self._scores[judged] = self._score(cells, clones, settings, judged, seed)
        score_c = self._scores[judged]
        if np.ptp(score_c) <= 1e-9 * max(abs(score_c).max(), 1.0):
            note = "every clone gets the same score: it ranks nothing"
            names = ("spearman", "spearman_given_number", "seen_auroc")
            return [ScoreRow(method, POOLED, name, None, note=note) for name in names]
        return _rows(method, score_c, clones, settings["resamples"], seed)

    def _score(
        self, cells: Measurement, clones: Clones, settings: Mapping[str, Any], method: str, seed: int
    ) -> np.ndarray:
        """``(c,)`` the more, the rather a clone grows."""
        if method == NUMBER:
            return -clones.early_c.astype(np.float64)
        cycle_c2 = _cycle(cells, clones)
        if method == CYCLE:
            return np.asarray(cycle_c2.max(axis=1))
        score_c = np.zeros(len(clones.cells))
        for fold in np.unique(clones.fold_c):
            out = np.flatnonzero(clones.fold_c == fold)
            kept = np.setdiff1d(np.arange(len(cells)), np.concatenate([clones.last_rows[i] for i in out]))
            if fold not in self._states:
                self._states[fold] = principal(cells.dense(), kept, settings["genes"], settings["axes"])
            states = self._states[fold]
            if method.removesuffix(SHUFFLED) in RIDGES:
                score_c[out] = _regressed(states, cycle_c2, clones, out, settings, method, seed)
            else:
                score_c[out] = _masses(states, cells, kept, clones, out, settings, method, seed)
        return score_c


def clones_of(cells: Measurement, settings: Mapping[str, Any]) -> Clones:
    """Clones asked about.

    Raises:
        IntegrityError: Rows with a fold are not all early cells of clones, or a clone is in two folds.
    """
    fold_n = digits(settings["rows"], len(cells))
    clone_n = cells.entities["clone"].fillna("").to_numpy(dtype=object)
    early_n = (cells.times == settings["early"]) & (clone_n != "")
    if not np.array_equal(early_n, fold_n >= 0) or not early_n.any():
        raise IntegrityError("Rows with a fold are not the early cells of clones. Read the same file.")
    last_n = cells.times == settings["last"]
    names = list(dict.fromkeys(clone_n[early_n]))
    members = pd.Series(np.arange(len(cells))).groupby(clone_n).indices
    own = [members[name][early_n[members[name]]] for name in names]
    late = [members[name][last_n[members[name]]] for name in names]
    folds = [np.unique(fold_n[rows]) for rows in own]
    if any(len(each) > 1 for each in folds):
        raise IntegrityError("A clone is in two folds, so its sisters would be seen. Freeze folds of whole clones.")
    numbers = [np.array([len(rows) for rows in each]) for each in (own, late)]
    return Clones(own, np.concatenate(folds), numbers[0], numbers[1], late)


def _cycle(cells: Measurement, clones: Clones) -> np.ndarray:
    """``(c, 2)`` mean scores of S and of G2 and M, standardized over the early cells alone."""
    rows = np.concatenate(clones.cells)
    found = cell_cycle(cells.take(rows))
    clone_n = np.repeat(np.arange(len(clones.cells)), clones.early_c)
    return pd.DataFrame({"s": found.s, "g2m": found.g2m}).groupby(clone_n).mean().to_numpy()


def _regressed(
    states: np.ndarray,
    cycle_c2: np.ndarray,
    clones: Clones,
    out: np.ndarray,
    settings: Mapping[str, Any],
    method: str,
    seed: int,
) -> np.ndarray:
    x_cf = np.array([states[rows].mean(axis=0) for rows in clones.cells])
    if method.startswith(BOTH):
        x_cf = np.concatenate([x_cf, cycle_c2], axis=1)
    kept = np.setdiff1d(np.arange(len(x_cf)), out)
    y = clones.grown_c[kept, None]
    if method.endswith(SHUFFLED):
        y = np.random.default_rng([seed, out[0]]).permutation(y)
    penalties = tuple(settings["penalties"])
    return np.asarray(later_effects(x_cf[kept], y, x_cf[out], np.arange(len(kept)), penalties)[:, 0])


def _masses(
    states: np.ndarray,
    cells: Measurement,
    kept: np.ndarray,
    clones: Clones,
    out: np.ndarray,
    settings: Mapping[str, Any],
    method: str,
    seed: int,
) -> np.ndarray:
    """Logarithm of the mean mass that the cells of each clone have become."""
    hours = np.asarray(cells.times, dtype=np.float64)
    shown = hours[kept]
    if method.endswith(SHUFFLED):
        shown = np.random.default_rng([seed, out[0]]).permutation(shown)
    made = fitted(method, cells_at(states[kept], shown), settings, seed)
    asked = np.concatenate([clones.cells[i] for i in out])
    start = cells_at(states, hours).take(asked)
    draws = made.manipulate(start, Perturbation((), settings["last"] - settings["early"])).draws
    mass_n = np.mean([draw.mass for draw in draws], axis=0)
    clone_n = np.repeat(np.arange(len(out)), clones.early_c[out])
    return np.asarray(np.log(np.maximum(pd.Series(mass_n).groupby(clone_n).mean().to_numpy(), 1e-12)))


def _rows(method: str, score_c: np.ndarray, clones: Clones, resamples: int, seed: int) -> list[ScoreRow]:
    grown_c, number_c, seen_c = clones.grown_c, clones.early_c, clones.late_c > 0
    rng, rows = np.random.default_rng(seed), []
    dealt = [rng.permutation(len(grown_c)) for _ in range(resamples)]
    drawn = [rng.integers(len(grown_c), size=len(grown_c)) for _ in range(resamples)]
    metrics: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
        "spearman": lambda score, of: spearman(score, grown_c[of]),
        "spearman_given_number": lambda score, of: spearman(score, grown_c[of], number_c[of]),
        "seen_auroc": lambda score, of: auroc(score, seen_c[of]),
    }
    everyone = np.arange(len(grown_c))
    for metric, ask in metrics.items():
        if metric == "seen_auroc" and len(np.unique(seen_c)) < 2:
            rows.append(ScoreRow(method, POOLED, metric, None, note="all clones, or none, are seen at the last time"))
            continue
        middle = 0.5 if metric == "seen_auroc" else 0.0
        null = np.array([ask(score_c, each) for each in dealt])
        value, bound = ask(score_c, everyone), float(np.quantile(abs(null - middle), 0.95))
        note = f"{len(grown_c)} clones; permuted, 95 %: {bound + middle:.3f}"
        if method == PERMUTED:
            value, spread = float(null.mean()), null
        else:
            spread = np.array([ask(score_c[each], each) for each in drawn])
            note = note if value - middle > bound else f"{note}: not predictable"
        low, high = map(float, np.quantile(spread, [0.025, 0.975]))
        rows.append(ScoreRow(method, POOLED, metric, float(value), low=low, high=high, note=note))
    return rows


def spearman(one: np.ndarray, other: np.ndarray, given: np.ndarray | None = None) -> float:
    """Rank correlation, or the partial one given a third; 0 where one of them has no ranks left.

    >>> x = np.arange(4.0)
    >>> round(spearman(x, x**3), 6), round(spearman(x, -x), 6), spearman(x, x, x)
    (1.0, -1.0, 0.0)
    """
    ranks = [rankdata(each) for each in (one, other)]
    ranks = [each - each.mean() for each in ranks]
    if given is not None:
        third = rankdata(given) - (len(given) + 1) / 2
        length = max(float(third @ third), 1e-12)
        ranks = [each - third * (each @ third) / length for each in ranks]
    size = float(np.sqrt((ranks[0] @ ranks[0]) * (ranks[1] @ ranks[1])))
    return float(ranks[0] @ ranks[1]) / size if size > 1e-9 else 0.0
