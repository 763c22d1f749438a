"""Names while they are typed: what a virtual cell can be asked about, as prefix, as part, and by synonym."""

import threading
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, final

from aivc.core.errors import AIVCError, DataError
from aivc.core.perturbation import Perturbation, kind_of
from aivc.core.virtual_cell import VirtualCell
from aivc.experiments.known_names import KnownNames

# What names mean is looked up in files that are fetched at first, by one thread for all.
MEANING = threading.RLock()


class Suggestion(NamedTuple):
    """A perturbation that can be asked about.

    Attributes:
        text: As a question says it, such as ``ko:JAK2``.
        name: Of its target, or of the whole where there are several.
        kind: Such as ``ko``; ``combination`` where there are several agents.
        measured: Whether the cell was fitted on it.
    """

    text: str
    name: str
    kind: str
    measured: bool


@final
@dataclass(eq=False)
class NameSearch:
    """The names of one cell.

    Attributes:
        cell: Which.
    """

    cell: VirtualCell

    @cached_property
    def known(self) -> KnownNames:
        """What the cell has measured and knows of."""
        return KnownNames.of(self.cell)

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """Kinds that were measured, the most usual first."""
        found = dict.fromkeys(agent.kind for each in self.known.measured for agent in each.agents)
        return tuple(sorted(found, key=lambda kind: kind != self.known.usual_kind))

    @cached_property
    def _all(self) -> list[tuple[str, Suggestion]]:
        """Everything that can be asked, what was measured first, beside its name in lower case."""
        texts = dict.fromkeys(map(str, self.known.measured))
        for kind in self.kinds or (self.known.usual_kind,):
            try:
                texts |= dict.fromkeys(self.known.candidates(kind))
            except DataError:
                continue
        measured = self.cell.trained
        found = [_suggestion(text, measured=text in measured) for text in texts]
        return [(each.name.casefold(), each) for each in sorted(found, key=lambda each: not each.measured)]

    def find(self, query: str, *, kind: str = "", limit: int = 20) -> list[Suggestion]:
        """Names that begin with what was typed, then those that hold it, then what it means by another name.

        Args:
            query: In any case, with or without its kind; an empty one finds what was measured.
            kind: Only this one.
            limit: How many at most.
        """
        typed, _, rest = query.strip().partition(":")
        kind, sought = (kind or typed.casefold(), rest) if rest and typed.casefold() in self.kinds else (kind, query)
        sought = sought.strip().casefold()
        begins: list[Suggestion] = []
        holds: list[Suggestion] = []
        for name, each in self._all:
            if (kind and each.kind != kind) or sought not in name:
                continue
            (begins if name.startswith(sought) else holds).append(each)
            if len(begins) >= limit and not sought:
                break
        begins.sort(key=lambda each: each.name.casefold() != sought)
        found = [*begins, *holds][:limit]
        if not any(each.name.casefold() == sought for each in found) and (meant := self._synonym(sought, kind)):
            found = [meant, *(each for each in found if each != meant)][:limit]
        return found

    def _synonym(self, sought: str, kind: str) -> Suggestion | None:
        """What a former symbol, an id or another name of a compound means; None where it means nothing here."""
        if not sought:
            return None
        kind = kind or self.known.usual_kind
        try:
            asked = Perturbation.parse(f"{kind}:{sought.upper() if kind_of(kind).genetic else sought}")
            # Without the hints that a refusal looks for among all names, which take longer than a person types.
            with MEANING:
                meant = self.known.question(asked, allow_unknown=True)
        except AIVCError:
            return None
        if meant.targets == asked.targets or self.known.unknown(meant):
            return None
        return _suggestion(str(meant), measured=str(meant) in self.cell.trained)


def _suggestion(text: str, *, measured: bool) -> Suggestion:
    asked = Perturbation.parse(text)
    if len(asked.agents) == 1:
        return Suggestion(text, asked.agents[0].target, asked.agents[0].kind, measured)
    return Suggestion(text, text, "combination" if asked.agents else "time", measured)
