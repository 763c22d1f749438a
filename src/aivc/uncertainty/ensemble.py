"""Refit on subsets of the perturbations, and let the disagreement say what is not known."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, final

import numpy as np
from jaxtyping import Float

from aivc.core import registry
from aivc.core.contracts import Manipulator
from aivc.core.errors import ControlError
from aivc.core.joint_error import JointlyUnsure
from aivc.core.measurement import CONTROL
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import ABSTAIN, Applicability, Prediction
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.data.names.compound_names import family_of

_KEPT = 0.7


@final
@dataclass(frozen=True, eq=False)
class Ensemble(Manipulator):
    """One manipulator fitted on everything, and members fitted on subsets of the perturbations.

    The draws are centred on the full fit and spread like a delete-d jackknife (Shao & Wu 1989): the unit that is
    left out is the perturbation, never the cell, because that is what a new question leaves out.

    Attributes:
        reads: Space it was fitted on.
        center: The manipulator fitted on all perturbations.
        members: Fits on random subsets; none of a manipulator that states its own spread (``resampled``).
        widening: From the spread of the members to the ignorance of the full fit: ``sqrt(kept / left out)``.
        floor: The mean effect, which answers where the full fit is not trusted; none where it always is.
        cuts: Departures from the mean effect at which the next group begins (`departure` of `HeldOut`).
        trusted: Whether the full fit is trusted in each group.
        seen: Contexts and perturbations that were measured, which are always answered.
    """

    name: ClassVar[str] = "ensemble"
    group: ClassVar[str] = "wrappers"
    reads: Space
    center: Manipulator
    members: tuple[Manipulator, ...]
    widening: float
    floor: tuple[Manipulator, ...] = ()
    cuts: tuple[float, ...] = ()
    trusted: tuple[bool, ...] = ()
    seen: tuple[str, ...] = ()

    @classmethod
    def fit(
        cls,
        ur: UR,
        *,
        parts: UR | None = None,
        seed: int = 0,
        manipulator: str = "ridge-on-priors",
        members: int = 8,
        settings: Mapping[str, Any] | None = None,
    ) -> "Ensemble":
        """Fit the manipulator of that registered name many times.

        Args:
            ur: Perturbed and control states.
            parts: Passed on.
            seed: Chooses the subsets.
            manipulator: Registered name.
            members: How many subsets.
            settings: Further arguments of the manipulator's ``fit``.

        Raises:
            ControlError: Nothing but controls, or a context without control.
        """
        part = registry.MANIPULATORS.load(manipulator)
        given = {"parts": parts, **(settings or {})}
        family_n = np.array(ur.parsed.each(family_of), dtype=object)
        perturbed_n = ur.perturbations.astype(str) != CONTROL
        texts = np.array(sorted(set(family_n[perturbed_n])), dtype=object)
        if not len(texts):
            raise ControlError(
                "An ensemble needs perturbed states, but all of these are controls. Add perturbed cells."
            )
        rng, kept = np.random.default_rng(seed), max(1, round(_KEPT * len(texts)))
        count = members if part.resampled and len(texts) > 1 else 0
        subsets = [rng.choice(texts, kept, replace=False) for _ in range(count)]
        fits = [
            part.fit(ur.take(~perturbed_n | np.isin(family_n, subset)), seed=seed + i, **given)
            for i, subset in enumerate(subsets)
        ]
        widening = float(np.sqrt(kept / max(len(texts) - kept, 1)))
        return cls(ur.space, part.fit(ur, seed=seed, **given), tuple(fits), widening)

    @property
    def refits(self) -> Mapping[str, Any]:
        """What its full fit hands on to refits."""
        return self.center.refits

    @property
    def molecules(self) -> Collection[str]:
        """What its full fit has knowledge of."""
        return self.center.molecules

    @property
    def edits_tissue(self) -> bool:
        """Whether its full fit does."""
        return self.center.edits_tissue

    def abstaining(self, ur: UR, floor: Manipulator, cuts: Sequence[float], trusted: Sequence[bool]) -> "Ensemble":
        """Return one that lets ``floor`` answer wherever its own answer departs from it by as much as is not trusted.

        The floor then answers for retrieval too.

        Args:
            ur: What it was fitted on: what was measured is always answered.
            floor: Such as the mean effect.
            cuts: Departures at which the next group begins, one fewer than groups.
            trusted: Whether answers are trusted in each group.
        """
        pairs = zip(ur.contexts.astype(str), ur.perturbations.astype(str), strict=True)
        seen = tuple(sorted({_key(context, text) for context, text in pairs}))
        return replace(self, floor=(floor,), cuts=tuple(cuts), trusted=tuple(trusted), seen=seen)

    def prepare(self, ur: UR, perturbations: Sequence[Perturbation]) -> None:
        """Let every member compute ahead what the questions have in common."""
        for each in (self.center, *self.members):
            each.prepare(ur, perturbations)

    def manipulate(self, ur: UR, perturbation: Perturbation) -> Prediction[UR]:
        """Ask every member, and centre their answers on the full fit; or abstain."""
        answer = self._answer(ur, perturbation)
        asked = {_key(str(context), str(perturbation)) for context in ur.contexts}
        if not self.floor or perturbation.is_control or asked <= self._seen:
            return answer
        instead = self.floor[0].manipulate(ur, perturbation)
        departure = float(np.mean((answer.mean - instead.mean) ** 2))
        if self.trusted[int(np.searchsorted(self.cuts, departure))]:
            return answer
        made_by = (*answer.made_by, ABSTAIN, *instead.made_by)
        return replace(instead, made_by=made_by, applicability=answer.applicability)

    def joint(self, ur: UR, perturbations: Sequence[Perturbation]) -> Float[np.ndarray, "p p"] | None:
        """Covariance of errors: as the full fit states it, or else how the members disagree; None without either.

        Args:
            ur: Control states of one context.
            perturbations: ``p`` questions.
        """
        if isinstance(self.center, JointlyUnsure):
            return self.center.joint(ur, perturbations)
        if len(self.members) < 2:
            return None
        means_mpd = np.array([[each.manipulate(ur, asked).mean for asked in perturbations] for each in self.members])
        away_mpd = self.widening * (means_mpd - means_mpd.mean(axis=0))
        return np.asarray(np.einsum("mpd,mqd->pq", away_mpd, away_mpd) / (len(self.members) - 1))

    @cached_property
    def _seen(self) -> frozenset[str]:
        return frozenset(self.seen)

    def _answer(self, ur: UR, perturbation: Perturbation) -> Prediction[UR]:
        center = self.center.manipulate(ur, perturbation)
        if perturbation.is_control or not self.members:
            return replace(center, made_by=(self.name, *center.made_by))
        if center.applicability == Applicability.IN:
            # What was measured is looked up: members that happened not to see it say nothing about it.
            return self._said(center.draws * len(self.members), center)
        base_nd = np.mean([draw.values for draw in center.draws], axis=0)
        answers = [self._mean(member.manipulate(ur, perturbation)) for member in self.members]
        middle_nd = np.mean(answers, axis=0)
        # What the method itself says it does not know, such as how a target without priors acts, is kept.
        own = [center.draws[i % len(center.draws)].values for i in range(len(answers))]
        around_nd = np.mean(own, axis=0)
        first = center.draws[0]
        draws = tuple(
            replace(first, values=base_nd + self.widening * (answer - middle_nd) + stated - around_nd)
            for answer, stated in zip(answers, own, strict=True)
        )
        return self._said(draws, center)

    def _said(self, draws: tuple[UR, ...], center: Prediction[UR]) -> Prediction[UR]:
        made_by = (self.name, *center.made_by)
        return Prediction(draws, made_by, center.applicability, retrieval=center.retrieval)

    @staticmethod
    def _mean(prediction: Prediction[UR]) -> np.ndarray:
        return np.asarray(np.mean([draw.values for draw in prediction.draws], axis=0))


def _key(context: str, text: str) -> str:
    return f"{context} | {text}"
