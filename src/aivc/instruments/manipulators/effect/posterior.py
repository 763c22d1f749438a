"""Answers as weighted sums of the measured rows, with the variance that the model states of them."""

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from jaxtyping import Float
from scipy.linalg import cho_factor, cho_solve

from aivc.instruments.manipulators.effect.components import Asked, Covariance
from aivc.instruments.manipulators.effect.rows import Rows
from aivc.instruments.manipulators.effect.strata import Stratum


@final
@dataclass(frozen=True, eq=False)
class Posterior:
    """Best linear unbiased prediction (Henderson 1975), stratum by stratum.

    Attributes:
        rows: Measured effects.
        covariance: What rows have in common.
        strata: Of the features.
        variances: ``(s, k + 1)`` of each component, and last of what each row has to itself.
        own: The rows as questions.
        carried: ``(k,)`` how much of each component reaches the questions; all of it by default.
    """

    rows: Rows
    covariance: Covariance
    strata: list[Stratum]
    variances: Float[np.ndarray, "s k"]
    own: Asked
    carried: Float[np.ndarray, " k"] | None = None

    def shift(self, asked: Asked, *, mean: bool = False) -> Float[np.ndarray, "q d"]:
        """Expected effects.

        Args:
            asked: Questions.
            mean: Of a perturbation that nothing is known of: the mean effect there.
        """
        found = np.zeros((len(asked.texts), self.rows.dim))
        for s, stratum in enumerate(self.strata):
            found += stratum.back(self._across(s, asked, mean=mean) @ self._solved[s][1])
        return found

    def weights(self, asked: Asked, *, mean: bool = False) -> Float[np.ndarray, "s q r"]:
        """How much of each row goes into each answer, by stratum."""
        return np.array(
            [
                cho_solve(self._solved[s][0], self._across(s, asked, mean=mean).T, check_finite=False).T
                for s in range(len(self.strata))
            ]
        )

    def many(self, asked: Asked, block: int = 4096) -> Float[np.ndarray, "q d"]:
        """Expected effects of many perturbations in one context: `shift`, in blocks that fit in memory."""
        found = np.zeros((len(asked.texts), self.rows.dim))
        for start in range(0, len(found), block):
            some = asked.take(np.arange(start, min(start + block, len(found))))
            found[start : start + block] = self.shift(some)
        return found

    def variance(self, asked: Asked, *, mean: bool = False) -> Float[np.ndarray, " q"]:
        """Expected squared error of the measured effects, summed over the features; ``mean`` as in `shift`."""
        own_qk, found = self.covariance.own(asked), np.zeros(len(asked.texts))
        for s in range(len(self.strata)):
            across = self._across(s, asked, mean=mean)
            told = cho_solve(self._solved[s][0], across.T, check_finite=False)
            prior = own_qk @ self.variances[s, :-1] + self.variances[s, -1]
            found += np.maximum(prior - np.einsum("qr,rq->q", across, told), 1e-6 * prior)
        return found

    def _across(self, s: int, asked: Asked, *, mean: bool = False) -> np.ndarray:
        """``(q, r)`` covariance of questions with rows; a row that is asked about itself shares all that is its own."""
        variance_k = self.variances[s, :-1] * (1.0 if self.carried is None else self.carried)
        if mean:
            everybody = [each.perturbations == "all" for each in self.covariance.parts]
            return self.covariance.total(asked, self.own, variance_k * everybody)
        found = self.covariance.total(asked, self.own, variance_k)
        same = (asked.texts[:, None] == self.own.texts) & (asked.contexts[:, None] == self.own.contexts)
        found[same] += self.variances[s, -1]
        return found

    @cached_property
    def _solved(self) -> list[tuple[tuple[np.ndarray, bool], np.ndarray]]:
        """For each stratum the factor of the rows' covariance, and the rows as they are weighed by it."""
        found = []
        alike = self.rows.contexts[:, None] == self.rows.contexts if self.rows.known_noise else None
        for s, stratum in enumerate(self.strata):
            total = self.covariance.total(self.own, self.own, self.variances[s, :-1])
            diagonal = np.full(len(total), self.variances[s, -1] * (1 + 1e-8))
            if alike is not None:
                root = np.sqrt(stratum.noise(self.rows.shared))
                total += np.outer(root, root) * alike
                diagonal += stratum.noise(self.rows.noise)
            total[np.diag_indices_from(total)] += diagonal
            factor = cho_factor(total, lower=True, overwrite_a=True, check_finite=False)
            found.append((factor, cho_solve(factor, stratum.of(self.rows.shifts), check_finite=False)))
        return found
