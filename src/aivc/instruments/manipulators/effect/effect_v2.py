"""Effects from all rows that were measured, weighed by what they have in common with the question."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, final
from zlib import crc32

import numpy as np
from jaxtyping import Bool, Float, Int

from aivc.core.attribution import Piece
from aivc.core.contracts import Manipulator
from aivc.core.effects import effects
from aivc.core.measurement import CONTROL
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Applicability, Prediction
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.core.worth import Worth
from aivc.instruments.manipulators.effect.agents import Knowledge
from aivc.instruments.manipulators.effect.answers import Answer, Answers
from aivc.instruments.manipulators.effect.components import Controls
from aivc.instruments.manipulators.effect.few_readings import Tables
from aivc.instruments.manipulators.effect.mixed import Learned, Source
from aivc.instruments.manipulators.effect.new_context import worth
from aivc.instruments.manipulators.effect.rows import Rows

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
        texts: ``(r,)`` perturbations measured, one for each context they were measured in.
        contexts: ``(r,)`` these contexts.
        shifts: ``(r, d)`` what they did.
        noise: ``(r, d)`` sampling variance of the perturbed means; no rows where it is not known.
        shared: ``(r, d)`` of the control means.
        names: ``g`` names of molecules, and
        values: ``(g, m)`` their positions,
        covered: ``(g, b)`` which block knows them, and
        ends: ``(b,)`` where the axes of each block end.
        places: ``c`` contexts with controls, and
        profiles: ``(c, d)`` their mean control states.
        kinds: ``q`` kinds of questions that were practised.
        variances: ``(q, s, k)`` of the components, by kind and stratum, and last of what each row has to itself.
        errors: ``(q, d)`` mean squared error of each feature on hidden rows.
        expected: ``(q,)`` what the model expected of it, summed over features.
        hidden: ``(q,)`` rows hidden; 0 where a kind could not be practised.
        seed: Of the draws.
    """

    name: ClassVar[str] = "effect.v2"
    uses_parts: ClassVar[bool] = True
    resampled: ClassVar[bool] = False
    reads: Space
    texts: tuple[str, ...]
    contexts: tuple[str, ...]
    shifts: Float[np.ndarray, "r d"]
    noise: Float[np.ndarray, "n d"]
    shared: Float[np.ndarray, "n d"]
    names: tuple[str, ...]
    values: Float[np.ndarray, "g m"]
    covered: Bool[np.ndarray, "g b"]
    ends: Int[np.ndarray, " b"]
    places: tuple[str, ...]
    profiles: Float[np.ndarray, "c d"]
    kinds: tuple[str, ...]
    variances: Float[np.ndarray, "q s k"]
    errors: Float[np.ndarray, "q d"]
    expected: Float[np.ndarray, " q"]
    hidden: Int[np.ndarray, " q"]
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
        rows, knowledge, controls = Rows.of(effects(ur)), Knowledge.of(parts), _controls(ur)
        source = Source(Tables(rows, knowledge, seed).general, knowledge, controls, seed)
        learning = source.learn() if learned is None else source.relearn(learned)
        if source.rows is rows:
            rows = source.filled(learning)
        nothing = np.zeros((0, rows.dim))
        return cls(
            ur.space,
            tuple(map(str, rows.texts)),
            tuple(map(str, rows.contexts)),
            rows.shifts,
            np.array(rows.noise) if rows.known_noise else nothing,
            np.array(rows.shared) if rows.known_noise else nothing,
            knowledge.names,
            knowledge.values,
            knowledge.covered,
            knowledge.ends,
            controls.names,
            controls.profiles,
            tuple(learning),
            np.array([each.variances for each in learning.values()]),
            np.array([each.error for each in learning.values()]),
            np.array([each.expected for each in learning.values()]),
            np.array([each.hidden for each in learning.values()], dtype=int),
            seed,
        )

    def manipulate(self, ur: UR, perturbation: Perturbation) -> Prediction[UR]:
        """Shift every state; eight draws, whose spread is ignorance."""
        self.reads.require(ur.space, self.name)
        if perturbation.is_control:
            return Prediction((ur,), (self.name,), Applicability.IN)
        here, code_n = np.unique(ur.contexts.astype(str), return_inverse=True)
        answers = [self.tell(perturbation, str(c), ur.take(code_n == i).mean) for i, c in enumerate(here)]
        shift_nd = np.array([each.shift for each in answers])[code_n]
        size_nd = np.sqrt(np.array([each.variance for each in answers]))[code_n]
        verdict = max((each.applicability for each in answers), key=list(Applicability).index)
        text = str(perturbation)
        if not size_nd.any():
            return Prediction((ur.moved(shift_nd, text),), (self.name,), verdict)
        rng = np.random.default_rng([self.seed, crc32(text.encode())])
        half_kd = rng.standard_normal((_DRAWS // 2, self.reads.dim))
        # Drawn in pairs of opposite sign, so that the mean of the draws is what is expected.
        draws = tuple(ur.moved(shift_nd + noise_d * size_nd, text) for noise_d in np.concatenate([half_kd, -half_kd]))
        said = Prediction(draws, (self.name,), verdict)
        if any(each.retrieval is None for each in answers):
            return said
        away_nd = np.array([each.retrieval for each in answers])[code_n]
        return said.replace(retrieval=np.average(ur.values + away_nd, axis=0, weights=ur.mass))

    def tell(self, perturbation: Perturbation, context: str = "", control: np.ndarray | None = None) -> Answer:
        """Say what a perturbation is expected to do in a context, and from which evidence; see `Answers.tell`."""
        return self._answers.tell(perturbation, context, control)

    def attribute(self, perturbation: Perturbation, context: str = "") -> list[Piece]:
        """What each measured row adds to the expected shift: its effect, weighted. They add up to it exactly."""
        return self._answers.attribute(perturbation, context)

    def effects(
        self, perturbations: Sequence[Perturbation], contexts: Sequence[str]
    ) -> tuple[Float[np.ndarray, "p c d"], Float[np.ndarray, "p c d"]]:
        """Expected shifts of a whole library in some contexts, and their variances; see `Answers.effects`."""
        return self._answers.effects(perturbations, contexts)

    def worth(self, few: int = 10) -> Worth | None:
        """What so many perturbations measured in a new context would take away of the error there (`worth`)."""
        return worth(self._answers.source, self._learned, few)

    @property
    def refits(self) -> Mapping[str, Any]:
        """Settings of a fit on part of the same rows: it takes over the variances learned from all of them."""
        return {"learned": self._learned}

    @cached_property
    def _answers(self) -> Answers:
        noisy = len(self.noise) > 0
        noise, shared = (
            each if noisy else np.broadcast_to(0.0, self.shifts.shape) for each in (self.noise, self.shared)
        )
        rows = Rows(self.shifts, np.array(self.texts, dtype=str), np.array(self.contexts, dtype=str), noise, shared)
        knowledge = Knowledge(self.names, self.values, self.covered, self.ends)
        controls = Controls(self.places, self.profiles)
        return Answers(Tables(rows, knowledge, self.seed), controls, self._learned, self.seed)

    @cached_property
    def _learned(self) -> dict[str, Learned]:
        columns = zip(self.variances, self.errors, self.expected.tolist(), self.hidden.tolist(), strict=True)
        return {kind: Learned(*each) for kind, each in zip(self.kinds, columns, strict=True)}


def _controls(ur: UR) -> Controls:
    """Mean control state of each context."""
    control = ur.take(ur.perturbations.astype(str) == CONTROL)
    contexts = control.contexts.astype(str)
    names = sorted(set(contexts))
    profiles = [np.average(control.values[contexts == c], axis=0, weights=control.mass[contexts == c]) for c in names]
    return Controls(tuple(names), np.array(profiles).reshape(len(names), ur.space.dim))
