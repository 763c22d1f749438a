"""The programme-token encoder: a Gaussian state from any panel, and a learned correction where it earns its place."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, final

import numpy as np
import torch
from jaxtyping import Float

from aivc.core.contracts import Encoder
from aivc.core.errors import UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.state import State
from aivc.core.units import COUNTS, log1p_target
from aivc.core.ur import UR
from aivc.data.streaming.normalize import profile_units
from aivc.data.streaming.stream import random_ranks
from aivc.nn.programme import GENE, PRESETS, PROGRAMME, ProgrammeNetwork
from aivc.representations.cellular.factors import cell_posterior, fit_factors, require_feature_noise
from aivc.representations.cellular.gaussian import levels, readings, share
from aivc.representations.cellular.programme_features import from_relatives, name_axes, part_axes
from aivc.representations.cellular.programme_training import HiddenFeatures, Views, objective, ranks, views_of
from aivc.training.checkpoint import arrays_of
from aivc.training.loop import TrainingRecipe, Validation, train
from aivc.training.weights import arrays_to_weights, network_of, pack_with_weights

TOKENIZERS = (PROGRAMME, GENE)
# A token per feature costs more than one per programme: fewer cells at once.
_AT_ONCE = {PROGRAMME: 512, GENE: 64}
_BATCH, _EPOCHS, _MOST_STEPS = 64, 20, 1500
_FEWEST_CELLS, _HELD_OUT, _MOST_HELD_OUT = 40, 0.1, 500


@final
@dataclass(frozen=True, eq=False)
class ProgrammeTokens(Encoder):
    """Factor analysis, and a transformer over programme tokens that corrects its states.

    The weights that read a feature are made from what is known of its molecule, so a panel may hold features that were
    not there in the fit: those whose molecule is among ``parts`` are read, with the uncertainty that a guess from
    their relatives deserves, and the others are left out. The correction starts at zero, learns to predict hidden
    features, and is kept only where, on training cells that were held out, it predicts them better than the Gaussian
    states alone and lies nearer to the states of the whole panel, each by more than two standard errors, and no further
    from them on small, medium or large panels; otherwise the states are those of ``factor-analysis``. ``verdict`` says
    which.

    With the tokenizer ``programme`` every observed feature reaches the correction. With ``gene``, meant for GPUs, its
    tokens are the features furthest above what is usual of them in a cell, as many as the preset says (cpu-xs 64,
    cpu-s and cpu-m 256, gpu-s 1,024, gpu-m 2,048, cluster 4,096), ties by name; the others are cut off there, and
    reach the state through its Gaussian part alone. Head, losses and files are the same.

    Attributes:
        features: ``(f,)`` names it was fitted on.
        center: ``(f,)`` mean, in ``units``.
        loadings: ``(f, d)``.
        size: ``(d,)`` standard deviation of states a priori, the largest first; see ``factor-analysis``.
        noise: ``(f,)`` variance of what the axes leave out, in squared ``units``.
        units: ``log1p_cpN``, or the units of data that are not counts.
        preset: Size of the network: cpu-xs, cpu-s, cpu-m, gpu-s, gpu-m or cluster.
        seed: Of the axes of names.
        embedding: ``(f, e)`` what is known of each feature.
        guests: ``(p + 1, d + 1)`` center and loadings, times ``size``, of a new feature from its part; no rows without
            parts.
        guest_noise: Variance of what these leave out.
        parts: Space of the parts it was fitted with; None without.
        verdict: ``kept``; mean negative log likelihoods of hidden features with and without the correction; and mean
            squared distances to the states of the whole panel, over all views and by the size of the panel: ``small``
            ones hold 10 to 20 % of the features, ``medium`` ones up to 50 %.
        weights: Arrays of the network, by name; none where it was not kept.
        tokenizer: What a token is: ``programme`` or ``gene``.
    """

    name: ClassVar[str] = "programme-tokens"
    scale: ClassVar[Scale] = Scale.CELLULAR
    features: np.ndarray
    center: Float[np.ndarray, " f"]
    loadings: Float[np.ndarray, "f d"]
    size: Float[np.ndarray, " d"]
    noise: Float[np.ndarray, " f"]
    units: str
    preset: str
    seed: int
    embedding: Float[np.ndarray, "f e"]
    guests: Float[np.ndarray, "p k"]
    guest_noise: float
    parts: Space | None
    verdict: Mapping[str, Any]
    weights: Mapping[str, np.ndarray] = field(default_factory=dict)
    tokenizer: str = PROGRAMME

    @classmethod
    def fit(
        cls,
        measurement: Measurement,
        *,
        dim: int = 32,
        seed: int = 0,
        units: str | None = None,
        parts: UR | None = None,
        preset: str = "cpu-s",
        tokenizer: str = PROGRAMME,
        recipe: TrainingRecipe | None = None,
    ) -> "ProgrammeTokens":
        """Fit the Gaussian states by expectation-maximization, then train the correction.

        Args:
            measurement: Counts, intensities, or values in any other units; ``observed`` is respected.
            dim: Number of axes; at most one less than features and entities.
            seed: Draws the axes of names, the first weights, and what is hidden.
            units: Units to work in; None means ``log1p_cpN``, N the median total of these cells.
            parts: Molecular UR, rows named by feature; features without a row are known by their names alone.
            preset: Size of the network: cpu-xs, cpu-s, cpu-m, gpu-s, gpu-m or cluster.
            tokenizer: What a token is: ``programme`` or ``gene``.
            recipe: How to descend; None takes 20 rounds through the cells, 1,500 steps at most. No steps leave the
                Gaussian states as they are. Its seed is replaced by ``seed``.

        Raises:
            DataError: A cell without counts.
            UnknownNameError: No such preset or tokenizer, or parts that name none of the features.
        """
        for what, name, known in (("preset", preset, PRESETS), ("tokenizer", tokenizer, TOKENIZERS)):
            if name not in known:
                raise UnknownNameError(what, name, known)
        units = units or profile_units(measurement)
        center, loadings, size, noise = fit_factors(measurement, units, dim)
        embedding, guests, guest_noise = (
            name_axes(measurement.features, seed),
            np.zeros((0, loadings.shape[1] + 1)),
            0.0,
        )
        if parts is not None:
            part_fe, there_f = part_axes(measurement.features, parts)
            if not there_f.any():
                names = map(str, parts.entities.index)
                raise UnknownNameError("feature", str(measurement.features[0]), names, "Parts are rows by feature.")
            guests, error_k = from_relatives(part_fe[there_f], np.column_stack([center, loadings * size])[there_f])
            embedding, guest_noise = np.hstack([embedding, part_fe]), float(noise[there_f].mean() + error_k.sum())
        space = None if parts is None else parts.space
        settings = (units, preset, seed, embedding, guests, guest_noise, space)
        stem = cls(measurement.features, center, loadings, size, noise, *settings, {"kept": False}, tokenizer=tokenizer)
        return stem._corrected(measurement, recipe)

    def _corrected(self, measurement: Measurement, recipe: TrainingRecipe | None) -> "ProgrammeTokens":
        count = len(measurement)
        if count < _FEWEST_CELLS or (recipe is not None and not recipe.steps):
            return self
        last_n = np.argsort(random_ranks(measurement.entities.index, self.seed), kind="stable")
        aside = min(int(_HELD_OUT * count), _MOST_HELD_OUT)
        # Left in their order, so that the same cells are drawn whatever their random order.
        held, kept = self._views(measurement.take(np.sort(last_n[:aside]))), np.sort(last_n[aside:])
        views, look = self._views(measurement.take(kept)), HiddenFeatures(held)
        recipe = dataclasses.replace(recipe or _recipe(len(kept)), seed=self.seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            network = self._empty()
        train(network, objective, views, recipe, validation=Validation(look.score, max(recipe.steps // 20, 1), 6))
        verdict = look.verdict(network)
        return dataclasses.replace(self, verdict=verdict, weights=arrays_of(network) if verdict["kept"] else {})

    def _views(self, measurement: Measurement) -> Views:
        model = (self.center, self.loadings * self.size, self.size, self.noise)
        batch = min(_BATCH, len(measurement))
        return views_of(measurement, self.units, model, self.embedding, seed=self.seed, batch=batch)

    def _empty(self) -> ProgrammeNetwork:
        return ProgrammeNetwork(
            PRESETS[self.preset], self.embedding.shape[1], len(self.features), self.dim, self.tokenizer
        )

    @cached_property
    def network(self) -> ProgrammeNetwork | None:
        """The correction, in evaluation mode; None where it was not kept."""
        if not self.weights:
            return None
        return network_of(self._empty, self.weights)

    def state(self) -> State:
        """Everything there is to it, as settings and arrays."""
        return pack_with_weights(self)

    @classmethod
    def from_state(cls, state: State) -> "ProgrammeTokens":
        """Inverse of `state`.

        Raises:
            IntegrityError: The state is not one of this encoder, or of one with a single noise for all features.
        """
        require_feature_noise(state, cls.name)
        weights, plain = arrays_to_weights(state.arrays)
        encoder = dataclasses.replace(super().from_state(State(state.settings, plain)), weights=weights)
        encoder.network  # noqa: B018 - a wrong shape or a missing array is refused now, not at the first question
        return encoder

    @property
    def dim(self) -> int:
        """Number of axes."""
        return int(self.loadings.shape[1])

    def encode(self, measurement: Measurement, parts: UR | None = None) -> UR:
        """Mean and variance of each state, from whichever features were measured.

        Args:
            measurement: Any panel that holds a feature of the fit, or of ``parts``.
            parts: Molecular UR in the space of the fit; says how to read features that were not there. Not used by an
                encoder that was fitted without.

        Raises:
            SpaceError: The parts are of another space than those of the fit.
            UnitsError: The units cannot be brought to those of the fit.
            UnknownNameError: None of the features of the fit or of ``parts`` are present.
        """
        rows = self._rows(measurement, parts)
        z_nd, variance_nd = np.empty((len(measurement), self.dim)), np.empty((len(measurement), self.dim))
        blocks = readings(measurement, rows.features, rows.center, self.units, len(self.features))
        rates = measurement.units == COUNTS and log1p_target(self.units) is not None
        for where, given_nh, here, seen in blocks:
            x_nh = self._own_depth(given_nh, rows.center[here], here, seen) if rates else given_nh
            residual_nh, size_h = x_nh - rows.center[here], np.sqrt(rows.noise[here])
            # How well a cell fits is measured on the features of the fit: what new ones should be is only guessed.
            own_h, w_hd = here < len(self.features), rows.loadings[here] / size_h[:, None]
            mean, variance = cell_posterior(residual_nh / size_h, seen, w_hd, own_h)
            if self.network is not None:
                mean, variance = self._correct(self.network, rows, (residual_nh, here, seen), (mean, variance))
            z_nd[where], variance_nd[where] = mean * self.size, variance * self.size**2
        return UR(z_nd, self.writes, measurement.entities, variance_nd, measurement.mass)

    def _own_depth(self, x_nh: np.ndarray, center: np.ndarray, here: np.ndarray, seen: np.ndarray) -> np.ndarray:
        """Scale cells by the counts of the features of the fit: how much the new ones should hold is only guessed."""
        own = here < len(self.features)
        if own.all() or not own.any():
            return x_nh
        total, rate_nh = levels(self.center).sum(), np.expm1(x_nh)
        all_n1, own_n1 = ((rate_nh * (seen & which)).sum(axis=1, keepdims=True) for which in (True, own))
        expected = share(center, seen & own, total) / share(center, seen, total)
        known_nh = np.log1p(rate_nh * expected * all_n1 / np.maximum(own_n1, 1e-12))
        return np.where(own_n1 > 0, known_nh, x_nh)

    def _rows(self, measurement: Measurement, parts: UR | None) -> "_Rows":
        own = _Rows(self.features, self.center, self.loadings * self.size, self.noise, self.embedding)
        if parts is None or self.parts is None:
            return own
        self.parts.require(parts.space, self.name)
        new = sorted(set(map(str, measurement.features)) & set(map(str, parts.entities.index)) - set(self.features))
        if not new:
            return own
        names = np.array(new, dtype=object)
        part_ge = part_axes(names, parts)[0]
        said_gk = np.column_stack([part_ge, np.ones(len(new))]) @ self.guests
        return _Rows(
            np.concatenate([self.features, names]),
            np.concatenate([self.center, said_gk[:, 0]]),
            np.vstack([own.loadings, said_gk[:, 1:]]),
            np.concatenate([own.noise, np.full(len(new), self.guest_noise)]),
            np.vstack([self.embedding, np.hstack([name_axes(names, self.seed), part_ge])]),
        )

    def _correct(
        self,
        network: ProgrammeNetwork,
        rows: "_Rows",
        read: tuple[np.ndarray, np.ndarray, np.ndarray],
        stem: tuple[np.ndarray, np.ndarray],
    ) -> tuple[np.ndarray, np.ndarray]:
        residual_nh, here, seen = read
        scale_f = np.sqrt(rows.noise + (rows.loadings**2).sum(axis=1))
        x_nf, seen_nf = np.zeros((2, len(residual_nh), len(rows.features)), dtype=np.float32)
        x_nf[:, here], seen_nf[:, here] = np.where(seen, residual_nh / scale_f[here], 0.0), seen
        inputs = [x_nf, seen_nf, *(array.astype(np.float32) for array in stem)]
        embedding, rank = torch.from_numpy(rows.embedding.astype(np.float32)), torch.from_numpy(ranks(rows.features))
        said, at_once = [], _AT_ONCE[self.tokenizer]
        with torch.no_grad():
            for start in range(0, len(x_nf), at_once):
                few = [torch.from_numpy(array[start : start + at_once]) for array in inputs]
                said.append([tensor.double().numpy() for tensor in network(embedding, *few, rank)])
        return np.concatenate([mean for mean, _ in said]), np.concatenate([variance for _, variance in said])


@final
@dataclass(frozen=True, eq=False)
class _Rows:
    """Features that can be read: those of the fit, then the new ones of a panel; states have size one here."""

    features: np.ndarray
    center: np.ndarray
    loadings: np.ndarray
    noise: np.ndarray
    embedding: np.ndarray


def _recipe(cells: int) -> TrainingRecipe:
    steps = min(-(-_EPOCHS * cells // min(_BATCH, cells)), _MOST_STEPS)
    return TrainingRecipe(steps, rate=1e-3, warmup=max(min(50, steps // 10), 1))
