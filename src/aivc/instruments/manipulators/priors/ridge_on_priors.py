"""An unseen gene does what its molecular relatives do: ridge regression from priors to effects."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float

from aivc.core.contracts import Manipulator
from aivc.core.effects import effects
from aivc.core.errors import DataError
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Applicability, Prediction
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.data.names.compound_names import family_of
from aivc.instruments.manipulators.baselines.left_out import left_out_residuals
from aivc.instruments.manipulators.baselines.stand_in import gaps, mean_effect_of
from aivc.instruments.manipulators.priors.places import index_of, locate, shifted, unit_rows

_PENALTIES = np.geomspace(0.03, 100, 15)
# The intercept is a prior feature with so large a scale that the penalty does not reach it.
_INTERCEPT = 30.0
_RESPONSES_FOR_CHOICE = 50
_RELATED = 0.3


@final
@dataclass(frozen=True, eq=False)
class RidgeOnPriors(Manipulator):
    """Linear map from the molecular UR of the targets to the mean shift (Ahlmann-Eltze et al. 2025, with priors as P).

    Perturbations weigh by their cells. The penalty has the smallest error on targets left out one by one, with all
    their doses and kinds; the largest one offered is the mean effect, so that priors that do not help are not used.
    A perturbation of training is looked up, not predicted, and one without any prior gets the mean effect of the
    context. Where a training effect was not measured, the mean effect stands in.

    Attributes:
        reads: Space it was fitted on.
        names: ``g`` names with a prior.
        priors: ``(g, m)`` molecular states.
        weights: ``(q, d)`` what each training perturbation with a prior adds, by the inner product of its prior with
            that of the one asked about; never priors by axes, of which there may be thousands each.
        intercept: ``(d,)``.
        perturbations: ``p`` texts seen in training.
        shifts: ``(p, d)`` their measured shifts, NaN where there is none.
        penalty: The one chosen, in units of the mean squared length of a prior.
        contexts: ``c`` contexts seen perturbed.
        means: ``(c, d)`` mean effect in each.
        default: ``(d,)`` mean over contexts.
    """

    name: ClassVar[str] = "ridge-on-priors"
    needs_parts: ClassVar[bool] = True
    reads: Space
    names: tuple[str, ...]
    priors: Float[np.ndarray, "g m"]
    weights: Float[np.ndarray, "q d"]
    intercept: Float[np.ndarray, " d"]
    perturbations: tuple[str, ...]
    shifts: Float[np.ndarray, "p d"]
    penalty: float
    contexts: tuple[str, ...]
    means: Float[np.ndarray, "c d"]
    default: Float[np.ndarray, " d"]

    @classmethod
    def fit(cls, ur: UR, *, parts: UR | None = None, seed: int = 0) -> "RidgeOnPriors":
        """Choose the penalty, then solve.

        Args:
            ur: Perturbed and control states.
            parts: Molecular UR of possible targets, such as `aivc.data.priors.gene_priors.gene_priors`.
            seed: Not used.

        Raises:
            ControlError: A context has no control.
            DataError: No priors, or none of the perturbations' targets has one.
        """
        if parts is None:
            raise DataError(["ridge-on-priors needs priors: pass parts=gene_priors(), or choose mean-effect."])
        measured = effects(ur)
        seen = measured.by_perturbation()
        names = tuple(map(str, parts.entities.index.tolist()))
        index = index_of(names)
        places = [locate(each, index, parts.values) for each in seen.parsed]
        rows = np.array([i for i, place in enumerate(places) if place is not None], dtype=int)
        if not len(rows):
            targets = ", ".join(map(str, seen.perturbations[:5]))
            raise DataError([f"None of the perturbations ({targets}, …) has a prior. Are their targets gene symbols?"])
        features_pm = np.array([place for place in places if place is not None])
        families = [family_of(each) for each in seen.take(rows).parsed]
        weights, intercept, penalty = _ridge(features_pm, seen.filled()[rows], seen.cells[rows], families)
        texts, means = tuple(map(str, seen.perturbations)), measured.mean_effects()
        return cls(ur.space, names, parts.values, weights, intercept, texts, gaps(seen), penalty, *means)

    @property
    def molecules(self) -> tuple[str, ...]:
        """Names with a prior."""
        return self.names

    def manipulate(self, ur: UR, perturbation: Perturbation) -> Prediction[UR]:
        """Shift every state by what is known, predicted, or average, in this order."""
        self.reads.require(ur.space, self.name)
        instead_nd = mean_effect_of(ur, self.contexts, self.means, self.default)
        return shifted(self.name, ur, perturbation, instead_nd, self._shift)

    def _shift(self, perturbation: Perturbation) -> tuple[np.ndarray | None, Applicability]:
        if str(perturbation) in self.perturbations:
            return self.shifts[self.perturbations.index(str(perturbation))], Applicability.IN
        place = locate(perturbation, self._index, self.priors)
        if place is None:
            return None, Applicability.OUT
        related = float((self._units @ unit_rows(place)).max()) >= _RELATED
        shift = self.intercept + (self._seen @ place) @ self.weights
        return shift, Applicability.EDGE if related else Applicability.OUT

    @cached_property
    def _index(self) -> dict[str, int]:
        return index_of(self.names)

    @cached_property
    def _seen(self) -> np.ndarray:
        """``(q, m)`` where the training perturbations with a prior lie."""
        places = [locate(Perturbation.parse(text), self._index, self.priors) for text in self.perturbations]
        return np.array([place for place in places if place is not None])

    @cached_property
    def _units(self) -> np.ndarray:
        return unit_rows(self._seen)


def _ridge(
    features_pm: np.ndarray, shifts_pd: np.ndarray, cells_p: np.ndarray, families: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, float]:
    """Weights of rows, intercept and penalty of the weighted ridge with the smallest leave-one-family-out error."""
    root_p = np.sqrt(cells_p / cells_p.mean())[:, None]
    length = float(np.mean((features_pm**2).sum(axis=1))) or 1.0
    design_pm = np.hstack([features_pm / np.sqrt(length), np.full((len(features_pm), 1), _INTERCEPT)]) * root_p
    left_pr, strength_r, _ = np.linalg.svd(design_pm, full_matrices=False)
    wanted_pd = shifts_pd * root_p
    responses_pc = _responses(wanted_pd)
    inner_rc = left_pr.T @ responses_pc
    errors = []
    for penalty in _PENALTIES:
        kept_r = strength_r**2 / (strength_r**2 + penalty)
        residual_pc = responses_pc - left_pr @ (kept_r[:, None] * inner_rc)
        errors.append(float((left_out_residuals(left_pr, kept_r, residual_pc, families) ** 2).sum()))
    penalty = float(_PENALTIES[int(np.argmin(errors))])
    # What lies outside the span of the design is left out: it multiplies no prior.
    weights_pd = left_pr @ ((left_pr.T @ wanted_pd) / (strength_r**2 + penalty)[:, None]) * root_p
    return weights_pd / length, _INTERCEPT**2 * weights_pd.sum(axis=0), penalty


def _responses(wanted_pd: np.ndarray) -> np.ndarray:
    # The penalty is chosen on the main responses: the rest is noise, and the choice stays cheap for many genes.
    if wanted_pd.shape[1] <= _RESPONSES_FOR_CHOICE:
        return wanted_pd
    gram_pp = wanted_pd @ wanted_pd.T
    values, vectors = np.linalg.eigh(gram_pp)
    top = np.argsort(-values)[:_RESPONSES_FOR_CHOICE]
    return vectors[:, top] * np.sqrt(np.maximum(values[top], 0))
