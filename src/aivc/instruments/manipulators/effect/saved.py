"""The model as it is saved: a flat list of arrays and names."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Float, Int

from aivc.core.space import Space
from aivc.instruments.manipulators.effect.agents import Knowledge
from aivc.instruments.manipulators.effect.components import Controls
from aivc.instruments.manipulators.effect.mixed import Learned
from aivc.instruments.manipulators.effect.rows import EffectRows


@final
@dataclass(frozen=True, eq=False)
class Saved:
    """Fields of the saved state, under the names they have on disk.

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
    def of(
        cls,
        reads: Space,
        rows: EffectRows,
        knowledge: Knowledge,
        controls: Controls,
        learned: Mapping[str, Learned],
        seed: int,
    ) -> "Saved":
        """Flatten the parts of a fitted model."""
        nothing = np.zeros((0, rows.dim))
        each = list(learned.values())
        return cls(
            reads=reads,
            texts=tuple(map(str, rows.texts)),
            contexts=tuple(map(str, rows.contexts)),
            shifts=rows.shifts,
            noise=np.array(rows.noise) if rows.known_noise else nothing,
            shared=np.array(rows.shared) if rows.known_noise else nothing,
            names=knowledge.names,
            values=knowledge.values,
            covered=knowledge.covered,
            ends=knowledge.ends,
            places=controls.names,
            profiles=controls.profiles,
            kinds=tuple(learned),
            variances=np.array([one.variances for one in each]),
            errors=np.array([one.error for one in each]),
            expected=np.array([one.expected for one in each]),
            hidden=np.array([one.hidden for one in each], dtype=int),
            seed=seed,
        )

    @property
    def rows(self) -> EffectRows:
        """What was measured."""
        texts, contexts = np.array(self.texts, dtype=str), np.array(self.contexts, dtype=str)
        if len(self.noise):
            return EffectRows(self.shifts, texts, contexts, self.noise, self.shared)
        nothing = np.broadcast_to(0.0, self.shifts.shape)
        return EffectRows(self.shifts, texts, contexts, nothing, nothing)

    @property
    def knowledge(self) -> Knowledge:
        """Of molecules."""
        return Knowledge(self.names, self.values, self.covered, self.ends)

    @property
    def controls(self) -> Controls:
        """Of contexts."""
        return Controls(self.places, self.profiles)

    @property
    def learned(self) -> dict[str, Learned]:
        """By kind of question."""
        each = zip(self.variances, self.errors, self.expected.tolist(), self.hidden.tolist(), strict=True)
        return {kind: Learned(*one) for kind, one in zip(self.kinds, each, strict=True)}
