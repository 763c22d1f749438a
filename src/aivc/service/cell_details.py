"""What a service says of a virtual cell: its card in one form, whatever wrote it, and its scores in one table."""

import contextlib
from collections.abc import Iterable, Mapping
from typing import Any

from aivc.core.contracts import Manipulator
from aivc.core.errors import AIVCError
from aivc.core.image_decoder import ImageDecoder
from aivc.core.perturbation import Perturbation
from aivc.core.units import spoken_units
from aivc.core.virtual_cell import VirtualCell
from aivc.data import catalog
from aivc.reporting.reading import ordered_methods, spoken_split
from aivc.reporting.verdict import verdict
from aivc.service.question_answers import better
from aivc.service.served_cells import ServedCell

# What a page is not made to carry.
_LONG = frozenset({"perturbations"})


def summary(served: ServedCell, cell: VirtualCell) -> dict[str, Any]:
    """One cell of a list."""
    asked = _perturbations(cell)
    return {
        "id": served.id,
        "name": served.id,
        "title": served.title,
        "source": served.source,
        "owner": served.owner,
        "visibility": served.visibility,
        "contexts": list(cell.contexts),
        "perturbations": len(cell.trained),
        "features": _features(cell),
        "units": spoken_units(str(cell.card.get("units", ""))),
        "kinds": sorted({agent.kind for each in asked for agent in each.agents}),
        "scored": _scores(served) is not None,
        "created": served.created,
    }


def detail(served: ServedCell, cell: VirtualCell) -> dict[str, Any]:
    """All that is said of one cell."""
    asked = _perturbations(cell)
    scores = _scores(served)
    doses = sorted({agent.dose for each in asked for agent in each.agents if agent.dose is not None})
    dose_units = sorted({agent.unit for each in asked for agent in each.agents if agent.unit})
    hours = sorted({each.hours for each in asked if each.hours is not None})
    return {
        **summary(served, cell),
        "card": {name: value for name, value in cell.card.items() if name not in _LONG},
        "encoders": list(cell.encoders),
        "instruments": list(cell.instruments),
        "capabilities": capabilities(cell),
        "doses": {"used": bool(doses), "units": " ".join(dose_units), "values": doses},
        "hours": {"used": bool(hours), "values": hours},
        "scores": None if scores is None else score_table(scores, cell),
        "dataset": served.dataset or catalog_name(cell) or None,
    }


def capabilities(cell: VirtualCell) -> dict[str, bool]:
    """What it can be asked about beside profiles: cells, tissue, time and images."""
    manipulators = [part for part in cell.instruments.values() if isinstance(part, Manipulator)]
    return {
        "cells": bool(cell.starts) and bool(manipulators),
        "tissue": any(part.edits_tissue for part in manipulators),
        "time": any(part.needs_times for part in manipulators),
        "images": any(isinstance(part, ImageDecoder) for part in cell.instruments.values()),
    }


def catalog_name(cell: VirtualCell) -> str:
    """The dataset of the catalog that its instruments were fitted on; empty where there is none, or several."""
    sources = {each.source for each in cell.provenance.values() if each.source}
    known = [name for name in sorted(sources & set(catalog.names())) if catalog.entry(name).converter is not None]
    return known[0] if len(known) == 1 else ""


def score_table(scores: Mapping[str, Any], cell: VirtualCell) -> dict[str, Any]:
    """What the evaluator found, method by method, from floor to ceiling.

    Args:
        scores: As `aivc evaluate` and `aivc demo` write them.
        cell: Whose they are.
    """
    about = scores.get("metrics", {})
    methods = [
        {
            "name": name,
            "metrics": {
                metric: {
                    "value": found.get("value"), "low": found.get("low"), "high": found.get("high"),
                    "better": better(about[metric].get("direction", "none")),
                }
                for metric, found in scores["scores"][name].items()
                if metric in about
            },
        }
        for name in _ordered(scores)
    ]  # fmt: skip
    labels = {name: str(each.get("label", name)) for name, each in about.items()}
    own = str(cell.card.get("manipulator", ""))
    said = ""
    with contextlib.suppress(KeyError, TypeError):
        said = verdict(cell.card, own, scores)
    split = spoken_split(str(scores.get("split", {}).get("kind", "given")))
    return {"split": split, "methods": methods, "labels": labels, "sentence": said}


def _ordered(scores: Mapping[str, Any]) -> Iterable[str]:
    names = ordered_methods(scores) if {"baseline", "ceiling", "methods"} <= set(scores) else list(scores["scores"])
    return [name for name in dict.fromkeys(names) if name in scores["scores"]]


def _scores(served: ServedCell) -> dict[str, Any] | None:
    """Scores that can be read; what lies beside a cell and is none is left alone."""
    with contextlib.suppress(AIVCError):
        return served.scores()
    return None


def _perturbations(cell: VirtualCell) -> list[Perturbation]:
    return [Perturbation.parse(text) for text in sorted(cell.trained)]


def _features(cell: VirtualCell) -> int:
    found = [
        len(features) for part in cell.encoders.values() if (features := getattr(part, "features", None)) is not None
    ]
    return max(found, default=0)
