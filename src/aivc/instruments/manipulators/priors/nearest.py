"""An unseen gene does what its nearest molecular neighbours did: the regression one can explain in a sentence."""

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
from aivc.instruments.manipulators.baselines.stand_in import gaps, mean_effect_of
from aivc.instruments.manipulators.priors.places import index_of, locate, shifted, unit_rows

_RELATED = 0.3


@final
@dataclass(frozen=True, eq=False)
class Nearest(Manipulator):
    """Mean shift of the k nearest perturbations by cosine of their priors, weighted by similarity.

    A perturbation without a prior, or with no neighbour of positive similarity, gets the mean effect of the context; so
    do the axes that none of the neighbours was measured on.

    Attributes:
        reads: Space it was fitted on.
        names: ``g`` names with a prior.
        priors: ``(g, m)`` molecular states.
        perturbations: ``p`` texts seen in training.
        shifts: ``(p, d)`` their measured shifts, NaN where there is none.
        neighbors: k.
        contexts: ``c`` contexts seen perturbed.
        means: ``(c, d)`` mean effect in each.
        default: ``(d,)`` mean over contexts.
    """

    name: ClassVar[str] = "nearest"
    needs_parts: ClassVar[bool] = True
    reads: Space
    names: tuple[str, ...]
    priors: Float[np.ndarray, "g m"]
    perturbations: tuple[str, ...]
    shifts: Float[np.ndarray, "p d"]
    neighbors: int
    contexts: tuple[str, ...]
    means: Float[np.ndarray, "c d"]
    default: Float[np.ndarray, " d"]

    @classmethod
    def fit(cls, ur: UR, *, parts: UR | None = None, seed: int = 0, neighbors: int = 3) -> "Nearest":
        """Remember the effects.

        Args:
            ur: Perturbed and control states.
            parts: Molecular UR of possible targets, such as `aivc.data.priors.gene_priors.gene_priors`.
            seed: Not used.
            neighbors: How many are averaged.

        Raises:
            ControlError: A context has no control.
            DataError: No priors.
        """
        if parts is None:
            raise DataError(["nearest needs priors: pass parts=gene_priors(), or choose mean-effect."])
        measured = effects(ur)
        seen, names = measured.by_perturbation(), tuple(map(str, parts.entities.index.tolist()))
        texts = tuple(map(str, seen.perturbations))
        return cls(ur.space, names, parts.values, texts, gaps(seen), neighbors, *measured.mean_effects())

    @property
    def molecules(self) -> tuple[str, ...]:
        """Names with a prior."""
        return self.names

    def manipulate(self, ur: UR, perturbation: Perturbation) -> Prediction[UR]:
        """Shift every state by what is known, or by what the neighbours did."""
        self.reads.require(ur.space, self.name)
        instead_nd = mean_effect_of(ur, self.contexts, self.means, self.default)
        return shifted(self.name, ur, perturbation, instead_nd, self._shift)

    def _shift(self, perturbation: Perturbation) -> tuple[np.ndarray | None, Applicability]:
        if str(perturbation) in self.perturbations:
            return self.shifts[self.perturbations.index(str(perturbation))], Applicability.IN
        place = locate(perturbation, self._index, self.priors)
        rows, seen_pm = self._seen
        if place is None or not len(rows):
            return None, Applicability.OUT
        similarity_p = seen_pm @ unit_rows(place)
        nearest = np.argsort(-similarity_p, kind="stable")[: self.neighbors]
        weight = np.maximum(similarity_p[nearest], 0.0)
        if not weight.sum():
            return None, Applicability.OUT
        verdict = Applicability.EDGE if weight.max() >= _RELATED else Applicability.OUT
        said_kd = self.shifts[rows[nearest]]
        weight_kd = weight[:, None] * np.isfinite(said_kd)
        total = weight_kd.sum(axis=0)
        return np.where(
            total > 0, np.nansum(weight_kd * said_kd, axis=0) / np.where(total > 0, total, 1), np.nan
        ), verdict

    @cached_property
    def _index(self) -> dict[str, int]:
        return index_of(self.names)

    @cached_property
    def _seen(self) -> tuple[np.ndarray, np.ndarray]:
        places = [locate(Perturbation.parse(text), self._index, self.priors) for text in self.perturbations]
        rows = np.array([i for i, place in enumerate(places) if place is not None], dtype=int)
        return rows, unit_rows(np.array([place for place in places if place is not None]))
