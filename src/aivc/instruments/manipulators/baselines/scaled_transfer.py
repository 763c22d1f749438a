"""What a perturbation did in other contexts beyond the average, by as much as such deviations transferred."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float

from aivc.core.contracts import Manipulator
from aivc.core.effects import Effects, effects
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Applicability, Prediction
from aivc.core.space import Space
from aivc.core.ur import UR

_MOST = 1.5


@final
@dataclass(frozen=True, eq=False)
class ScaledTransfer(Manipulator):
    """Mean effect of the context, plus one share of what sets the perturbation apart in the contexts that saw it.

    Deviations are from the mean effect of their own context, averaged over contexts by cells. What was not measured
    takes no part, so the mean effect stands in. The share is the least-squares one over training effects, each
    predicted from its perturbation in other contexts; it is between 0 and 1.5, and 1 where no perturbation was seen
    twice.

    Attributes:
        reads: Space it was fitted on.
        contexts: ``c`` contexts seen perturbed.
        means: ``(c, d)`` mean effect in each.
        default: ``(d,)`` mean over contexts, for one never seen perturbed.
        perturbations: ``p`` texts.
        deviations: ``(p, d)`` mean deviation of each.
        share: Of a deviation that transfers.
    """

    name: ClassVar[str] = "scaled-transfer"
    # What a perturbation did in other contexts is looked up: a refit without other perturbations says the same.
    resampled: ClassVar[bool] = False
    reads: Space
    contexts: tuple[str, ...]
    means: Float[np.ndarray, "c d"]
    default: Float[np.ndarray, " d"]
    perturbations: tuple[str, ...]
    deviations: Float[np.ndarray, "p d"]
    share: float

    @classmethod
    def fit(cls, ur: UR, *, parts: UR | None = None, seed: int = 0) -> "ScaledTransfer":
        """Tabulate deviations and choose the share.

        Raises:
            ControlError: A context has no control.
        """
        seen = effects(ur)
        contexts, mean_cd, default_d = seen.mean_effects()
        apart, count_rd = _deviations(seen, contexts, mean_cd)
        every = apart.by_perturbation()
        texts = tuple(map(str, every.perturbations))
        return cls(ur.space, contexts, mean_cd, default_d, texts, every.shifts, _share(apart, count_rd))

    def manipulate(self, ur: UR, perturbation: Perturbation) -> Prediction[UR]:
        """Shift every state by the mean effect of its context and the share of the deviation."""
        self.reads.require(ur.space, self.name)
        if perturbation.is_control:
            return Prediction((ur,), (self.name,), Applicability.IN)
        text, table = str(perturbation), dict(zip(self.contexts, self.means, strict=True))
        known = text in self.perturbations
        own_d = self.share * self.deviations[self.perturbations.index(text)] if known else np.zeros(self.reads.dim)
        mean_nd = np.array([table.get(str(context), self.default) for context in ur.contexts])
        verdict = Applicability.IN if known else Applicability.OUT
        return Prediction((ur.moved(mean_nd + own_d, text),), (self.name,), verdict)


def _deviations(seen: Effects, contexts: tuple[str, ...], mean_cd: np.ndarray) -> tuple[Effects, np.ndarray]:
    """Effects less the mean effect of their context, and ``(r, d)`` how many effects each of these means is of."""
    place = {context: i for i, context in enumerate(contexts)}
    code_r = np.array([place[str(context)] for context in seen.contexts], dtype=int)
    apart_rd = np.where(seen.measured, seen.shifts - mean_cd[code_r], 0.0)
    count_cd = np.zeros(mean_cd.shape)
    np.add.at(count_cd, code_r, seen.measured)
    return Effects(apart_rd, seen.perturbations, seen.contexts, seen.cells, seen.measured), count_cd[code_r]


def _share(apart: Effects, count_rd: np.ndarray) -> float:
    """Least squares of each deviation on the mean deviation of its perturbation in other contexts."""
    _, code_r = np.unique(apart.perturbations.astype(str), return_inverse=True)
    along, size = 0.0, 0.0
    for rows in np.split(np.argsort(code_r, kind="stable"), np.cumsum(np.bincount(code_r))[:-1]) if len(apart) else []:
        weight_kd = apart.measured[rows] * apart.cells[rows][:, None]
        total_kd = weight_kd * apart.shifts[rows]
        others_kd = weight_kd.sum(axis=0) - weight_kd
        # A mean effect holds the effect itself: without it, the deviation is larger by n / (n - 1).
        use_kd = apart.measured[rows] & (others_kd > 0) & (count_rd[rows] > 1)
        said_kd = np.divide(total_kd.sum(axis=0) - total_kd, others_kd, out=np.zeros(others_kd.shape), where=use_kd)
        true_kd = apart.shifts[rows] * count_rd[rows] / np.maximum(count_rd[rows] - 1, 1)
        along, size = along + float((true_kd * said_kd).sum()), size + float((said_kd**2).sum())
    return float(np.clip(along / size, 0.0, _MOST)) if size > 0 else 1.0
