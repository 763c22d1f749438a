"""How far the fate of a clone may lie from what was said: intervals that were tried on clones left out."""

from typing import NamedTuple, final

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import gammaln
from scipy.stats import beta, betabinom

# Of the shares of a clone about the probabilities said; the larger, the closer. Bounds in natural logarithm.
_BOUNDS = (np.log(0.05), np.log(1e4))
_LEAST = 1e-9


class SaidOfClones(NamedTuple):
    """What was said of clones that were left out, and what became of them.

    Attributes:
        p_nc: ``(n, c)`` probabilities said of each of their earlier cells.
        count_nc: ``(n, c)`` number of last cells of its clone in each terminal state.
        share_n: ``(n,)`` weight of each cell; every clone weighs the same, and all sum to one.
        clones: How many there are.
    """

    p_nc: np.ndarray
    count_nc: np.ndarray
    share_n: np.ndarray
    clones: int


@final
class FateIntervals(NamedTuple):
    """Where the composition of a clone lies, given what was said of one of its cells.

    What a clone becomes is taken for a draw from a Dirichlet distribution about the probabilities said, whose
    concentration is the likeliest for clones left out (Dirichlet-multinomial; Mosimann 1962, Biometrika 49:65). That
    such a distribution has the right shape is not taken for granted: how much of it an interval must hold is read, for
    each terminal state, from where the numbers of last cells of the clones left out came to lie in it (split-conformal
    with randomized ranks; Vovk et al. 2005, ch. 2; folds: Barber et al. 2021, Ann Stat 49:486).

    Attributes:
        concentration: Of the Dirichlet distribution.
        score_nc: ``(n, c)`` central mass that just reaches what became of each clone left out; 0 to 1.
        share_n: ``(n,)`` their weights.
        clones: How many clones these are.
    """

    concentration: float
    score_nc: np.ndarray
    share_n: np.ndarray
    clones: int

    @classmethod
    def of(cls, said: SaidOfClones, seed: int) -> "FateIntervals":
        """Learn from clones left out; ``seed`` draws the ranks of numbers that tie."""
        fit = minimize_scalar(lambda log_a: _loss(np.exp(log_a), said), bounds=_BOUNDS, method="bounded")
        found = cls(float(np.exp(fit.x)), np.zeros((0, said.p_nc.shape[1])), said.share_n, said.clones)
        return found._replace(score_nc=found.scores(said, seed))

    def scores(self, said: SaidOfClones, seed: int) -> np.ndarray:
        """``(n, c)`` central mass of the predictive distribution that just reaches the number of last cells.

        Were the distribution right, these would be even between 0 and 1.
        """
        total_n1 = np.rint(said.count_nc.sum(axis=1, keepdims=True))
        count_nc = np.minimum(np.rint(said.count_nc), total_n1)
        first_nc, second_nc = self._shape(said.p_nc)
        below_nc = betabinom.cdf(count_nc - 1, total_n1, first_nc, second_nc)
        upto_nc = betabinom.cdf(count_nc, total_n1, first_nc, second_nc)
        rank_nc = below_nc + np.random.default_rng(seed).random(count_nc.shape) * (upto_nc - below_nc)
        return np.asarray(np.abs(2 * rank_nc - 1))

    def masses(self, level: float) -> np.ndarray:
        """``(c,)`` central mass of the distribution that intervals of this level hold; 1 where clones were too few."""
        order_nc = np.argsort(self.score_nc, axis=0)
        # One clone more, the one that is asked about, might lie anywhere.
        known_nc = np.cumsum(self.share_n[order_nc], axis=0) * self.clones / (self.clones + 1)
        first_c = (known_nc < level).sum(axis=0)
        sorted_nc = np.vstack([np.take_along_axis(self.score_nc, order_nc, axis=0), np.ones(self.score_nc.shape[1])])
        return np.asarray(sorted_nc[first_c, np.arange(sorted_nc.shape[1])])

    def ends(self, p_nc: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
        """``(n, c)`` lower and upper ends for the share of a clone that takes each fate.

        Args:
            p_nc: What is said of a cell of it.
            level: Share of clones whose composition lies inside, for each terminal state.
        """
        mass_c = self.masses(level)
        first_nc, second_nc = self._shape(p_nc)
        low_nc, high_nc = (beta.ppf((1 + sign * mass_c) / 2, first_nc, second_nc) for sign in (-1, 1))
        return np.asarray(low_nc), np.asarray(high_nc)

    def _shape(self, p_nc: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        p_nc = np.clip(p_nc, _LEAST, 1 - _LEAST)
        return self.concentration * p_nc, self.concentration * (1 - p_nc)


def _loss(concentration: float, said: SaidOfClones) -> float:
    """Minus the mean log likelihood of the numbers of last cells; terms without the concentration are left out."""
    first_nc, total_n = concentration * np.maximum(said.p_nc, _LEAST), said.count_nc.sum(axis=1)
    rows = gammaln(concentration) - gammaln(total_n + concentration)
    rows += (gammaln(said.count_nc + first_nc) - gammaln(first_nc)).sum(axis=1)
    return -float(said.share_n @ rows)
