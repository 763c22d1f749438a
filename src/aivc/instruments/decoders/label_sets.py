"""Sets of labels that hold what they promise: conformal thresholds on the log odds of labels left out of a fit."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from aivc.core.errors import DataError
from aivc.core.measurement import Measurement

_FOLDS = 5


class LabelScores(NamedTuple):
    """How far the right class lay behind the likeliest one, for states that were left out of the fit.

    Attributes:
        scores: ``(m,)`` log odds of the likeliest class against the right one; sorted.
        owners: ``(m,)`` which class each score is of.
        weights: ``(m,)`` of the scores; those of a class sum to less than one.
    """

    scores: Float[np.ndarray, " m"]
    owners: np.ndarray
    weights: Float[np.ndarray, " m"]

    def pooled(self, level: float) -> float:
        """Threshold that holds for ``level`` of all states together."""
        # One state more than there are, as in each class.
        return _quantile(self.scores, np.full(len(self.scores), 1 / (len(self.scores) + 1)), level)

    def within(self, level: float, classes: int) -> Float[np.ndarray, " c"]:
        """``(c,)`` thresholds that hold for ``level`` of the states of each class."""
        together = self.pooled(level)
        found = np.full(classes, np.inf)
        for c in np.unique(self.owners):
            own = self.owners == c
            found[c] = _quantile(self.scores[own], self.weights[own], level)
            if np.isinf(found[c]):
                found[c] = max(together, float(self.scores[own].max()))
        return found

    def sets(self, p_nc: np.ndarray, level: float, *, pooled: bool) -> np.ndarray:
        """``(n, c)`` True for the classes in the set of each state.

        Args:
            p_nc: Probabilities of classes.
            level: How often the set is to hold the right class.
            pooled: Promise this of all states together, rather than of those of each class.

        Raises:
            ValueError: The level is not between 0 and 1.
        """
        if not 0 < level < 1:
            raise ValueError(f"A level lies between 0 and 1, got {level}. Ask for sets(ur, 0.9).")
        return np.asarray(behind(p_nc) <= (self.pooled(level) if pooled else self.within(level, p_nc.shape[1])))


def label_scores(p_nc: np.ndarray, y_nc: np.ndarray, fold_n: np.ndarray, group_n: np.ndarray) -> LabelScores:
    """Score what was said of states left out; those of a class that the fit had not met say nothing.

    Args:
        p_nc: Probabilities, by the fit that left each state out.
        y_nc: Memberships.
        fold_n: Which states were left out together.
        group_n: What weighs the same within a class: a donor, or a cell.
    """
    own_n = y_nc.argmax(axis=1)
    rows = np.flatnonzero(met(own_n, fold_n))
    return _weighed(behind(p_nc)[rows, own_n[rows]], own_n[rows], group_n[rows])


def behind(p_nc: np.ndarray) -> np.ndarray:
    """``(n, c)`` log odds of the likeliest class against each."""
    log_nc = np.log(np.maximum(p_nc, 1e-300))
    return np.asarray(log_nc.max(axis=1, keepdims=True) - log_nc)


def met(own_n: np.ndarray, fold_n: np.ndarray) -> np.ndarray:
    """``(n,)`` True where a class was met by the fit that left the state out: others can say nothing of it."""
    met_n = np.zeros(len(own_n), dtype=bool)
    for fold in np.unique(fold_n):
        out = fold_n == fold
        met_n[out] = np.isin(own_n[out], own_n[~out])
    return met_n


def dealt(group_n: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Assign groups to folds at random."""
    names, code_n = np.unique(group_n, return_inverse=True)
    return np.asarray((rng.permutation(len(names)) % min(_FOLDS, len(names)))[code_n])


def named(p_nc: np.ndarray, inside_nc: np.ndarray, features: np.ndarray) -> list[tuple[str, ...]]:
    """Names of the classes in each set, likeliest first."""
    order_nc = np.argsort(-p_nc, axis=1, kind="stable")
    return [tuple(str(features[c]) for c in order_nc[i] if inside_nc[i, c]) for i in range(len(p_nc))]


def given_memberships(measurement: Measurement, asker: str) -> np.ndarray:
    """``(n, c)`` memberships, zero where none is known.

    Raises:
        DataError: The values are no table.
    """
    measurement.require_table(asker)
    y_nc = measurement.dense()
    return y_nc if measurement.observed is None else np.where(measurement.observed, y_nc, 0.0)


def require_labels(n: int, y_nc: np.ndarray, group_n: np.ndarray, more: Sequence[str] = ()) -> None:
    """Refuse labels that nothing can be learned from.

    Args:
        n: Number of states.
        y_nc: Memberships.
        group_n: What is left out together.
        more: Problems found before.

    Raises:
        DataError: Negative values, fewer than two classes with members, or groups that do not match the states.
    """
    found = []
    if len(y_nc) != n or len(group_n) != n:
        found.append(f"{n} states need as many labels and groups, got {len(y_nc)} and {len(group_n)}. Align them.")
    elif not np.isfinite(y_nc).all() or (y_nc < 0).any():
        found.append("Memberships are never negative and never NaN. Make them with memberships(entities, column).")
    elif (y_nc.sum(axis=0) > 0).sum() < 2:
        found.append("Labels of two classes at least are wanted. Add labelled states of another class.")
    elif len(np.unique(group_n[y_nc.sum(axis=1) > 0])) < 2:
        found.append("All labelled states are of one group, so none can be left out. Give other groups.")
    if problems := [*found, *more]:
        raise DataError(problems)


def _quantile(scores: np.ndarray, weights: np.ndarray, level: float) -> float:
    where = int(np.searchsorted(np.cumsum(weights), level - 1e-12))
    return float(scores[where]) if where < len(scores) else float("inf")


def _weighed(score_n: np.ndarray, own_n: np.ndarray, group_n: np.ndarray) -> LabelScores:
    """Sort scores; within a class each group weighs the same, and the state asked about counts as one more."""
    weight_n = np.zeros(len(score_n))
    for c in np.unique(own_n):
        own = own_n == c
        _, code, size = np.unique(group_n[own], return_inverse=True, return_counts=True)
        weight_n[own] = own.sum() / (own.sum() + 1) / len(size) / size[code]
    order = np.argsort(score_n, kind="stable")
    return LabelScores(score_n[order], own_n[order].astype(np.int64), weight_n[order])
