"""The contract of whatever asks a question that is not about perturbations: it turns a method into rows of scores."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final

from aivc.core.errors import ScoreError
from aivc.core.registry import Registry

PROTOCOLS = Registry("protocols")
POOLED = ""
SHUFFLED = ":shuffled"
# How a note begins where there is no number because the method gave no answer.
REFUSED = "refused"
Better = Literal["higher", "lower"]


@final
@dataclass(frozen=True)
class ScoreRow:
    """One number of one method, and what it is worth.

    Attributes:
        method: As it was asked for.
        fold: Such as the patient left out; empty for a number over all folds, which then stands for the mean of them.
        metric: Name, such as ``auroc``.
        value: None where the data cannot tell: it is shown as "no power", never as a number; and where the method
            refuses to answer, which is shown as "refused".
        better: Which way is better.
        low: Lower end of the 95 % interval.
        high: Upper end.
        note: Anything a reader must know; why there is no power. That of a refusal begins with `REFUSED`.
    """

    method: str
    fold: str
    metric: str
    value: float | None
    better: Better = "higher"
    low: float | None = None
    high: float | None = None
    note: str = ""

    def __post_init__(self) -> None:
        numbers = [each for each in (self.value, self.low, self.high) if each is not None]
        if not all(map(math.isfinite, numbers)):
            raise ScoreError(
                f"{self.metric} of {self.method} is not finite. Give None, with a note, where data cannot tell."
            )
        if self.value is None and not self.note:
            raise ScoreError(f"{self.metric} of {self.method} is None without a note. Say why the data cannot tell.")


class Protocol(ABC):
    """How a frozen benchmark asks a method. One object is made for a run, so it may keep what its methods share.

    The floor, the ceiling and every null are methods like others: a protocol knows their names, and the benchmark says
    under ``anchors`` which are what. ``NAME:shuffled`` is NAME without the information that the benchmark is about,
    such as with neighbours shuffled.

    Attributes:
        version: Raised when the same settings give other scores; finished scores of another version are done again.
    """

    version: ClassVar[int] = 1

    @abstractmethod
    def require(self, settings: Mapping[str, Any], methods: Sequence[str]) -> None:
        """Refuse, before any work, settings or methods that it cannot ask.

        Args:
            settings: Of the benchmark.
            methods: Asked for.

        Raises:
            UnknownNameError: There is no such method here.
            IntegrityError: The settings do not fit.
        """

    @abstractmethod
    def run(self, data: Mapping[str, Any], settings: Mapping[str, Any], method: str, seed: int) -> list[ScoreRow]:
        """Ask one method.

        Args:
            data: Dataset → its measurement, or its paths by file name where the catalog has no reader for it.
            settings: JSON-ready: folds, what is held out, names of metrics, penalties.
            method: One that `require` let pass.
            seed: Of all that draws.

        Returns:
            A row for each fold and metric, of this method only. A row whose fold is empty is over all folds.
        """
