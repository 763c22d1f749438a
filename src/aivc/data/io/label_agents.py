"""The agents that a label of a file stands for: split, taken apart by the declared rule, doses in one unit."""

from collections.abc import Iterable
from dataclasses import replace

from aivc.core.dose_units import amount, quantity
from aivc.core.errors import PerturbationError
from aivc.core.perturbation import Agent
from aivc.data.io.schema import Schema
from aivc.data.names.label_rules import LabelPart, parsed, split


def parts_of(label: str, schema: Schema) -> list[LabelPart]:
    """Targets, doses and units of a label, without its controls; one that does not follow the rule is a name.

    Raises:
        PerturbationError: The separator goes through a name, or a label follows no tuple.
    """
    found: list[LabelPart] = []
    for piece in split(label, schema.separator):
        if piece in schema.controls:
            continue
        parts = parsed(piece, schema.labels)
        if parts is None and schema.labels == "drug-tuple":
            raise PerturbationError(
                "It is no list of tuples of a name, a dose and a unit, such as [('A', 5.0, 'uM')]. Correct the label, "
                "or add it to control."
            )
        # Durations are of the whole label, and stand in a column of their own.
        named = [part._replace(hours=None) for part in parts or (LabelPart(piece),)]
        found += [part for part in named if part.target not in schema.controls]
    return found


def agents_of(label: str, kind: str, dose: tuple[float | None, str], schema: Schema) -> tuple[Agent, ...]:
    """Agents of a plain label, each once; none where it names only controls.

    Args:
        label: Text of the file.
        kind: Of its agents.
        dose: Amount of the row and its unit; None where its columns say none.
        schema: Says how labels are split and taken apart.

    Raises:
        PerturbationError: The label cannot be taken apart, or one dose stands for several agents.
    """
    parts = parts_of(label, schema)
    if len({part.target for part in parts}) > 1 and dose[0] is not None:
        raise PerturbationError(
            "One dose cannot be shared out over a combination. Write labels as drug:A@1uM + drug:B@2uM, without kind."
        )
    return tuple(dict.fromkeys(_agent(kind, part, dose) for part in parts))


def plain_agents(agents: Iterable[Agent], schema: Schema) -> Iterable[Agent]:
    """Agents of a label that is a text of a perturbation already, by the same rule and in the same units."""
    for agent in agents:
        for part in parsed(agent.target, schema.labels) or (LabelPart(agent.target),):
            own = part.dose if agent.dose is None else agent.dose
            unit = (part.unit if agent.dose is None else agent.unit) or ""
            yield replace(_agent(agent.kind, LabelPart(part.target), (own, unit)), direction=agent.direction)


def _agent(kind: str, part: LabelPart, dose: tuple[float | None, str]) -> Agent:
    amount_said, unit = dose if part.dose is None else (part.dose, part.unit or dose[1])
    if amount_said is None:
        return Agent(kind, part.target)
    if not unit and part.dose is not None:
        raise PerturbationError('It holds a dose without a unit. Add to the schema: dose_unit = { value = "uM" }.')
    if not unit:
        raise PerturbationError(
            f"It has a dose, {amount_said:g}, without a unit. Fill the column of units in, or write "
            'dose_unit = { value = "uM" }, or what it is.'
        )
    if not 0 <= amount_said < float("inf"):
        # It refuses with its own remedy.
        return Agent(kind, part.target, amount_said, unit)
    return Agent(kind, part.target, amount(amount_said, unit), quantity(unit))
