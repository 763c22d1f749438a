"""How large an error is to be expected, learned from perturbations that were left out and then compared."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple, final

import numpy as np
from jaxtyping import Float, Int


class Applicability(StrEnum):
    """Whether a question lies where the model has evidence."""

    IN = "in"  # this perturbation, or what it is made of, was seen in training
    EDGE = "edge"  # not seen, but its relatives were
    OUT = "out"  # nothing is known about it; the answer is a default


class HeldOut(NamedTuple):
    """A perturbation left out of training, predicted, and then compared with what was measured.

    Attributes:
        predicted: ``(f,)`` predicted mean profile.
        spread: ``(f,)`` standard deviation of the predicted profile across draws.
        measured: ``(f,)`` measured mean profile; NaN where a feature was not measured.
        cells: How many cells the measured profile is the mean of.
        control: ``(f,)`` profile of the controls that the predicted effect was added to; None where it is not known.
        floor: ``(f,)`` what the mean effect predicts; None where it was not asked.
        applicability: Verdict on the question: the kind of evidence it was answered from.
        context: Where it was asked.
        departure: Mean squared distance, over axes, of the predicted mean state from that of the mean effect.
        perturbation: Its text.
        shared: One over the cells of the control that the effect was measured against; 0 where that has no noise.
        follows: How much of the noise of that control the predicted effect takes over (`Calibration`).
    """

    predicted: np.ndarray
    spread: np.ndarray
    measured: np.ndarray
    cells: float
    control: np.ndarray | None = None
    floor: np.ndarray | None = None
    applicability: Applicability = Applicability.EDGE
    context: str = ""
    departure: float = float("nan")
    perturbation: str = ""
    shared: float = 0.0
    follows: float = 0.0

    def noise(self, variance: np.ndarray) -> np.ndarray:
        """``(f,)`` sampling variance of the error, for that of one cell: of the profile, and of the control.

        The control that the effect is added to is too high by as much as effects measured against it are too low. What
        a method takes over of that, it makes good.
        """
        return np.asarray(variance * (1 / self.cells + self.shared * (1 - self.follows) ** 2))


@final
@dataclass(frozen=True, eq=False)
class Growth:
    """How the error on perturbations not seen grows with what a method says of them, before anything is measured.

    The variance of the model's error is multiplied by the exponential of ``slopes`` times two logarithms, of the mean
    squared predicted effect and of the mean squared spread across draws, each standardized and kept within the range
    seen among held-out perturbations; and ``own`` times the squared effect of the feature itself is added.

    Attributes:
        table: ``(2, 5)`` for effect and spread: mean and standard deviation of the logarithm, least and greatest
            standardized value, slope.
        own: Share of the squared effect of a feature that its squared error has.
        least: Added to mean squares before the logarithm, so that a predicted effect of zero is finite.
    """

    table: Float[np.ndarray, "2 5"]
    own: float
    least: float

    def logs(self, effect: np.ndarray, spread: np.ndarray) -> np.ndarray:
        """``(2,)`` standardized logarithms of the size of an effect and of its spread, each ``(f,)``."""
        sizes = np.log(np.array([_mean_square(effect), _mean_square(spread)]) + self.least)
        return np.asarray((sizes - self.table[:, 0]) / self.table[:, 1])

    def factor(self, effect: np.ndarray, spread: np.ndarray) -> float:
        """Return what the variance of the model's error is multiplied by."""
        inside = np.clip(self.logs(effect, spread), self.table[:, 2], self.table[:, 3])
        return float(np.exp(inside @ self.table[:, 4]))

    def beyond(self, effect: np.ndarray, spread: np.ndarray) -> bool:
        """Whether effect or spread is over twice as large as any of the held-out ones."""
        reached = self.logs(effect, spread) - self.table[:, 3]
        return bool((reached * self.table[:, 1] > 2 * np.log(2)).any())


# How many held-out perturbations of a group say as much of it as all of them together.
_TRUSTED = 20
# Fewer held-out perturbations of the kind asked about are no ground for a promise: one in ten has to lie outside.
_FEWEST = 9
# Groups of held-out perturbations: by kind of evidence, and in each by predicted strength.
KINDS, THIRDS = tuple(Applicability), 3


@final
@dataclass(frozen=True, eq=False)
class Calibration:
    """Split-conformal calibration of the mean profile, pooled over perturbations (Dunn, Wasserman & Ramdas 2023).

    Held-out perturbations like the one asked about count for more (Tibshirani et al. 2019). From all of them, the
    weights go ``n / (n + 20)`` of the way to the ``n`` answered from the same kind of evidence, and from there likewise
    to those among them in the same third by predicted strength (Mondrian groups; Vovk, Gammerman & Shafer 2005).

    Attributes:
        variance: ``(f,)`` variance of one measured cell, so that small experiments get wider intervals.
        model: ``(f,)`` variance of the model's error on perturbations it has not seen.
        scores: ``(c,)`` sorted scaled errors of held-out perturbations.
        weights: ``(c,)`` their weights; each perturbation weighs the same. Above their sum there is no finite interval.
        cells: How many cells the experiment reads out unless said otherwise.
        growth: How the error grows with what is said, for each kind of evidence; None where variance and spread across
            draws are all there is.
        models: ``(3, f)`` variance of the model's error by kind of evidence, where growth multiplies it by 1.
        groups: ``(c,)`` kind of evidence times 3, plus third by predicted strength; none where they are not known.
        counts: ``(9,)`` held-out perturbations in each group; none where they are not known.
        cuts: ``(3, 2)`` for each kind of evidence the mean squared effect at which the second and the last third begin.
        contexts: In which perturbations were held out; none where contexts were, and any may be asked.
        shared: One over the cells of a control of the fit; 0 where the control has no noise.
        follows: How much of the noise of a control a predicted effect takes over in its context: 1 for a method that
            takes all that the perturbations there have in common, 0 for one that uses other contexts only.
    """

    variance: Float[np.ndarray, " f"]
    model: Float[np.ndarray, " f"]
    scores: Float[np.ndarray, " c"]
    weights: Float[np.ndarray, " c"]
    cells: float
    growth: tuple[Growth, ...] | None = None
    models: Float[np.ndarray, "3 f"] | None = None
    groups: Int[np.ndarray, " c"] | None = None
    counts: Float[np.ndarray, " g"] | None = None
    cuts: Float[np.ndarray, "3 2"] | None = None
    contexts: tuple[str, ...] = ()
    shared: float = 0.0
    follows: float = 0.0

    def quantile(
        self, level: float, *, effect: np.ndarray | None = None, applicability: Applicability | None = None
    ) -> float:
        """Return the scaled half-width that held ``level`` of what was held out.

        Args:
            level: Such as 0.9.
            effect: ``(f,)`` predicted effect, for the weights of the held-out ones; None weighs all alike.
            applicability: Kind of evidence of the answer.
        """
        kind, third = -1, -1
        if self.groups is not None and self.cuts is not None and effect is not None and applicability is not None:
            kind = KINDS.index(applicability)
            third = int(np.searchsorted(self.cuts[kind], _mean_square(effect)))
        # Of thousands of questions, the groups are nine.
        if (level, kind, third) not in self._quantiles:
            self._quantiles[level, kind, third] = self._quantile(level, kind, third)
        return self._quantiles[level, kind, third]

    @cached_property
    def _quantiles(self) -> dict[tuple[float, int, int], float]:
        return {}

    def _quantile(self, level: float, kind: int, third: int) -> float:
        weights = self.weights if kind < 0 else self.weights * self._likeness(kind, third)[self.groups]
        where = int(np.searchsorted(np.cumsum(weights), level - 1e-12))
        return float(self.scores[where]) if where < len(self.scores) else float("inf")

    def _likeness(self, kind: int, third: int) -> np.ndarray:
        """``(g,)`` how much more than its share a held-out perturbation of each group counts."""
        assert self.counts is not None
        code, total = np.arange(len(self.counts)), float(self.counts.sum())
        weight_g = np.ones(len(self.counts))
        for alike_g in (code // THIRDS == kind, code == THIRDS * kind + third):
            own = float(self.counts[alike_g].sum())
            if own:
                trust = own / (own + _TRUSTED)
                weight_g = (1 - trust) * weight_g + trust * alike_g * total / own
        return np.asarray(weight_g)

    def scale(
        self,
        spread: np.ndarray,
        cells: float | None = None,
        *,
        effect: np.ndarray | None = None,
        applicability: Applicability | None = None,
        controls: float | None = None,
    ) -> np.ndarray:
        """Return the ``(f,)`` expected error of a profile measured on ``cells`` cells, or of its effect.

        Args:
            spread: ``(f,)`` standard deviation of the predicted profile across draws.
            cells: How many; those of the held-out perturbations by default.
            effect: ``(f,)`` predicted effect, and
            applicability: kind of evidence of the answer; without both the spread is added to the model's error on
                average.
            controls: How many fresh control cells the profile is compared with; None for the profile itself, which is
                predicted from the control of the fit.
        """
        noise = self.variance * (1 / (cells or self.cells) + self._of_controls(controls))
        if self.growth is None or self.models is None or effect is None or applicability is None:
            # How the error grows was not seen for such evidence: what the method states of itself is added instead.
            return np.asarray(np.sqrt(noise + self.model + spread**2))
        kind = KINDS.index(applicability)
        growth = self.growth[kind]
        return np.asarray(np.sqrt(noise + self.models[kind] * growth.factor(effect, spread) + growth.own * effect**2))

    def _of_controls(self, controls: float | None) -> float:
        """Variance that comes from controls, in units of that of one cell."""
        if controls is None:
            return self.shared * (1 - self.follows) ** 2
        # With fresh controls nothing is made good: theirs have noise, and what was taken over of the others' remains.
        return 1 / controls + self.shared * self.follows**2

    @property
    def controls(self) -> float:
        """How many control cells a context of the fit has; infinitely many where the control has no noise."""
        return 1 / self.shared if self.shared else float("inf")

    def knows(self, applicability: Applicability) -> bool:
        """Whether any perturbation was held out that was answered from this kind of evidence."""
        kind = KINDS.index(applicability)
        return self.counts is not None and bool(self.counts[THIRDS * kind : THIRDS * (kind + 1)].any())

    def holds(self, applicability: Applicability, contexts: Iterable[str], effect: np.ndarray | None) -> bool:
        """Whether perturbations like the one asked about were held out, so that coverage is promised on average.

        They are where nine or more were answered from the same kind of evidence, in contexts that were held out too,
        and the predicted effect is at most twice as large as any of theirs.
        """
        if self.counts is None or self.growth is None or effect is None or not np.isfinite(effect).all():
            return False
        kind = KINDS.index(applicability)
        known = self.counts[THIRDS * kind : THIRDS * (kind + 1)].sum() >= _FEWEST
        here = not self.contexts or set(map(str, contexts)) <= set(self.contexts)
        return bool(known and here and not self.growth[kind].beyond(effect, np.zeros_like(effect)))


def _mean_square(values: np.ndarray) -> float:
    return float(values @ values) / len(values)
