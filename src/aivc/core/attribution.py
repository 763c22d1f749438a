"""What a prediction is made of: pieces that add up to it."""

from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from aivc.core.perturbation import Perturbation


class Piece(NamedTuple):
    """One piece of a predicted shift.

    Attributes:
        source: Kind of evidence: ``measured`` (the same in this context), ``other context`` (the same in another one),
            ``part`` (what shares an agent with it), ``relative`` (another perturbation in this context),
            ``relative in other context``, ``mean effect`` of the context; or a model of its own for tables of few
            readings, ``columns`` or ``pairs``.
        name: Which perturbation, or context, it is from.
        detail: In which context; may be empty.
        weight: How much of what that one did is taken over; 1 where all of it is.
        shift: ``(d,)`` the piece itself. The pieces of a prediction add up to its expected shift, exactly.
    """

    source: str
    name: str
    detail: str
    weight: float
    shift: np.ndarray


@runtime_checkable
class Attributable(Protocol):
    """A manipulator that can say what its predictions are made of."""

    def attribute(self, perturbation: Perturbation, context: str = "") -> list[Piece]:
        """Pieces that add up to the shift it expects in a context."""
        ...
