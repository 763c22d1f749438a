"""Scores of a campaign: hits found, how many times more than by chance, and how soon."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from aivc.core.errors import DataError


class Charged(NamedTuple):
    """A batch as it is counted.

    Attributes:
        places: Of the candidates that were really measured, each for the first time.
        charged: Slots that were spent on nothing: unknown names, repeats, and slots left empty.
    """

    places: Int[np.ndarray, " k"]
    charged: int


def charge(named: Sequence[str], known: Sequence[str], measured: Sequence[int], size: int) -> Charged:
    """Count a batch: a name that is unknown or was measured before, and a slot left empty, are paid for all the same.

    Args:
        named: What a method named.
        known: Names of all candidates.
        measured: Places measured before.
        size: Slots of the batch.

    Raises:
        DataError: More names than slots.

    >>> charge(["A", "A", "nope"], ["A", "B"], [], 4)
    Charged(places=array([0]), charged=3)
    """
    if len(named) > size:
        raise DataError([f"A batch has {size} slots, and {len(named)} names were given. Name fewer."])
    place, before = {name: i for i, name in enumerate(known)}, set(measured)
    places = [found for name in dict.fromkeys(named) if (found := place.get(name)) is not None and found not in before]
    return Charged(np.array(places, dtype=np.int64), size - len(places))


def fraction_of_hits(hit_n: Bool[np.ndarray, " n"], measured: Int[np.ndarray, " m"]) -> float:
    """Share of all hits that were measured (assaybench 0.2.1, ``fraction_of_hits``).

    Raises:
        DataError: There are no hits at all.

    >>> fraction_of_hits(np.array([True, False, True, False]), np.array([0, 1]))
    0.5
    """
    if not hit_n.any():
        raise DataError(["A share of hits needs a hit, and there is none. Take another threshold."])
    return float(hit_n[np.unique(measured)].sum() / hit_n.sum())


def enrichment_factor(hit_n: Bool[np.ndarray, " n"], measured: Int[np.ndarray, " m"], spent: int) -> float:
    """How many times more hits than as many random picks hold (assaybench 0.2.1, ``enrichment_factor``).

    Args:
        hit_n: ``(n,)`` which candidates are hits.
        measured: Places.
        spent: Slots that were paid for, charged ones included.

    >>> enrichment_factor(np.array([True, False, False, False]), np.array([0]), 1)
    4.0
    """
    return fraction_of_hits(hit_n, measured) * len(hit_n) / spent


def adjusted_nauc(
    found_r: Sequence[float] | Float[np.ndarray, " r"], spent_r: Sequence[int], candidates: int, hits: int
) -> float:
    """Area under the share found against the share measured, over that of an oracle (assaybench 0.2.1).

    Points stand at the end of each round, and at the origin.

    Args:
        found_r: ``(r,)`` share of hits found after each round.
        spent_r: ``(r,)`` slots spent until then.
        candidates: How many there are.
        hits: How many of them are hits.

    >>> round(adjusted_nauc([0.5, 1.0], [1, 2], 4, 2), 3)
    1.0
    """
    share_r = np.array([0, *spent_r], dtype=float) / candidates
    best_r = np.minimum(np.array([0, *spent_r], dtype=float), hits) / hits
    return float(np.trapezoid([0.0, *found_r], share_r) / np.trapezoid(best_r, share_r))
