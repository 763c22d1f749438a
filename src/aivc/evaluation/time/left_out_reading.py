"""What were the signals of a series at a time that was left out, seen from half of its zeros?"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

import numpy as np

from aivc.core.errors import IntegrityError, UnknownNameError
from aivc.evaluation.benchmarks.protocol import SHUFFLED, Protocol, ScoreRow
from aivc.evaluation.time.signal_halves import CONSTANT, Series, agreement, by_time, halves, summed_up
from aivc.experiments.time_series import Readings, fit_series

OTHER_HALF, ZERO = "other-half", "zero"
_NEEDED = ("dataset", "rows", "series", "splits")


def _series(readings: Readings, hidden: float) -> np.ndarray:
    return np.asarray(fit_series(readings).at(np.array([hidden]))[0][0])


def _with_level(readings: Readings, hidden: float) -> np.ndarray:
    return np.asarray(fit_series(readings, level=True).at(np.array([hidden]))[0][0])


def _mean(readings: Readings, hidden: float) -> np.ndarray:
    return np.asarray(readings.effects.mean(axis=0))


def _linear(readings: Readings, hidden: float) -> np.ndarray:
    """Between the times beside it, zero among them, where every effect is nothing."""
    times = np.log1p(np.r_[0.0, readings.seconds])
    effects = np.vstack([np.zeros(readings.zero.shape[1]), readings.effects])
    after = int(np.searchsorted(times, np.log1p(hidden)))
    share = (np.log1p(hidden) - times[after - 1]) / (times[after] - times[after - 1])
    return np.asarray((1 - share) * effects[after - 1] + share * effects[after])


def _previous(readings: Readings, hidden: float) -> np.ndarray:
    before = int(np.searchsorted(readings.seconds, hidden)) - 1
    # Before the first later time there is zero, at which every effect is nothing.
    return np.asarray(readings.effects[before]) if before >= 0 else np.zeros(readings.zero.shape[1])


def _next(readings: Readings, hidden: float) -> np.ndarray:
    return np.asarray(readings.effects[int(np.searchsorted(readings.seconds, hidden))])


def _zero(readings: Readings, hidden: float) -> np.ndarray:
    return np.zeros(readings.zero.shape[1])


_WAYS: dict[str, Callable[[Readings, float], np.ndarray]] = {
    "series": _series,
    "series-with-level": _with_level,
    "mean-of-other-times": _mean,
    "linear-in-log-time": _linear,
    "copy-previous": _previous,
    "copy-next": _next,
    ZERO: _zero,
}


@final
class LeftOutReading(Protocol):
    """Times between others are left out one by one; scored are effects over all signals.

    An effect is a time less zero. Replicates of zero are split in two at random, ``splits`` times: methods see one
    half, the target stands against the other, or they would share its noise.

    Methods are ``series`` (a Gaussian process over log time, by marginal likelihood on what is seen) and
    ``series-with-level``, which reads the level at zero too: zeros of one experiment share a batch effect with the
    target's half, so what it gains above ``other-half`` is no biology. The rest is simple: ``mean-of-other-times``,
    ``linear-in-log-time``, ``copy-previous``, ``copy-next``, and ``zero``, no effect. Any of them ``:shuffled`` has its
    answers exchanged among signals. ``other-half`` is the ceiling: one half of the replicates of the time left out,
    against the other.

    Settings: ``dataset``; ``rows``, number of samples; ``series``, name → times left out, in seconds; ``splits``.
    """

    def require(self, settings: Mapping[str, Any], methods: Sequence[str]) -> None:
        """See `Protocol.require`."""
        if missing := [key for key in _NEEDED if key not in settings]:
            raise IntegrityError(f"Settings of left-out-reading lack {', '.join(missing)}. State them.")
        for method in methods:
            plain = method.removesuffix(SHUFFLED)
            if method != OTHER_HALF and (plain not in _WAYS or method == ZERO + SHUFFLED):
                raise UnknownNameError("method", method, [OTHER_HALF, *_WAYS])

    def run(self, data: Mapping[str, Any], settings: Mapping[str, Any], method: str, seed: int) -> list[ScoreRow]:
        """See `Protocol.run`."""
        rows = []
        for name, left_out in settings["series"].items():
            x = by_time(data[settings["dataset"]], name, settings["rows"])
            later = sorted(t for t in x if t)
            if not set(left_out) <= set(later[:-1]):
                raise IntegrityError(f"Series {name} has times {later} and no others between. Read the frozen file.")
            found = [[_asked(x, float(t), method, seed + k) for t in left_out] for k in range(settings["splits"])]
            folds, note = [f"{name}, {t:g} s" for t in left_out], CONSTANT if method == ZERO else ""
            rows += summed_up(method, f"_{name}", folds, np.array(found), note)
        return rows


def _asked(x: Series, hidden: float, method: str, seed: int) -> tuple[float, float]:
    own, other = halves(x[0.0], seed)
    if method == OTHER_HALF:
        one, two = halves(x[hidden], seed)
        return agreement(one.mean(axis=0) - own.mean(axis=0), two.mean(axis=0) - other.mean(axis=0))
    kept = [t for t in sorted(x) if t not in (0.0, hidden)]
    readings = Readings(np.array(kept), own, tuple(x[t] for t in kept))
    answer = _WAYS[method.removesuffix(SHUFFLED)](readings, hidden)
    if method.endswith(SHUFFLED):
        answer = np.random.default_rng(seed).permutation(answer)
    return agreement(answer, x[hidden].mean(axis=0) - other.mean(axis=0))
