"""Measured effects as the rows of the model: filled where nothing was measured, with what is known of their noise."""

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from jaxtyping import Bool, Float

from aivc.core.effects import Effects
from aivc.instruments.manipulators.effect.agents import canonical, is_nothing

# Where a feature was not measured, this share of the perturbation's deviation in other contexts is added to the mean.
_FILLED = 0.5


@final
@dataclass(frozen=True, eq=False)
class EffectRows:
    """One row for each perturbation and context.

    Attributes:
        shifts: ``(r, d)`` measured effects, filled.
        texts: ``(r,)`` perturbations, doses in one unit.
        contexts: ``(r,)`` contexts.
        noise: ``(r, d)`` sampling variance of the perturbed mean; zero where it is not known.
        shared: ``(r, d)`` sampling variance of the control mean, which all rows of a context share.
        gaps: ``(r, d)`` True where an effect was filled; None where all were measured.
    """

    shifts: Float[np.ndarray, "r d"]
    texts: np.ndarray
    contexts: np.ndarray
    noise: Float[np.ndarray, "r d"]
    shared: Float[np.ndarray, "r d"]
    gaps: Bool[np.ndarray, "r d"] | None = None

    @classmethod
    def of(cls, seen: Effects) -> "EffectRows":
        """Take effects as rows: the same dose is one row however it is written, and no dose is no perturbation."""
        asked = seen.parsed.each(canonical)
        kept = np.array([not is_nothing(each) for each in asked], dtype=bool)
        texts = np.array([str(each) for each in asked], dtype=object)
        seen = Effects(seen.shifts, texts, seen.contexts, seen.cells, seen.measured, seen.noise, seen.shared).take(kept)
        keys = np.array([f"{c} | {t}" for c, t in zip(seen.contexts, seen.perturbations, strict=True)], dtype=str)
        if len(set(keys)) < len(keys):
            names, codes = np.unique(keys, return_inverse=True)
            seen = seen.grouped(codes, len(names))
        gaps = None if seen.complete else ~seen.measured
        labels = (seen.perturbations.astype(str), seen.contexts.astype(str))
        return cls(_filled(seen), *labels, seen.noise, seen.shared, gaps)

    def __len__(self) -> int:
        return len(self.shifts)

    @property
    def dim(self) -> int:
        """Number of axes."""
        return int(self.shifts.shape[1])

    @cached_property
    def known_noise(self) -> bool:
        """Whether sampling variances are known."""
        return bool(self.noise.any() or self.shared.any())

    def take(self, rows: np.ndarray) -> "EffectRows":
        """Keep some rows, by position."""
        noise, shared = (
            each[rows] if any(each.strides) else np.broadcast_to(each[:1], (len(rows), each.shape[1]))
            for each in (self.noise, self.shared)
        )
        gaps = None if self.gaps is None else self.gaps[rows]
        return EffectRows(self.shifts[rows], self.texts[rows], self.contexts[rows], noise, shared, gaps)


def _filled(seen: Effects) -> np.ndarray:
    """Where nothing was measured: the mean effect of the context, and half the perturbation's deviation in others."""
    if seen.complete or not len(seen):
        return np.array(seen.shifts, dtype=float)
    contexts, mean_cd, _ = seen.mean_effects()
    place_r = np.searchsorted(np.array(contexts, dtype=str), seen.contexts.astype(str))
    mean_rd = mean_cd[place_r]
    away_rd = np.where(seen.measured, seen.shifts - mean_rd, 0.0)
    names, codes = np.unique(seen.perturbations.astype(str), return_inverse=True)
    total, count = np.zeros((2, len(names), seen.shifts.shape[1]))
    np.add.at(total, codes, away_rd)
    np.add.at(count, codes, seen.measured)
    away_pd = _FILLED * total / np.maximum(count, 1)
    return np.where(seen.measured, seen.shifts, mean_rd + away_pd[codes])
