"""The perturbations of many entities, each distinct one parsed once: objects, and for every entity which it is."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar, final

import numpy as np

from aivc.core.perturbation import Perturbation

T = TypeVar("T")


@final
@dataclass(frozen=True, eq=False)
class ParsedPerturbations:
    """A column of perturbations as objects.

    Iterating gives the object of every entity, in order.

    Attributes:
        distinct: ``p`` perturbations, sorted by their text.
        codes: ``(n,)`` which of them each entity got.

    >>> column = ParsedPerturbations.of(["ko:B", "control", "ko:B"])
    >>> column.codes.tolist(), [each.genes for each in column]
    ([1, 0, 1], [('B',), (), ('B',)])
    """

    distinct: tuple[Perturbation, ...]
    codes: np.ndarray

    @classmethod
    def of(cls, texts: Iterable[str]) -> "ParsedPerturbations":
        """Parse a column of texts.

        Raises:
            PerturbationError: A text has another form.
        """
        names, codes = np.unique(np.array([str(text) for text in texts], dtype=object), return_inverse=True)
        return cls(tuple(map(Perturbation.parse, names)), codes)

    def __len__(self) -> int:
        return len(self.codes)

    def __iter__(self) -> Iterator[Perturbation]:
        return (self.distinct[code] for code in self.codes)

    def each(self, answer: Callable[[Perturbation], T]) -> list[T]:
        """Ask something of every distinct perturbation once, and return the answer for each of the ``n`` entities."""
        answers = [answer(perturbation) for perturbation in self.distinct]
        return [answers[code] for code in self.codes]
