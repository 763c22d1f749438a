"""What would a signal be at a time nobody measured? A Gaussian process over log time, each series with its own zero."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize

from aivc.core.errors import DataError

_FEWEST = 2
# Prior of the logarithms: onset (s), length (in log time), variances of signal, of noise and of levels (in units of
# the noise between replicates), and the share of a level that does not last. Wide, so that readings decide.
_START = np.array([np.log(10.0), np.log(2.0), 0.0, 0.0, 0.0, 0.2])
_SPREAD = np.array([1.5, 1.0, 1.5, 0.3, 1.5, 0.5])


@final
@dataclass(frozen=True, eq=False)
class Readings:
    """One series of one experiment: its own zero, and later times.

    Attributes:
        seconds: ``(t,)`` times after zero, rising.
        zero: ``(r, s)`` replicates of each signal, such as a phosphorylation site, at zero.
        later: ``t`` arrays ``(r, s)`` of replicates.

    Raises:
        DataError: Fewer than two later times, times that do not rise from zero, or shapes that differ.
    """

    seconds: Float[np.ndarray, " t"]
    zero: Float[np.ndarray, "r s"]
    later: tuple[np.ndarray, ...]

    def __post_init__(self) -> None:
        sites = {each.shape[1] for each in (self.zero, *self.later)}
        rising = len(self.seconds) == len(self.later) >= _FEWEST and (np.diff(np.r_[0.0, self.seconds]) > 0).all()
        if len(sites) != 1 or not rising:
            raise DataError(
                [
                    f"A series has a zero and {_FEWEST} later times at least, rising, with the same signals; got "
                    f"{len(self.later)} times {list(self.seconds)} and {sorted(sites)} signals. Align them."
                ]
            )

    @property
    def noise(self) -> float:
        """Variance between replicates of one time, the mean over signals."""
        every = (self.zero, *self.later)
        square = sum(float(((x - x.mean(axis=0)) ** 2).sum()) for x in every)
        freedom = sum((len(x) - 1) * x.shape[1] for x in every)
        return max(square / max(freedom, 1), 1e-12)

    @property
    def effects(self) -> Float[np.ndarray, "t s"]:
        """``(t, s)`` mean of each later time, less the mean at zero."""
        return np.array([x.mean(axis=0) for x in self.later]) - self.zero.mean(axis=0)


@final
@dataclass(frozen=True, eq=False)
class SeriesFit:
    """A Gaussian process over the logarithm of time, shared by all signals of a series.

    An effect starts from nothing at zero, rises with an onset and forgets with a length (Ornstein-Uhlenbeck in log
    time); noise of the means and of their common zero is part of the model. With ``level``, the level at zero is one
    more reading of each signal: a part of it does not last, so that later effects run against it. That part holds what
    the zeros of this experiment have in common, a batch effect included; without ``level`` nothing of it is used.

    Attributes:
        readings: What it was fitted on.
        level: Whether levels at zero are used.
        parameters: ``(6,)`` see ``named``.
        loss: Negative log marginal likelihood per signal.
    """

    readings: Readings
    level: bool
    parameters: Float[np.ndarray, " p"]
    loss: float

    @property
    def named(self) -> dict[str, float]:
        """Onset in seconds, length in log time, variances, and the share of a level that does not last."""
        names = ("onset_seconds", "length_log_time", "signal", "noise", "level")
        found = dict(zip(names, np.exp(self.parameters[:5]).tolist(), strict=True))
        return {**found, "level_lost": float(self.parameters[5])}

    def at(self, seconds: Float[np.ndarray, " q"]) -> tuple[np.ndarray, np.ndarray]:
        """Effects at other times.

        Args:
            seconds: After zero.

        Returns:
            ``(q, s)`` effects, and ``(q,)`` their standard deviation, which is the same for all signals.

        Raises:
            DataError: A time is not after zero.
        """
        if not (np.asarray(seconds) > 0).all():
            raise DataError(["Effects are asked for after zero; at zero they are zero. Leave zero out."])
        y_ts, count_t, full = _observed(self.readings, level=self.level)
        times = np.r_[self.readings.seconds, seconds]
        k_uu, noise_t = _covariance(self.parameters, times, count_t, self.readings.noise, level=self.level)
        t = full
        weight_qt = _asked(k_uu, t, level=self.level)
        inverse = np.linalg.inv(k_uu[:t, :t] + noise_t)
        effect_qs = weight_qt @ inverse @ (y_ts - y_ts.mean(axis=1, keepdims=True))
        prior_q = _prior(k_uu, t, level=self.level)
        variance_q = prior_q - np.einsum("qt,tu,qu->q", weight_qt, inverse, weight_qt)
        offset_q = weight_qt @ inverse @ y_ts.mean(axis=1)
        return effect_qs + offset_q[:, None], np.sqrt(np.maximum(variance_q, 0.0))


def fit_series(readings: Readings, *, level: bool = False) -> SeriesFit:
    """Fit by marginal likelihood on the times given, and nothing else.

    Args:
        readings: Of one series; never of two experiments pooled.
        level: Use the level at zero as a reading of each signal.
    """
    y_ts, count_t, full = _observed(readings, level=level)
    centered_ts = y_ts - y_ts.mean(axis=1, keepdims=True)
    moment_tt, sites = centered_ts @ centered_ts.T / y_ts.shape[1], y_ts.shape[1]
    noise = readings.noise
    spread = _SPREAD.copy()
    if not level:
        # The zero that all effects share has the noise of its replicates, as every time has.
        spread[4] = spread[3]

    def loss(v: np.ndarray) -> float:
        k_tt, noise_tt = _covariance(v, readings.seconds, count_t, noise, level=level)
        total = k_tt[:full, :full] + noise_tt
        fit = float(np.linalg.slogdet(total)[1] + np.trace(np.linalg.solve(total, moment_tt)))
        return 0.5 * fit + 0.5 * float((((v - _START) / spread) ** 2).sum()) / sites

    bounds = [(a - 4 * b, a + 4 * b) for a, b in zip(_START, spread, strict=True)]
    found = minimize(loss, _START, method="L-BFGS-B", bounds=bounds)
    return SeriesFit(readings, level, np.asarray(found.x), float(found.fun))


def _observed(readings: Readings, *, level: bool) -> tuple[np.ndarray, np.ndarray, int]:
    """What is modeled: readings with their zero, or effects; numbers of replicates; and how many rows these are."""
    count_t = np.array([len(readings.zero), *(len(x) for x in readings.later)], dtype=np.float64)
    if level:
        means_ts = np.array([x.mean(axis=0) for x in (readings.zero, *readings.later)])
        return means_ts, count_t, len(means_ts)
    return readings.effects, count_t, len(readings.later)


def _covariance(
    v: np.ndarray, seconds: np.ndarray, count_t: np.ndarray, noise: float, *, level: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Covariance of what is modeled at all times, observed ones first, and noise of the observed."""
    onset, length, signal, own, level_variance = np.exp(v[:5])
    log_t, rise_t = np.log(seconds), seconds / (seconds + onset)
    apart_tt = np.abs(log_t[:, None] - log_t[None, :])
    effect_tt = noise * signal * np.outer(rise_t, rise_t) * np.exp(-apart_tt / length)
    if not level:
        shared = noise * level_variance / count_t[0]
        return effect_tt, np.diag(noise * own / count_t[1:]) + shared
    kept, variance = 1.0 - v[5], noise * level_variance
    k_uu = np.zeros((len(seconds) + 1,) * 2)
    k_uu[0, 0], k_uu[0, 1:], k_uu[1:, 0] = variance, kept * variance, kept * variance
    k_uu[1:, 1:] = kept**2 * variance + effect_tt
    return k_uu, np.diag(noise * own / count_t)


def _asked(k_uu: np.ndarray, observed: int, *, level: bool) -> np.ndarray:
    """``(q, t)`` covariance of the effects asked for with what was observed."""
    return k_uu[observed:, :observed] - (k_uu[:1, :observed] if level else 0.0)


def _prior(k_uu: np.ndarray, observed: int, *, level: bool) -> np.ndarray:
    """``(q,)`` variance of the effects asked for before anything is observed."""
    later_q = np.diag(k_uu)[observed:]
    return np.asarray(later_q - 2 * k_uu[0, observed:] + k_uu[0, 0]) if level else np.asarray(later_q)


def later_effects(
    train_sf: Float[np.ndarray, "s f"],
    later_st: Float[np.ndarray, "s t"],
    asked_rf: Float[np.ndarray, "r f"],
    group_s: np.ndarray,
    penalties: tuple[float, ...] = (0.01, 0.03, 0.1, 0.3, 1.0),
) -> Float[np.ndarray, "r t"]:
    """Later effects of signals from their early readings, by ridge regression on other signals.

    Args:
        train_sf: Early readings of training signals.
        later_st: Their later effects.
        asked_rf: Early readings of those asked for.
        group_s: What is left out together when the penalty is chosen: the protein of each training signal.
        penalties: To choose from, in units of the readings' own variance.

    Raises:
        DataError: Fewer than two groups.
    """
    names, code_s = np.unique(group_s, return_inverse=True)
    if len(names) < _FEWEST:
        raise DataError(["All training signals are of one protein, so none can be left out. Add others."])
    fold_s = code_s % min(5, len(names))
    errors = []
    for penalty in penalties:
        out = [(fold_s == fold) for fold in np.unique(fold_s)]
        said = [(_ridge(train_sf[~rows], later_st[~rows], train_sf[rows], penalty), later_st[rows]) for rows in out]
        errors.append(sum(float(((a - b) ** 2).sum()) for a, b in said))
    return _ridge(train_sf, later_st, asked_rf, penalties[int(np.argmin(errors))])


def _ridge(x_sf: np.ndarray, y_st: np.ndarray, asked_rf: np.ndarray, penalty: float) -> np.ndarray:
    center_f, width_f = x_sf.mean(axis=0), np.maximum(x_sf.std(axis=0), 1e-12)
    z_sf, q_rf = (x_sf - center_f) / width_f, (asked_rf - center_f) / width_f
    gram = z_sf.T @ z_sf + penalty * len(z_sf) * np.eye(z_sf.shape[1])
    return np.asarray(q_rf @ np.linalg.solve(gram, z_sf.T @ (y_st - y_st.mean(axis=0))) + y_st.mean(axis=0))
