"""Effects at doses that were not tried: a Gaussian process over the log dose of each compound, one for all features."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float

from aivc.core.contracts import Manipulator
from aivc.core.dose_units import amount, quantity
from aivc.core.effects import effects
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Applicability, Prediction
from aivc.core.space import Space
from aivc.core.ur import UR

# What is tried: e-folds of dose over which effects stay alike, share that lasts over all doses, growth of effects per
# e-fold of dose, and noise relative to an effect.
_TRIED = tuple(product((1.0, 2.0, 4.0), (0.0, 0.5, 0.8, 0.95), (0.0, 0.1, 0.2, 0.3, 0.4), (0.02, 0.05, 0.1, 0.2, 0.4)))
_UNLEARNED = (4.0, 0.8, 0.1, 0.1)
Series = tuple[str, str]


@final
@dataclass(frozen=True, eq=False)
class DoseResponse(Manipulator):
    """``effect(x) = e^(growth x) (what lasts + what changes with x) + noise``, x the log dose.

    Log doses are around the mean of those that the compound was tried at. The prior mean is no effect, so that a dose
    beyond those tried is shrunk; below them growth shrinks it, too, and above them it is not continued, since effects
    saturate. The four numbers are those under which the effects of all compounds with two doses or more are most
    likely, each compound of a variance of its own. What has no dose, or was never tried at any, is looked up, or gets
    the mean effect of its context.

    Attributes:
        reads: Space it was fitted on.
        contexts: ``c`` contexts seen perturbed.
        means: ``(c, d)`` mean effect in each.
        default: ``(d,)`` mean over contexts.
        rows: ``p`` contexts, one per effect.
        texts: ``p`` perturbations.
        shifts: ``(p, d)`` their effects.
        likeness: The four numbers.
    """

    name: ClassVar[str] = "dose-response"
    reads: Space
    contexts: tuple[str, ...]
    means: Float[np.ndarray, "c d"]
    default: Float[np.ndarray, " d"]
    rows: tuple[str, ...]
    texts: tuple[str, ...]
    shifts: Float[np.ndarray, "p d"]
    likeness: tuple[float, ...]

    @classmethod
    def fit(cls, ur: UR, *, parts: UR | None = None, seed: int = 0) -> "DoseResponse":
        """Tabulate effects and choose the four numbers.

        Raises:
            ControlError: A context has no control.
        """
        seen = effects(ur)
        contexts, mean_cd, default_d = seen.mean_effects()
        texts = tuple(map(str, seen.perturbations))
        rows = tuple(map(str, seen.contexts))
        series = [doses_nd for _, doses_nd in sorted(_series(rows, texts, seen.shifts).items())]
        return cls(ur.space, contexts, mean_cd, default_d, rows, texts, seen.shifts, _most_likely(series))

    def manipulate(self, ur: UR, perturbation: Perturbation) -> Prediction[UR]:
        """Shift the states of each context by what is expected at the dose."""
        self.reads.require(ur.space, self.name)
        if perturbation.is_control:
            return Prediction((ur,), (self.name,), Applicability.IN)
        context_n = ur.contexts.astype(str)
        shift_nd = np.empty((len(ur), self.reads.dim))
        verdicts = []
        for context in np.unique(context_n):
            shift_d, verdict = self._shift(str(context), perturbation)
            shift_nd[context_n == context] = shift_d
            verdicts.append(verdict)
        order = (Applicability.OUT, Applicability.EDGE, Applicability.IN)
        return Prediction((ur.moved(shift_nd, str(perturbation)),), (self.name,), min(verdicts, key=order.index))

    def _shift(self, context: str, perturbation: Perturbation) -> tuple[np.ndarray, Applicability]:
        known = (context, str(perturbation)) in self._place
        named = series_of(perturbation)
        tried = self._by_series.get((context, named[0])) if named else None
        if tried is not None and named is not None:
            verdict = Applicability.IN if known else Applicability.EDGE
            return expected(*tried, named[1], self.likeness), verdict
        if known:
            return self.shifts[self._place[context, str(perturbation)]], Applicability.IN
        table = dict(zip(self.contexts, self.means, strict=True))
        return table.get(context, self.default), Applicability.OUT

    @cached_property
    def _place(self) -> dict[tuple[str, str], int]:
        return {key: i for i, key in enumerate(zip(self.rows, self.texts, strict=True))}

    @cached_property
    def _by_series(self) -> dict[Series, tuple[np.ndarray, np.ndarray]]:
        return _series(self.rows, self.texts, self.shifts)


def series_of(perturbation: Perturbation) -> tuple[str, float] | None:
    """What a dose is one of, and its logarithm; None of what has no dose or is several agents.

    >>> series_of(Perturbation.parse("drug:taxol@1000nM"))
    ('drug:taxol uM', 0.0)
    """
    if len(perturbation.agents) != 1 or not perturbation.agents[0].dose:
        return None
    agent = perturbation.agents[0]
    assert agent.dose is not None
    assert agent.unit is not None
    hours = "" if perturbation.hours is None else f" {perturbation.hours:g}h"
    name = f"{agent.kind}:{agent.target} {quantity(agent.unit)}{hours}"
    return name, float(np.log(amount(agent.dose, agent.unit)))


def _series(
    rows: Sequence[str], texts: Sequence[str], shifts: np.ndarray
) -> dict[Series, tuple[np.ndarray, np.ndarray]]:
    """``(m,)`` log doses and ``(m, d)`` effects of each compound in each context."""
    found: dict[Series, list[tuple[float, int]]] = {}
    for i, (context, text) in enumerate(zip(rows, texts, strict=True)):
        if (named := series_of(Perturbation.parse(text))) is not None:
            found.setdefault((context, named[0]), []).append((named[1], i))
    return {
        key: (np.array([dose for dose, _ in sorted(pairs)]), shifts[[i for _, i in sorted(pairs)]])
        for key, pairs in found.items()
    }


def expected(dose_m: np.ndarray, shift_md: np.ndarray, asked: float, likeness: Sequence[float]) -> np.ndarray:
    """``(d,)`` effect expected at a log dose, given those at others.

    Args:
        dose_m: ``(m,)`` log doses.
        shift_md: ``(m, d)`` effects there.
        asked: Log dose.
        likeness: The four numbers of `DoseResponse`.
    """
    middle = dose_m.mean()
    x_m = dose_m - middle
    known_mm = _likeness(x_m, x_m, likeness) + likeness[3] * np.eye(len(x_m))
    weight_m = np.linalg.solve(known_mm, _likeness(x_m, np.array([asked - middle]), likeness))[:, 0]
    # Effects saturate: above the doses tried, growth is not continued.
    above = max(asked - float(dose_m.max()), 0.0)
    return np.asarray(np.exp(-likeness[2] * above) * (weight_m @ shift_md))


def _likeness(x_m: np.ndarray, y_k: np.ndarray, likeness: Sequence[float]) -> np.ndarray:
    reach, lasting, growth, _ = likeness
    alike_mk = lasting + (1 - lasting) * np.exp(-((x_m[:, None] - y_k) ** 2) / (2 * reach**2))
    # Beyond what any compound was tried at, growth is not continued without end.
    return np.asarray(np.exp(np.clip(growth * (x_m[:, None] + y_k), -4.0, 4.0)) * alike_mk)


def _most_likely(series: list[tuple[np.ndarray, np.ndarray]]) -> tuple[float, ...]:
    several = [(x_m - x_m.mean(), shift_md @ shift_md.T, shift_md.shape[1]) for x_m, shift_md in series if len(x_m) > 1]
    several = [each for each in several if np.trace(each[1]) > 0]
    if not several:
        return _UNLEARNED
    return max(_TRIED, key=lambda tried: sum(_log_likelihood(*each, tried) for each in several))


def _log_likelihood(x_m: np.ndarray, square_mm: np.ndarray, d: int, likeness: Sequence[float]) -> float:
    """Of one compound's effects, at the variance that suits it best."""
    prior_mm = _likeness(x_m, x_m, likeness) + likeness[3] * np.eye(len(x_m))
    root_mm = np.linalg.cholesky(prior_mm)
    size = float(np.trace(np.linalg.solve(prior_mm, square_mm))) / (d * len(x_m))
    return -0.5 * d * (len(x_m) * np.log(size) + 2 * float(np.log(np.diag(root_mm)).sum()))
