"""Tables of one reading in many contexts, such as drug response: what each context says of the others' drugs.

Each context is a draw of a vector over perturbations, normal with a mean and a covariance that all contexts tell
together (expectation-maximization with values missing; Dempster, Laird & Rubin 1977; Little & Rubin 2002, chapter 11).
It is the mixed model with one component, ``same context × a free covariance of perturbations``.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float
from scipy.linalg.lapack import dpotrf, dpotri

from aivc.instruments.manipulators.effect.rows import Rows

# With fewer contexts, or than perturbations, no free covariance is estimated; of many readings likeness says more.
_CONTEXTS, _PERTURBATIONS, _MOST_READINGS = 60, 10, 4
# Contexts that the first guess of the covariance counts for, its noise, and rounds: what they are matters little.
_PRIOR, _NOISE, _ROUNDS, _FIRST = 20.0, 0.1, 3, 0.5


def answer_by_columns(rows: Rows) -> bool:
    """Whether a table is of this kind."""
    contexts, texts = len(set(rows.contexts)), len(set(rows.texts))
    return rows.dim <= _MOST_READINGS and contexts >= max(_CONTEXTS, texts) and texts >= _PERTURBATIONS


@final
@dataclass(frozen=True, eq=False)
class Columns:
    """Readings of all perturbations in all contexts, expected where they were not measured.

    Attributes:
        texts: Column of each perturbation.
        contexts: Row of each context.
        expected: ``(c, p, d)`` readings; as measured where they were.
        variance: ``(c, p, d)`` expected squared error of one more measurement.
        mean: ``(p, d)`` for a context of which nothing was measured.
        spread: ``(p, d)`` variance over contexts.
    """

    texts: dict[str, int]
    contexts: dict[str, int]
    expected: Float[np.ndarray, "c p d"]
    variance: Float[np.ndarray, "c p d"]
    mean: Float[np.ndarray, "p d"]
    spread: Float[np.ndarray, "p d"]

    @classmethod
    def of(cls, rows: Rows) -> "Columns":
        """Complete each reading apart."""
        names, place_r = np.unique(rows.texts, return_inverse=True)
        where, at_r = np.unique(rows.contexts, return_inverse=True)
        laid = np.full((len(where), len(names), rows.dim), np.nan)
        laid[at_r, place_r] = rows.shifts
        completed = [_completed(laid[:, :, d]) for d in range(rows.dim)]
        expected, variance, mean, spread = (np.stack(each, axis=-1) for each in zip(*completed, strict=True))
        texts, contexts = ({str(name): i for i, name in enumerate(each)} for each in (names, where))
        return cls(texts, contexts, expected, variance, mean, spread)

    def tell(self, text: str, context: str) -> tuple[np.ndarray, np.ndarray]:
        """``(d,)`` readings and their variance."""
        column = self.texts[text]
        if context not in self.contexts:
            return self.mean[column], self.spread[column]
        row = self.contexts[context]
        return self.expected[row, column], self.variance[row, column]

    def level(self, context: str) -> np.ndarray:
        """``(d,)`` mean over perturbations in a context."""
        return np.asarray(
            (self.expected[self.contexts[context]] if context in self.contexts else self.mean).mean(axis=0)
        )


def _completed(laid_cp: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Expected readings and variances ``(c, p)``, mean and spread ``(p,)``, of one reading with NaN where missing."""
    known = np.isfinite(laid_cp)
    count_p = np.maximum(known.sum(axis=0), 1)
    middle_p = np.where(known, laid_cp, 0.0).sum(axis=0) / count_p
    scale_p = np.sqrt(np.maximum((np.where(known, laid_cp - middle_p, 0.0) ** 2).sum(axis=0) / count_p, 1e-12))
    unit_cp = np.where(known, (laid_cp - middle_p) / scale_p, 0.0)
    size = len(middle_p)
    prior = _FIRST * (np.eye(size) + 1)
    mean_p, covariance = np.zeros(size), prior
    for _ in range(_ROUNDS):
        full_cp, left, precision = np.zeros_like(unit_cp), np.zeros((size, size)), _inverse(covariance)
        for c, seen in enumerate(known):
            full_cp[c], rest = _conditional(unit_cp[c], seen, mean_p, precision)
            left += rest
        mean_p = full_cp.mean(axis=0)
        away = full_cp - mean_p
        covariance = (away.T @ away + left + _PRIOR * prior) / (len(known) + _PRIOR)
    variance_cp, precision = np.zeros_like(unit_cp), _inverse(covariance)
    for c, seen in enumerate(known):
        full_cp[c], rest = _conditional(unit_cp[c], seen, mean_p, precision)
        variance_cp[c] = np.where(seen, 0.0, np.maximum(np.diag(rest), 0.0) + _NOISE)
    expected = np.where(known, laid_cp, full_cp * scale_p + middle_p)
    spread_p = (np.diag(covariance) + _NOISE) * scale_p**2
    return expected, variance_cp * scale_p**2, mean_p * scale_p + middle_p, spread_p


def _conditional(
    unit_p: np.ndarray, seen: np.ndarray, mean_p: np.ndarray, precision: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean ``(p,)`` and covariance ``(p, p)`` given what was seen of a context."""
    answer_p = seen / _NOISE
    rest = _inverse(precision + np.diag(answer_p))
    return mean_p + rest @ (answer_p * (unit_p - mean_p)), rest


def _inverse(symmetric: np.ndarray) -> np.ndarray:
    """Of a positive definite matrix."""
    factor, failed = dpotrf(symmetric, lower=True, clean=True)
    found, undone = dpotri(factor, lower=True)
    if failed or undone:
        raise np.linalg.LinAlgError("The covariance of readings is not positive definite.")
    return np.asarray(np.tril(found) + np.tril(found, -1).T)
