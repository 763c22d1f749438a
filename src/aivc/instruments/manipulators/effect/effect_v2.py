"""Effects from all rows that were measured, weighed by what they have in common with the question."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, final
from zlib import crc32

import numpy as np
from jaxtyping import Float

from aivc.core.attribution import Piece
from aivc.core.contracts import Manipulator, unpack
from aivc.core.effects import effects
from aivc.core.measurement import CONTROL
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Applicability, Prediction
from aivc.core.space import Space
from aivc.core.state import State, pack
from aivc.core.ur import UR
from aivc.core.worth import Worth
from aivc.instruments.manipulators.effect.agents import Knowledge
from aivc.instruments.manipulators.effect.answers import Answers, Estimate
from aivc.instruments.manipulators.effect.components import Controls
from aivc.instruments.manipulators.effect.few_readings import Tables
from aivc.instruments.manipulators.effect.mixed import Learned, MixedModel
from aivc.instruments.manipulators.effect.new_context import worth
from aivc.instruments.manipulators.effect.rows import EffectRows
from aivc.instruments.manipulators.effect.saved import Saved

_DRAWS = 8


@final
@dataclass(frozen=True, eq=False)
class EffectV2(Manipulator):
    """One linear mixed model over perturbation × context, in all features (Henderson 1975; a multi-task GP).

    The covariance of two measured effects is a sum of products: of how alike their contexts are (all alike, the same,
    by control profiles, by mean effects, by residuals) and how alike their perturbations are (all alike, the same, by
    shared agents, by effects, by residuals over contexts, by what is known of their molecules). The answer is the best
    linear prediction: a weighted sum of measured rows, with the same weights for all features of a stratum. How much
    each product carries is learned by hiding rows as the questions will be, for each kind of question apart (`hiding`,
    `practice`); what does not help there goes to zero. Sampling noise of the rows, and of the control that rows of a
    context share, are taken for what they are, so that a screen without effects is answered with none.

    Attributes:
        reads: Space it was fitted on.
        rows: What was measured, filled where it was not.
        knowledge: Of molecules.
        controls: Of contexts.
        learned: Variances and errors by kind of question, as practised.
        seed: Of the draws.
    """

    name: ClassVar[str] = "effect.v2"
    uses_parts: ClassVar[bool] = True
    resampled: ClassVar[bool] = False
    reads: Space
    rows: EffectRows
    knowledge: Knowledge
    controls: Controls
    learned: Mapping[str, Learned]
    seed: int

    @classmethod
    def fit(
        cls, ur: UR, *, parts: UR | None = None, seed: int = 0, learned: Mapping[str, Any] | None = None
    ) -> "EffectV2":
        """Learn how much each component carries.

        Args:
            ur: Perturbed and control states; their variance is taken for the sampling variance of means.
            parts: Molecular UR of what can be perturbed, such as `aivc.data.priors.gene_priors.gene_priors`; without
                it, a perturbation never measured gets the mean effect.
            seed: Of what is practised on, and of the draws that express what is not known.
            learned: What a fit on more of the same rows has learned (`refits`): then nothing is practised.

        Raises:
            ControlError: A context has no control.
        """
        rows, knowledge, controls = EffectRows.of(effects(ur)), Knowledge.of(parts), _controls(ur)
        model = MixedModel(Tables(rows, knowledge, seed).general, knowledge, controls, seed)
        found = model.learn() if learned is None else model.relearn(learned)
        if model.rows is rows:
            rows = model.filled(found)
        return cls(ur.space, replace(rows, gaps=None), knowledge, controls, found, seed)

    def state(self) -> State:
        """Everything there is to it, flat, as `Saved` names it."""
        return pack(Saved.of(self.reads, self.rows, self.knowledge, self.controls, self.learned, self.seed))

    @classmethod
    def from_state(cls, state: State) -> "EffectV2":
        """Inverse of `state`.

        Raises:
            IntegrityError: The state is not one of this part.
        """
        flat = unpack(Saved, state, cls.name)
        return cls(flat.reads, flat.rows, flat.knowledge, flat.controls, flat.learned, flat.seed)

    @property
    def molecules(self) -> tuple[str, ...]:
        """Names that a block of its knowledge covers."""
        covered_g = np.asarray(self.knowledge.covered.any(axis=1))
        return tuple(name for name, known in zip(self.knowledge.names, covered_g, strict=True) if known)

    def prepare(self, ur: UR, perturbations: Sequence[Perturbation]) -> None:
        """Compute the answers to many questions in a few products (`Answers.prepare`)."""
        contexts = set(map(str, ur.contexts))
        if len(contexts) == 1:
            self._answers.prepare(perturbations, contexts.pop())

    def manipulate(self, ur: UR, perturbation: Perturbation) -> Prediction[UR]:
        """Shift every state; eight draws, whose spread is ignorance."""
        self.reads.require(ur.space, self.name)
        if perturbation.is_control:
            return Prediction((ur,), (self.name,), Applicability.IN)
        here, code_n = _grouped(ur.contexts)
        means = [ur.mean] if len(here) == 1 else [ur.take(code_n == i).mean for i in range(len(here))]
        found = [self.predict(perturbation, str(c), mean_d) for c, mean_d in zip(here, means, strict=True)]
        shift_nd = np.array([each.shift for each in found])[code_n]
        size_nd = np.sqrt(np.array([each.variance for each in found]))[code_n]
        verdict = max((each.applicability for each in found), key=list(Applicability).index)
        text = str(perturbation)
        if not size_nd.any():
            return Prediction((ur.moved(shift_nd, text),), (self.name,), verdict)
        rng = np.random.default_rng([self.seed, crc32(text.encode())])
        half_kd = rng.standard_normal((_DRAWS // 2, self.reads.dim))
        # Drawn in pairs of opposite sign, so that the mean of the draws is what is expected.
        noise_kd = np.concatenate([half_kd, -half_kd])
        draws = ur.moved_each(shift_nd + noise_kd[:, None] * size_nd, text)
        retrieval_d = None
        if all(each.retrieval is not None for each in found):
            away_nd = np.array([each.retrieval for each in found])[code_n]
            retrieval_d = np.average(ur.values + away_nd, axis=0, weights=ur.mass)
        return Prediction(draws, (self.name,), verdict, retrieval=retrieval_d)

    def predict(self, perturbation: Perturbation, context: str = "", control: np.ndarray | None = None) -> Estimate:
        """Say what a perturbation is expected to do in a context, and from which evidence; see `Answers.predict`."""
        return self._answers.predict(perturbation, context, control)

    def attribute(self, perturbation: Perturbation, context: str = "") -> list[Piece]:
        """What each measured row adds to the expected shift: its effect, weighted. They add up to it exactly."""
        return self._answers.attribute(perturbation, context)

    def effects(
        self, perturbations: Sequence[Perturbation], contexts: Sequence[str]
    ) -> tuple[Float[np.ndarray, "p c d"], Float[np.ndarray, "p c d"]]:
        """Expected shifts of a whole library in some contexts, and their variances; see `Answers.effects`."""
        return self._answers.effects(perturbations, contexts)

    def joint(self, ur: UR, perturbations: Sequence[Perturbation]) -> Float[np.ndarray, "p p"] | None:
        """Covariance of the errors on several perturbations in the context of the states; see `Answers.joint`."""
        return self._answers.joint(perturbations, str(ur.contexts[0]))

    def worth(self, few: int = 10) -> Worth | None:
        """What so many perturbations measured in a new context would take away of the error there (`worth`)."""
        return worth(self._answers.model, self.learned, few)

    @property
    def refits(self) -> Mapping[str, Any]:
        """Settings of a fit on part of the same rows: it takes over the variances learned on all of them."""
        return {"learned": self.learned}

    @cached_property
    def _answers(self) -> Answers:
        return Answers(Tables(self.rows, self.knowledge, self.seed), self.controls, self.learned, self.seed)


def _grouped(contexts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct contexts, and which of them each state has."""
    if len(contexts) == 1:
        return contexts, np.zeros(1, dtype=int)
    return np.unique(contexts.astype(str), return_inverse=True)


def _controls(ur: UR) -> Controls:
    """Mean control state of each context."""
    control = ur.take(ur.perturbations.astype(str) == CONTROL)
    contexts = control.contexts.astype(str)
    names = sorted(set(contexts))
    profiles = [np.average(control.values[contexts == c], axis=0, weights=control.mass[contexts == c]) for c in names]
    return Controls(tuple(names), np.array(profiles).reshape(len(names), ur.space.dim))
