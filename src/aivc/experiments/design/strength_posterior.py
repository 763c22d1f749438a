"""What is believed of every candidate: a mean, and an error that candidates share through their features."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import norm

from aivc.core.errors import DataError


@final
@dataclass(frozen=True, eq=False)
class StrengthPosterior:
    """A normal belief about ``n`` candidates.

    The errors are ``loading @ e + own * f`` with independent standard normal ``e`` and ``f``: so a covariance of ``n``
    by ``n`` is never made, and the loading only where a rule asks for it.

    Attributes:
        mean: ``(n,)`` expected strength, the larger the better.
        own: Standard deviation that a candidate has alone, measurement noise included.
        make_loading: Gives the ``(n, d)`` loading.
    """

    mean: Float[np.ndarray, " n"]
    own: float
    make_loading: Callable[[], Float[np.ndarray, "n d"]]

    def __post_init__(self) -> None:
        if self.own < 0 or not np.isfinite(self.mean).all():
            raise DataError(
                [
                    f"A posterior has finite means and a deviation of zero or more, got {self.own:.3g} and "
                    f"{int((~np.isfinite(self.mean)).sum())} means that are not finite. Check the measurements."
                ]
            )

    def __len__(self) -> int:
        return len(self.mean)

    @cached_property
    def loading(self) -> Float[np.ndarray, "n d"]:
        """``(n, d)`` what candidates share of their errors."""
        return self.make_loading()

    @cached_property
    def sd(self) -> Float[np.ndarray, " n"]:
        """``(n,)`` standard deviation of what is shared: that of the expected strength, not of one measurement."""
        return np.asarray(np.sqrt(np.einsum("nd,nd->n", self.loading, self.loading)))

    def draws(self, count: int, rng: np.random.Generator) -> Float[np.ndarray, "k n"]:
        """``(k, n)`` strengths that could be, measurement noise left out."""
        return np.asarray(self.mean + rng.standard_normal((count, self.loading.shape[1])) @ self.loading.T)

    def above(self, threshold: float) -> Float[np.ndarray, " n"]:
        """``(n,)`` probability that a measurement exceeds a threshold."""
        return np.asarray(norm.sf(threshold, self.mean, np.sqrt(self.sd**2 + self.own**2) + 1e-12))


@final
@dataclass(frozen=True, eq=False)
class KernelRidge:
    """Ridge regressions of several targets on the same rows, as Bayesian models with normal weights.

    Attributes:
        features: ``(n, f)`` of all candidates.
        measured: ``m`` places of those with a target.
        gram: ``(m, m)`` products of the centered rows.
        center: ``(f,)`` their mean.
    """

    features: Float[np.ndarray, "n f"]
    measured: Int[np.ndarray, " m"]
    gram: Float[np.ndarray, "m m"]
    center: Float[np.ndarray, " f"]

    @classmethod
    def on(cls, features: Float[np.ndarray, "n f"], measured: Int[np.ndarray, " m"]) -> "KernelRidge":
        """Prepare the rows that were measured.

        Raises:
            DataError: Fewer than two.
        """
        if len(measured) < 2:
            raise DataError([f"A model needs two measurements or more, got {len(measured)}. Measure a batch first."])
        seen_mf = features[measured].astype(np.float64)
        center_f = seen_mf.mean(axis=0)
        z_mf = seen_mf - center_f
        return cls(features, measured, z_mf @ z_mf.T, center_f)

    def fit(
        self, y_m: Float[np.ndarray, " m"], penalty: float
    ) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " m"]]:
        """Predictions for all candidates, and for each measured one from all others (leave-one-out).

        Args:
            y_m: ``(m,)`` target.
            penalty: Noise variance over the variance of a weight.
        """
        level = float(y_m.mean())
        inverse_mm = np.linalg.inv(self.gram + penalty * np.eye(len(y_m)))
        dual_m = inverse_mm @ (y_m - level)
        weight_f = self.features[self.measured].T @ dual_m.astype(self.features.dtype)
        # The rows were centered: the dual weights sum to what the center takes.
        weight_f = weight_f - self.center.astype(weight_f.dtype) * dual_m.sum().astype(weight_f.dtype)
        base = level - float(self.center @ weight_f)
        said_n = np.asarray(self.features @ weight_f, dtype=np.float64) + base
        return said_n, np.asarray(y_m - dual_m / np.diag(inverse_mm))

    def loading(self, penalty: float, noise: float) -> Float[np.ndarray, "n f"]:
        """``(n, f)`` what candidates share of their errors, where a measurement has this noise."""
        z_mf = self.features[self.measured].astype(np.float64) - self.center
        whole_ff = z_mf.T @ z_mf + penalty * np.eye(len(self.center))
        root_ff = np.linalg.inv(np.linalg.cholesky(whole_ff)).T * noise
        apart_nf = self.features - self.center.astype(self.features.dtype)
        return np.asarray(apart_nf @ root_ff.astype(self.features.dtype))
