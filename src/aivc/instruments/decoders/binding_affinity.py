"""How strongly molecules bind partners: drugs that were never measured, targets that were never measured, or both."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple, final

import numpy as np
from jaxtyping import Float

from aivc.core.contracts import Decoder
from aivc.core.errors import DataError
from aivc.core.measurement import Measurement
from aivc.core.prediction import Applicability, Prediction
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.data.streaming.normalize import normalize, profile_units

# So large that a constant is hardly shrunk: each partner keeps its mean.
_CONSTANT = 100.0
_ROW_PENALTIES = np.geomspace(1e-2, 1e2, 13)
_PARTNER_PENALTIES = np.geomspace(1e-3, 1e1, 7)
_WIDTHS = (0.0, 1.0, 0.25)
_BORROWED = 5
_GROWN = 3.0
_ROUNDS, _CLOSE = 200, 1e-7


class HeldOutPairs(NamedTuple):
    """A fitted decoder, and what it would have said of each training row without having seen it or its group.

    Attributes:
        decoder: Fitted on all rows.
        predicted: ``(n, f)`` predicted without the row.
        spread: ``(n, f)`` expected size of the error, likewise.
        measured: ``(n, f)``; NaN where not observed.
    """

    decoder: "BindingAffinity"
    predicted: Float[np.ndarray, "n f"]
    spread: Float[np.ndarray, "n f"]
    measured: Float[np.ndarray, "n f"]


@final
@dataclass(frozen=True, eq=False)
class BindingAffinity(Decoder):
    """Kernel ridge regression on both sides of a pair, in closed form (two-step; Stock et al. 2018, Neural Comput).

    Rows of the UR are the molecules asked about and features of the measurement are their partners: drugs and targets
    for the affinity of a new drug, targets and drugs for that of a new target. With ``rows``, ``pairs`` and
    ``penalties`` as below the answer is ``K (K + a)^-1 Y (L + b)^-1 L``, and leaving a row out of it needs no refit, so
    kernels and penalties are those with the least error on rows left out.

    Attributes:
        reads: Space of the rows.
        features: ``(f,)`` names of the partners.
        units: Of the affinities.
        modality: Of the measurement it was fitted on.
        rows: ``(n, d)`` vectors of the training rows.
        partners: ``(f, e)`` vectors of the partners; none where they are unrelated.
        pairs_with: Space of the partners; that of the rows where there are no vectors.
        widths: Widths of the Gaussian kernels of rows and partners; 0 is the linear kernel.
        center: Mean affinity.
        weights: ``(n, f)`` of the training pairs.
        row_penalty: Chosen penalty of the rows.
        partner_penalty: Of the partners.
        inverse: ``(n, n)`` inverse of the penalized kernel of the rows.
        noise: ``(f,)`` size of the errors of each partner. Expected is this, times the root of one more than the
            variance of the row, times ``exp(growth * (affinity - center))``: strong binders are the harder ones.
        growth: See ``noise``.
        reach: Largest and smallest affinity predicted in training; beyond them the error grows no further.
        skill: Fraction of the variance around each partner's mean explained on rows left out.
    """

    name: ClassVar[str] = "binding-affinity"
    reads: Space
    features: np.ndarray
    units: str
    modality: str
    rows: Float[np.ndarray, "n d"]
    partners: Float[np.ndarray, "f e"]
    pairs_with: Space
    widths: tuple[float, float]
    center: float
    weights: Float[np.ndarray, "n f"]
    row_penalty: float
    partner_penalty: float
    inverse: Float[np.ndarray, "n n"]
    noise: Float[np.ndarray, " f"]
    growth: float
    reach: tuple[float, float]
    skill: float

    @classmethod
    def fit(
        cls,
        ur: UR,
        measurement: Measurement,
        *,
        seed: int = 0,
        units: str | None = None,
        partners: UR | None = None,
        groups: Sequence[object] | np.ndarray | None = None,
    ) -> "BindingAffinity":
        """Fit on training rows; see `cross_fit`, which returns more."""
        return cls.cross_fit(ur, measurement, units=units, partners=partners, groups=groups).decoder

    @classmethod
    def cross_fit(
        cls,
        ur: UR,
        measurement: Measurement,
        *,
        units: str | None = None,
        partners: UR | None = None,
        groups: Sequence[object] | np.ndarray | None = None,
    ) -> HeldOutPairs:
        """Fit, and predict each training row without having seen it or its group.

        Pairs that were not observed are filled with what the fit says of them, until that changes no more.

        Args:
            ur: Vectors of the training rows.
            measurement: Affinities, rows by partners.
            units: Of the affinities; None lets the decoder choose.
            partners: Vectors of the partners, rows named by feature; None makes them unrelated to each other.
            groups: ``(n,)`` labels of what is left out together; None leaves rows out one by one.

        Raises:
            DataError: Fewer than three rows or groups, a row or partner without any affinity, or partners that do not
                match the features.
        """
        measurement.require_table(cls.name)
        units = units or profile_units(measurement)
        y_nf = normalize(measurement, units).dense()
        seen_nf = np.broadcast_to(True if measurement.observed is None else measurement.observed, y_nf.shape)
        group_n = np.arange(len(ur)) if groups is None else np.unique([str(g) for g in groups], return_inverse=True)[1]
        partners_fe = _vectors(measurement.features, partners)
        if problems := _problems(seen_nf, group_n, len(ur)):
            raise DataError(problems)
        center = float(y_nf[seen_nf].mean())
        chosen = _choose(ur.values, partners_fe, y_nf - center, seen_nf, group_n)
        said_nf, variance_n = chosen.rows.left_out(chosen.filled, group_n)
        said_nf = said_nf @ chosen.partners.hat
        error_nf = np.where(seen_nf, np.abs(y_nf - center - said_nf), np.nan)
        scale_n, reach = np.sqrt(1 + variance_n)[:, None], (float(said_nf.min()), float(said_nf.max()))
        noise_f, growth = _noise(error_nf / scale_n, said_nf)
        decoder = cls(
            ur.space,
            measurement.features,
            units,
            measurement.modality,
            ur.values,
            partners_fe,
            ur.space if partners is None else partners.space,
            chosen.widths,
            center,
            chosen.rows.inverse @ chosen.filled @ chosen.partners.inverse,
            chosen.rows.penalty,
            chosen.partners.penalty,
            chosen.rows.inverse,
            noise_f,
            growth,
            reach,
            _skill(error_nf, np.where(seen_nf, y_nf, np.nan)),
        )
        spread_nf = scale_n * noise_f * np.exp(growth * said_nf)
        return HeldOutPairs(decoder, center + said_nf, spread_nf, np.where(seen_nf, y_nf, np.nan))

    def decode(self, ur: UR) -> Prediction[Measurement]:
        """Read out the affinities for every partner: one draw, without the noise of a measurement, and its mean."""
        mean_nf, _ = self.predict(ur)
        read = Measurement(mean_nf, self.features, ur.entities, self.units, self.modality, ur.space.scale)
        known = bool(ur.values.any(axis=1).all())
        verdict = Applicability.EDGE if known else Applicability.OUT
        return Prediction((read,), (self.name,), verdict, mean_nf.mean(axis=0)[None], self.units)

    def predict(self, ur: UR) -> tuple[np.ndarray, np.ndarray]:
        """Return ``(n, f)`` expected affinities, and ``(n, f)`` the expected size of their errors, not yet calibrated.

        Raises:
            SpaceError: ``ur`` lives in another space.
        """
        self.reads.require(ur.space, self.name)
        k_mn = _kernel(ur.values, self.rows, self.widths[0])
        mean_mf = self.center + k_mn @ self.weights @ self._partner_kernel
        own_m = _own(ur.values, self.widths[0])
        variance_m = np.maximum(own_m - ((k_mn @ self.inverse) * k_mn).sum(axis=1), 0.0) / self.row_penalty
        inside_mf = np.clip(mean_mf - self.center, *self.reach)
        return mean_mf, np.sqrt(1 + variance_m)[:, None] * self.noise * np.exp(self.growth * inside_mf)

    def pairs(self, ur: UR, partners: UR) -> np.ndarray:
        """``(m, p)`` expected affinities with partners that need not have been seen in training.

        Raises:
            SpaceError: A UR lives in another space.
            DataError: The partners were unrelated to each other in training, so nothing is known of new ones.
        """
        self.reads.require(ur.space, self.name)
        if not self.partners.shape[1]:
            raise DataError(["This was fitted without vectors of the partners. Fit again with `partners`."])
        self.pairs_with.require(partners.space, self.name)
        left_mn = _kernel(ur.values, self.rows, self.widths[0])
        right_fp = _kernel(self.partners, partners.values, self.widths[1])
        return np.asarray(self.center + left_mn @ self.weights @ right_fp)

    @cached_property
    def _partner_kernel(self) -> np.ndarray:
        return _partner_kernel(self.partners, self.widths[1])


def _skill(error_nf: np.ndarray, y_nf: np.ndarray) -> float:
    around_nf = y_nf - np.nanmean(y_nf, axis=0)
    return 1 - float(np.nanmean(error_nf**2) / max(float(np.nanmean(around_nf**2)), 1e-12))


def _noise(error_nf: np.ndarray, said_nf: np.ndarray) -> tuple[np.ndarray, float]:
    """Size of the errors of each partner, and how their logarithm grows with the prediction."""
    seen_nf, size = np.isfinite(error_nf), max(float(np.nanmean(error_nf)), 1e-12)
    # Errors of nearly nothing have logarithms without bound; a hundredth of the mean says as much.
    log_nf = np.log(np.maximum(np.where(seen_nf, error_nf, size), 0.01 * size))
    counts_f = np.maximum(seen_nf.sum(axis=0), 1)
    x_nf, y_nf = (np.where(seen_nf, v - (v * seen_nf).sum(axis=0) / counts_f, 0.0) for v in (said_nf, log_nf))
    growth = float((x_nf * y_nf).sum() / max((x_nf**2).sum(), 1e-12))
    # Over all predictions the width varies twentyfold at most: where predicted affinities hardly differ, their
    # slope is chance.
    most = _GROWN / max(float(np.ptp(said_nf)), 1e-12)
    growth = min(max(growth, -most), most)
    flat_nf = error_nf / np.exp(growth * said_nf)
    # Partners with few affinities borrow the size of the errors from all.
    borrowed = _BORROWED * max(float(np.nanmean(flat_nf)), 1e-12)
    return (np.nansum(flat_nf, axis=0) + borrowed) / (seen_nf.sum(axis=0) + _BORROWED), growth


class _Side(NamedTuple):
    """The smoother of one side: its kernel, penalized inverse, and hat matrix."""

    kernel: np.ndarray
    penalty: float
    inverse: np.ndarray
    hat: np.ndarray

    def left_out(self, y_nf: np.ndarray, group_n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Values predicted without each group, ``(n, f)``, and their variance in units of the noise, ``(n,)``."""
        said_nf, variance_n = np.zeros(y_nf.shape), np.zeros(len(y_nf))
        residual_nf = y_nf - self.hat @ y_nf
        for group in np.unique(group_n):
            rows = np.flatnonzero(group_n == group)
            within = np.linalg.inv(np.eye(len(rows)) - self.hat[np.ix_(rows, rows)])
            said_nf[rows] = y_nf[rows] - within @ residual_nf[rows]
            variance_n[rows] = np.maximum(np.diag(within) - 1, 0.0)
        return said_nf, variance_n


class _Chosen(NamedTuple):
    rows: _Side
    partners: _Side
    widths: tuple[float, float]
    filled: np.ndarray


def _choose(x_nd: np.ndarray, z_fe: np.ndarray, y_nf: np.ndarray, seen_nf: np.ndarray, group_n: np.ndarray) -> _Chosen:
    filled_nf, best = _by_means(y_nf, seen_nf), None
    for _ in range(1 if seen_nf.all() else 2):
        best = _search(x_nd, z_fe, filled_nf, seen_nf, group_n)
        filled_nf = _fill(best, filled_nf, seen_nf)
    assert best is not None
    return best._replace(filled=filled_nf)


def _search(x_nd: np.ndarray, z_fe: np.ndarray, y_nf: np.ndarray, seen_nf: np.ndarray, group_n: np.ndarray) -> _Chosen:
    partner_widths = _WIDTHS if z_fe.shape[1] else (0.0,)
    partners = [
        (width, side) for width in partner_widths for side in _sides(_partner_kernel(z_fe, width), _PARTNER_PENALTIES)
    ]
    least, best = np.inf, None
    for row_width in _WIDTHS:
        for rows in _sides(_kernel(x_nd, x_nd, row_width), _ROW_PENALTIES):
            said_nf = rows.left_out(y_nf, group_n)[0]
            for partner_width, side in partners:
                error = float((((y_nf - said_nf @ side.hat) ** 2)[seen_nf]).mean())
                if error < least:
                    least, best = error, _Chosen(rows, side, (row_width, partner_width), y_nf)
    assert best is not None
    return best


def _sides(kernel: np.ndarray, penalties: np.ndarray) -> list[_Side]:
    power, axes = np.linalg.eigh(kernel)
    power = np.maximum(power, 0.0)
    inverses = [(axes / (power + penalty)) @ axes.T for penalty in penalties]
    return [_Side(kernel, float(p), inverse, kernel @ inverse) for p, inverse in zip(penalties, inverses, strict=True)]


def _fill(chosen: _Chosen, filled_nf: np.ndarray, seen_nf: np.ndarray) -> np.ndarray:
    filled_nf = filled_nf.copy()
    for _ in range(_ROUNDS):
        said = (chosen.rows.hat @ filled_nf @ chosen.partners.hat)[~seen_nf]
        moved = np.abs(said - filled_nf[~seen_nf]).max(initial=0.0)
        filled_nf[~seen_nf] = said
        if moved < _CLOSE * max(float(np.abs(filled_nf).max()), 1.0):
            break
    return filled_nf


def _by_means(y_nf: np.ndarray, seen_nf: np.ndarray) -> np.ndarray:
    row_n = (y_nf * seen_nf).sum(axis=1) / np.maximum(seen_nf.sum(axis=1), 1)
    rest_nf = (y_nf - row_n[:, None]) * seen_nf
    return np.where(seen_nf, y_nf, row_n[:, None] + rest_nf.sum(axis=0) / np.maximum(seen_nf.sum(axis=0), 1))


def _kernel(x_nd: np.ndarray, y_md: np.ndarray, width: float) -> np.ndarray:
    """Similarity of rows of about unit length, above a constant."""
    product_nm = x_nd @ y_md.T
    if not width:
        return _CONSTANT + product_nm
    distance_nm = (x_nd**2).sum(axis=1)[:, None] + (y_md**2).sum(axis=1) - 2 * product_nm
    return _CONSTANT + np.exp(-np.maximum(distance_nm, 0.0) / (2 * width))


def _own(x_nd: np.ndarray, width: float) -> np.ndarray:
    return _CONSTANT + (np.ones(len(x_nd)) if width else (x_nd**2).sum(axis=1))


def _partner_kernel(z_fe: np.ndarray, width: float) -> np.ndarray:
    return _kernel(z_fe, z_fe, width) if z_fe.shape[1] else _CONSTANT + np.eye(len(z_fe))


def _vectors(features: np.ndarray, partners: UR | None) -> np.ndarray:
    if partners is None:
        return np.zeros((len(features), 0))
    where = partners.entities.index.get_indexer(features)
    if (where < 0).any():
        absent = ", ".join(map(str, features[where < 0][:5]))
        raise DataError([f"Partners are rows named by feature; there is none for {absent}. Represent every partner."])
    return np.ascontiguousarray(partners.values[where])


def _problems(seen_nf: np.ndarray, group_n: np.ndarray, n: int) -> list[str]:
    problems = []
    if len(seen_nf) != n or len(group_n) != n:
        problems.append(f"UR, measurement and groups have one row each per molecule, got {n}, {seen_nf.shape[0]} and "
                        f"{len(group_n)}. Align them.")  # fmt: skip
    if len(np.unique(group_n)) < 3:
        problems.append("Three rows or groups are the least to leave one out. Measure more molecules.")
    if not seen_nf.any(axis=0).all() or not seen_nf.any(axis=1).all():
        problems.append("Every row and every partner needs an observed affinity. Drop those without.")
    return problems
