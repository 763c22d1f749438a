"""When to stop: what the next batch is expected to find no longer pays for it."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Float

from aivc.core.errors import DataError


@final
@dataclass(frozen=True)
class StoppingRule:
    """Stop where a batch is expected to find too little.

    Attributes:
        least: Expected hits of the next batch for each unit of cost, below which it is not worth running.
        share: Share of all hits, found and expected, that is enough.
    """

    least: float = 0.0
    share: float = 1.0

    def __post_init__(self) -> None:
        if not (self.least >= 0 and 0 < self.share <= 1):
            raise DataError(
                [f"A rate is zero or more and a share in (0, 1], got {self.least} and {self.share}. Correct them."]
            )

    def reason(self, hit_n: Float[np.ndarray, " n"], chosen_n: Bool[np.ndarray, " n"], cost: float, found: int) -> str:
        """Why to stop; empty where to go on.

        Args:
            hit_n: ``(n,)`` probability of being a hit, of what has not been measured.
            chosen_n: Which of them are in the next batch.
            cost: Of that batch.
            found: Hits so far.

        >>> StoppingRule(least=0.1).reason(np.array([0.1, 0.02]), np.array([True, False]), 2.0, 3)
        'The next batch is expected to find 0.10 hits at a cost of 2, less than 0.1 for each unit of cost.'
        """
        expected = float(hit_n[chosen_n].sum())
        if not chosen_n.any():
            return "Nothing is left to measure."
        if expected < self.least * cost:
            return (
                f"The next batch is expected to find {expected:.2f} hits at a cost of {cost:g}, less than "
                f"{self.least:g} for each unit of cost."
            )
        whole = found + float(hit_n.sum())
        if self.share < 1 and found >= self.share * whole:
            return f"{found} of about {whole:.0f} hits are found, which is enough ({self.share:.0%} were wanted)."
        return ""
