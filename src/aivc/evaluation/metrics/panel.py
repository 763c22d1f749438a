"""What metrics see of one method: its predictions, the truth, and the noise of both, question by question."""

from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from aivc.data.streaming.normalize import Block

_ROUNDING = 1e-11


@final
@dataclass(frozen=True, eq=False)
class Stated:
    """How the intervals of one method fared, question by question; NaN where it stated none.

    Attributes:
        levels: ``(l,)`` shares of the measured means that its intervals promise to hold.
        covered: ``(p, l)`` share of usable genes whose measured mean lies inside.
        width: ``(p, l)`` mean width over usable genes.
        crps: ``(p,)`` weighted interval score, the continuous ranked probability score read off the intervals.
    """

    levels: tuple[float, ...]
    covered: Float[np.ndarray, "p l"]
    width: Float[np.ndarray, "p l"]
    crps: Float[np.ndarray, " p"]


@final
@dataclass(frozen=True, eq=False)
class Panel:
    """One method on ``p`` questions, each a perturbation in a context.

    All profiles are in the same units. Nothing here was predicted but ``predicted``, ``retrieval``, ``low``, ``high``
    and ``population``: effects are measured against real controls on both sides, and the two sides use different
    control cells, so that shared noise cannot look like skill.

    Attributes:
        features: ``(f,)`` names.
        units: Of profiles and cells alike.
        questions: ``p`` rows with columns ``fold``, ``context``, ``perturbation``, and ``donor`` where folds name it.
        predicted: ``(p, f)`` mean profile.
        given: ``(p, f)`` mean of the real controls the method was given.
        truth: ``(p, f)`` measured mean profile, of the scoring half.
        control: ``(p, f)`` mean of the real controls kept for scoring.
        perturbed_mean: ``(p, f)`` the controls given, plus the mean effect of training (Systema's reference).
        usable: ``(p, f)`` False for a gene that the perturbation itself targets, or that was not measured.
        targeted: ``(f,)`` True for a gene that any perturbation of the panel targets.
        truth_noise: ``(p, f)`` sampling variance of ``truth - control``.
        predicted_noise: ``(p, f)`` sampling variance of ``predicted``; zero for models, not for the replicate.
        low: ``(p, f)`` lower end of the 90 % interval of what is measured; NaN where the method states none.
        high: ``(p, f)`` upper end.
        population: Per row ``(n, f)`` predicted cells, dense or CSR; None at effect level.
        cells: Per row ``(n, f)`` measured cells of the scoring half, or None.
        controls: Per row ``(m, f)`` measured control cells kept for scoring, or None; rows that share controls hold the
            very same object.
        population_depth: Per row ``(n,)`` total counts of each predicted cell; None where data are not counts.
        cells_depth: Likewise of the measured cells.
        controls_depth: Likewise of the controls.
        stated: How its intervals fared; None where it states none.
        retrieval: ``(p, f)`` profile to recognize the perturbation by, see `Prediction`; None means ``predicted``.
    """

    features: np.ndarray
    units: str
    questions: pd.DataFrame
    predicted: Float[np.ndarray, "p f"]
    given: Float[np.ndarray, "p f"]
    truth: Float[np.ndarray, "p f"]
    control: Float[np.ndarray, "p f"]
    perturbed_mean: Float[np.ndarray, "p f"]
    usable: Bool[np.ndarray, "p f"]
    targeted: Bool[np.ndarray, " f"]
    truth_noise: Float[np.ndarray, "p f"]
    predicted_noise: Float[np.ndarray, "p f"]
    low: Float[np.ndarray, "p f"]
    high: Float[np.ndarray, "p f"]
    population: tuple[Block | None, ...]
    cells: tuple[Block | None, ...]
    controls: tuple[Block | None, ...]
    population_depth: tuple[np.ndarray | None, ...]
    cells_depth: tuple[np.ndarray | None, ...]
    controls_depth: tuple[np.ndarray | None, ...]
    stated: Stated | None = None
    retrieval: Float[np.ndarray, "p f"] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.retrieval is None:
            object.__setattr__(self, "retrieval", self.predicted)

    def __len__(self) -> int:
        return len(self.questions)

    @property
    def predicted_effect(self) -> np.ndarray:
        """``(p, f)`` predicted minus the real controls given."""
        return _difference(self.predicted, self.given)

    @property
    def true_effect(self) -> np.ndarray:
        """``(p, f)`` measured minus the real controls kept for scoring."""
        return _difference(self.truth, self.control)


def _difference(of_pf: np.ndarray, from_pf: np.ndarray) -> np.ndarray:
    """Differences, with those that are rounding alone set to zero: noise of rounding has a direction too."""
    found = of_pf - from_pf
    found[np.abs(found) <= _ROUNDING * np.maximum(np.abs(of_pf), np.abs(from_pf))] = 0.0
    return found
