"""An answer that says how sure it is: spread across draws is ignorance, spread within a draw is biology."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar, final

import numpy as np
from jaxtyping import Float

from aivc.core.calibration import Applicability, Calibration, HeldOut
from aivc.core.errors import DataError
from aivc.core.measurement import Measurement
from aivc.core.ur import UR

T = TypeVar("T", UR, Measurement)
S = TypeVar("S", UR, Measurement)


__all__ = ["ABSTAIN", "GUARANTEED", "NOT_GUARANTEED", "Applicability", "Calibration", "HeldOut", "Prediction"]

GUARANTEED = "guaranteed for perturbations like those held out"
NOT_GUARANTEED = "not guaranteed"
# Stands in ``made_by`` between a method that abstains and what answers instead.
ABSTAIN = "abstain"


@final
@dataclass(frozen=True, eq=False)
class Prediction(Generic[T]):
    """``k`` populations, each one equally possible.

    Attributes:
        draws: ``k`` populations.
        made_by: Names of the parts that made it, in order.
        applicability: Whether the question lies where the model has evidence.
        profiles: ``(k, d or f)`` expected mean of each draw; by default the mean of its values.
        profile_units: Units of ``profiles`` for measurements; those of the draws by default.
        calibration: Conformal calibration of the profile, or None: then intervals are quantiles of the draws and
            hold only the ignorance that the draws express.
        base: ``(d or f,)`` profile of the unperturbed start, so that the predicted effect is known; None if it is not.
        retrieval: ``(d or f,)`` a second profile, to tell by it which perturbation this is: what sets the perturbation
            apart is not shrunk in it, as an expected value has to be. None says that ``mean`` serves for that too.
        least: Mean readings never lie below it, such as 0 for logarithms of counts; None where they may. It bounds the
            mean over draws, not each of them: raised draw by draw, it would be the higher the less sure an answer is.

    Raises:
        DataError: No draws, draws that do not describe the same axes, or profiles of other axes.
    """

    draws: tuple[T, ...]
    made_by: tuple[str, ...]
    applicability: Applicability
    profiles: Float[np.ndarray, "k f"] = None  # type: ignore[assignment]
    profile_units: str = ""
    calibration: Calibration | None = None
    base: Float[np.ndarray, " f"] | None = None
    retrieval: Float[np.ndarray, " _"] | None = None
    least: float | None = None

    def __post_init__(self) -> None:
        if not self.draws:
            raise DataError(["A prediction holds at least one draw; the part that made it returned none."])
        if not all(_same_axes(draw, self.draws[0]) for draw in self.draws[1:]):
            raise DataError(
                ["Draws of one prediction lie in one space, or share features and units. Make them with one part."]
            )
        if self.profiles is None:
            object.__setattr__(self, "profiles", np.array([_mean(draw) for draw in self.draws]))
        if not self.profile_units and isinstance(self.draws[0], Measurement):
            object.__setattr__(self, "profile_units", self.draws[0].units)
        if len(self.profiles) != len(self.draws):
            raise DataError([f"{len(self.draws)} draws need as many profiles, got {len(self.profiles)}."])
        if self.retrieval is not None and self.retrieval.shape != self.profiles.shape[1:]:
            wanted, got = self.profiles.shape[1:], self.retrieval.shape
            raise DataError([f"The retrieval profile has the axes of the others: wanted shape {wanted}, got {got}."])

    @property
    def mean(self) -> np.ndarray:
        """``(d or f,)`` expected mean profile."""
        mean = np.asarray(self.profiles.mean(axis=0))
        return mean if self.least is None else np.maximum(mean, self.least)

    @property
    def retrieval_mean(self) -> np.ndarray:
        """``(d or f,)`` profile to recognize the perturbation by: ``retrieval``, or ``mean`` where none is stated."""
        return self.mean if self.retrieval is None else self.retrieval

    @property
    def spread(self) -> np.ndarray:
        """``(d or f,)`` standard deviation of the mean profile across draws."""
        return np.asarray(self.profiles.std(axis=0, ddof=1 if len(self.profiles) > 1 else 0))

    def interval(
        self, level: float = 0.9, *, cells: float | None = None, controls: float | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return ``(low, high)``, each ``(d or f,)``, that hold the mean profile with probability ``level``.

        Args:
            level: Such as 0.9.
            cells: How many cells the mean will be measured on; needs a calibrated prediction.
            controls: How many fresh control cells it will be compared with, where not the profile is asked for but the
                effect, as its difference from ``base``; needs a calibrated prediction.

        Returns:
            NaN where nothing says how sure the prediction is: a single draw without calibration.

        Raises:
            ValueError: The level is not between 0 and 1.
        """
        if not 0 < level < 1:
            raise ValueError(f"A level lies between 0 and 1, got {level}. Ask for interval(0.9).")
        if self.calibration is None and len(self.profiles) == 1:
            return np.full_like(self.mean, np.nan), np.full_like(self.mean, np.nan)
        if self.calibration is None:
            low, high = np.quantile(self.profiles, [(1 - level) / 2, (1 + level) / 2], axis=0)
            return low, high
        # How errors grow with what is said was not seen for evidence of another kind, such as a measurement itself.
        known = self.base is not None and self.calibration.knows(self.applicability)
        effect = self.mean - self.base if known else None
        kind = self.applicability
        held = self.calibration.quantile(level, effect=effect, applicability=kind)
        half = held * self.calibration.scale(self.spread, cells, effect=effect, applicability=kind, controls=controls)
        return self.mean - half, self.mean + half

    @property
    def abstained(self) -> bool:
        """Whether a method that trusts itself too little here let the mean effect answer."""
        return ABSTAIN in self.made_by

    @property
    def coverage(self) -> str:
        """What is promised of the intervals: `GUARANTEED`, on average over perturbations, or `NOT_GUARANTEED`.

        Not where nothing was held out, nor where the question is unlike what was: another context, another kind of
        evidence (`Applicability`), or an effect over twice as large as any predicted there.
        """
        if self.calibration is None:
            return NOT_GUARANTEED
        effect = None if self.base is None else self.mean - self.base
        contexts = self.draws[0].contexts
        return GUARANTEED if self.calibration.holds(self.applicability, contexts, effect) else NOT_GUARANTEED

    def then(self, step: Callable[[T], "Prediction[S]"]) -> "Prediction[S]":
        """Pass every draw through a further step, such as ``decoder.decode``, and pool what comes out.

        A retrieval state goes the same way: the step is asked for the population moved so that its mean is that state.

        Raises:
            DataError: A retrieval profile of measurements, which cannot be moved.
        """
        nexts: list[Prediction[S]] = [step(draw) for draw in self.draws]
        order = list(Applicability)
        return Prediction(
            tuple(draw for each in nexts for draw in each.draws),
            self.made_by + nexts[0].made_by,
            max([self.applicability, *(each.applicability for each in nexts)], key=order.index),
            np.concatenate([each.profiles for each in nexts]),
            nexts[0].profile_units,
            nexts[0].calibration,
            retrieval=self._passed_on(step, nexts),
            least=nexts[0].least,
        )

    def _passed_on(
        self, step: Callable[[T], "Prediction[S]"], nexts: "list[Prediction[S]]"
    ) -> Float[np.ndarray, " f"] | None:
        """The retrieval profile behind a step; None where neither side of it states one."""
        if self.retrieval is None:
            stated = any(each.retrieval is not None for each in nexts)
            return np.mean([each.retrieval_mean for each in nexts], axis=0) if stated else None
        start = self.draws[0]
        if not isinstance(start, UR):
            raise DataError(["Only states can be moved to a retrieval profile. Pass on the prediction of states."])
        return step(start.moved(self.retrieval - start.mean, str(start.perturbations[0]))).retrieval_mean

    def replace(self, **changes: object) -> "Prediction[T]":
        """Return a copy with some fields changed."""
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]


def _same_axes(ours: UR | Measurement, theirs: UR | Measurement) -> bool:
    if isinstance(ours, UR) or isinstance(theirs, UR):
        return isinstance(ours, UR) and isinstance(theirs, UR) and ours.space == theirs.space
    return ours.units == theirs.units and np.array_equal(ours.features, theirs.features)


def _mean(draw: UR | Measurement) -> np.ndarray:
    return draw.mean if isinstance(draw, UR) else np.asarray(draw.dense().mean(axis=0))
