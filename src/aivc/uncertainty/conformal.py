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
from aivc.uncertainty.error_growth import Grown, fit_growth

_KEPT = 10_000
# So many held-out perturbations of a kind of evidence tell of their own errors; of fewer, all kinds together do.
_OWN = 20


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
        cuts: ``(3, 2)`` Mondrian groups of the held-out ones, see `Calibration`; empty where they were not given.
        models: ``(3, f)`` and
        growth: ``(3, 2, 5)`` and
        own: ``(3,)`` and
        least: ``(3,)`` how the error grows by kind of evidence; empty where predicted effects were not given.
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
    cuts: Float[np.ndarray, "k 2"]
    models: Float[np.ndarray, "k f"]
    growth: Float[np.ndarray, "k 2 5"]
    own: Float[np.ndarray, " k"]
    least: Float[np.ndarray, " k"]
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
            held_out: At least two perturbations predicted by a model that had not seen them.
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
            pooled = (scores, weights, cells, groups, np.zeros(0), np.zeros((0, 2)), np.zeros((0, len(v_f))))
            return cls(
                decoder.reads,
                decoder,
                v_f,
                model_f,
                *pooled,
                np.zeros((0, 2, 5)),
                np.zeros(0),
                np.zeros(0),
                (),
                *control,
            )
        effect_pf, kind_p = np.array(effects), np.array([KINDS.index(each.applicability) for each in held_out])
        grown, others_pf, whole_f = _by_kind(kind_p, error_pf, noise_pf, effect_pf, spread_pf, floor)
        cuts, code_p = _grouped(effect_pf, kind_p)
        scores, weights, groups = _pooled(np.abs(error_pf) / np.sqrt(others_pf), code_p)
        counts = np.bincount(code_p, minlength=len(KINDS) * THIRDS).astype(float)
        here = sorted({each.context for each in held_out}) if contexts is None else contexts
        growth = [each.growth for each in grown]
        growths = (np.array([each.table for each in growth]), *np.array([(each.own, each.least) for each in growth]).T)
        models = np.array([each.model for each in grown])
        found = (scores, weights, cells, groups, counts, cuts, models, *growths, tuple(here), *control)
        return cls(decoder.reads, decoder, v_f, whole_f, *found)

    def decode(self, ur: UR) -> Prediction[Measurement]:
        """Read out as the decoder does, and attach the calibration."""
        said = self.decoder.decode(ur)
        return replace(said, made_by=(*said.made_by, self.name), calibration=self.calibration)

    @cached_property
    def calibration(self) -> Calibration:
        """What it attaches to every answer."""
        plain = Calibration(self.variance, self.model, self.scores, self.weights, self.cells)
        ungrown = replace(plain, shared=self.shared, follows=self.follows)
        if not len(self.growth):
            return ungrown
        growth = tuple(Growth(*each) for each in zip(self.growth, self.own.tolist(), self.least.tolist(), strict=True))
        grouped = replace(ungrown, groups=self.groups, counts=self.counts, cuts=self.cuts)
        return replace(grouped, growth=growth, models=self.models, contexts=self.contexts)

    def profile(self, ur: UR) -> np.ndarray:
        """``(f,)`` expected mean profile, which calibration leaves as it is."""
        return self.decoder.profile(ur)

    def profiles(self, populations: Sequence[UR]) -> np.ndarray:
        """``(k, f)`` the same of several populations."""
        return self.decoder.profiles(populations)


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


def _by_kind(
    kind_p: np.ndarray,
    error_pf: np.ndarray,
    noise_pf: np.ndarray,
    effect_pf: np.ndarray,
    spread_pf: np.ndarray,
    floor: float,
) -> tuple[list[Grown], np.ndarray, np.ndarray]:
    """How errors grow for each kind of evidence; ``(p, f)`` what the others say of each; ``(f,)`` errors of all kinds.

    What was measured in other contexts has other errors than what was measured nowhere, on other features. A kind
    of which few were held out takes over how the errors of all of them grow.
    """
    whole = fit_growth(error_pf, noise_pf, effect_pf, spread_pf, floor)
    grown, others_pf = [whole] * len(KINDS), np.array(whole.others)
    for kind in range(len(KINDS)):
        rows = kind_p == kind
        if _OWN <= rows.sum() < len(rows):
            grown[kind] = fit_growth(error_pf[rows], noise_pf[rows], effect_pf[rows], spread_pf[rows], floor)
            others_pf[rows] = grown[kind].others
    return grown, others_pf, whole.model


def _grouped(effect_pf: np.ndarray, kind_p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``(3, 2)`` where thirds by predicted strength begin, and ``(p,)`` kind of evidence times 3 plus third."""
    size_p = (effect_pf**2).mean(axis=1)
    cuts = np.array(
        [_thirds(size_p[kind_p == k] if (kind_p == k).sum() >= _OWN else size_p) for k in range(len(KINDS))]
    )
    third_p = (size_p[:, None] > cuts[kind_p]).sum(axis=1)
    return cuts, kind_p * THIRDS + third_p


def _thirds(size_p: np.ndarray) -> np.ndarray:
    return np.quantile(size_p, [1 / THIRDS, 2 / THIRDS])


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
