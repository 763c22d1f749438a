"""Names in questions, brought to those that a virtual cell knows; what it knows nothing of is refused."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import final

from aivc.core.contracts import Manipulator
from aivc.core.dose_units import amount, quantity
from aivc.core.errors import AIVCError, DataError, PerturbationError, UnavailableError, UnknownNameError
from aivc.core.perturbation import Agent, Perturbation, kind_of
from aivc.core.virtual_cell import VirtualCell
from aivc.data.names.compound_names import compound
from aivc.data.names.gene_files import GeneNames
from aivc.data.names.genes import gene_table

# Names without a kind, such as a person writes who has only knocked genes out so far.
_PLAIN = re.compile(r"\s*[\w.-]+(\s*\+\s*[\w.-]+)*\s*")
_SPECIES = ("human", "mouse")
_SHOWN = 5


@final
@dataclass(frozen=True, eq=False)
class _NameIndex:
    """Names to be found under other spellings; each look-up is prepared once."""

    names: frozenset[str]

    def find(self, name: str, *, genetic: bool) -> list[str]:
        """Names that mean the same gene or the same compound."""
        if not genetic:
            return self._compounds.get(compound(name), [])
        if found := self._folded.get(name.casefold()):
            return found
        today = (symbol for table in _tables() if (symbol := table.symbol(name)[0]) is not None)
        # The cell may use a former symbol itself.
        return next((found for symbol in today if (found := self._symbols.get(symbol))), [])

    @cached_property
    def _folded(self) -> dict[str, list[str]]:
        return self._by(str.casefold)

    @cached_property
    def _compounds(self) -> dict[str, list[str]]:
        return self._by(compound)

    @cached_property
    def _symbols(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for table in reversed(_tables()):
            symbols = {name: table.symbol(name)[0] or "" for name in self.names}
            found |= self._by(symbols.__getitem__)
        return found

    def _by(self, key: Callable[[str], str]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for name in sorted(self.names):
            found[key(name)].append(name)
        return dict(found)


@cache
def _tables() -> tuple[GeneNames, ...]:
    """Genes of every species whose files are here; where they are not, only case is looked at."""
    found = []
    for species in _SPECIES:
        try:
            found.append(gene_table(species))
        except UnavailableError:
            continue
    return tuple(found)


@final
@dataclass(frozen=True, eq=False)
class KnownNames:
    """What a cell has measured, and what it has knowledge of.

    Attributes:
        measured: Perturbations it was fitted on.
        knowledge: Names of molecules that its manipulators know something of.
        stated: Whether its card says what was measured; nothing can be refused where it does not.
    """

    measured: tuple[Perturbation, ...]
    knowledge: frozenset[str]
    stated: bool

    @classmethod
    def of(cls, cell: VirtualCell) -> "KnownNames":
        """Gather them from the card and the manipulators of a cell."""
        texts = cell.card.get("perturbations", ())
        parts = [part for part in cell.instruments.values() if isinstance(part, Manipulator)]
        names = frozenset(str(name) for part in parts for name in part.molecules)
        return cls(tuple(Perturbation.parse(str(text)) for text in texts), names, "perturbations" in cell.card)

    def question(self, asked: Perturbation | str, *, allow_unknown: bool = False) -> Perturbation:
        """Return the perturbation that is meant, in the names of the cell.

        Genes are found in any case and by former symbols and ids, compounds by their other names and salts, doses in
        any unit.

        Args:
            asked: As an object or as text.
            allow_unknown: Answer also about names of which nothing is known, and without a dose.

        Raises:
            PerturbationError: The text is no perturbation; a dose is missing where doses were measured, or is in a unit
                in which none was.
            UnknownNameError: Nothing is known of a name; those that read like it are suggested.
        """
        given = self._read(asked) if isinstance(asked, str) else asked
        if not self.stated or given in self._whole or not given.agents:
            return given
        found = Perturbation(tuple(dict.fromkeys(self._agent(agent) for agent in given.agents)), given.hours)
        found = self._same_dose.get(_in_one_unit(found), found)
        if found in self._whole or allow_unknown:
            return found
        for agent in found.agents:
            if not self.knows(agent):
                raise self._unknown(agent)
            self._require_dose(agent)
            self._require_unit(agent)
        return found

    def unknown(self, asked: Perturbation) -> tuple[str, ...]:
        """Targets of which nothing is known; none where the cell does not say what it measured."""
        return tuple(agent.target for agent in asked.agents if self.stated and not self.knows(agent))

    def knows(self, agent: Agent) -> bool:
        """Whether its target was measured, under any kind and dose, or is in the knowledge of the cell."""
        # An edit of a tissue names cells, which are looked for in the tissue that is asked about.
        if kind_of(agent.kind).tissue:
            return True
        return agent.molecule in self._measured(agent.kind) or agent.molecule in self.knowledge

    @property
    def usual_kind(self) -> str:
        """What was done most often in what was measured; ``ko`` where nothing was."""
        kinds = Counter(agent.kind for each in self.measured for agent in each.agents).most_common(1)
        return kinds[0][0] if kinds else "ko"

    def candidates(self, kind: str = "") -> list[str]:
        """Perturbations of one agent of a kind: those measured, then whatever else something is known of.

        Others are asked for at the dose and for the hours that were measured most often.

        Args:
            kind: Such as ``drug``; unless given, the one that was measured most often.

        Raises:
            DataError: There are none.
        """
        kind = kind or self.usual_kind
        seen = [each for each in self.measured if len(each.agents) == 1 and each.agents[0].kind == kind]
        usual = Counter((each.agents[0].dose, each.agents[0].unit, each.hours) for each in seen).most_common(1)
        dose, unit, hours = usual[0][0] if usual else (None, None, None)
        of_others = self._molecules[not kind_of(kind).genetic] - self._measured(kind)
        # Knowledge is of genes or of compounds, as is what was measured.
        knowledge = self.knowledge if self._measured(kind) or not of_others else frozenset()
        names = (self._measured(kind) | knowledge) - of_others - {each.agents[0].target for each in seen}
        if not names and not seen:
            raise DataError(
                [
                    f"This cell knows nothing that {kind} could target: it has measured {self.usual_kind}. "
                    "Name what to ask about, or choose another kind."
                ]
            )
        others = [Perturbation((Agent(kind, name, dose, unit),), hours) for name in sorted(names)]
        return list(map(str, [*seen, *others]))

    @cached_property
    def _whole(self) -> frozenset[Perturbation]:
        return frozenset(self.measured)

    @cached_property
    def _same_dose(self) -> dict[Perturbation, Perturbation]:
        return {_in_one_unit(each): each for each in self.measured}

    @cached_property
    def _agents(self) -> tuple[Agent, ...]:
        return tuple(dict.fromkeys(agent for each in self.measured for agent in each.agents))

    @cached_property
    def _molecules(self) -> dict[bool, frozenset[str]]:
        return {
            genetic: frozenset(agent.molecule for agent in self._agents if kind_of(agent.kind).genetic == genetic)
            for genetic in (True, False)
        }

    @cached_property
    def _indices(self) -> dict[bool, _NameIndex]:
        return {genetic: _NameIndex(names) for genetic, names in self._molecules.items()}

    @cached_property
    def _knowledge(self) -> _NameIndex:
        return _NameIndex(self.knowledge)

    def _measured(self, kind: str) -> frozenset[str]:
        return self._molecules[kind_of(kind).genetic]

    def _agent(self, agent: Agent) -> Agent:
        # A variant names a change of a gene: what it is called is not ours to alter.
        if self.knows(agent) or ":" in agent.target:
            return agent
        genetic = kind_of(agent.kind).genetic
        for index in (self._indices[genetic], self._knowledge):
            meant = index.find(agent.target, genetic=genetic)
            if len(meant) == 1:
                return replace(agent, target=meant[0])
            if meant:
                raise UnknownNameError("one target", agent.target, meant, "Several read alike: name the one you mean.")
        return agent

    def _unknown(self, agent: Agent) -> UnknownNameError:
        word = "gene" if kind_of(agent.kind).genetic else agent.kind
        remedy = (
            "This cell knows nothing of it: it was not measured, and is not in its knowledge. To get the default "
            "answer all the same: allow_unknown=True, or --allow-unknown in a shell."
        )
        known = {*self._measured(agent.kind), *self.knowledge}
        return UnknownNameError(f"{word} known to this cell", agent.target, known, remedy)

    def _require_dose(self, agent: Agent) -> None:
        if agent.dose is not None or kind_of(agent.kind).genetic or kind_of(agent.kind).tissue:
            return
        same_kind = [each for each in self._agents if each.kind == agent.kind]
        own = [each for each in same_kind if each.target == agent.target]
        if any(each.dose is None for each in own or same_kind) or not same_kind:
            return
        doses = list(dict.fromkeys(_dose(each) for each in sorted(own or same_kind, key=_size)))
        whose = f"{agent.target} was measured" if own else f"Each {agent.kind} of this cell was measured"
        raise PerturbationError(
            f"{whose} at {', '.join(doses[:12])}, and {agent} names no dose. Which one? Write it as {agent}@{doses[0]}."
        )

    def _require_unit(self, agent: Agent) -> None:
        """Refuse an amount of a quantity that this kind was not measured in: nothing says what more or less of it does.

        Of a drug that nobody dosed any amount is taken for the drug; a gene is not given in amounts unless it was.
        """
        if agent.unit is None or agent.dose is None:
            return
        doses = [each for each in self._agents if each.kind == agent.kind and each.dose is not None]
        if quantity(agent.unit) in {quantity(each.unit or "") for each in doses}:
            return
        plain = replace(agent, dose=None, unit=None)
        if doses:
            units = ", ".join(sorted({each.unit or "" for each in doses}))
            raise PerturbationError(
                f"Each dose of {agent.kind} in this cell was measured in {units}, and {agent} is in {agent.unit}. "
                f"State it in one of these, as {plain}@{_dose(min(doses, key=_size))}."
            )
        if kind_of(agent.kind).genetic:
            raise PerturbationError(f"No {agent.kind} of this cell has a dose, and {agent} names one. Write {plain}.")

    def _read(self, text: str) -> Perturbation:
        """Read a perturbation; plain names are refused with the text that was likely meant."""
        try:
            return Perturbation.parse(text)
        except PerturbationError as error:
            if _PLAIN.fullmatch(text) and self._agents:
                spelled = {agent.target.casefold(): agent.target for agent in self._agents}
                kind = Counter(agent.kind for each in self.measured for agent in each.agents).most_common(1)[0][0]
                names = [name.strip() for name in text.split("+")]
                meant = " + ".join(str(Agent(kind, spelled.get(name.casefold(), name))) for name in names)
                error.add_note(f"Did you mean {meant}?")
            raise


def questions(
    cell: VirtualCell, asked: Iterable[Perturbation | str], *, allow_unknown: bool = False
) -> list[Perturbation]:
    """Bring many questions to the names of a cell (`KnownNames.question`), all before any work starts.

    Raises:
        DataError: Some are unknown or lack a dose, where there are several of them.
        PerturbationError: The only one, likewise; or a text that is no perturbation.
        UnknownNameError: Nothing is known of the only one.
    """
    known, found = KnownNames.of(cell), []
    problems: dict[str, AIVCError] = {}
    for each in asked:
        # Names that read like one are looked for among thousands: a few tell what is wrong.
        if len(problems) == _SHOWN:
            break
        try:
            found.append(known.question(each, allow_unknown=allow_unknown))
        except UnknownNameError as error:
            problems[str(each)] = error
        except PerturbationError as error:
            if isinstance(each, str) and not _is_text(each):
                raise
            problems[str(each)] = error
    if not problems:
        return found
    if len(problems) == 1:
        raise next(iter(problems.values()))
    shown = [f"{text}: {error}" for text, error in problems.items()]
    raise DataError([*shown, *(["Names behind these were not looked at."] if len(shown) == _SHOWN else [])])


def _is_text(text: str) -> bool:
    try:
        return bool(str(Perturbation.parse(text)))
    except PerturbationError:
        return False


def _in_one_unit(asked: Perturbation) -> Perturbation:
    agents: Sequence[Agent] = [
        replace(each, dose=amount(each.dose, each.unit), unit=quantity(each.unit))
        if each.dose is not None and each.unit is not None
        else each
        for each in asked.agents
    ]
    return Perturbation(tuple(dict.fromkeys(agents)), asked.hours)


def _dose(agent: Agent) -> str:
    return str(agent).rpartition("@")[2].split("/")[0]


def _size(agent: Agent) -> tuple[str, float]:
    unit = agent.unit or ""
    return quantity(unit), amount(agent.dose or 0.0, unit)
