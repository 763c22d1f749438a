"""From state to expression: a linear mean, and negative-binomial counts around it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, final

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import sparse

from aivc.core.axes import Axes
from aivc.core.contracts import Decoder
from aivc.core.measurement import Measurement
from aivc.core.prediction import Applicability, Prediction
from aivc.core.space import Space
from aivc.core.units import COUNTS, LOG_INTENSITY, is_effect, log1p_target
from aivc.core.ur import UR
from aivc.data.streaming.normalize import normalize, profile_units, totals
from aivc.instruments.decoders import negative_binomial
from aivc.instruments.decoders.scatter import calmed, own_share

_CELLS_FOR_NOISE, _FEATURES_AT_ONCE = 2000, 2048
_LIBRARIES, _DISPERSIONS, _RATES = 8, 8, 96


@final
@dataclass(frozen=True, eq=False)
class LinearExpression(Decoder):
    """Mean of the normalized expression linear in the state; counts resampled around it.

    Where it was fitted on counts, each decoded cell is a negative-binomial draw with a library size of a training
    cell and a rate chosen so that its expected ``log1p(count * N / total)`` is the linear mean. So populations are as
    dispersed as real ones, and their mean profile is close to the predicted one: on Papalexi 2021, two percent low
    once each cell is scaled by its own total, because the rates of a cell need not add up to one. Otherwise the draw
    adds Gaussian noise of the residual's size; effect-level rows, which are means already, are returned without noise.

    Where the encoder states the axes that it projects on, they are the way back, and nothing is estimated. The states
    of single cells then hold the chance of their own counting, so they are drawn together towards the mean of their
    population, which stays, before counts are drawn around them: that chance must not be there twice.

    Attributes:
        reads: Space it was fitted on.
        features: ``(f,)`` names.
        center: ``(f,)`` and
        loadings: ``(f, d)`` the linear mean, in ``units``; ``(f, 0)`` where the state is the reading itself, less the
            center (`aivc.core.axes.Axes`).
        units: Units of the mean profile.
        output: Units of the draws.
        modality: Of the measurement it was fitted on.
        libraries: ``(l,)`` quantiles of the cells' total counts; empty where it was not fitted on counts.
        noise: ``(f,)`` dispersion of the counts, or residual variance of other readings.
        seed: Of the draws.
        own: ``(s,)`` for each axis of a state, the share of the scatter of single cells that is their own
            (`own_share`); 1 where no axes were given, and for tables.
    """

    name: ClassVar[str] = "linear-expression"
    uses_axes: ClassVar[bool] = True
    reads: Space
    features: np.ndarray
    center: Float[np.ndarray, " f"]
    loadings: Float[np.ndarray, "f d"]
    units: str
    output: str
    modality: str
    libraries: Float[np.ndarray, " l"]
    noise: Float[np.ndarray, " f"]
    seed: int
    own: Float[np.ndarray, " s"]

    @classmethod
    def fit(
        cls,
        ur: UR,
        measurement: Measurement,
        *,
        seed: int = 0,
        units: str | None = None,
        axes: Axes | None = None,
    ) -> "LinearExpression":
        """Regress expression on the state, or take the axes given; then measure what is left.

        Args:
            ur: States of training entities.
            measurement: What was read from them.
            seed: Chooses the entities that tell what is left, and is that of the draws.
            units: Of the mean profile; None means ``log1p_cpN``, or the units of what are no counts.
            axes: Those that the states are projections on.

        Raises:
            DataError: A cell without counts.
        """
        measurement.require_table(cls.name)
        counts = measurement.units == COUNTS
        units = units or profile_units(measurement)
        regressed = axes is None
        if axes is None:
            axes = Axes(measurement.features, *_regress(ur, normalize(measurement, units)))
        # In the order it is saved in: products differ in the last bit from one order to the other.
        center, w_fd = axes.center, np.ascontiguousarray(axes.loadings)
        libraries, noise = np.zeros(0), np.zeros(len(center))
        if not is_effect(units):
            some = np.sort(np.random.default_rng(seed).permutation(len(ur))[:_CELLS_FOR_NOISE])
            sample, fit_nf = measurement.take(some), axes.reading(ur.values[some])
            if counts:
                total_n = totals(sample)
                libraries = np.quantile(total_n, (np.arange(_LIBRARIES) + 0.5) / _LIBRARIES)
                noise = _dispersion(sample.select(axes.features), fit_nf, total_n, log1p_target(units) or 1.0)
            else:
                noise = (normalize(sample, units).select(axes.features).dense() - fit_nf).var(axis=0)
        output, modality = COUNTS if counts else units, measurement.modality
        parts = (ur.space, axes.features, center, w_fd, units, output, modality, libraries, noise, seed)
        made = cls(*parts, np.ones(ur.space.dim))
        return made if regressed or is_effect(units) else replace(made, own=own_share(ur, made, axes, seed=seed))

    def decode(self, ur: UR) -> Prediction[Measurement]:
        """Read a population out; one draw, and its expected mean profile in ``units``."""
        self.reads.require(ur.space, self.name)
        mean_nf, profile = self._axes.reading(calmed(ur, self.own).values), self.profile(ur)
        rng = np.random.default_rng(self.seed)
        if len(self.libraries):
            values: np.ndarray | sparse.csr_matrix = sparse.csr_matrix(self._counts(mean_nf, profile, rng))
        else:
            values = mean_nf + rng.standard_normal(mean_nf.shape) * np.sqrt(self.noise)
            values = np.maximum(values, 0.0) if self._never_negative else values
        read = Measurement(values, self.features, _plain(ur.entities), self.output, self.modality, ur.space.scale)
        least = 0.0 if self._never_negative else None
        return Prediction((read,), (self.name,), Applicability.IN, profile[None], self.units, least=least)

    def profile(self, ur: UR) -> np.ndarray:
        """``(f,)`` expected mean profile in ``units``, as `decode` states it, without drawing a single cell.

        It is linear in the state, also where that lies below nothing; `Prediction.mean` does not, nor does any cell.

        Raises:
            SpaceError: ``ur`` lives in another space.
        """
        self.reads.require(ur.space, self.name)
        return self._axes.reading(ur.mean)

    def profiles(self, populations: Sequence[UR]) -> np.ndarray:
        """``(k, f)`` what `profile` says of each of several populations, in one product."""
        for each in populations:
            self.reads.require(each.space, self.name)
        return self._axes.reading(np.array([each.mean for each in populations]))

    @property
    def _axes(self) -> Axes:
        return Axes(self.features, self.center, self.loadings)

    @property
    def _never_negative(self) -> bool:
        return log1p_target(self.units) is not None or self.units == LOG_INTENSITY

    def _counts(self, mean_nf: np.ndarray, profile_f: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        # A linear mean can leave the range of a logarithm; pull such cells in without moving the population's mean.
        inside_nf = np.maximum(mean_nf, 0.0)
        wanted_nf = inside_nf * (np.maximum(profile_f, 0.0) / np.maximum(inside_nf.mean(axis=0), 1e-12))
        library_n = rng.permuted(np.resize(self.libraries, len(mean_nf)))
        return negative_binomial.sample(self._rates(wanted_nf) * library_n[:, None], self.noise, rng)

    def _rates(self, mean_nf: np.ndarray) -> np.ndarray:
        """Rates per count of library at which the expected log1p, averaged over libraries, is the wanted mean."""
        grid, log_rates, log_means = self._curves
        nearest_f = np.abs(np.log(self.noise)[:, None] - np.log(grid)).argmin(axis=1)
        found_nf = np.zeros_like(mean_nf)
        for i in np.unique(nearest_f):
            columns = np.flatnonzero(nearest_f == i)
            wanted = np.log(np.maximum(mean_nf[:, columns], 1e-300))
            found_nf[:, columns] = np.exp(np.interp(wanted, log_means[i], log_rates))
        found_nf[mean_nf <= 0] = 0.0
        return found_nf

    @cached_property
    def _curves(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        grid = np.geomspace(self.noise.min(), self.noise.max() * 1.001, _DISPERSIONS)
        rates = np.geomspace(1e-8, 2.0, _RATES)
        scale = (log1p_target(self.units) or 1.0) / self.libraries
        dispersion = np.broadcast_to(grid[:, None, None], (len(grid), _RATES, len(self.libraries)))
        means = negative_binomial.log1p_mean(rates[None, :, None] * self.libraries, dispersion, scale)
        return grid, np.log(rates), np.log(np.maximum(means.mean(axis=2), 1e-300))


def _regress(ur: UR, measurement: Measurement) -> tuple[np.ndarray, np.ndarray]:
    """Intercepts ``(f,)`` and slopes ``(f, d)`` of each feature on the state, over the entities it was observed in.

    Tables of effects have no intercept: the control lies at the origin of both.
    """
    x_nf, weight_n = measurement.block(0, len(measurement)), ur.mass / ur.mass.sum()
    free = not measurement.is_effects
    middle_d = weight_n @ ur.values * free
    z_nd = ur.values - middle_d
    if measurement.observed is None or measurement.observed.ndim == 1:
        gram_dd = z_nd.T @ (z_nd * weight_n[:, None]) + 1e-9 * np.eye(ur.space.dim)
        mean_f = np.asarray(x_nf.T @ weight_n).ravel() * free
        # The states sum to zero, or the mean is zero: it need not be subtracted from a sparse matrix.
        w_fd = np.linalg.solve(gram_dd, np.asarray(x_nf.T @ (z_nd * weight_n[:, None])).T).T
        return mean_f - w_fd @ middle_d, w_fd
    design_ne = np.hstack([z_nd, np.full((len(z_nd), 1), float(free))])
    seen_nf = measurement.observed * weight_n[:, None]
    outer = np.einsum("nd,ne->nde", design_ne, design_ne).reshape(len(design_ne), -1)
    size = design_ne.shape[1]
    # A feature observed in fewer entities than there are axes has no slopes of its own. One entity's worth of ordinary
    # spread on each axis holds them down, and leaves the intercept free.
    spread = float((weight_n @ z_nd**2).mean()) / len(z_nd)
    gram_fee = (seen_nf.T @ outer).reshape(-1, size, size) + np.diag([*np.full(size - 1, spread + 1e-9), 1e-9])
    both_fe = np.linalg.solve(gram_fee, ((seen_nf * measurement.dense()).T @ design_ne)[..., None])[..., 0]
    return both_fe[:, -1] - both_fe[:, :-1] @ middle_d, both_fe[:, :-1]


def _plain(entities: pd.DataFrame) -> pd.DataFrame:
    return entities.drop(columns=["cells"]) if "cells" in entities else entities


def _dispersion(sample: Measurement, fit_nf: np.ndarray, total_n: np.ndarray, target: float) -> np.ndarray:
    """``(f,)`` how much more than Poisson the counts scatter around their mean; feature by feature, so in blocks."""
    starts = range(0, fit_nf.shape[1], _FEATURES_AT_ONCE)
    blocks = (np.arange(start, min(start + _FEATURES_AT_ONCE, fit_nf.shape[1])) for start in starts)
    parts = [_scattered(sample.select(sample.features[f]).dense(), fit_nf[:, f], total_n, target) for f in blocks]
    return np.concatenate(parts)


def _scattered(y_nf: np.ndarray, fit_nf: np.ndarray, total_n: np.ndarray, target: float) -> np.ndarray:
    mean_f, shape_nf = np.maximum(fit_nf.mean(axis=0), 0.0), np.maximum(fit_nf, 0.0)
    expected_nf = np.expm1(shape_nf * (mean_f / np.maximum(shape_nf.mean(axis=0), 1e-12))) * total_n[:, None] / target
    # The curve through the logarithm underestimates the rate; counts have the right total by construction.
    expected_nf *= y_nf.sum(axis=0) / np.maximum(expected_nf.sum(axis=0), 1e-12)
    excess = ((y_nf - expected_nf) ** 2 - expected_nf).sum(axis=0)
    return np.asarray(np.clip(excess / np.maximum((expected_nf**2).sum(axis=0), 1e-12), 1e-3, 10.0))
