"""Intervals that hold what they promise: split-conformal calibration on held-out perturbations."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float

from aivc.core.contracts import Decoder
from aivc.core.errors import DataError
from aivc.core.measurement import Measurement
from aivc.core.prediction import Calibration, HeldOut, Prediction
from aivc.core.space import Space
from aivc.core.ur import UR

_KEPT = 10_000


@final
@dataclass(frozen=True, eq=False)
class Conformal(Decoder):
    """A decoder whose profile intervals are calibrated on perturbations it has not seen.

    The exchangeable unit is the perturbation in its context: every held-out one has the same weight, however many
    features it brings (pooled scores; Dunn, Wasserman & Ramdas 2023, J Am Stat Assoc). The promise is marginal, over
    perturbations and features like those it was calibrated on, not for each of them, and it holds the better the more
    perturbations were held out.

    Attributes:
        reads: Space of the decoder.
        decoder: What it wraps.
        variance: ``(f,)`` variance of one measured cell.
        model: ``(f,)`` variance of the model's error on unseen perturbations.
        scores: ``(c,)`` sorted scaled errors.
        weights: ``(c,)`` their weights.
        cells: Median number of cells behind the held-out profiles.
    """

    name: ClassVar[str] = "conformal"
    group: ClassVar[str] = "wrappers"
    reads: Space
    decoder: Decoder
    variance: Float[np.ndarray, " f"]
    model: Float[np.ndarray, " f"]
    scores: Float[np.ndarray, " c"]
    weights: Float[np.ndarray, " c"]
    cells: float

    @classmethod
    def fit(
        cls,
        ur: UR,
        measurement: Measurement,
        *,
        seed: int = 0,
        units: str | None = None,
        decoder: Decoder | None = None,
        held_out: Sequence[HeldOut] = (),
        variance: np.ndarray | None = None,
    ) -> "Conformal":
        """Calibrate a fitted decoder.

        Args:
            ur: Not used; the decoder is fitted already.
            measurement: Not used.
            seed: Not used.
            units: Not used; they are the decoder's.
            decoder: The decoder to wrap.
            held_out: At least two perturbations foretold by a model that had not seen them.
            variance: ``(f,)`` variance of one measured cell; zero for effect-level data.

        Raises:
            DataError: No decoder, or fewer than two held-out perturbations.
        """
        if decoder is None or len(held_out) < 2:
            raise DataError(
                [
                    f"Calibration needs a fitted decoder and at least two held-out perturbations, got {len(held_out)}. "
                    "Train on more perturbations, or use the decoder without calibration."
                ]
            )
        error_pf = np.array([each.measured - each.predicted for each in held_out])
        spread_pf = np.array([each.spread for each in held_out])
        cells_p = np.array([each.cells for each in held_out])
        v_f = np.zeros(error_pf.shape[1]) if variance is None else variance
        excess_pf = error_pf**2 - v_f / cells_p[:, None] - spread_pf**2
        floor = 1e-3 * float(np.nanmean(error_pf**2)) + 1e-12
        # Each one is scaled by what the others say, as the perturbation asked about will be.
        known_f = np.isfinite(excess_pf).sum(axis=0)
        total_f = np.nansum(excess_pf, axis=0)
        others_pf = (total_f - np.nan_to_num(excess_pf)) / np.maximum(known_f - np.isfinite(excess_pf), 1)
        scale_pf = np.sqrt(v_f / cells_p[:, None] + np.maximum(others_pf, floor) + spread_pf**2)
        scores, weights = _pooled(np.abs(error_pf) / scale_pf)
        model = np.maximum(total_f / np.maximum(known_f, 1), floor)
        return cls(decoder.reads, decoder, v_f, model, scores, weights, float(np.median(cells_p)))

    def decode(self, ur: UR) -> Prediction[Measurement]:
        """Read out as the decoder does, and attach the calibration."""
        said = self.decoder.decode(ur)
        calibration = Calibration(self.variance, self.model, self.scores, self.weights, self.cells)
        return replace(said, made_by=(*said.made_by, self.name), calibration=calibration)

    def profile(self, ur: UR) -> np.ndarray:
        """``(f,)`` expected mean profile, which calibration leaves as it is."""
        return self.decoder.profile(ur)


def _pooled(scores_pf: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sort the scores of all; each perturbation weighs the same, shared by the features it was measured on."""
    measured_pf = np.isfinite(scores_pf)
    weights_pf = measured_pf / np.maximum(measured_pf.sum(axis=1, keepdims=True), 1) / len(scores_pf)
    scores, weights = scores_pf[measured_pf], weights_pf[measured_pf]
    order = np.argsort(scores)
    scores, weights = scores[order], weights[order]
    if len(scores) <= _KEPT:
        return scores, weights
    # Millions of scores say no more of a quantile than thousands of evenly spaced ones, each rounded up.
    levels = (np.arange(_KEPT) + 1) / _KEPT
    where = np.minimum(np.searchsorted(np.cumsum(weights), levels - 1e-12), len(scores) - 1)
    return scores[where], np.full(_KEPT, 1 / _KEPT)
