"""What a screen in shards asks about: perturbations by number, some in contexts of their own, made when asked for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, final, runtime_checkable

from aivc.core.errors import DataError
from aivc.core.perturbation import Perturbation
from aivc.experiments.library_blocks import ContextQuestion


@runtime_checkable
class Candidates(Protocol):
    """Perturbations by number, without all of them being made."""

    def __len__(self) -> int:
        """How many there are."""

    def take(self, start: int, stop: int) -> list[Perturbation]:
        """Those from ``start`` up to, not including, ``stop``."""

    def to_json(self) -> Any:
        """What tells them from others."""


@runtime_checkable
class PlacedCandidates(Candidates, Protocol):
    """Perturbations by number, each asked in a context of its own."""

    @property
    def contexts(self) -> tuple[str, ...]:
        """All that are named; the empty text is the context that the screen is asked in."""

    def questions(self, start: int, stop: int) -> Iterator[ContextQuestion]:
        """What `take` gives, with contexts."""


@final
@dataclass(frozen=True)
class ListedCandidates:
    """Perturbations one by one.

    Attributes:
        texts: Of each.
    """

    texts: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, start: int, stop: int) -> list[Perturbation]:
        """Read those from ``start`` up to, not including, ``stop``."""
        return [Perturbation.parse(text) for text in self.texts[start:stop]]

    def to_json(self) -> list[str]:
        """The texts."""
        return list(self.texts)


@final
@dataclass(frozen=True)
class CrossedCandidates:
    """The same candidates in each of some contexts, one context after another.

    Attributes:
        candidates: That name no context themselves.
        contexts: Where all of them are asked.

    Raises:
        DataError: A context twice or none, or candidates that name contexts.

    >>> crossed = CrossedCandidates(ListedCandidates(("ko:A", "ko:B")), ("K562", "RPE1"))
    >>> [(str(asked.perturbation), asked.context) for asked in crossed.questions(1, 3)]
    [('ko:B', 'K562'), ('ko:A', 'RPE1')]
    """

    candidates: Candidates
    contexts: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.contexts or len(set(self.contexts)) < len(self.contexts):
            raise DataError([f"Contexts are named, each once, got {', '.join(self.contexts) or 'none'}. Correct them."])
        if contexts_of(self.candidates) != ("",):
            raise DataError(["The candidates name contexts of their own. Leave out those of the screen, or these."])

    def __len__(self) -> int:
        return len(self.candidates) * len(self.contexts)

    def questions(self, start: int, stop: int) -> Iterator[ContextQuestion]:
        """Those of places ``start`` up to, not including, ``stop``."""
        for i, context in enumerate(self.contexts):
            first = i * len(self.candidates)
            begin, end = max(start - first, 0), min(stop - first, len(self.candidates))
            if begin < end:
                yield from (ContextQuestion(each, context) for each in self.candidates.take(begin, end))

    def take(self, start: int, stop: int) -> list[Perturbation]:
        """Their perturbations."""
        return [asked.perturbation for asked in self.questions(start, stop)]

    def to_json(self) -> dict[str, Any]:
        """The candidates once, and the contexts."""
        return {"candidates": self.candidates.to_json(), "contexts": list(self.contexts)}


def contexts_of(candidates: Candidates) -> tuple[str, ...]:
    """Contexts that candidates name; the empty text where they leave it to the screen."""
    return candidates.contexts if isinstance(candidates, PlacedCandidates) else ("",)


def questions_of(candidates: Candidates, start: int, stop: int) -> Sequence[ContextQuestion]:
    """Candidates of places ``start`` up to, not including, ``stop``, with their contexts."""
    if isinstance(candidates, PlacedCandidates):
        return list(candidates.questions(start, stop))
    return [ContextQuestion(each, "") for each in candidates.take(start, stop)]
