"""Answers as weighted sums of the measured rows, with the variance that the model states of them."""

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from jaxtyping import Bool, Float
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.linalg.lapack import dpotri

from aivc.instruments.manipulators.effect.components import Covariance, Queries
from aivc.instruments.manipulators.effect.grid import Grid
from aivc.instruments.manipulators.effect.likeness import two_way
from aivc.instruments.manipulators.effect.rows import EffectRows
from aivc.instruments.manipulators.effect.strata import Stratum

# Beyond so many rows their covariance is not laid out.
_DENSE = 8000


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
        transferred: ``(k,)`` how much of each component reaches the questions; all of it by default.
    """

    rows: EffectRows
    covariance: Covariance
    strata: list[Stratum]
    variances: Float[np.ndarray, "s v"]
    own: Queries
    transferred: Float[np.ndarray, " k"] | None = None

    @property
    def large(self) -> bool:
        """Whether there are so many rows that the variance of each answer would take too long."""
        return len(self.rows) > _DENSE

    def shift(self, asked: Queries, *, mean: bool = False) -> Float[np.ndarray, "q d"]:
        """Expected effects.

        Args:
            asked: Questions.
            mean: Of a perturbation that nothing is known of: the mean effect there.
        """
        found = np.array([self.level(context) for context in asked.contexts]).reshape(-1, self.rows.dim)
        if self.large and mean:
            return found
        for s, stratum in enumerate(self.strata):
            found += stratum.back(self._across(s, asked, mean=mean) @ self._solved[s][1])
        return found

    def completed(self, gaps: Bool[np.ndarray, "r d"], rounds: int = 4) -> Float[np.ndarray, "r d"]:
        """The rows with what all other rows say of each where there are gaps, in rounds, so that gaps tell nothing.

        With ``V`` the covariance of the rows ``Y``, leaving one out gives ``y_i - (V^-1 Y)_i / (V^-1)_ii``; not of so
        many rows that ``V`` is not laid out.
        """
        shifts_rd = self.rows.shifts
        solvers = [(solver, solver.precision[:, None]) for solver in self._solvers if isinstance(solver, Dense)]
        for _ in range(rounds if len(solvers) == len(self.strata) else 0):
            said_rd = np.zeros_like(shifts_rd)
            for (solver, precision_r), stratum in zip(solvers, self.strata, strict=True):
                y_rk = stratum.of(shifts_rd)
                said_rd += stratum.back(y_rk - solver.solve(y_rk) / precision_r)
            shifts_rd = np.where(gaps, said_rd, shifts_rd)
        return shifts_rd

    def level(self, context: str) -> Float[np.ndarray, " d"]:
        """What is taken off the rows of a context before they are weighed: its mean effect where there are many rows.

        Beside so many rows its variance is nothing, and conjugate gradients would be slow to find it.
        """
        if not self.large:
            return np.zeros(self.rows.dim)
        known, means_cd = self._levels
        return means_cd[known[context]] if context in known else np.asarray(means_cd.mean(axis=0))

    @cached_property
    def _levels(self) -> tuple[dict[str, int], np.ndarray]:
        names, at_r = np.unique(self.rows.contexts, return_inverse=True)
        place_r = np.unique(self.rows.texts, return_inverse=True)[1]
        return {str(name): i for i, name in enumerate(names)}, two_way(self.rows.shifts, place_r, at_r)[1]

    def weights(self, asked: Queries, *, mean: bool = False) -> Float[np.ndarray, "s q r"]:
        """How much of each row goes into each answer, by stratum."""
        solved = [solver.solve(self._across(s, asked, mean=mean).T).T for s, (solver, _) in enumerate(self._solved)]
        return np.array(solved)

    def pieces(self, asked: Queries) -> tuple[Float[np.ndarray, "r d"], Float[np.ndarray, "r d"]]:
        """What each row adds to the answer of one question, beside `level`; and the rows as they are weighed."""
        left_rd = self._left
        found = np.zeros_like(left_rd)
        for weight_qr, stratum in zip(self.weights(asked), self.strata, strict=True):
            found += stratum.back(weight_qr[0][:, None] * stratum.of(left_rd))
        return found, left_rd

    @cached_property
    def _left(self) -> np.ndarray:
        """Rows without the level of their context."""
        shifts_rd = self.rows.shifts
        return shifts_rd - np.array([self.level(c) for c in self.rows.contexts]) if self.large else shifts_rd

    def many(self, asked: Queries, block: int = 4096) -> Float[np.ndarray, "q d"]:
        """Expected effects of many perturbations in one context: `shift`, in blocks that fit in memory."""
        if len(asked.texts) <= block:
            # The very questions: what they have in common with the rows is kept for their variance.
            return self.shift(asked)
        found = np.zeros((len(asked.texts), self.rows.dim))
        for start in range(0, len(found), block):
            some = asked.take(np.arange(start, min(start + block, len(found))))
            found[start : start + block] = self.shift(some)
        return found

    def variance(self, asked: Queries, *, mean: bool = False) -> Float[np.ndarray, " q"]:
        """Expected squared error of the measured effects, summed over the features; ``mean`` as in `shift`."""
        own_qk, found = self.covariance.own(asked), np.zeros(len(asked.texts))
        for s, (solver, _) in enumerate(self._solved):
            across = self._across(s, asked, mean=mean)
            prior = own_qk @ self.variances[s, :-1] + self.variances[s, -1]
            found += np.maximum(prior - solver.explained(across), 1e-6 * prior)
        return found

    def joint(self, asked: Queries) -> Float[np.ndarray, "q q"]:
        """Covariance of the errors of different questions, summed over the features."""
        own_qk, found = self.covariance.own(asked), np.zeros((len(asked.texts),) * 2)
        for s, (solver, _) in enumerate(self._solved):
            across, variance_k = self._across(s, asked), self._variance(s)
            prior = self.covariance.total(asked, asked, variance_k)
            # An unseen perturbation's effect is as large as others' are, also where nothing is known of it.
            prior[np.diag_indices_from(prior)] = own_qk @ variance_k + self.variances[s, -1]
            found += prior - across @ solver.solve(across.T)
        least = 1e-6 * max(float(np.diag(found).max(initial=0.0)), 1e-300)
        found[np.diag_indices_from(found)] = np.maximum(np.diag(found), least)
        return (found + found.T) / 2

    def _variance(self, s: int) -> np.ndarray:
        """``(k,)`` of the components; none of mean effects where these are taken off."""
        apart = [each.perturbations != "all" or not self.large for each in self.covariance.parts]
        return np.asarray(self.variances[s, :-1] * apart)

    def _across(self, s: int, asked: Queries, *, mean: bool = False) -> np.ndarray:
        """``(q, r)`` covariance of questions with rows; a row that is asked about itself shares all that is its own."""
        variance_k = self._variance(s) * (1.0 if self.transferred is None else self.transferred)
        if mean:
            everybody = [each.perturbations == "all" for each in self.covariance.parts]
            return self.covariance.total(asked, self.own, variance_k * everybody)
        found = self.covariance.total(asked, self.own, variance_k)
        same = (asked.texts[:, None] == self.own.texts) & (asked.contexts[:, None] == self.own.contexts)
        found[same] += self.variances[s, -1]
        return found

    @cached_property
    def _solved(self) -> list[tuple["Dense | Grid", np.ndarray]]:
        """For each stratum what solves for the rows' covariance, and the rows as they are weighed by it."""
        solved = zip(self._solvers, self.strata, strict=True)
        return [(solver, solver.solve(stratum.of(self._left))) for solver, stratum in solved]

    @cached_property
    def _solvers(self) -> list["Dense | Grid"]:
        rows, found = self.rows, list[Dense | Grid]()
        for s, stratum in enumerate(self.strata):
            diagonal = np.full(len(rows), self.variances[s, -1] * (1 + 1e-8))
            if rows.known_noise:
                diagonal += stratum.noise(rows.noise)
            found.append(self._grid(s, stratum, diagonal) if self.large else self._dense(s, stratum, diagonal))
        return found

    def _dense(self, s: int, stratum: Stratum, diagonal: np.ndarray) -> "Dense":
        total = self.covariance.total(self.own, self.own, self.variances[s, :-1])
        if self.rows.known_noise:
            root = np.sqrt(stratum.noise(self.rows.shared))
            total += np.outer(root, root) * (self.rows.contexts[:, None] == self.rows.contexts)
        total[np.diag_indices_from(total)] += diagonal
        return Dense(cho_factor(total, lower=True, overwrite_a=True, check_finite=False))

    def _grid(self, s: int, stratum: Stratum, diagonal: np.ndarray) -> Grid:
        # On a grid the noise of shared controls is taken for each row's own: so many rows average it out.
        shared = stratum.noise(self.rows.shared) if self.rows.known_noise else 0.0
        return Grid.of(self.covariance, self.own, self._variance(s), diagonal + shared)


@final
@dataclass(frozen=True, eq=False)
class Dense:
    """Cholesky factor of a covariance.

    Attributes:
        factor: As scipy makes it.
    """

    factor: tuple[np.ndarray, bool]

    def solve(self, wanted: np.ndarray) -> np.ndarray:
        """Solve for columns."""
        return np.asarray(cho_solve(self.factor, wanted, check_finite=False))

    @property
    def precision(self) -> Float[np.ndarray, " r"]:
        """Diagonal of the inverse."""
        inverse, failed = dpotri(self.factor[0], lower=self.factor[1])
        if failed:
            raise np.linalg.LinAlgError("The covariance of the rows is not positive definite.")
        return np.diag(inverse).copy()

    def explained(self, across: np.ndarray) -> np.ndarray:
        """``(q,)`` how much of each question's variance the rows explain, from its covariances ``(q, r)`` with them."""
        half = solve_triangular(self.factor[0], across.T, lower=self.factor[1], check_finite=False)
        return np.asarray((half**2).sum(axis=0))
