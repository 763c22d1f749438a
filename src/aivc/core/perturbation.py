"""What was done to a cell, as text and as an object, and nothing lost between the two."""

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import final
from urllib.parse import quote, unquote

from aivc.core.dose_units import spelled
from aivc.core.errors import PerturbationError, UnknownNameError
from aivc.core.registry import KINDS, names


@final
@dataclass(frozen=True)
class Kind:
    """A kind of intervention.

    Attributes:
        name: The word before the colon, such as ``crispri``.
        direction: What it does to its target's activity unless said otherwise: -1 lowers, +1 raises, 0 not stated.
        genetic: Whether the target is a gene, so that priors on genes apply and the target's own reading is affected.
        tissue: Whether it changes who is where in a tissue, and its target names cells rather than a molecule.
    """

    name: str
    direction: int
    genetic: bool
    tissue: bool = False


BUILTIN_KINDS = {
    kind.name: kind
    for kind in (
        Kind("ko", -1, genetic=True),
        Kind("crispri", -1, genetic=True),
        Kind("crispra", +1, genetic=True),
        Kind("oe", +1, genetic=True),
        Kind("variant", 0, genetic=True),
        Kind("drug", 0, genetic=False),
        Kind("ligand", +1, genetic=False),
        Kind("remove", 0, genetic=False, tissue=True),
        Kind("add", 0, genetic=False, tissue=True),
        Kind("swap", 0, genetic=False, tissue=True),
        Kind("move", 0, genetic=False, tissue=True),
    )
}


def kind_of(name: str) -> Kind:
    """Look a kind up: ours first, then those of installed plugins (entry points ``aivc.kinds``).

    Raises:
        UnknownNameError: No such kind.
    """
    if name in BUILTIN_KINDS:
        return BUILTIN_KINDS[name]
    if name not in names("kinds"):
        raise UnknownNameError("perturbation kind", name, [*BUILTIN_KINDS, *names("kinds")])
    kind = KINDS.load(name)
    assert isinstance(kind, Kind)
    return kind


_NUMBER = r"\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"
_AGENT = re.compile(
    rf"(?P<kind>[a-z][a-z0-9_-]*):(?P<target>[^@/+]+?)(?:@(?P<dose>{_NUMBER})(?P<unit>[^\s/\d][^\s/]*))?(?P<way>/up|/down|/any)?"
    r"(?: where (?P<column>[^=]+)=(?P<value>.+))?"
)
_HOURS = re.compile(rf"(?:^|\s)for (?P<hours>{_NUMBER})h$")
_WAYS = {"/up": 1, "/down": -1, "/any": 0}
# Letters with a meaning in the text form, and white space that could pass for the space before "for 48h".
_ESCAPED = re.compile(r"[%@/+]|(?! )\s| (?=for )| (?=where [^=]+=.)|^\"")


def quoted_names(before: str = "", after: str = "") -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Patterns of names and of values in quotes, which end where a dose, a direction, hours or the next agent begins.

    Args:
        before: Further alternatives for what stands before an agent, and
        after: for what stands after it; of a text that holds more than one perturbation.
    """
    name = rf'(?P<kind>(?:^|\s\+\s{before})[a-z][a-z0-9_-]*:)"(?P<name>[^"]+)"'
    value = r'(?P<kind>\swhere [^="]+=)"(?P<name>[^"]+)"'
    ends = rf"\s\+\s|\sfor\s{after}"
    return re.compile(rf"{name}(?=@|/(?:up|down|any)|\swhere\s|{ends}|$)"), re.compile(rf"{value}(?={ends}|$)")


_QUOTED, _QUOTED_VALUE = quoted_names()


@final
@dataclass(frozen=True, order=True)
class CellCondition:
    """Which cells are meant: those with a value in a column of the entities.

    Attributes:
        column: Name of the column, such as ``cell_type`` or ``region``.
        value: What stands there, as text.

    Raises:
        PerturbationError: One of them is empty or has spaces around it, or the column's name holds ``=``.

    >>> str(CellCondition("cell_type", "T cell"))
    'cell_type=T cell'
    """

    column: str
    value: str

    def __post_init__(self) -> None:
        whole = all(text and text == text.strip() for text in (self.column, self.value))
        if not whole or "=" in self.column:
            raise PerturbationError(
                f"A condition reads where COLUMN=VALUE, such as where cell_type=tumour; got {self.column!r} and "
                f"{self.value!r}. Leave out spaces around them, and rename a column whose name holds '='."
            )

    def __str__(self) -> str:
        return f"{_escaped(self.column)}={_escaped(self.value)}"


@final
@dataclass(frozen=True, order=True)
class Agent:
    """One thing done to the cells.

    Attributes:
        kind: Such as ``ko``, ``crispri``, ``crispra``, ``oe``, ``variant``, ``drug``, ``ligand``, or a plugin's.
        target: Gene symbol, variant, compound or ligand name.
        dose: Amount, in ``unit``; None where it has none.
        unit: Such as ``uM``; None exactly where ``dose`` is None.
        direction: -1 lowers its target's activity, +1 raises it, 0 not stated; None takes the kind's own.
        where: Which cells it is done to; None means all of them.

    Raises:
        PerturbationError: Empty target, negative dose, or a dose without a unit.
        UnknownNameError: The kind is not known.
    """

    kind: str
    target: str
    dose: float | None = None
    unit: str | None = None
    direction: int | None = None
    where: CellCondition | None = None

    def __post_init__(self) -> None:
        kind = kind_of(self.kind)
        if not self.target or self.target != self.target.strip():
            raise PerturbationError(
                f"An agent needs a target without spaces around it, got {self.target!r}. Write it as {self.kind}:NAME."
            )
        amount = 0.0 if self.dose is None else self.dose
        if (self.dose is None) != (self.unit is None) or not 0 <= amount < float("inf"):
            raise PerturbationError(
                f"A dose is a finite, non-negative amount with its unit, got {self.dose} {self.unit} for "
                f"{self.target}. Write it as drug:NAME@10uM."
            )
        if self.unit is not None:
            object.__setattr__(self, "unit", spelled(self.unit))
        if self.unit is not None and not re.fullmatch(r"%|(?![eE]-?\d)[^\s/@+%\d.][^\s/@+%]*", self.unit):
            raise PerturbationError(f"A unit is one word such as uM or ng_per_ml, got {self.unit!r}. Rename it.")
        if self.dose is not None:
            # A numpy number or a negative zero would be written in a form that is not read back.
            object.__setattr__(self, "dose", float(self.dose) + 0.0)
        if self.direction is None:
            object.__setattr__(self, "direction", kind.direction)
        if self.direction not in (-1, 0, 1):
            raise PerturbationError(f"A direction is -1, 0 or +1, got {self.direction} for {self.target}.")

    @property
    def gene(self) -> str | None:
        """Gene that it targets: of a variant, what stands before the colon; None of an agent that is not genetic.

        >>> [Agent.parse(text).gene for text in ("ko:TP53", "variant:TP53:p.R175H", "drug:nutlin-3")]
        ['TP53', 'TP53', None]
        """
        return self.target.split(":")[0] if kind_of(self.kind).genetic else None

    @property
    def molecule(self) -> str:
        """Name by which it is looked up among molecules: its gene, or else its target."""
        gene = self.gene
        return self.target if gene is None else gene

    def __str__(self) -> str:
        return self._text

    @cached_property
    def _text(self) -> str:
        # Perturbations sort their agents by it: of millions of pairs, the agents are a few thousand.
        target = _escaped(self.target)
        dose = "" if self.dose is None else f"@{self.dose!r}".removesuffix(".0") + str(self.unit)
        way = {1: "/up", -1: "/down", 0: "/any"}[self.direction or 0]
        done = f"{self.kind}:{target}{dose}{'' if self.direction == kind_of(self.kind).direction else way}"
        return done if self.where is None else f"{done} where {self.where}"

    @classmethod
    def parse(cls, text: str) -> "Agent":
        """Read one agent such as ``drug:nutlin-3@10uM``; a name may stand in quotes: ``drug:"(+)-JQ1"@1uM``.

        Which cells it is done to comes last: ``ko:STAT1 where cell_type=tumour``, ``remove:T cell where region=core``.

        Raises:
            PerturbationError: The text has another form.
        """
        match = _AGENT.fullmatch(_unquoted(text))
        if not match or " for " in match["target"]:
            raise PerturbationError(
                f"An agent reads kind:target, with an optional dose, such as ko:TP53 or drug:nutlin-3@10uM; got "
                f"{text!r}. Hours come last: for 48h. Put a name that holds '+', '@' or '/' in quotes, such as "
                "drug:\"(+)-JQ1\"@1uM, or write '+', '@', '/' and '%' as %2B, %40, %2F and %25, and the space before "
                "'for' as %20."
            )
        dose = None if match["dose"] is None else float(match["dose"])
        way = None if match["way"] is None else _WAYS[match["way"]]
        column, value = match["column"], match["value"]
        where = None if column is None else CellCondition(unquote(column), unquote(value))
        return cls(match["kind"], unquote(match["target"]), dose, match["unit"], way, where)


@final
@dataclass(frozen=True)
class Perturbation:
    """A set of agents given together, for some hours. No agents and no hours is control.

    Agents are a set: they are kept sorted, so that ``A + B`` equals ``B + A``.

    Attributes:
        agents: ``a`` agents, sorted, none twice.
        hours: Duration; None where not stated. No agents for 48 h is development.

    >>> p = Perturbation.parse("drug:nutlin-3@10uM + crispri:TP53 for 48h")
    >>> str(p)
    'crispri:TP53 + drug:nutlin-3@10uM for 48h'
    >>> str(Perturbation.parse('drug:"(+)-JQ1"@1µM'))
    'drug:(%2B)-JQ1@1uM'
    >>> str(Perturbation.control())
    'control'
    >>> str(Perturbation.parse('remove:T%20cell + ko:STAT1 where cell_type=tumour for 24h'))
    'ko:STAT1 where cell_type=tumour + remove:T cell for 24h'
    """

    agents: tuple[Agent, ...] = ()
    hours: float | None = None

    def __post_init__(self) -> None:
        if len(set(self.agents)) != len(self.agents):
            raise PerturbationError(
                f"The same agent stands twice in {' + '.join(map(str, self.agents))}. Name it once."
            )
        object.__setattr__(self, "agents", tuple(sorted(self.agents, key=str)))
        if self.hours is not None and not 0 <= self.hours < float("inf"):
            raise PerturbationError(f"Hours are a finite, non-negative number, got {self.hours}. Write it as for 48h.")
        if self.hours is not None:
            object.__setattr__(self, "hours", float(self.hours) + 0.0)

    @classmethod
    def control(cls) -> "Perturbation":
        """Nothing done."""
        return cls()

    @property
    def is_control(self) -> bool:
        """Whether nothing was done."""
        return not self.agents and self.hours is None

    @property
    def of_tissue(self) -> bool:
        """Whether it says which cells it is done to, or who is where: a question about cells beside each other."""
        return any(agent.where is not None or kind_of(agent.kind).tissue for agent in self.agents)

    @property
    def targets(self) -> tuple[str, ...]:
        """The agents' targets, in order."""
        return tuple(agent.target for agent in self.agents)

    @property
    def genes(self) -> tuple[str, ...]:
        """Genes of the genetic agents (`Agent.gene`), in order."""
        return tuple(gene for agent in self.agents if (gene := agent.gene) is not None)

    @property
    def family(self) -> str:
        """Names the set of targets: doses, kinds and durations of the same targets are one family.

        Leaving out one of a family and keeping the others would ask for what is known.
        """
        return " + ".join(sorted(set(self.targets))) or str(self)

    def parts(self) -> tuple["Perturbation", ...]:
        """Each agent alone, for the same hours."""
        return tuple(Perturbation((agent,), self.hours) for agent in self.agents)

    def __str__(self) -> str:
        return self._text

    @cached_property
    def _text(self) -> str:
        body = " + ".join(map(str, self.agents)) or ("control" if self.hours is None else "time")
        return body if self.hours is None else f"{body} for " + f"{self.hours!r}".removesuffix(".0") + "h"

    @classmethod
    def parse(cls, text: str) -> "Perturbation":
        """Read the text form; the inverse of ``str``.

        Raises:
            PerturbationError: The text has another form.
        """
        return _parse(text.strip())


def _escaped(name: str) -> str:
    return _ESCAPED.sub(lambda found: quote(found[0], safe=""), name)


def spell_out(quoted: re.Pattern[str], text: str, also: str = "") -> str:
    """Write names in quotes by their escapes.

    Args:
        quoted: What is a name in quotes (`quoted_names`).
        text: Of one perturbation or more.
        also: Letters that have a meaning there besides those of the grammar.
    """

    def spelled_out(found: re.Match[str]) -> str:
        name = _escaped(found["name"])
        return found["kind"] + "".join(quote(letter, safe="") if letter in also else letter for letter in name)

    return quoted.sub(spelled_out, text)


def _unquoted(text: str) -> str:
    """The same text, with names in quotes written by their escapes."""
    if '"' not in text:
        return text
    for quoted in (_QUOTED, _QUOTED_VALUE):
        text = spell_out(quoted, text)
    return text


@lru_cache(maxsize=200_000)
def _parse(text: str) -> Perturbation:
    # The same few texts are read over and over: a screen of pairs asks for hundreds of thousands.
    hours, text = None, _unquoted(text)
    if match := _HOURS.search(text):
        hours, text = float(match["hours"]), text[: match.start()].rstrip()
    if (text == "control" and hours is None) or (text in ("time", "") and hours is not None):
        return Perturbation((), hours)
    return Perturbation(tuple(_agent(part.strip()) for part in text.split(" + ")), hours)


@lru_cache(maxsize=50_000)
def _agent(text: str) -> Agent:
    # Of a hundred thousand pairs, the agents are a few hundred.
    return Agent.parse(text)
