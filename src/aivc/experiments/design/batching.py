"""From an order of candidates to a batch: each once, within the wells and the money, no family twice too often."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np
from jaxtyping import Float, Int

from aivc.core.errors import DataError


@final
@dataclass(frozen=True, eq=False)
class Limits:
    """What a batch may be.

    Attributes:
        size: At most so many candidates.
        cost: ``(n,)`` of each candidate; None means one each.
        budget: Summed cost of a batch is at most this.
        families: ``n`` names of the set that each candidate belongs to, empty for none; None means no sets.
        per_family: At most so many of one family.
    """

    size: int
    cost: Float[np.ndarray, " n"] | None = None
    budget: float = float("inf")
    families: Sequence[str] | None = field(default=None)
    per_family: int = 3

    def __post_init__(self) -> None:
        if self.size < 1 or self.per_family < 1 or not self.budget > 0:
            raise DataError(
                [
                    f"A batch has room for one candidate and money for it, got size={self.size}, budget={self.budget}, "
                    f"per_family={self.per_family}. Give numbers above zero."
                ]
            )
        if self.cost is not None and not (np.isfinite(self.cost).all() and (self.cost >= 0).all()):
            raise DataError(["A cost is a finite number, zero or more. Leave out the candidates that have none."])


@final
@dataclass(frozen=True, eq=False)
class Batch:
    """What to measure next.

    Attributes:
        places: Of the candidates, in the order in which they were chosen.
        cost: Of all of them.
        short: Why there are fewer than asked for; empty where there are not. A batch is never filled up with what the
            rule did not want.
    """

    places: Int[np.ndarray, " k"]
    cost: float
    short: str = ""


def batch(order: Int[np.ndarray, " n"], limits: Limits) -> Batch:
    """Take candidates in order as long as the limits allow.

    Args:
        order: Places, first the one wanted most; each once.
        limits: See `Limits`.

    Raises:
        DataError: A place stands twice in the order.

    >>> limits = Limits(2, np.array([1.0, 5.0, 1.0]), budget=3.0)
    >>> batch(np.array([0, 1, 2]), limits).places.tolist()
    [0, 2]
    """
    if len(np.unique(order)) != len(order):
        raise DataError(["An order names each candidate once, and one stands there twice. Rank them again."])
    taken, spent, held, dear, many = list[int](), 0.0, Counter[str](), 0, 0
    for place in order.tolist():
        if len(taken) == limits.size:
            break
        own = 1.0 if limits.cost is None else float(limits.cost[place])
        family = "" if limits.families is None else limits.families[place]
        if spent + own > limits.budget * (1 + 1e-12):
            dear += 1
        elif family and held[family] >= limits.per_family:
            many += 1
        else:
            taken.append(place)
            spent += own
            held[family] += 1
    said = [f"{dear} were too dear"] * bool(dear) + [f"{many} belong to families that are full"] * bool(many)
    missing = limits.size - len(taken)
    short = f"{missing} of {limits.size} places stay empty: {', '.join(said) or 'no candidate is left'}."
    return Batch(np.array(taken, dtype=np.int64), spent, short if missing else "")
