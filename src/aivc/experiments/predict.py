"""Ask a virtual cell what a perturbation would do, as an effect on real control cells, with its interval."""

from dataclasses import dataclass, replace
from typing import final

import numpy as np
import pandas as pd
from scipy import sparse

from aivc.core.errors import ScoreError
from aivc.core.measurement import Measurement
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Prediction
from aivc.core.units import COUNTS
from aivc.core.ur import UR
from aivc.core.virtual_cell import VirtualCell


@final
@dataclass(frozen=True, eq=False)
class PredictedEffect:
    """A predicted effect.

    The decoder also reads the unperturbed start, and the difference of the two readings is the effect: so what the
    decoder gets wrong about every cell does not pass for a response.

    Attributes:
        prediction: Populations, profiles and calibration, as decoded.
        base: ``(f,)`` the decoded profile of the start.
    """

    prediction: Prediction[Measurement]
    base: np.ndarray

    @property
    def effect(self) -> np.ndarray:
        """``(f,)`` predicted mean minus control, in profile units."""
        return np.asarray(self.prediction.mean - self.base)

    @property
    def retrieval_effect(self) -> np.ndarray:
        """``(f,)`` effect to recognize the perturbation by; the predicted one where the method states no other."""
        return np.asarray(self.prediction.retrieval_mean - self.base)

    def interval(
        self, level: float = 0.9, *, cells: float | None = None, controls: float | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Ends ``(f,)`` of the interval of the effect, measured against fresh controls.

        Args:
            level: Such as 0.9.
            cells: How many cells the perturbed mean will be measured on (`Prediction.interval`).
            controls: How many control cells it will be compared with; as many as a context of the fit has by default.
        """
        calibration = self.prediction.calibration
        fresh = controls if calibration is None else controls or calibration.controls
        low, high = self.prediction.interval(level, cells=cells, controls=fresh)
        return low - self.base, high - self.base

    def population(self, cells: int, *, seed: int = 0) -> Measurement:
        """Draw cells evenly from all draws, so that ignorance and biology both show.

        Args:
            cells: At most so many; virtual cells without any counts are left out, as a real experiment does.
            seed: Draws the cells.
        """
        draws = self.prediction.draws
        each, rng = -(-cells // len(draws)), np.random.default_rng(seed)
        picked = [draw.take(np.sort(rng.choice(len(draw), min(each, len(draw)), replace=False))) for draw in draws]
        names = [f"{i}-{label}" for i, piece in enumerate(picked) for label in piece.entities.index]
        entities = pd.concat([piece.entities for piece in picked]).set_axis(names, axis=0)
        blocks = [piece.block(0, len(piece)) for piece in picked]
        dense = all(isinstance(block, np.ndarray) for block in blocks)
        stacked = np.concatenate(blocks) if dense else sparse.vstack(list(map(sparse.csr_matrix, blocks)), format="csr")
        counted = picked[0].units == COUNTS
        kept = np.flatnonzero(np.asarray(stacked.sum(axis=1)) > 0) if counted else np.arange(stacked.shape[0])
        kept = kept[:cells]
        return picked[0].replace(values=stacked[kept], entities=entities.iloc[kept], observed=None)


def predict(cell: VirtualCell, start: UR, perturbation: Perturbation, *, cells: int = 200) -> PredictedEffect:
    """Perturb control states and read them out.

    Each draw reads out its own share of the states, shifted to the mean of all of them: so the draws together are one
    population of about ``cells``, no state is read twice, and the expected profile is that of all states.

    Args:
        cell: With one manipulator and one decoder.
        start: Control states in the cell's space.
        perturbation: What to do to them.
        cells: How many cells to read out over all draws, at least two for each.

    Raises:
        SpaceError: The states are of another space.
        ScoreError: The answer holds NaN or infinity.
    """
    moved = cell.manipulate(start, perturbation)
    each = max(2, -(-cells // len(moved.draws)))
    shares = tuple(_share(draw, i, each) for i, draw in enumerate(moved.draws))
    shared = Prediction(shares, moved.made_by, moved.applicability, retrieval=moved.retrieval)
    prediction = shared.then(cell.decode)
    base = cell.decode(_share(start, 0, each)).mean
    if not (np.isfinite(prediction.profiles).all() and np.isfinite(prediction.retrieval_mean).all()):
        raise ScoreError(
            f"{' + '.join(prediction.made_by)} answered {perturbation} with NaN or infinity. "
            "A prediction must be finite everywhere: mend the method, or leave it out."
        )
    return PredictedEffect(prediction.replace(base=base), base)


def _share(states: UR, number: int, each: int) -> UR:
    rows = np.arange(number * each, (number + 1) * each) % len(states)
    share = states.take(rows)
    entities = share.entities.set_axis([f"{name}-{number}-{i}" for i, name in enumerate(share.entities.index)], axis=0)
    return replace(share, values=share.values + states.mean - share.mean, entities=entities)
