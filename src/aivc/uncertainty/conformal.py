"""Intervals that hold what they promise: split-conformal calibration on held-out perturbations."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float, Int

from aivc.core.calibration import KINDS, THIRDS, Calibration, Growth, HeldOut
from aivc.core.contracts import Decoder
from aivc.core.errors import DataError
from aivc.core.measurement import Measurement
from aivc.core.prediction import Prediction
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.uncertainty.error_growth import fit_growth

_KEPT = 10_000


@final
@dataclass(frozen=True, eq=False)
class Conformal(Decoder):
    """A decoder whose profile intervals are calibrated on perturbations it has not seen.

    The exchangeable unit is the perturbation in its context: every held-out one has the same weight, however many
    features it brings (pooled scores; Dunn, Wasserman & Ramdas 2023, J Am Stat Assoc). How large its errors are
    expected to be depends on the feature and on what was said before anything was measured: the size of the predicted
    effect, and the spread across draws (`Growth`). The promise is marginal, over perturbations and features like those
    it was calibrated on, not for each of them, and it holds the better the more perturbations were held out.

    Attributes:
        reads: Space of the decoder.
        decoder: What it wraps.
        variance: ``(f,)`` variance of one measured cell.
        model: ``(f,)`` variance of the model's error on unseen perturbations.
        scores: ``(c,)`` sorted scaled errors.
        weights: ``(c,)`` their weights.
        cells: Median number of cells behind the held-out profiles.
        groups: ``(c,)`` and
        counts: ``(g,)`` and
        cuts: ``(2,)`` Mondrian groups of the held-out perturbations, see `Calibration`; empty where they were not told.
        growth: ``(2, 5)`` and
        own: and
        least: what `Growth` is made of; the table is empty where predicted effects were not told.
        contexts: In which perturbations were held out; none where contexts were.
        shared: and
        follows: of the noise of controls, see `Calibration`.
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
    groups: Int[np.ndarray, " c"]
    counts: Float[np.ndarray, " g"]
    cuts: Float[np.ndarray, " t"]
    growth: Float[np.ndarray, "k 5"]
    own: float
    least: float
    contexts: tuple[str, ...]
    shared: float
    follows: float

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
        contexts: Sequence[str] | None = None,
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
            contexts: In which the promise holds; None takes those of the held-out ones, nothing means any.

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
        cells = float(np.median([each.cells for each in held_out]))
        v_f = np.zeros(error_pf.shape[1]) if variance is None else variance
        noise_pf = np.array([each.noise(v_f) for each in held_out])
        control = _mean([each.shared for each in held_out]), _mean([each.follows for each in held_out])
        floor = 1e-3 * float(np.nanmean(error_pf**2)) + 1e-12
        effects = [each.predicted - each.control for each in held_out if each.control is not None]
        if len(effects) < len(held_out):
            model_f, scale_pf = _pooled_variance(error_pf, noise_pf + spread_pf**2, floor)
            scores, weights, groups = _pooled(np.abs(error_pf) / scale_pf, np.zeros(len(held_out), dtype=int))
            none, untold = np.zeros(0), np.zeros((0, 5))
            pooled = (scores, weights, cells, groups, none, none, untold)
            return cls(decoder.reads, decoder, v_f, model_f, *pooled, 0.0, 0.0, (), *control)
        effect_pf = np.array(effects)
        grown = fit_growth(error_pf, noise_pf, effect_pf, spread_pf, floor)
        cuts, code_p = _grouped(effect_pf, held_out)
        scores, weights, groups = _pooled(np.abs(error_pf) / np.sqrt(grown.others), code_p)
        counts = np.bincount(code_p, minlength=len(KINDS) * THIRDS).astype(float)
        here = sorted({each.context for each in held_out}) if contexts is None else contexts
        told = (grown.growth.table, grown.growth.own, grown.growth.least, tuple(here), *control)
        return cls(decoder.reads, decoder, v_f, grown.model, scores, weights, cells, groups, counts, cuts, *told)

    def decode(self, ur: UR) -> Prediction[Measurement]:
        """Read out as the decoder does, and attach the calibration."""
        said = self.decoder.decode(ur)
        return replace(said, made_by=(*said.made_by, self.name), calibration=self.calibration)

    @cached_property
    def calibration(self) -> Calibration:
        """What it attaches to every answer."""
        plain = Calibration(self.variance, self.model, self.scores, self.weights, self.cells)
        told = replace(plain, shared=self.shared, follows=self.follows)
        if not len(self.growth):
            return told
        growth = Growth(self.growth, self.own, self.least)
        grouped = replace(told, groups=self.groups, counts=self.counts, cuts=self.cuts)
        return replace(grouped, growth=growth, contexts=self.contexts)

    def profile(self, ur: UR) -> np.ndarray:
        """``(f,)`` expected mean profile, which calibration leaves as it is."""
        return self.decoder.profile(ur)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def _pooled_variance(error_pf: np.ndarray, known_pf: np.ndarray, floor: float) -> tuple[np.ndarray, np.ndarray]:
    """``(f,)`` variance of the model's error beyond what is known of it, and ``(p, f)`` scale of each by the others."""
    excess_pf = error_pf**2 - known_pf
    measured_f = np.isfinite(excess_pf).sum(axis=0)
    total_f = np.nansum(excess_pf, axis=0)
    # Each one is scaled by what the others say, as the perturbation asked about will be.
    others_pf = (total_f - np.nan_to_num(excess_pf)) / np.maximum(measured_f - np.isfinite(excess_pf), 1)
    model_f = np.maximum(total_f / np.maximum(measured_f, 1), floor)
    return model_f, np.sqrt(known_pf + np.maximum(others_pf, floor))


def _grouped(effect_pf: np.ndarray, held_out: Sequence[HeldOut]) -> tuple[np.ndarray, np.ndarray]:
    """``(2,)`` where thirds by predicted strength begin, and ``(p,)`` kind of evidence times 3 plus third."""
    size_p = (effect_pf**2).mean(axis=1)
    cuts = np.quantile(size_p, [1 / THIRDS, 2 / THIRDS])
    kind_p = np.array([KINDS.index(each.applicability) for each in held_out])
    return cuts, kind_p * THIRDS + np.searchsorted(cuts, size_p)


def _pooled(scores_pf: np.ndarray, code_p: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sort the scores of all, with weights and groups; each perturbation weighs the same, shared by its features."""
    parts = [_thinned(scores_pf[code_p == code], len(code_p)) for code in np.unique(code_p)]
    groups = np.repeat(np.unique(code_p), [len(scores) for scores, _ in parts])
    scores, weights = (np.concatenate(each) for each in zip(*parts, strict=True))
    order = np.argsort(scores, kind="stable")
    return scores[order], weights[order], groups[order]


def _thinned(scores_pf: np.ndarray, of: int) -> tuple[np.ndarray, np.ndarray]:
    """Sorted scores of some of the perturbations, and their weights among all ``of`` them."""
    measured_pf = np.isfinite(scores_pf)
    weights_pf = measured_pf / np.maximum(measured_pf.sum(axis=1, keepdims=True), 1) / of
    scores, weights = scores_pf[measured_pf], weights_pf[measured_pf]
    order = np.argsort(scores)
    scores, weights, kept = scores[order], weights[order], max(1, round(_KEPT * len(scores_pf) / of))
    if len(scores) <= kept:
        return scores, weights
    # Millions of scores say no more of a quantile than thousands of evenly spaced ones, each rounded up.
    total = float(weights.sum())
    levels = (np.arange(kept) + 1) / kept * total
    where = np.minimum(np.searchsorted(np.cumsum(weights), levels - 1e-12), len(scores) - 1)
    return scores[where], np.full(kept, total / kept)
