"""Combinations by their place: agents of a kind taken so many at a time, at doses, for hours and in contexts."""

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, final

from aivc.core.errors import DataError
from aivc.core.perturbation import Agent, Perturbation, kind_of


class ContextQuestion(NamedTuple):
    """What is asked, and in which context; an empty text is the one the cell is asked in."""

    perturbation: Perturbation
    context: str


@final
@dataclass(frozen=True)
class Factor:
    """Agents of one kind, of which so many are given together.

    Attributes:
        kind: Such as ``ko`` or ``drug``.
        names: ``n`` targets, none twice.
        order: How many of them one candidate holds: 1 singles, 2 pairs, 3 triples.
        doses: ``d`` amounts with units, such as ``1uM``; every agent is given at each. Empty where there are none.

    Raises:
        DataError: A name or a dose stands twice, or the order is below one.
        PerturbationError: A name or a dose that no agent can have.
    """

    kind: str
    names: tuple[str, ...]
    order: int = 1
    doses: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        kind_of(self.kind)
        twice = [name for each in (self.names, self.doses) for name, count in Counter(each).items() if count > 1]
        if twice:
            raise DataError([f"Names or doses stand twice in a library: {', '.join(twice[:5])}. Name each once."])
        if self.order < 1:
            raise DataError([f"A candidate holds at least one {self.kind}, got an order of {self.order}. Give 1 to 3."])

    @cached_property
    def _made(self) -> dict[tuple[int, int], Agent]:
        return {}

    def agent(self, number: int, dose: int = 0) -> Agent:
        """The agent of a name at a dose, by their numbers; made when first asked for."""
        if (number, dose) not in self._made:
            amount, unit = _dose(self.doses[dose]) if self.doses else (None, None)
            self._made[number, dose] = Agent(self.kind, self.names[number], amount, unit)
        return self._made[number, dose]

    @property
    def doses_each(self) -> int:
        """In how many ways one agent is given."""
        return max(len(self.doses), 1)

    @property
    def size(self) -> int:
        """How many combinations there are."""
        return math.comb(len(self.names), self.order) * self.doses_each**self.order

    def at(self, rank: int) -> tuple[Agent, ...]:
        """Agents of one candidate, by its place in the order of ``itertools.combinations``; doses change fastest."""
        return next(self.walk(rank, rank + 1))

    def walk(self, start: int, stop: int) -> Iterator[tuple[Agent, ...]]:
        """Agents of the candidates ``start`` to ``stop``, in order, one at a time."""
        ways = self.doses_each**self.order
        first, skipped = divmod(start, ways)
        which = combinations_from(first, len(self.names), self.order)
        if ways == 1:
            yield from (tuple(map(self.agent, each)) for each in itertools.islice(which, stop - start))
            return
        dosed = (
            tuple(self.agent(i, j) for i, j in zip(each, at_dose, strict=True))
            for each in which
            for at_dose in itertools.product(range(self.doses_each), repeat=self.order)
        )
        yield from itertools.islice(dosed, skipped, skipped + stop - start)

    def kept(self, keep: Callable[[str], bool]) -> "Factor":
        """The same with fewer names."""
        return replace(self, names=tuple(name for name in self.names if keep(name)))


@final
@dataclass(frozen=True)
class LibraryBlock:
    """Every combination of its factors, for every duration and in every context.

    Attributes:
        factors: One of each is given: genes and drugs together are two factors.
        hours: ``h`` durations; None where not stated.
        contexts: ``c`` names; the empty text is the context that the cell is asked in.

    Raises:
        DataError: Two factors share an agent, or an hour or a context stands twice.
    """

    factors: tuple[Factor, ...]
    hours: tuple[float | None, ...] = (None,)
    contexts: tuple[str, ...] = ("",)

    def __post_init__(self) -> None:
        named = Counter((factor.kind, name) for factor in self.factors for name in factor.names)
        twice = [f"{kind}:{name}" for (kind, name), count in named.items() if count > 1]
        if twice:
            raise DataError([f"Factors that are combined share {', '.join(twice[:5])}. Use pairs of one factor."])
        if not self.factors or not all(0 < len(set(e)) == len(e) for e in (self.hours, self.contexts)):
            raise DataError(["A block has a factor, and hours and contexts, none twice. Leave out what is not meant."])

    @property
    def size(self) -> int:
        """How many candidates there are."""
        return math.prod(factor.size for factor in self.factors) * len(self.hours) * len(self.contexts)

    def at(self, rank: int) -> ContextQuestion:
        """The candidate of a place; contexts change slowest, then hours, then the factors in their order."""
        return next(self.walk(rank, rank + 1))

    def walk(self, start: int, stop: int) -> Iterator[ContextQuestion]:
        """The candidates of places ``start`` to ``stop``, in order, one at a time."""
        fastest = self.factors[-1]
        while start < stop:
            slow, first = divmod(start, fastest.size)
            agents, hours, context = self._slow(slow)
            last = min(first + stop - start, fastest.size)
            for own in fastest.walk(first, last):
                yield ContextQuestion(Perturbation(agents + own, hours), context)
            start += last - first

    def _slow(self, rank: int) -> tuple[tuple[Agent, ...], float | None, str]:
        """What all candidates of one run of the last factor have in common."""
        found: tuple[Agent, ...] = ()
        for factor in reversed(self.factors[:-1]):
            rank, digit = divmod(rank, factor.size)
            found = factor.at(digit) + found
        place, hour = divmod(rank, len(self.hours))
        return found, self.hours[hour], self.contexts[place]


def combinations_from(rank: int, n: int, order: int) -> Iterator[tuple[int, ...]]:
    """``itertools.combinations(range(n), order)`` from a place on.

    >>> list(combinations_from(3, 4, 2))
    [(1, 2), (1, 3), (2, 3)]
    """
    if rank >= math.comb(n, order):
        return
    *head, last = unrank(rank, n, order)
    while True:
        yield from ((*head, j) for j in range(last, n))
        # The last member that can still move on does, and those behind it follow it closely.
        place = next((i for i in reversed(range(order - 1)) if head[i] < n - order + i), None)
        if place is None:
            return
        head[place:] = range(head[place] + 1, head[place] + order - place)
        last = head[-1] + 1


def unrank(rank: int, n: int, order: int) -> tuple[int, ...]:
    """The combination of a place in the order of ``itertools.combinations(range(n), order)``.

    The first of its members is the largest ``a`` with at most ``rank`` combinations that begin below it; there are
    ``comb(n, k) - comb(n - a, k)`` of these (combinatorial number system, Knuth 2011, 7.2.1.3). All in whole numbers.

    Raises:
        IndexError: There is no such place.

    >>> [unrank(i, 4, 2) for i in range(6)]
    [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    """
    if not 0 <= rank < math.comb(n, order):
        raise IndexError(f"There are {math.comb(n, order):,} combinations of {order} of {n}; {rank:,} is none of them.")
    found, first = [], 0
    for k in range(order, 0, -1):
        whole = math.comb(n - first, k)
        low, high = 0, n - first - k
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if whole - math.comb(n - first - middle, k) <= rank else (low, middle - 1)
        rank -= whole - math.comb(n - first - low, k)
        found.append(first + low)
        first += low + 1
    return tuple(found)


def _dose(text: str) -> tuple[float | None, str | None]:
    agent = Agent.parse(f"drug:x@{text}")
    return agent.dose, agent.unit
