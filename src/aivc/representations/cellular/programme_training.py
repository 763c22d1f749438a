"""How the correction of a Gaussian state is learned: hide features and counts, and foretell them."""

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from aivc.core.measurement import Measurement
from aivc.core.units import COUNTS, log1p_target
from aivc.data.normalize import normalize
from aivc.representations.cellular.gaussian import levels, posterior, share
from aivc.training.loop import Batch, Terms, rows

_GROUPS, _HIGHEST, _THINNEST = 8, 0.9, 0.3
# Every held-out view of one set of cells; a step that no training reaches.
_HELD_OUT = 2**31
_ASKED = ("embedding", "x", "seen", "mean", "variance", "rank")


@final
@dataclass(frozen=True, eq=False)
class Views:
    """Partial views of training cells, each beside all that was measured: a pure function of the step.

    Cells of a view come in groups with one panel each. A panel hides a share of the features drawn from U(0, 0.9):
    either each for itself, or those furthest along a random direction of the embeddings, which are alike, as in real
    panels. Half of the cells are thinned to 30 to 100 % of their counts.

    Attributes:
        values: ``(n, f)`` counts, or values in the units of the model.
        seen: ``(n, f)`` or ``(f,)`` True where measured.
        target: N of ``log1p_cpN`` where values are counts; None takes them as they are.
        embedding: ``(f, e)`` what is known of each feature.
        center: ``(f,)`` mean of each feature.
        loadings: ``(f, d)`` of the Gaussian model.
        noise: Variance of what its axes leave out.
        seed: Draws cells, panels and counts.
        batch: Cells of a step.
        rank: ``(f,)`` place of each feature among their names.
    """

    values: Float[np.ndarray, "n f"]
    seen: Bool[np.ndarray, "..."]
    target: float | None
    embedding: Float[np.ndarray, "f e"]
    center: Float[np.ndarray, " f"]
    loadings: Float[np.ndarray, "f d"]
    noise: float
    seed: int
    batch: int
    rank: Int[np.ndarray, " f"]

    def __call__(self, step: int, rank: int, world: int) -> Batch:
        """The share of one process in the views of a step."""
        draw = np.random.default_rng((self.seed, step))
        made = self.view(draw.choice(len(self.values), self.batch, replace=self.batch > len(self.values)), draw)
        return {**rows(made, rank, world), **self.fixed()}

    def fixed(self) -> dict[str, Tensor]:
        """What is the same at every step."""
        return {
            "embedding": _tensor(self.embedding),
            "loadings": _tensor(self.loadings),
            "noise": torch.tensor(self.noise, dtype=torch.float32),
            "rank": torch.from_numpy(self.rank),
        }

    def view(self, cells: np.ndarray, draw: np.random.Generator) -> dict[str, Tensor]:
        """One view of each cell, hidden and thinned as drawn."""
        value_bf = self.values[cells]
        all_bf = np.broadcast_to(self.seen if self.seen.ndim == 1 else self.seen[cells], value_bf.shape)
        group_b = np.arange(len(cells)) % _GROUPS
        seen_bf = np.stack([self.panel(draw) for _ in range(_GROUPS)])[group_b] & all_bf
        thin_bf = self.thinned(value_bf, draw)
        if self.target is not None:
            lost_b = (thin_bf * seen_bf).sum(axis=1) == 0
            seen_bf[lost_b], thin_bf[lost_b] = all_bf[lost_b], value_bf[lost_b]
        part_bf, whole_bf = self.residual(thin_bf, seen_bf), self.residual(value_bf, all_bf)
        mean_bd, variance_bd = self.stem(part_bf, seen_bf)
        aim_bd, doubt_bd = self.stem(whole_bf, all_bf)
        scale_f = self.scale
        return {
            "x": _tensor(part_bf / scale_f),
            "seen": _tensor(seen_bf),
            "mean": _tensor(mean_bd),
            "variance": _tensor(variance_bd),
            "residual": _tensor(whole_bf),
            "hidden": _tensor(all_bf & ~seen_bf),
            "aim": _tensor(aim_bd),
            "doubt": _tensor(doubt_bd),
        }

    @property
    def scale(self) -> Float[np.ndarray, " f"]:
        """Standard deviation of each feature under the Gaussian model."""
        return np.sqrt(self.noise + (self.loadings**2).sum(axis=1))

    def panel(self, draw: np.random.Generator) -> Bool[np.ndarray, " f"]:
        """Which features a drawn panel holds; at least one."""
        rate, features = draw.uniform(0, _HIGHEST), len(self.embedding)
        if draw.random() < 0.5:
            order_f = draw.random(features)
        else:
            order_f = self.embedding @ draw.standard_normal(self.embedding.shape[1])
        return np.asarray(order_f >= np.sort(order_f)[min(int(rate * features), features - 1)])

    def thinned(self, value_bf: np.ndarray, draw: np.random.Generator) -> np.ndarray:
        """Counts as if half of the cells had been sequenced less."""
        if self.target is None or not np.array_equal(value_bf, np.rint(value_bf)):
            return value_bf.copy()
        kept_b = np.where(draw.random(len(value_bf)) < 0.5, draw.uniform(_THINNEST, 1.0, len(value_bf)), 1.0)
        return draw.binomial(value_bf.astype(np.int64), kept_b[:, None]).astype(value_bf.dtype)

    def residual(self, value_bf: np.ndarray, seen_bf: np.ndarray) -> np.ndarray:
        """Values in the units of the model, less their center; 0 where nothing was observed."""
        x_bf = np.where(seen_bf, value_bf, 0.0)
        if self.target is not None:
            held_b1 = share(self.center, seen_bf, levels(self.center).sum())
            x_bf = np.log1p(x_bf * (self.target * held_b1 / x_bf.sum(axis=1, keepdims=True)))
        return np.where(seen_bf, x_bf - self.center, 0.0)

    def stem(self, residual_bf: np.ndarray, seen_bf: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gaussian posterior; cells of one panel share the work."""
        mean_bd, variance_bd = np.empty((2, len(residual_bf), self.loadings.shape[1]))
        panels, which_b = np.unique(np.packbits(seen_bf, axis=1), axis=0, return_inverse=True)
        for panel in range(len(panels)):
            mine_b = which_b.ravel() == panel
            seen_f = seen_bf[mine_b][0]
            mean_bd[mine_b], variance_bd[mine_b] = posterior(residual_bf[mine_b], seen_f, self.loadings, self.noise)
        return mean_bd, variance_bd


def views_of(
    measurement: Measurement,
    units: str,
    model: tuple[np.ndarray, np.ndarray, float],
    embedding: np.ndarray,
    *,
    seed: int,
    batch: int,
) -> Views:
    """Views of training cells.

    Args:
        measurement: Training cells.
        units: Units of the model.
        model: Its center, loadings and noise.
        embedding: ``(f, e)`` what is known of each feature.
        seed: Draws everything.
        batch: Cells of a step.
    """
    target = log1p_target(units) if measurement.units == COUNTS else None
    source = measurement if target is not None else normalize(measurement, units)
    seen = np.ones(len(source.features), dtype=bool) if measurement.observed is None else measurement.observed
    # What was not observed is not read: neither by the model nor by the draws of the thinning.
    return Views(
        np.where(seen, source.dense(), 0.0), seen, target, embedding, *model, seed, batch, ranks(source.features)
    )


def ranks(names: np.ndarray) -> Int[np.ndarray, " f"]:
    """``(f,)`` place of each feature when they are sorted by name."""
    return np.argsort(np.argsort(names.astype(str), kind="stable"), kind="stable")


def objective(model: nn.Module, batch: Batch) -> Terms:
    """Foretell what was hidden, and the state that all of it would have given."""
    mean_bd, variance_bd = model(*(batch[name] for name in _ASKED))
    hidden_bf = batch["hidden"]
    spread_bd = variance_bd + batch["doubt"]
    apart_bd = spread_bd.log() + (batch["aim"] - mean_bd) ** 2 / spread_bd
    return {
        "features": (surprise(mean_bd, variance_bd, batch).sum(), hidden_bf.sum()),
        "state": (0.5 * apart_bd.sum(), torch.tensor(float(apart_bd.numel()), device=apart_bd.device)),
    }


def surprise(mean_bd: Tensor, variance_bd: Tensor, batch: Batch) -> Tensor:
    """``(b, f)`` negative log likelihood of each hidden feature, 0 elsewhere; its constant is left out."""
    wide_bf = batch["noise"] + variance_bd @ (batch["loadings"] ** 2).T
    error_bf = batch["residual"] - mean_bd @ batch["loadings"].T
    return 0.5 * (wide_bf.log() + error_bf**2 / wide_bf) * batch["hidden"]


@final
class HeldOut:
    """Hidden features of cells that no step saw: how well are they foretold, with and without the correction?"""

    def __init__(self, views: Views) -> None:
        draw = np.random.default_rng((views.seed, _HELD_OUT))
        self.batch = {**views.view(np.arange(len(views.values)), draw), **views.fixed()}
        self.count_b = self.batch["hidden"].sum(dim=1)
        self.stem_b = self.per_cell(self.batch["mean"], self.batch["variance"])

    def per_cell(self, mean_bd: Tensor, variance_bd: Tensor) -> Tensor:
        """``(b,)`` mean surprise of each cell's hidden features."""
        return surprise(mean_bd, variance_bd, self.batch).sum(dim=1) / self.count_b.clamp_min(1)

    def states(self, model: nn.Module) -> tuple[Tensor, Tensor]:
        """Corrected mean and variance of each cell's state."""
        device = next(model.parameters()).device
        asked = [self.batch[name].to(device) for name in _ASKED]
        with torch.no_grad():
            mean_bd, variance_bd = model(*asked)
        return mean_bd.cpu(), variance_bd.cpu()

    def score(self, model: nn.Module) -> float:
        """Mean surprise; lower is better."""
        return float(self.per_cell(*self.states(model)).mean())

    def verdict(self, model: nn.Module) -> dict[str, float | bool]:
        """Whether the correction is better than the Gaussian stem, by more than two standard errors over cells.

        It has to foretell hidden features better, and to bring the states nearer to those of the whole panel: what
        helps the one can harm the other, and users read states.
        """
        mean_bd, variance_bd = self.states(model.eval())
        before_b, after_b = (((self.batch["aim"] - z_bd) ** 2).mean(dim=1) for z_bd in (self.batch["mean"], mean_bd))
        gains = (self.stem_b - self.per_cell(mean_bd, variance_bd), before_b - after_b)
        gain, nearer = (float(gain_b.mean()) for gain_b in gains)
        error, blur = (float(gain_b.std()) / len(gain_b) ** 0.5 for gain_b in gains)
        stem, apart = float(self.stem_b.mean()), float(before_b.mean())
        return {
            "kept": gain > 2 * error and nearer > 2 * blur,
            "stem": stem,
            "corrected": stem - gain,
            "error": error,
            "stem_distance": apart,
            "corrected_distance": apart - nearer,
            "distance_error": blur,
            "cells": len(gains[0]),
        }


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
