"""Ask a virtual cell what a few measurements in a new context would buy."""

from aivc.core.contracts import Manipulator
from aivc.core.errors import DataError
from aivc.core.virtual_cell import VirtualCell
from aivc.core.worth import Worth, Worthwhile


def worth(cell: VirtualCell, few: int = 10) -> Worth:
    """Say how much of the squared error in a new context would go away if a few perturbations were measured there.

    Known contexts are hidden by turns, whole, and again with so many of their perturbations given; both times the same
    other perturbations are asked about there. Nothing but what the cell was fitted on is used.

    Args:
        cell: With one manipulator that can practise it, such as effect.v2.
        few: How many perturbations are measured.

    Raises:
        DataError: Its method cannot, or fewer than two contexts have more than twice as many perturbations as the few.
    """
    found = practised(cell, few)
    if found is None:
        raise DataError(
            [
                f"What {few} perturbations would buy is practised on contexts that are known: with effect.v2, and two "
                f"contexts or more with over {2 * few} perturbations each. Fit the cell on such a screen, or ask for "
                "fewer."
            ]
        )
    return found


def practised(cell: VirtualCell, few: int = 10) -> Worth | None:
    """The same, or None where it cannot be said."""
    part: object = next((each for each in cell.instruments.values() if isinstance(each, Manipulator)), None)
    # A wrapper such as an ensemble stands around the method itself.
    while isinstance(part, Manipulator) and not isinstance(part, Worthwhile):
        part = getattr(part, "center", None)
    return part.worth(few) if isinstance(part, Worthwhile) else None
