"""One agent at several doses or times: which of them were measured, in one unit."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple, final

from aivc.core.perturbation import Agent, Perturbation

# Of one quantity, in its first unit; every other unit is a quantity of its own.
_QUANTITIES = (
    {"uM": 1.0, "M": 1e6, "mM": 1e3, "µM": 1.0, "μM": 1.0, "nM": 1e-3, "pM": 1e-6},
    {"ng_per_ml": 1.0, "ug_per_ml": 1e3, "µg_per_ml": 1e3, "μg_per_ml": 1e3, "mg_per_ml": 1e6, "pg_per_ml": 1e-3},
)
_DIGITS = 12


class Dosed(NamedTuple):
    """A dose that was measured, 0 for an agent without doses, and the text of what was done."""

    amount: float
    text: str


@final
@dataclass(frozen=True)
class Series:
    """Doses measured, by agent and hours.

    Attributes:
        doses: By agent, and by hours: what was measured, by dose.
    """

    doses: dict[str, dict[float | None, tuple[Dosed, ...]]]

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Series":
        """Sort the single agents among perturbations; a dose of zero is no dose of them."""
        found: dict[str, dict[float | None, set[Dosed]]] = {}
        for text in texts:
            perturbation = Perturbation.parse(text)
            if len(perturbation.agents) == 1 and perturbation.agents[0].dose != 0:
                hours = found.setdefault(_name(perturbation.agents[0]), {}).setdefault(perturbation.hours, set())
                hours.add(Dosed(amount(perturbation.agents[0]), text))
        return cls({name: {h: tuple(sorted(doses)) for h, doses in by.items()} for name, by in found.items()})

    def measured(self, perturbation: Perturbation) -> tuple[Dosed, ...]:
        """Doses measured of its only agent, for as many hours; none for an agent without doses."""
        return self._by_hours(perturbation).get(perturbation.hours, ()) if _dosed(perturbation) else ()

    def other_hours(self, perturbation: Perturbation) -> list[float | None]:
        """Hours for which its only agent was measured, at any dose where it has one; None for hours not stated."""
        return [hours for hours in self._by_hours(perturbation) if hours != perturbation.hours]

    def _by_hours(self, perturbation: Perturbation) -> dict[float | None, tuple[Dosed, ...]]:
        if len(perturbation.agents) != 1 or perturbation.agents[0].dose == 0:
            return {}
        # An agent of which no dose is stated says nothing of one with a dose, nor the other way round.
        by = self.doses.get(_name(perturbation.agents[0]), {})
        return {hours: doses for hours, doses in by.items() if (doses[0].amount > 0) == _dosed(perturbation)}


def _dosed(perturbation: Perturbation) -> bool:
    return len(perturbation.agents) == 1 and bool(perturbation.agents[0].dose)


@lru_cache(maxsize=100_000)
def _name(agent: Agent) -> str:
    """An agent, and the quantity that its dose is an amount of."""
    return f"{replace(agent, dose=None, unit=None)} in {quantity(agent)}"


@lru_cache(maxsize=200_000)
def canonical(perturbation: Perturbation) -> Perturbation:
    """The same, with every dose in the unit that all of its quantity share.

    >>> str(canonical(Perturbation.parse("drug:nutlin-3@10000nM for 24h")))
    'drug:nutlin-3@10uM for 24h'
    """
    agents = (
        each if each.dose is None else replace(each, dose=amount(each), unit=quantity(each))
        for each in perturbation.agents
    )
    return Perturbation(tuple(agents), perturbation.hours)


def quantity(agent: Agent) -> str | None:
    """First unit of the quantity that a dose is an amount of: ``uM`` for 10 nM.

    >>> quantity(Agent("drug", "nutlin-3", 10.0, "nM")), quantity(Agent("ko", "TP53"))
    ('uM', None)
    """
    known = [next(iter(units)) for units in _QUANTITIES if agent.unit in units]
    return known[0] if known else agent.unit


def amount(agent: Agent) -> float:
    """A dose in the unit that all of its quantity share, so that 10000 nM is 10 uM.

    >>> amount(Agent("drug", "nutlin-3", 10000.0, "nM")) == amount(Agent("drug", "nutlin-3", 10.0, "uM"))
    True
    """
    scale = next((units[agent.unit] for units in _QUANTITIES if agent.unit in units), 1.0)
    return float(f"{(agent.dose or 0.0) * scale:.{_DIGITS}g}")
