"""The last few answers that several requests of one page are about, so that each is computed once."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar, final

T = TypeVar("T")


@final
@dataclass(eq=False)
class RecentAnswers:
    """What was computed last, by what was asked.

    Attributes:
        most: How many are kept; they hold states of all cells, so they are few.
    """

    most: int = 3
    _kept: "OrderedDict[Hashable, Any]" = field(default_factory=OrderedDict)
    _making: threading.RLock = field(default_factory=threading.RLock)

    def get(self, asked: Hashable, make: Callable[[], T]) -> T:
        """An answer, computed where it is not among the last ones; whoever else asks the same waits for it.

        Args:
            asked: All that the answer depends on.
            make: Computes it. What it raises is kept by nobody. It may itself ask for another answer.

        >>> recent, made = RecentAnswers(most=1), []
        >>> for asked in ("a", "a", "b", "a"):
        ...     _ = recent.get(asked, lambda: made.append(asked))
        >>> made
        ['a', 'b', 'a']
        """
        with self._making:
            if asked in self._kept:
                self._kept.move_to_end(asked)
                found: T = self._kept[asked]
                return found
            made = make()
            self._kept[asked] = made
            while len(self._kept) > self.most:
                self._kept.popitem(last=False)
            return made
