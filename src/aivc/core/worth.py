"""What measuring a little in a new context would buy, before anything is measured there."""

from typing import NamedTuple, Protocol, runtime_checkable


class Worth(NamedTuple):
    """What a few perturbations measured in a new context would take away of the error on all others there.

    Attributes:
        few: How many perturbations.
        share: Share of the squared error against what is measured, its noise included, that goes away.
        contexts: How many known contexts stood for the new one, each hidden and asked about.
        rows: How many measured effects were asked about there.
    """

    few: int
    share: float
    contexts: int
    rows: int

    def __str__(self) -> str:
        """A sentence."""
        gain = (
            f"would take away {100 * self.share:.0f}% of the squared error" if self.share > 0 else "would buy nothing"
        )
        return f"{self.few} perturbations measured there {gain}, as in {self.contexts} known contexts hidden by turns."


@runtime_checkable
class Worthwhile(Protocol):
    """A manipulator that can practise on contexts it knows what a few measurements in a new one would buy."""

    def worth(self, few: int = 10) -> Worth | None:
        """What so many perturbations would buy; None where too little was measured to practise it.

        Args:
            few: How many perturbations are measured in the new context.
        """
        ...
