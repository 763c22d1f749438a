"""Whether a method does better than the mean effect on perturbations left out, and where it should rather be silent."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from aivc.core.errors import DataError
from aivc.core.prediction import Applicability, HeldOut

# Perturbations that a group needs, so that one of them does not decide.
_GROUP, _GROUPS = 10, 3
_RESAMPLED = 1000
# Errors that differ by less are one answer, given twice.
_SAME = 1e-9


class Rule(NamedTuple):
    """Where a method is trusted, by how far its answer departs from the mean effect.

    Attributes:
        cuts: Departures at which the next group begins.
        trusted: Whether held-out perturbations of the group gained on average.
    """

    cuts: tuple[float, ...]
    trusted: tuple[bool, ...]

    def trusts(self, departure: float) -> bool:
        """Whether an answer that departs by so much is trusted."""
        return self.trusted[int(np.searchsorted(self.cuts, departure))]


def require_enough(held_out: int) -> None:
    """Refuse to learn where to abstain from too few perturbations.

    Raises:
        DataError: Fewer than ten were left out.
    """
    if held_out < _GROUP:
        raise DataError(
            [
                f"Where to abstain is learned from at least {_GROUP} perturbations left out, got {held_out}. "
                "Measure more of them, or do not ask for abstention."
            ]
        )


def rule(held_out: Sequence[HeldOut]) -> Rule | None:
    """Learn where to abstain: in thirds by departure, those whose mean squared error is not below the mean effect's.

    Fewer than 30 held-out perturbations are cut into fewer groups of ten or more; fewer than ten teach nothing.
    """
    groups = min(_GROUPS, len(held_out) // _GROUP)
    if not groups:
        return None
    departure_p = np.array([each.departure for each in held_out])
    own_p, floor_p = _errors(held_out)
    cuts = np.unique(np.quantile(departure_p, np.arange(1, groups) / groups))
    code_p = np.searchsorted(cuts, departure_p)
    gains = [(floor_p - own_p)[code_p == code] for code in range(len(cuts) + 1)]
    least = _SAME * float(floor_p.mean())
    return Rule(tuple(map(float, cuts)), tuple(bool(len(gain) and gain.mean() > least) for gain in gains))


def abstain(held_out: Sequence[HeldOut], chosen: Rule) -> list[HeldOut]:
    """Return the held-out perturbations as a method that follows the rule answers them."""
    return [each if chosen.trusts(each.departure) else _silent(each) for each in held_out]


def _silent(each: HeldOut) -> HeldOut:
    assert each.floor is not None
    return each._replace(predicted=each.floor, spread=np.zeros_like(each.spread))


def comparison(held_out: Sequence[HeldOut], seed: int = 0) -> dict[str, Any]:
    """What the card of a cell says of perturbations left out: negative transfer, and gain with its interval.

    ``harm_rate`` is the share of them whose squared error is above that of the mean effect; ``gain`` the share of the
    mean effect's squared error that is gone, with a 95 % interval over perturbations drawn anew. Both errors hold the
    noise of what was measured. ``of`` counts them by kind of evidence.
    """
    own_p, floor_p = _errors(held_out)
    # A perturbation seen in several contexts is drawn with all of them.
    names, code_p = np.unique([each.perturbation or str(i) for i, each in enumerate(held_out)], return_inverse=True)
    own_g, floor_g = (np.bincount(code_p, weights=error_p, minlength=len(names)) for error_p in (own_p, floor_p))
    drawn = np.random.default_rng(seed).integers(0, len(names), (_RESAMPLED, len(names)))
    gains = _gain(own_g[drawn].sum(axis=1), floor_g[drawn].sum(axis=1))
    low, high = np.quantile(gains, [0.025, 0.975])
    kinds = [each.applicability for each in held_out]
    return {
        "n": len(held_out),
        "of": {str(kind): kinds.count(kind) for kind in Applicability if kind in kinds},
        "harm_rate": float((own_p > floor_p * (1 + _SAME)).mean()),
        "gain": float(_gain(own_p.sum(keepdims=True), floor_p.sum(keepdims=True))[0]),
        "gain_low": float(low),
        "gain_high": float(high),
    }


def _gain(own: np.ndarray, floor: np.ndarray) -> np.ndarray:
    """Share of the floor's error that is gone, draw by draw; none where there is none to lose."""
    return np.asarray(np.where(floor > 0, 1 - own / np.where(floor > 0, floor, 1.0), 0.0))


def _errors(held_out: Sequence[HeldOut]) -> tuple[np.ndarray, np.ndarray]:
    """``(p,)`` mean squared errors of the method, and of the mean effect, over features measured."""
    own_p = np.array([_squared(each, each.predicted) for each in held_out])
    return own_p, np.array([_squared(each, each.floor) for each in held_out])


def _squared(each: HeldOut, said_f: np.ndarray | None) -> float:
    assert said_f is not None
    known_f = np.isfinite(each.measured)
    return float(np.mean((each.measured - said_f)[known_f] ** 2)) if known_f.any() else 0.0
