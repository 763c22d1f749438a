"""Rules that rank candidates by what measuring them is worth: to find hits, to learn, or both."""

from dataclasses import dataclass
from typing import Protocol, final, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int

from aivc.core.errors import UnknownNameError
from aivc.experiments.design.strength_posterior import StrengthPosterior
from aivc.experiments.informative import most_informative

# So many of the most promising are weighed against each other where all pairs are looked at.
_COMPARED = 1500


@runtime_checkable
class Acquisition(Protocol):
    """Orders candidates."""

    def order(
        self, posterior: StrengthPosterior, open_n: Bool[np.ndarray, " n"], count: int, rng: np.random.Generator
    ) -> Int[np.ndarray, " k"]:
        """Places of open candidates, the one to measure first in front; at least ``count`` where there are as many."""
        ...


@final
@dataclass(frozen=True)
class RandomChoice:
    """Any order: what every other rule is compared with."""

    def order(
        self, posterior: StrengthPosterior, open_n: Bool[np.ndarray, " n"], count: int, rng: np.random.Generator
    ) -> Int[np.ndarray, " k"]:
        """See `Acquisition.order`."""
        del posterior, count
        return rng.permutation(np.flatnonzero(open_n))


@final
@dataclass(frozen=True)
class Greedy:
    """The largest expected strength first."""

    def order(
        self, posterior: StrengthPosterior, open_n: Bool[np.ndarray, " n"], count: int, rng: np.random.Generator
    ) -> Int[np.ndarray, " k"]:
        """See `Acquisition.order`."""
        del count, rng
        return ranked(posterior.mean, open_n)


@final
@dataclass(frozen=True)
class UpperBound:
    """Expected strength plus standard deviations of it (upper confidence bound).

    Attributes:
        width: How many.
    """

    width: float = 0.5

    def order(
        self, posterior: StrengthPosterior, open_n: Bool[np.ndarray, " n"], count: int, rng: np.random.Generator
    ) -> Int[np.ndarray, " k"]:
        """See `Acquisition.order`."""
        del count, rng
        return ranked(posterior.mean + self.width * posterior.sd, open_n)


@final
@dataclass(frozen=True)
class HitProbability:
    """Probability that a measurement exceeds a threshold.

    Attributes:
        threshold: Strength of a hit, in the units of the posterior.
    """

    threshold: float

    def order(
        self, posterior: StrengthPosterior, open_n: Bool[np.ndarray, " n"], count: int, rng: np.random.Generator
    ) -> Int[np.ndarray, " k"]:
        """See `Acquisition.order`."""
        del count, rng
        return ranked(posterior.above(self.threshold), open_n)


@final
@dataclass(frozen=True)
class Thompson:
    """Several strengths that could be are drawn; each names its best in turn (Thompson 1933).

    Attributes:
        draws: How many.
    """

    draws: int = 32

    def order(
        self, posterior: StrengthPosterior, open_n: Bool[np.ndarray, " n"], count: int, rng: np.random.Generator
    ) -> Int[np.ndarray, " k"]:
        """See `Acquisition.order`."""
        want = min(count, int(open_n.sum()))
        best_kn = np.array([ranked(each, open_n)[:want] for each in posterior.draws(self.draws, rng)])
        # Turn by turn: first choice of each draw, then their second ones, and so on.
        chosen = list(dict.fromkeys(best_kn.T.ravel().tolist()))
        rest = [i for i in ranked(posterior.mean, open_n).tolist() if i not in set(chosen)]
        return np.array(chosen + rest, dtype=np.int64)


@final
@dataclass(frozen=True)
class KCenter:
    """Each as far as can be from all before it (k-centre, Gonzalez 1985), in the features that errors share."""

    def order(
        self, posterior: StrengthPosterior, open_n: Bool[np.ndarray, " n"], count: int, rng: np.random.Generator
    ) -> Int[np.ndarray, " k"]:
        """See `Acquisition.order`."""
        left = np.flatnonzero(open_n)
        done = np.flatnonzero(~open_n)
        first = [] if len(done) else [int(rng.integers(len(left)))]
        far_n, taken = np.full(len(left), np.inf), list[int]()
        for place in done:
            far_n = np.minimum(far_n, _apart(posterior.loading, left, int(place)))
        for i in range(min(count, len(left))):
            best = first[i] if i < len(first) else int(np.argmax(far_n))
            taken.append(best)
            far_n = np.minimum(far_n, _apart(posterior.loading, left, int(left[best])))
            far_n[taken] = -np.inf
        return np.asarray(left[taken])


@final
@dataclass(frozen=True)
class Information:
    """What takes away most of the variance of the most promising, whatever is found (integrated variance reduction).

    Attributes:
        width: The most promising are those with the highest upper bound of this width.
    """

    width: float = 2.0

    def order(
        self, posterior: StrengthPosterior, open_n: Bool[np.ndarray, " n"], count: int, rng: np.random.Generator
    ) -> Int[np.ndarray, " k"]:
        """See `Acquisition.order`."""
        del rng
        near = ranked(posterior.mean + self.width * posterior.sd, open_n)
        asked = near[: max(_COMPARED, count)]
        shared_pd = posterior.loading[asked].astype(np.float64)
        found = most_informative(shared_pd @ shared_pd.T, min(count, len(asked)), noise=posterior.own**2)
        return np.asarray(asked[[each.place for each in found]])


def ranked(score_n: Float[np.ndarray, " n"], open_n: Bool[np.ndarray, " n"]) -> Int[np.ndarray, " k"]:
    """Places of open candidates by falling score; equals in the order they stand.

    >>> ranked(np.array([0.1, 0.9, 0.5, 0.9]), np.array([True, True, False, True])).tolist()
    [1, 3, 0]
    """
    places = np.flatnonzero(open_n)
    return np.asarray(places[np.argsort(-score_n[places], kind="stable")])


def acquisition(name: str, *, threshold: float = 0.0) -> Acquisition:
    """A rule by its name.

    Args:
        name: ``random``, ``coverage``, ``greedy``, ``ucb``, ``thompson``, ``hit`` or ``information``.
        threshold: Strength of a hit, for ``hit``.

    Raises:
        UnknownNameError: There is none of this name.
    """
    known: dict[str, Acquisition] = {
        "random": RandomChoice(),
        "coverage": KCenter(),
        "greedy": Greedy(),
        "ucb": UpperBound(),
        "thompson": Thompson(),
        "hit": HitProbability(threshold),
        "information": Information(),
    }
    if name not in known:
        raise UnknownNameError("acquisition", name, known)
    return known[name]


def _apart(loading_nd: np.ndarray, places: np.ndarray, place: int) -> np.ndarray:
    return np.asarray(((loading_nd[places] - loading_nd[place]) ** 2).sum(axis=1))
