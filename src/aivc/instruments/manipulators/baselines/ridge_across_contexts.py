"""The same perturbation's effect in other contexts, through one ridge regression: the bar for a new pair."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float, Int
from scipy import linalg, sparse

from aivc.core.contracts import Manipulator
from aivc.core.effects import effects
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Applicability, Prediction
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.data.names.compound_names import family_of
from aivc.instruments.manipulators.baselines.left_out import left_out_residuals
from aivc.instruments.manipulators.baselines.stand_in import gaps, mean_effect_of

_PENALTIES = np.geomspace(0.03, 1000, 12)
# The intercept is a feature with so large a scale that the penalty does not reach it.
_INTERCEPT = 30.0
# The penalty is chosen on so many rows, and on so many random directions of the effects, whose squared errors are those
# of all axes on average: more would take minutes and move it little.
_ROWS, _DIRECTIONS = 1000, 128


@final
@dataclass(frozen=True, eq=False)
class RidgeAcrossContexts(Manipulator):
    """Linear map from the mean effect of a perturbation in other contexts to its effect in one.

    One map for all pairs of contexts, with an intercept; the penalty has the smallest error on perturbations left out.
    A perturbation measured in no other context gets the mean effect, as all do where none was measured twice. What was
    not measured takes no part in a mean; where no other context measured it, the mean effect stands in.

    Attributes:
        reads: Space it was fitted on.
        texts: ``r`` perturbations measured, one for each context they were measured in.
        codes: ``(r,)`` the context of each, by position.
        shifts: ``(r, d)`` what they did, NaN where that was not measured, and
        cells: ``(r,)`` the cells each stands on.
        weights: ``(d + 1, d)`` the map, its last row the intercept; or, where fewer rows than axes were learned from,
            ``(q, d)`` what each of these ``q`` rows adds in proportion to its likeness. Empty where nothing could be
            learned.
        contexts: ``c`` contexts seen perturbed.
        means: ``(c, d)`` mean effect in each.
        default: ``(d,)`` mean over contexts.
    """

    name: ClassVar[str] = "ridge-across-contexts"
    reads: Space
    texts: tuple[str, ...]
    codes: Int[np.ndarray, " r"]
    shifts: Float[np.ndarray, "r d"]
    cells: Float[np.ndarray, " r"]
    weights: Float[np.ndarray, "e d"]
    contexts: tuple[str, ...]
    means: Float[np.ndarray, "c d"]
    default: Float[np.ndarray, " d"]

    @classmethod
    def fit(cls, ur: UR, *, parts: UR | None = None, seed: int = 0) -> "RidgeAcrossContexts":
        """Choose the penalty, then solve.

        Args:
            ur: Perturbed and control states.
            parts: Not used.
            seed: Not used.

        Raises:
            ControlError: A context has no control.
        """
        seen = effects(ur)
        contexts, means, default = seen.mean_effects()
        texts, place = tuple(map(str, seen.perturbations)), {name: i for i, name in enumerate(contexts)}
        codes = np.array([place[str(context)] for context in seen.contexts], dtype=np.int64)
        given_qd, rows = _other_contexts(gaps(seen), seen.cells, texts, default)
        families = [family_of(Perturbation.parse(texts[row])) for row in rows]
        enough = len(set(families)) >= 3
        weights = _solve(given_qd, seen.filled()[rows], families) if enough else np.zeros((0, ur.space.dim))
        return cls(ur.space, texts, codes, gaps(seen), seen.cells, weights, contexts, means, default)

    def manipulate(self, ur: UR, perturbation: Perturbation) -> Prediction[UR]:
        """Shift every state by what its effect in other contexts predicts here."""
        self.reads.require(ur.space, self.name)
        if perturbation.is_control:
            return Prediction((ur,), (self.name,), Applicability.IN)
        text, instead_nd = str(perturbation), mean_effect_of(ur, self.contexts, self.means, self.default)
        here, code_n = np.unique(ur.contexts.astype(str), return_inverse=True)
        shifts = [self._shift(text, str(context)) for context in here]
        for code, shift in enumerate(shifts):
            if shift is not None:
                instead_nd[code_n == code] = shift
        known = all(shift is not None for shift in shifts)
        unseen = set(map(str, here)) - set(self.contexts)
        verdict = (Applicability.EDGE if unseen else Applicability.IN) if known else Applicability.OUT
        return Prediction((ur.moved(instead_nd, text),), (self.name,), verdict)

    def _shift(self, text: str, context: str) -> np.ndarray | None:
        rows = self._rows.get(text, np.zeros(0, dtype=int))
        others = np.array([row for row in rows if self.contexts[self.codes[row]] != context], dtype=int)
        if not len(others) or not len(self.weights):
            return None
        seen = np.isfinite(self.shifts[others])
        weight = self.cells[others, None] * seen
        total = weight.sum(axis=0)
        mean_d = (np.where(seen, self.shifts[others], 0.0) * weight).sum(axis=0) / np.where(total > 0, total, 1.0)
        mean_d = np.where(total > 0, mean_d, self.default)
        if _primal(*self._given.shape):
            return np.asarray(np.append(mean_d, 1.0) @ self.weights)
        return np.asarray((self._given @ mean_d / _size(self._given) ** 2 + _INTERCEPT**2) @ self.weights)

    @cached_property
    def _given(self) -> np.ndarray:
        """``(q, d)`` mean effects in other contexts, that the map was learned from."""
        return _other_contexts(self.shifts, self.cells, self.texts, self.default)[0]

    @cached_property
    def _rows(self) -> Mapping[str, np.ndarray]:
        rows: dict[str, list[int]] = {}
        for row, text in enumerate(self.texts):
            rows.setdefault(text, []).append(row)
        return {text: np.array(each) for text, each in rows.items()}


def _other_contexts(
    shifts_rd: np.ndarray, cells_r: np.ndarray, texts: Sequence[str], default_d: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """``(q, d)`` mean effect of each row's perturbation in its other contexts, and the rows that have any."""
    _, code_r, count = np.unique(np.asarray(texts, dtype=str), return_inverse=True, return_counts=True)
    rows = np.flatnonzero(count[code_r] > 1)
    seen_rd = np.isfinite(shifts_rd[rows])
    known_rd = np.where(seen_rd, shifts_rd[rows], 0.0) * cells_r[rows, None]
    _, code_q = np.unique(code_r[rows], return_inverse=True)
    shape = (int(code_q.max(initial=-1)) + 1, len(rows))
    into = sparse.csr_matrix((np.ones(len(rows)), (code_q, np.arange(len(rows)))), shape=shape)
    others_qd = (into @ seen_rd.astype(float))[code_q] - seen_rd
    left_qd = (into @ (seen_rd * cells_r[rows, None]))[code_q] - seen_rd * cells_r[rows, None]
    mean_qd = ((into @ known_rd)[code_q] - known_rd) / np.where(others_qd > 0.5, left_qd, 1.0)
    return np.where(others_qd > 0.5, mean_qd, default_d), rows


def _size(given_qd: np.ndarray) -> float:
    return max(float(np.sqrt((given_qd**2).sum(axis=1).mean())), 1e-300)


def _primal(rows: int, dim: int) -> bool:
    """Whether axes are fewer than rows, so that the map itself is the smaller thing to solve for."""
    return dim < rows


def _solve(given_qd: np.ndarray, true_qd: np.ndarray, families: Sequence[str]) -> np.ndarray:
    """Weights of the ridge regression, as the class keeps them: never a square of the larger of rows and axes."""
    size = _size(given_qd)
    penalty = _penalty(given_qd / size, true_qd, families)
    if _primal(*given_qd.shape):
        design = np.column_stack([given_qd / size, np.full(len(given_qd), _INTERCEPT)])
        gram = design.T @ design + penalty * np.eye(design.shape[1])
        solved = linalg.solve(gram, design.T @ true_qd, assume_a="pos")
        return np.vstack([solved[:-1] / size, solved[-1:] * _INTERCEPT])
    kernel = given_qd @ given_qd.T / size**2 + _INTERCEPT**2 + penalty * np.eye(len(given_qd))
    return np.asarray(linalg.solve(kernel, true_qd, assume_a="pos"))


def _penalty(given_qd: np.ndarray, true_qd: np.ndarray, families: Sequence[str]) -> float:
    """The penalty with the smallest error on families left out."""
    rng = np.random.default_rng(0)
    rank = {family: place for place, family in enumerate(rng.permutation(sorted(set(families))))}
    some = np.argsort([rank[family] for family in families], kind="stable")[:_ROWS]
    x_qd, y_qd, chosen = given_qd[some], true_qd[some], [families[row] for row in some]
    if y_qd.shape[1] > _DIRECTIONS:
        y_qd = y_qd @ rng.standard_normal((y_qd.shape[1], _DIRECTIONS))
    if _primal(*x_qd.shape):
        left, strength, _ = np.linalg.svd(np.column_stack([x_qd, np.full(len(x_qd), _INTERCEPT)]), full_matrices=False)
        square = strength**2
    else:
        square, left = np.linalg.eigh(x_qd @ x_qd.T + _INTERCEPT**2)
        square = np.maximum(square, 0.0)
    inner, errors = left.T @ y_qd, []
    for penalty in _PENALTIES:
        kept = square / (square + penalty)
        residual = left_out_residuals(left, kept, y_qd - left @ (kept[:, None] * inner), chosen)
        errors.append(float((residual**2).sum()))
    return float(_PENALTIES[int(np.argmin(errors))])
