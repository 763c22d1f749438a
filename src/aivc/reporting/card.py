"""What a saved cell says of itself: data, method, recipe, and what its practice on perturbations left out showed."""

from collections.abc import Iterator
from typing import Any

from aivc.core.virtual_cell import VirtualCell
from aivc.reporting.html import Section
from aivc.reporting.sortable import Table

_LONGEST = 300


def card_section(cell: VirtualCell) -> Section:
    """Tabulate the card of a cell, one fact a row."""
    rows = tuple((what, _text(value)) for what, value in _facts(cell) if value not in (None, "", [], {}))
    return Section("The cell", "", tables=(Table(("what", "value"), rows, "What the cell says of itself."),))


def _facts(cell: VirtualCell) -> Iterator[tuple[str, Any]]:
    card = cell.card
    yield "method", card.get("manipulator")
    yield "encoders", [encoder.name for encoder in cell.encoders.values()]
    yield "instruments", sorted(cell.instruments)
    yield "fitted on", f"{card['cells']:,} cells" if "cells" in card else None
    perturbations = list(map(str, card.get("perturbations", ())))
    yield f"perturbations ({len(perturbations):,})", perturbations
    yield "contexts", list(cell.contexts)
    yield "units of profiles", card.get("units")
    if left := card.get("left_out"):
        yield "effects left out in practice", left["n"]
        yield "of these, worse than the mean effect", f"{left['harm_rate']:.0%}"
    for name, value in dict(card.get("recipe", {})).items():
        yield f"recipe: {name.replace('_', ' ')}", value
    for name, value in dict(card.get("data", {})).items():
        yield f"data: {name.replace('_', ' ')}", value
    for row in dict(card.get("consistency", {})).get("rows", ()):
        yield f"consistency {row['code']}: {row['name']}", row["verdict"]
    yield "notes", card.get("notes")


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        value = ", ".join(map(str, value))
    text = str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
