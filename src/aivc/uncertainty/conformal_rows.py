"""Intervals for molecules one by one, as wide as their kind of question needs: split-conformal, scaled by row."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple, Protocol, final, runtime_checkable

import numpy as np
from jaxtyping import Float

from aivc.core.contracts import Decoder
from aivc.core.errors import DataError
from aivc.core.measurement import Measurement
from aivc.core.prediction import Calibration, Prediction
from aivc.core.space import Space
from aivc.core.ur import UR


@runtime_checkable
class PredictsRows(Protocol):
    """A decoder that says of each row what to expect, and how large the error may be."""

    def predict(self, ur: UR) -> tuple[np.ndarray, np.ndarray]:
        """Return ``(n, f)`` expected readouts and ``(n, f)`` expected sizes of their errors, in any unit."""
        ...


class Intervals(NamedTuple):
    """What is expected of each row, and what holds it.

    Attributes:
        mean: ``(n, f)`` expected readouts.
        low: ``(n, f)`` lower ends.
        high: ``(n, f)`` upper ends; infinite where too few were held out for the level.
    """

    mean: Float[np.ndarray, "n f"]
    low: Float[np.ndarray, "n f"]
    high: Float[np.ndarray, "n f"]


@runtime_checkable
class CrossFitted(Protocol):
    """A fitted decoder, and what it would have said of rows without having seen them: what a `cross_fit` returns."""

    @property
    def decoder(self) -> Decoder:
        """Fitted on all rows; it can `predict`."""
        ...

    @property
    def predicted(self) -> np.ndarray:
        """``(n, f)`` predicted without the row; NaN where it was never held out."""
        ...

    @property
    def spread(self) -> np.ndarray:
        """``(n, f)`` expected sizes of the errors, predicted without the row."""
        ...

    @property
    def measured(self) -> np.ndarray:
        """``(n, f)`` what came; NaN where it was not observed."""
        ...


@final
@dataclass(frozen=True, eq=False)
class ConformalRows(Decoder):
    """A decoder whose intervals for single rows are calibrated on rows it had not seen.

    The exchangeable unit is the group that was left out together: a molecule, a family of drugs or targets. Each has
    the same weight, however many rows and readouts it brings (Dunn, Wasserman & Ramdas 2023, J Am Stat Assoc). Errors
    are measured in units of the size the decoder expects them to have (Lei et al. 2018, J Am Stat Assoc), so rows that
    it knows to be hard get wider intervals. The promise is marginal: it holds on average over rows like those held
    out, not for each of them, and not where the question differs from that of the rows held out.

    Attributes:
        reads: Space of the decoder.
        decoder: What it wraps.
        scores: ``(c,)`` sorted scaled errors of rows held out.
        weights: ``(c,)`` their weights.
        features: ``f`` how many readouts the decoder has.
    """

    name: ClassVar[str] = "conformal-rows"
    group: ClassVar[str] = "wrappers"
    reads: Space
    decoder: Decoder
    scores: Float[np.ndarray, " c"]
    weights: Float[np.ndarray, " c"]
    features: int

    @classmethod
    def fit(
        cls,
        ur: UR,
        measurement: Measurement,
        *,
        seed: int = 0,
        units: str | None = None,
        held_out: CrossFitted | None = None,
        groups: Sequence[object] | np.ndarray | None = None,
    ) -> "ConformalRows":
        """Calibrate a fitted decoder with what it said of rows held out.

        Args:
            ur: Not used; the decoder is fitted already.
            measurement: Not used.
            seed: Not used.
            units: Not used; they are the decoder's.
            held_out: What the `cross_fit` of the decoder returned.
            groups: ``(n,)`` labels of rows held out together; None makes each row its own.

        Raises:
            DataError: Nothing held out, a decoder that cannot predict rows, or fewer than two groups held out.
        """
        if held_out is None or not isinstance(held_out.decoder, PredictsRows):
            raise DataError(
                [
                    "Calibration needs what a decoder said of rows it had not seen. Give held_out, as the cross_fit of "
                    "kernel-readout or binding-affinity returns it."
                ]
            )
        scaled_nf = np.abs(held_out.measured - held_out.predicted) / held_out.spread
        labels = np.arange(len(scaled_nf)) if groups is None else np.asarray([str(group) for group in groups])
        scored_n = np.isfinite(scaled_nf).any(axis=1)
        if len(np.unique(labels[scored_n])) < 2:
            raise DataError(["Calibration needs two groups held out or more. Hold out more, or use the decoder bare."])
        scores, weights = _pooled(scaled_nf[scored_n], labels[scored_n])
        return cls(held_out.decoder.reads, held_out.decoder, scores, weights, scaled_nf.shape[1])

    def decode(self, ur: UR) -> Prediction[Measurement]:
        """Read out as the decoder does, with a calibration that holds for one row.

        Several rows are taken as a population: errors of its mean are expected to be as large as those of its rows,
        which is too wide where they cancel. Ask `intervals` for the rows.
        """
        said = self.decoder.decode(ur)
        spread_f = self._predicted(ur)[1].mean(axis=0)
        calibration = Calibration(np.zeros(self.features), spread_f**2, self.scores, self.weights, 1.0)
        return replace(said, made_by=(*said.made_by, self.name), calibration=calibration)

    def predict(self, ur: UR) -> tuple[np.ndarray, np.ndarray]:
        """What the decoder predicts."""
        return self._predicted(ur)

    def intervals(self, ur: UR, level: float = 0.9) -> Intervals:
        """Say what is expected of each row, and between which values it lies with probability ``level``.

        Raises:
            SpaceError: ``ur`` lives in another space.
            ValueError: The level is not between 0 and 1.
        """
        if not 0 < level < 1:
            raise ValueError(f"A level lies between 0 and 1, got {level}. Ask for intervals(ur, 0.9).")
        mean_nf, spread_nf = self._predicted(ur)
        none = np.zeros(0)
        half_nf = Calibration(none, none, self.scores, self.weights, 1.0).quantile(level) * spread_nf
        return Intervals(mean_nf, mean_nf - half_nf, mean_nf + half_nf)

    def _predicted(self, ur: UR) -> tuple[np.ndarray, np.ndarray]:
        assert isinstance(self.decoder, PredictsRows)
        return self.decoder.predict(ur)


def _pooled(scaled_nf: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sort scores of all rows; groups share one unit of weight with the row asked about, whose score is infinite."""
    seen_nf = np.isfinite(scaled_nf)
    names, group_n = np.unique(labels, return_inverse=True)
    size_g = np.bincount(group_n, seen_nf.sum(axis=1))
    weights_nf = seen_nf / size_g[group_n][:, None] / (len(names) + 1)
    scores, weights = scaled_nf[seen_nf], weights_nf[seen_nf]
    order = np.argsort(scores, kind="stable")
    return scores[order], weights[order]
