"""An answer that says how sure it is: spread across draws is ignorance, spread within a draw is biology."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Generic, Literal, TypeVar, final

import numpy as np
import pandas as pd
from jaxtyping import Float

from aivc.core import views
from aivc.core.affected import Affected
from aivc.core.calibration import Applicability, Calibration, HeldOut
from aivc.core.errors import DataError
from aivc.core.measurement import Measurement
from aivc.core.population import draw_cells
from aivc.core.sureness import clear_of_zero, sureness
from aivc.core.ur import UR

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes

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
        affected: In a tissue, which cells change besides those that something was done to, and within which distance;
            None where nobody has neighbours.
        unread: Reads out the cells of a prediction whose draws are mean profiles only; None where draws are the cells.
        origin: Says which virtual cell made it, as texts by name (`VirtualCell.origin`); None where none did.

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
    unread: "Callable[[], Prediction[T]] | None" = None
    origin: Callable[[], Mapping[str, str]] | None = None
    affected: Affected | None = None

    def __repr__(self) -> str:
        return f"Prediction({len(self.draws)} × {self.draws[0]!r} by {' + '.join(self.made_by)}, {self.applicability})"

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

    @cached_property
    def mean(self) -> np.ndarray:
        """``(d or f,)`` expected mean profile; not to be written to."""
        mean = self._center if self.least is None else np.maximum(self._center, self.least)
        # Intervals, effects and promises all ask for it.
        mean.flags.writeable = False
        return mean

    @cached_property
    def _center(self) -> np.ndarray:
        return np.asarray(self.profiles.mean(axis=0))

    @property
    def retrieval_mean(self) -> np.ndarray:
        """``(d or f,)`` profile to recognize the perturbation by: ``retrieval``, or ``mean`` where none is stated."""
        return self.mean if self.retrieval is None else self.retrieval

    @property
    def spread(self) -> np.ndarray:
        """``(d or f,)`` standard deviation of the mean profile across draws."""
        # What numpy's own does, in half the time.
        away_kf = self.profiles - self._center
        return np.sqrt(np.einsum("kf,kf->f", away_kf, away_kf) / max(len(away_kf) - 1, 1))

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
        known, mean = self.base is not None and self.calibration.knows(self.applicability), self.mean
        effect = mean - self.base if known else None
        kind = self.applicability
        held = self.calibration.quantile(level, effect=effect, applicability=kind)
        half = held * self.calibration.scale(self.spread, cells, effect=effect, applicability=kind, controls=controls)
        return mean - half, mean + half

    @property
    def control(self) -> Float[np.ndarray, " f"]:
        """``(d or f,)`` profile of the unperturbed start, where it is known: `base`.

        Raises:
            DataError: It is not known.
        """
        if self.base is None:
            raise DataError(["An effect is a difference from the start, which is not known. Ask VirtualCell.predict."])
        return self.base

    @property
    def effect(self) -> np.ndarray:
        """``(d or f,)`` predicted mean minus that of the unperturbed start, in the units of the profiles.

        The decoder reads the start too, so what it gets wrong about every cell does not pass for a response.

        Raises:
            DataError: The prediction does not know its start.
        """
        return np.asarray(self.mean - self.control)

    @property
    def retrieval_effect(self) -> np.ndarray:
        """``(d or f,)`` effect to recognize the perturbation by; `effect` where the method states no other.

        Raises:
            DataError: The prediction does not know its start.
        """
        return np.asarray(self.retrieval_mean - self.control)

    def effect_interval(
        self, level: float = 0.9, *, cells: float | None = None, controls: float | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Ends ``(d or f,)`` of the interval of `effect`, measured against fresh controls.

        Args:
            level: Such as 0.9.
            cells: How many cells the perturbed mean will be measured on (`interval`).
            controls: How many control cells it will be compared with; as many as a context of the fit has by default.

        Raises:
            DataError: The prediction does not know its start.
            ValueError: The level is not between 0 and 1.
        """
        fresh = controls if self.calibration is None else controls or self.calibration.controls
        low, high = self.interval(level, cells=cells, controls=fresh)
        return low - self.control, high - self.control

    def population(self: "Prediction[Measurement]", cells: int, *, seed: int = 0) -> Measurement:
        """Draw virtual cells evenly from all draws, so that ignorance and biology both show.

        Args:
            cells: At most so many; virtual cells without any counts are left out, as a real experiment does.
            seed: Draws the cells.
        """
        whole = self if self.unread is None else self.unread()
        return draw_cells(whole.draws, cells, seed=seed)

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
            affected=self.affected,
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
        """Return a copy with some fields changed; new draws are the cells."""
        changes = {"unread": None, **changes} if "draws" in changes else changes
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]

    def effects(self, level: float = 0.9) -> pd.DataFrame:
        """Tabulate feature, effect, low and high, largest effect first; see `aivc.core.views.effects`."""
        return views.effects(self, level)

    def sureness(self, level: float = 0.9) -> str:
        """Say in one line how many effects have an interval clear of zero, and what is promised of intervals.

        Raises:
            DataError: The prediction does not know its start.
            ValueError: The level is not between 0 and 1.
        """
        clear = clear_of_zero(*self.effect_interval(level))
        return sureness(clear, len(self.effect), "features", level, self.coverage)

    def to_anndata(self, level: float = 0.9, *, cells: int | None = None, seed: int = 0) -> "AnnData":
        """Make an AnnData of effects, intervals and virtual cells; see `aivc.core.views.to_anndata`."""
        return views.to_anndata(self, level, cells=cells, seed=seed)

    def plot(
        self,
        *,
        kind: Literal["intervals", "volcano"] = "intervals",
        top: int = 20,
        level: float = 0.9,
        axes: "Axes | None" = None,
    ) -> "Axes":
        """Draw the predicted effect with its intervals, as rows or as a volcano; see `aivc.core.views.plot`."""
        return views.plot(self, kind=kind, top=top, level=level, axes=axes)

    def _repr_html_(self) -> str:
        return views.html(self)


def _same_axes(ours: UR | Measurement, theirs: UR | Measurement) -> bool:
    if ours is theirs:
        return True
    if isinstance(ours, UR) and isinstance(theirs, UR):
        return ours.space is theirs.space or ours.space == theirs.space
    if isinstance(ours, UR) or isinstance(theirs, UR):
        return False
    alike = ours.features is theirs.features or np.array_equal(ours.features, theirs.features)
    return ours.units == theirs.units and alike


def _mean(draw: UR | Measurement) -> np.ndarray:
    return draw.mean if isinstance(draw, UR) else np.asarray(draw.dense().mean(axis=0))
