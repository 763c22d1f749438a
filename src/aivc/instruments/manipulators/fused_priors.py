"""An unseen gene does what each source of knowledge expects of it, as far as that source has been right."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, final
from zlib import crc32

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from aivc.core.contracts import Manipulator
from aivc.core.effects import Effects, effects
from aivc.core.errors import DataError, UnknownNameError
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Applicability, Prediction
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.data.compounds import family_of
from aivc.instruments.manipulators.blocks import blocks_of, main_responses, places_of, targets_of
from aivc.instruments.manipulators.experts import (
    MOST,
    Expert,
    Training,
    fit_expert,
    fused_left_out,
    product,
    weigh,
)
from aivc.instruments.manipulators.priors import index_of

_DRAWS = 8
_RELATED = 0.02
_FUSED = "fused"


@final
@dataclass(frozen=True, eq=False)
class FusedPriors(Manipulator):
    """Product of Gaussian experts, one for each block of the molecular UR, with the mean effect as prior expert.

    Each block (`aivc.data.knowledge.block_slices`) has its own linear Gaussian process from the molecular position of
    the targets to the deviation from the mean effect. The share of variance that it may explain, and its weight in the
    product, are chosen on training perturbations left out with all their doses and kinds; a block that foretells those
    no better than the mean effect gets no weight. What a block does not know widens the answer; what none knows gets
    the mean effect with the variance of effects around it. Perturbations weigh by their cells. One that was seen in
    training is looked up, not predicted.

    Attributes:
        reads: Space it was fitted on.
        names: ``g`` names with a prior.
        priors: ``(g, m)`` molecular states, each block scaled.
        covered: ``(g, b)`` which block knows which name.
        blocks: ``b`` names of blocks.
        ends: ``(b,)`` where the axes of each block end.
        weights: ``(m, d)`` from positions to expected deviations.
        informed: ``(m, p)`` from positions to what they explain.
        trust: ``(b,)`` weight of each block in the product, 0 to 1.
        shares: ``(b,)`` share of variance that each block's kernel explains.
        variance: ``(d,)`` prior variance of an effect around the mean effect.
        contexts: ``c`` contexts seen perturbed.
        defaults: ``(c, d)`` mean effect in each.
        default: ``(d,)`` mean effect over contexts, for others.
        perturbations: ``p`` texts seen in training.
        deviations: ``(p, d)`` their measured deviations from the mean effect.
        seed: Of the draws.
        skills: ``(b + 1, 3)`` per block, and for their product: perturbations known, share of the prior's error that is
            left, and the same over all perturbations, all on perturbations left out.
    """

    name: ClassVar[str] = "fused-priors"
    needs_parts: ClassVar[bool] = True
    reads: Space
    names: tuple[str, ...]
    priors: Float[np.ndarray, "g m"]
    covered: Bool[np.ndarray, "g b"]
    blocks: tuple[str, ...]
    ends: Int[np.ndarray, " b"]
    weights: Float[np.ndarray, "m d"]
    informed: Float[np.ndarray, "m p"]
    trust: Float[np.ndarray, " b"]
    shares: Float[np.ndarray, " b"]
    variance: Float[np.ndarray, " d"]
    contexts: tuple[str, ...]
    defaults: Float[np.ndarray, "c d"]
    default: Float[np.ndarray, " d"]
    perturbations: tuple[str, ...]
    deviations: Float[np.ndarray, "p d"]
    seed: int
    skills: Float[np.ndarray, "s 3"]

    @classmethod
    def fit(cls, ur: UR, *, parts: UR | None = None, seed: int = 0) -> "FusedPriors":
        """Fit every expert, then their weights.

        Args:
            ur: Perturbed and control states.
            parts: Molecular UR of possible targets, such as `aivc.data.knowledge.gene_priors`.
            seed: Of the draws that express what is not known.

        Raises:
            ControlError: A context has no control.
            DataError: No priors, or none of the perturbations' targets is among them.
        """
        if parts is None:
            raise DataError(["fused-priors needs priors: pass parts=gene_priors(), or choose mean-effect."])
        measured = effects(ur)
        contexts = tuple(sorted(set(map(str, measured.contexts))))
        defaults = [measured.shifts[measured.contexts == context].mean(axis=0) for context in contexts]
        defaults_cd = np.array(defaults).reshape(len(contexts), ur.space.dim)
        seen = _deviations(measured, dict(zip(contexts, defaults_cd, strict=True)))
        axes, covered = blocks_of(parts)
        names = tuple(map(str, parts.entities.index.tolist()))
        texts = tuple(map(str, seen.perturbations))
        asked = [Perturbation.parse(text) for text in texts]
        places, known_pb = places_of(asked, index_of(names), parts.values, covered, list(axes.values()))
        if not any(target in index_of(names) for each in asked for target in targets_of(each)):
            shown = ", ".join(texts[:5])
            raise DataError(
                [f"None of the perturbations ({shown}, …) is among the priors. Are their targets gene symbols?"]
            )
        training = _training(seen, asked)
        priors = np.array(parts.values, dtype=float)
        experts = []
        for block, where in enumerate(axes.values()):
            inside = places[known_pb[:, block]][:, where]
            length = float(np.sqrt((inside**2).sum(axis=1).mean())) if len(inside) else 1.0
            priors[:, where] /= length or 1.0
            experts.append(fit_expert(places[:, where] / (length or 1.0), known_pb[:, block], training))
        return cls(
            ur.space,
            names,
            priors,
            covered,
            tuple(axes),
            np.array([where.stop for where in axes.values()]),
            np.concatenate([expert.weights for expert in experts]),
            np.concatenate([expert.informed for expert in experts]),
            weigh(experts, training),
            np.array([expert.share for expert in experts]),
            (training.deviations**2 / training.agents[:, None]).mean(axis=0),
            contexts,
            defaults_cd,
            defaults_cd.mean(axis=0) if contexts else np.zeros(ur.space.dim),
            texts,
            seen.shifts,
            seed,
            _skills(experts, known_pb, training),
        )

    @property
    def skill(self) -> pd.DataFrame:
        """How right each block was about training perturbations that were left out, and its weight in the product.

        ``error`` is the squared error over that of the mean effect, on the perturbations that the block knows, and 1
        where it is no better; ``error_all`` is that over all perturbations. Those of the product, ``fused``, are with
        weights chosen on other perturbations.
        """
        rows = [*self.blocks, _FUSED]
        table = pd.DataFrame(self.skills, index=pd.Index(rows, name="block"), columns=["known", "error", "error_all"])
        trust, shares = np.append(self.trust, np.nan), np.append(self.shares, np.nan)
        return table.astype({"known": int}).assign(skill=1 - table["error"], share=shares, weight=trust)

    def manipulate(self, ur: UR, perturbation: Perturbation) -> Prediction[UR]:
        """Shift every state by what is known, or by draws of what the experts expect; their spread is ignorance."""
        self.reads.require(ur.space, self.name)
        if perturbation.is_control:
            return Prediction((ur,), (self.name,), Applicability.IN)
        table = dict(zip(self.contexts, self.defaults, strict=True))
        base_nd = np.array([table.get(str(context), self.default) for context in ur.contexts])
        text = str(perturbation)
        if text in self.perturbations:
            shift_d = self.deviations[self.perturbations.index(text)]
            return Prediction((ur.moved(base_nd + shift_d, text),), (self.name,), Applicability.IN)
        deviation_d, variance_d, informed = (each[0] for each in self.library([perturbation]))
        told = Applicability.EDGE if self.related(float(informed)) else Applicability.OUT
        half_kd = np.random.default_rng([self.seed, crc32(text.encode())]).standard_normal(
            (_DRAWS // 2, len(variance_d))
        )
        # Drawn in pairs of opposite sign, so that the mean of the draws is what is expected.
        noise_kd = np.concatenate([half_kd, -half_kd]) * np.sqrt(variance_d)
        draws = tuple(ur.moved(base_nd + deviation_d + noise_d, text) for noise_d in noise_kd)
        return Prediction(draws, (self.name,), told)

    def expected(self, perturbation: Perturbation, context: str = "") -> tuple[np.ndarray, np.ndarray]:
        """``(d,)`` shift that the experts expect, and its ``(d,)`` variance, also of what training has seen."""
        default = dict(zip(self.contexts, self.defaults, strict=True)).get(context, self.default)
        deviation_d, variance_d, _ = (each[0] for each in self.library([perturbation]))
        return default + deviation_d, variance_d

    def without(self, *blocks: str) -> "FusedPriors":
        """The same with some blocks silent, as if they knew nothing.

        Raises:
            UnknownNameError: No such block.
        """
        for block in blocks:
            if block not in self.blocks:
                raise UnknownNameError("block of priors", block, self.blocks)
        return replace(self, covered=self.covered & ~np.isin(self.blocks, blocks))

    def library(
        self, perturbations: Sequence[Perturbation]
    ) -> tuple[Float[np.ndarray, "p d"], Float[np.ndarray, "p d"], Float[np.ndarray, " p"]]:
        """Expected deviations, their variances, and the shares of the prior variance that are explained."""
        places, known_pb = places_of(perturbations, self._index, self.priors, self.covered, self._axes)
        agents_p = np.array([max(len(each.agents), 1) for each in perturbations], dtype=float)
        said_bpd = np.zeros((len(self.blocks), len(perturbations), len(self.variance)))
        explained_bp = np.zeros((len(self.blocks), len(perturbations)))
        for block in np.flatnonzero(self.trust):
            place_pm = places[:, self._axes[block]]
            said_bpd[block] = place_pm @ self.weights[self._axes[block]]
            share_p = ((place_pm @ self.informed[self._axes[block]]) ** 2).sum(axis=1) / agents_p
            explained_bp[block] = np.where(known_pb[:, block], np.clip(share_p, 0, MOST), 0.0)
        deviation_pd, left_p = product(said_bpd, explained_bp, self.trust)
        return deviation_pd, np.outer(left_p * agents_p, self.variance), 1 - left_p

    @staticmethod
    def related(informed: float) -> bool:
        """Whether so much of the prior variance is explained that the question lies at the edge, not outside."""
        return informed >= _RELATED

    @cached_property
    def _index(self) -> dict[str, int]:
        return index_of(self.names)

    @cached_property
    def _axes(self) -> list[slice]:
        return [slice(start, end) for start, end in zip([0, *self.ends[:-1]], self.ends, strict=True)]


def _deviations(measured: Effects, defaults: dict[str, np.ndarray]) -> Effects:
    """Deviations from the mean effect of each one's own context, averaged over contexts."""
    if not len(measured):
        return measured
    base_pd = np.array([defaults[str(context)] for context in measured.contexts])
    return replace(measured, shifts=measured.shifts - base_pd).by_perturbation()


def _training(seen: Effects, asked: Sequence[Perturbation]) -> Training:
    noise_p = (1 / seen.cells) / (1 / seen.cells).mean()
    agents_p = np.array([float(max(len(each.agents), 1)) for each in asked])
    return Training(seen.shifts, main_responses(seen.shifts), noise_p, agents_p, [family_of(each) for each in asked])


def _skills(experts: Sequence[Expert], known_pb: np.ndarray, training: Training) -> np.ndarray:
    prior_pc = training.prior_left_out()
    floor_p = (prior_pc**2).sum(axis=1)
    total = max(float(floor_p.sum()), 1e-300)
    rows = []
    for expert, known in zip(experts, known_pb.T, strict=True):
        left = ((prior_pc - expert.left_out) ** 2).sum(axis=1)
        rows.append([float(known.sum()), expert.error, float(left.sum()) / total])
    left = ((prior_pc - fused_left_out(experts, training)) ** 2).sum(axis=1)
    known = known_pb.any(axis=1)
    rows.append(
        [float(known.sum()), float(left[known].sum() / max(floor_p[known].sum(), 1e-300)), float(left.sum()) / total]
    )
    return np.array(rows)
