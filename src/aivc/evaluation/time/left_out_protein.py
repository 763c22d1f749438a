"""What becomes of the signals of proteins never shown, of which only the first readings are given?"""

from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np

from aivc.core.errors import IntegrityError, UnknownNameError
from aivc.evaluation.benchmarks.protocol import SHUFFLED, Protocol, ScoreRow
from aivc.evaluation.time.signal_halves import CONSTANT, Series, agreement, by_time, halves, summed_up
from aivc.evaluation.tissue.tissue_inputs import digits
from aivc.experiments.time_series import later_effects

EARLY, LEVEL, OTHER_HALF = "early", "early-with-level", "other-half"
_MEAN, _COPY, _ZERO = "mean-of-other-signals", "copy-last-early", "zero"
_KNOWN = (EARLY, LEVEL, _MEAN, _COPY, _ZERO, OTHER_HALF)
_SHUFFLES = (EARLY, LEVEL, _COPY)
_NEEDED = ("dataset", "rows", "series", "folds", "early", "later", "splits")


@final
class LeftOutProtein(Protocol):
    """Signals are left out in folds of whole proteins; from their early effects, all later ones are asked.

    Replicates of zero are split in two at random, ``splits`` times: early effects stand against one half, later ones
    against the other, those to learn from as those to score.

    Methods are ``early``, ridge regression on early effects with its penalty from proteins left out in training;
    ``early-with-level``, which reads the level at zero too and shares a batch effect with the target;
    ``copy-last-early``; ``mean-of-other-signals``; and ``zero``. ``:shuffled`` has early readings exchanged among the
    signals that are asked. ``other-half`` is the ceiling: one half of the replicates of each later time, against the
    other.

    Settings: ``dataset``; ``rows``, number of samples; ``series``, its name; ``folds``, one digit for each signal;
    ``early`` and ``later``, times in seconds; ``splits``.
    """

    def require(self, settings: Mapping[str, Any], methods: Sequence[str]) -> None:
        """See `Protocol.require`."""
        if missing := [key for key in _NEEDED if key not in settings]:
            raise IntegrityError(f"Settings of left-out-protein lack {', '.join(missing)}. State them.")
        for method in methods:
            if method not in (*_KNOWN, *(name + SHUFFLED for name in _SHUFFLES)):
                raise UnknownNameError("method", method, [*_KNOWN, *(name + SHUFFLED for name in _SHUFFLES)])

    def run(self, data: Mapping[str, Any], settings: Mapping[str, Any], method: str, seed: int) -> list[ScoreRow]:
        """See `Protocol.run`."""
        cells = data[settings["dataset"]]
        x = by_time(cells, settings["series"], settings["rows"])
        protein_s = np.array([str(site).split(";")[0] for site in cells.features])
        fold_s = digits(settings["folds"], len(protein_s))
        if missing := [t for t in (*settings["early"], *settings["later"]) if t not in x]:
            raise IntegrityError(f"Series {settings['series']} was not read at {missing} s. Read the frozen file.")
        if len(set(zip(protein_s, fold_s, strict=True))) > len(set(protein_s)):
            raise IntegrityError("A protein has signals in two folds. Read the file that the benchmark was frozen on.")
        found = [_asked(x, settings, method, protein_s, fold_s, seed + k) for k in range(settings["splits"])]
        folds = [f"{t:g} s" for t in settings["later"]]
        return summed_up(method, "", folds, np.array(found), CONSTANT if method == _ZERO else "")


def _asked(
    x: Series, settings: Mapping[str, Any], method: str, protein_s: np.ndarray, fold_s: np.ndarray, seed: int
) -> list[tuple[float, float]]:
    """Correlation and error at each later time."""
    own, other = (half.mean(axis=0) for half in halves(x[0.0], seed))
    early_sf = np.array([x[t].mean(axis=0) - own for t in settings["early"]]).T
    # Training effects stand against the other half, too: against the own half they share the noise of the inputs.
    later_st = np.array([x[t].mean(axis=0) - other for t in settings["later"]]).T
    if method == OTHER_HALF:
        split = [halves(x[t], seed) for t in settings["later"]]
        pairs = [(one.mean(axis=0) - own, two.mean(axis=0) - other) for one, two in split]
        return [agreement(one, two) for one, two in pairs]
    x_sf = np.c_[early_sf, own] if method.startswith(LEVEL) else early_sf
    answer_st, rng = np.zeros_like(later_st), np.random.default_rng(seed)
    for fold in np.unique(fold_s):
        out = fold_s == fold
        asked = rng.permutation(x_sf[out]) if method.endswith(SHUFFLED) else x_sf[out]
        answer_st[out] = _answer(method, x_sf[~out], later_st[~out], asked, protein_s[~out], early_sf.shape[1])
    return [agreement(answer_st[:, t], later_st[:, t]) for t in range(later_st.shape[1])]


def _answer(
    method: str, x_sf: np.ndarray, later_st: np.ndarray, asked_rf: np.ndarray, protein_s: np.ndarray, early: int
) -> np.ndarray:
    shape = (len(asked_rf), later_st.shape[1])
    if method == _ZERO:
        return np.zeros(shape)
    if method == _MEAN:
        return np.broadcast_to(later_st.mean(axis=0), shape)
    if method.startswith(_COPY):
        return np.broadcast_to(asked_rf[:, early - 1 : early], shape)
    return later_effects(x_sf, later_st, asked_rf, protein_s)
