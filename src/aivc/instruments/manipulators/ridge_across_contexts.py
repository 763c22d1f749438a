"""The same perturbation's effect in other contexts, through one ridge regression: the bar for a new pair."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float

from aivc.core.contracts import Manipulator
from aivc.core.effects import effects
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Applicability, Prediction
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.data.compounds import family_of
from aivc.instruments.manipulators.elsewhere import means_elsewhere
from aivc.instruments.manipulators.left_out import left_out_residuals

_PENALTIES = np.geomspace(0.03, 1000, 12)


@final
@dataclass(frozen=True, eq=False)
class RidgeAcrossContexts(Manipulator):
    """Linear map from the mean effect of a perturbation in other contexts to its effect in one.

    One map for all pairs of contexts, with an intercept; the penalty has the smallest error on perturbations left out.
    A perturbation measured in no other context gets the mean effect, as all do where none was measured twice.

    Attributes:
        reads: Space it was fitted on.
        texts: ``r`` perturbations measured, one for each context they were measured in.
        contexts: ``r`` these contexts.
        shifts: ``(r, d)`` what they did, and
        cells: ``(r,)`` the cells each stands on.
        weights: ``(d + 1, d)`` the map, its last row the intercept; empty where nothing could be learned.
        default: ``(d,)`` mean effect.
    """

    name: ClassVar[str] = "ridge-across-contexts"
    reads: Space
    texts: tuple[str, ...]
    contexts: tuple[str, ...]
    shifts: Float[np.ndarray, "r d"]
    cells: Float[np.ndarray, " r"]
    weights: Float[np.ndarray, "e d"]
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
        texts = tuple(map(str, seen.perturbations))
        mean_rd, others_r = means_elsewhere(seen.shifts, seen.cells, texts)
        rows = np.flatnonzero(others_r > 0)
        families = [family_of(Perturbation.parse(texts[row])) for row in rows]
        enough = len(set(families)) >= 3
        weights = _solve(mean_rd[rows], seen.shifts[rows], families) if enough else np.zeros((0, ur.space.dim))
        default = seen.shifts.mean(axis=0) if texts else np.zeros(ur.space.dim)
        return cls(ur.space, texts, tuple(map(str, seen.contexts)), seen.shifts, seen.cells, weights, default)

    def manipulate(self, ur: UR, perturbation: Perturbation) -> Prediction[UR]:
        """Shift every state by what the effect elsewhere says of it here."""
        self.reads.require(ur.space, self.name)
        if perturbation.is_control:
            return Prediction((ur,), (self.name,), Applicability.IN)
        text = str(perturbation)
        here, code_n = np.unique(ur.contexts.astype(str), return_inverse=True)
        shifts = [self._shift(text, str(context)) for context in here]
        known = bool(len(self.weights)) and all(shift is not None for shift in shifts)
        table = np.array([self.default if shift is None else shift for shift in shifts])
        strange = set(map(str, here)) - set(self.contexts)
        told = (Applicability.EDGE if strange else Applicability.IN) if known else Applicability.OUT
        return Prediction((ur.moved(table[code_n], text),), (self.name,), told)

    def _shift(self, text: str, context: str) -> np.ndarray | None:
        rows = self._rows.get(text, np.zeros(0, dtype=int))
        others = np.array([row for row in rows if self.contexts[row] != context], dtype=int)
        if not len(others) or not len(self.weights):
            return None
        mean_d = np.average(self.shifts[others], axis=0, weights=self.cells[others])
        return np.asarray(np.append(mean_d, 1.0) @ self.weights)

    @cached_property
    def _rows(self) -> Mapping[str, np.ndarray]:
        rows: dict[str, list[int]] = {}
        for row, text in enumerate(self.texts):
            rows.setdefault(text, []).append(row)
        return {text: np.array(each) for text, each in rows.items()}


def _solve(mean_rd: np.ndarray, true_rd: np.ndarray, families: list[str]) -> np.ndarray:
    size = max(float(np.sqrt((mean_rd**2).sum(axis=1).mean())), 1e-300)
    # The intercept is a feature with so large a scale that the penalty does not reach it.
    design = np.column_stack([mean_rd / size, np.full(len(mean_rd), 30.0)])
    left, strength, right = np.linalg.svd(design, full_matrices=False)
    inner = left.T @ true_rd
    best = (np.inf, 1.0)
    for penalty in _PENALTIES:
        kept = strength**2 / (strength**2 + penalty)
        error = left_out_residuals(left, kept, true_rd - left @ (kept[:, None] * inner), families)
        best = min(best, (float((error**2).sum()), float(penalty)))
    solved = right.T @ ((strength / (strength**2 + best[1]))[:, None] * inner)
    return np.vstack([solved[:-1] / size, solved[-1:] * 30.0])
