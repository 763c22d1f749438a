"""How the correction of a Gaussian state is learned: hide features and counts, and predict them."""

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from aivc.core.measurement import Measurement
from aivc.core.units import COUNTS, log1p_target
from aivc.data.streaming.normalize import normalize
from aivc.representations.cellular.factors import cell_posterior
from aivc.representations.cellular.gaussian import levels, share
from aivc.training.loop import Batch, Terms, rows

_GROUPS, _HIGHEST, _THINNEST = 8, 0.9, 0.3
# Shares of hidden features, and the name of the panels that are left, for each of which a correction is judged.
_SIZES = {"large": (0.0, 0.5), "medium": (0.5, 0.8), "small": (0.8, _HIGHEST)}
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
        loadings: ``(f, d)`` of the Gaussian model, for states of size one, as they are here.
        size: ``(d,)`` of states outside of training.
        noise: ``(f,)`` variance of what its axes leave out.
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
    size: Float[np.ndarray, " d"]
    noise: Float[np.ndarray, " f"]
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
            "size": _tensor(self.size),
            "noise": _tensor(self.noise),
            "rank": torch.from_numpy(self.rank),
        }

    def view(
        self, cells: np.ndarray, draw: np.random.Generator, hidden: tuple[float, float] = (0.0, _HIGHEST)
    ) -> dict[str, Tensor]:
        """One view of each cell, hidden and thinned as drawn; ``hidden`` bounds the share of features."""
        value_bf = self.values[cells]
        all_bf = np.broadcast_to(self.seen if self.seen.ndim == 1 else self.seen[cells], value_bf.shape)
        group_b = np.arange(len(cells)) % _GROUPS
        seen_bf = np.stack([self.panel(draw, hidden) for _ in range(_GROUPS)])[group_b] & all_bf
        thin_bf = self.thinned(value_bf, draw)
        if self.target is not None:
            lost_b = (thin_bf * seen_bf).sum(axis=1) == 0
            seen_bf[lost_b], thin_bf[lost_b] = all_bf[lost_b], value_bf[lost_b]
        part_bf, whole_bf = self.residual(thin_bf, seen_bf), self.residual(value_bf, all_bf)
        mean_bd, variance_bd = self.stem(part_bf, seen_bf)
        aim_bd, aim_variance_bd = self.stem(whole_bf, all_bf)
        scale_f = self.scale
        return {
            "x": _tensor(part_bf / scale_f),
            "seen": _tensor(seen_bf),
            "mean": _tensor(mean_bd),
            "variance": _tensor(variance_bd),
            "residual": _tensor(whole_bf),
            "hidden": _tensor(all_bf & ~seen_bf),
            "aim": _tensor(aim_bd),
            "aim_variance": _tensor(aim_variance_bd),
        }

    @property
    def scale(self) -> Float[np.ndarray, " f"]:
        """Standard deviation of each feature under the Gaussian model."""
        return np.sqrt(self.noise + (self.loadings**2).sum(axis=1))

    def panel(self, draw: np.random.Generator, hidden: tuple[float, float]) -> Bool[np.ndarray, " f"]:
        """Which features a drawn panel holds; at least one."""
        rate, features = draw.uniform(*hidden), len(self.embedding)
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
        """Posterior of factor analysis; cells of one panel share the work."""
        size_f = np.sqrt(self.noise)
        part_bf, w_fd = residual_bf / size_f, self.loadings / size_f[:, None]
        mean_bd, variance_bd = np.empty((2, len(residual_bf), self.loadings.shape[1]))
        panels, which_b = np.unique(np.packbits(seen_bf, axis=1), axis=0, return_inverse=True)
        for panel in range(len(panels)):
            mine_b = which_b.ravel() == panel
            mean_bd[mine_b], variance_bd[mine_b] = cell_posterior(part_bf[mine_b], seen_bf[mine_b][0], w_fd)
        return mean_bd, variance_bd


def views_of(
    measurement: Measurement,
    units: str,
    model: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    embedding: np.ndarray,
    *,
    seed: int,
    batch: int,
) -> Views:
    """Views of training cells.

    Args:
        measurement: Training cells.
        units: Units of the model.
        model: Its center, loadings for states of size one, size of states, and noise.
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
    """Predict what was hidden, and the state that all of it would have given."""
    mean_bd, variance_bd = model(*(batch[name] for name in _ASKED))
    hidden_bf = batch["hidden"]
    spread_bd = variance_bd + batch["aim_variance"]
    apart_bd = spread_bd.log() + (batch["aim"] - mean_bd) ** 2 / spread_bd
    return {
        "features": (surprise(mean_bd, variance_bd, batch).sum(), hidden_bf.sum()),
        "state": (0.5 * apart_bd.sum(), torch.tensor(float(apart_bd.numel()), device=apart_bd.device)),
    }


def surprise(mean_bd: Tensor, variance_bd: Tensor, batch: Batch) -> Tensor:
    """``(b, f)`` negative log likelihood of each hidden feature, 0 for others; its constant is left out."""
    wide_bf = batch["noise"] + variance_bd @ (batch["loadings"] ** 2).T
    error_bf = batch["residual"] - mean_bd @ batch["loadings"].T
    return 0.5 * (wide_bf.log() + error_bf**2 / wide_bf) * batch["hidden"]


@final
class HiddenFeatures:
    """Hidden features of cells that no step saw: how well are they predicted, with and without the correction?"""

    def __init__(self, views: Views) -> None:
        draw, cells = np.random.default_rng((views.seed, _HELD_OUT)), np.arange(len(views.values))
        self.batch = {**views.view(cells, draw), **views.fixed()}
        self.sizes = {name: {**views.view(cells, draw, hidden), **views.fixed()} for name, hidden in _SIZES.items()}
        self.count_b = self.batch["hidden"].sum(dim=1)
        self.stem_b = self.per_cell(self.batch["mean"], self.batch["variance"])

    def per_cell(self, mean_bd: Tensor, variance_bd: Tensor) -> Tensor:
        """``(b,)`` mean surprise of each cell's hidden features."""
        return surprise(mean_bd, variance_bd, self.batch).sum(dim=1) / self.count_b.clamp_min(1)

    def score(self, model: nn.Module) -> float:
        """Mean surprise; lower is better."""
        return float(self.per_cell(*states(model, self.batch)).mean())

    def verdict(self, model: nn.Module) -> dict[str, float | bool]:
        """Whether the correction is better than the Gaussian stem, by more than two standard errors over cells.

        It has to predict hidden features better, and to bring the states nearer to those of the whole panel: what
        helps the one can worsen the other, and users read states. On panels of any size, small ones above all, states
        must lie no further off than those of the stem, so that a gain on large panels pays for no loss on others.
        """
        said = states(model.eval(), self.batch)
        before_b, after_b = distances(self.batch, self.batch["mean"]), distances(self.batch, said[0])
        gains = (self.stem_b - self.per_cell(*said), before_b - after_b)
        gain, nearer = (float(gain_b.mean()) for gain_b in gains)
        error, blur = (float(gain_b.std()) / len(gain_b) ** 0.5 for gain_b in gains)
        by_size = {
            name: [float(distances(batch, z_bd).mean()) for z_bd in (batch["mean"], states(model, batch)[0])]
            for name, batch in self.sizes.items()
        }
        stem, apart = float(self.stem_b.mean()), float(before_b.mean())
        everywhere = all(corrected <= own for own, corrected in by_size.values())
        return {
            "kept": gain > 2 * error and nearer > 2 * blur and everywhere,
            "stem": stem,
            "corrected": stem - gain,
            "error": error,
            "stem_distance": apart,
            "corrected_distance": apart - nearer,
            "distance_error": blur,
            **{f"stem_distance_{name}": own for name, (own, _) in by_size.items()},
            **{f"corrected_distance_{name}": corrected for name, (_, corrected) in by_size.items()},
            "cells": len(gains[0]),
        }


def states(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
    """Corrected mean and variance of each cell's state."""
    device = next(model.parameters()).device
    with torch.no_grad():
        mean_bd, variance_bd = model(*(batch[name].to(device) for name in _ASKED))
    return mean_bd.cpu(), variance_bd.cpu()


def distances(batch: Batch, mean_bd: Tensor) -> Tensor:
    """``(b,)`` mean squared distance of each state to that of the whole panel, as users read states."""
    return (((batch["aim"] - mean_bd) * batch["size"]) ** 2).mean(dim=1)


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
