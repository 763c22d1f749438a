"""What a page says when a reader looks up a gene: the perturbations that move it most, with their intervals."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from markupsafe import Markup

from aivc.core.units import spoken_units
from aivc.reporting.cell_answers import LearnedEffects, MeasuredEffects

# A page stays small enough to send: the genes that move most, and for each the perturbations that move it most.
MOST_GENES, _PER_GENE = 3000, 8


def gene_index(found: LearnedEffects, measured: MeasuredEffects | None = None) -> dict[str, Any]:
    """Collect, for each gene, the perturbations with the largest predicted effect on it.

    Args:
        found: What the cell answers.
        measured: Measured effects beside them, where there are any.

    Returns:
        JSON-ready: ``units``, ``context``, ``perturbations``, ``of`` (how many genes there are) and ``genes``: by name,
        rows of a perturbation's number, its effect, the ends of its interval, and what was measured, or null.
    """
    # What is done to a gene itself is no response, and no prediction is asked for it.
    others, own = found.others, found.own
    size_f = np.abs(others).max(axis=0)
    kept = np.sort(np.argsort(-size_f, kind="stable")[:MOST_GENES])
    seen = np.full(found.effect.shape, np.nan)
    if measured is not None:
        seen = measured.table.reindex(list(found.perturbations)).to_numpy(float)
    genes = {}
    for i in kept:
        rows = np.argsort(-np.abs(others[:, i]), kind="stable")[:_PER_GENE]
        genes[str(found.features[i])] = [
            [int(p), *(_short(each[p, i]) for each in (found.effect, found.low, found.high)), _short(seen[p, i])]
            for p in rows
            if not own[p, i]
        ]
    return {
        "units": spoken_units(found.units),
        "context": found.context,
        "perturbations": list(found.perturbations),
        "of": len(found.features),
        "genes": genes,
    }


def embedded(index: Mapping[str, Any]) -> Markup:
    r"""Write an index as JSON that may stand inside a page: nothing in it can close its element or begin another.

    >>> str(embedded({"</script>": 1}))
    '{"\\u003c/script\\u003e":1}'
    """
    text = json.dumps(index, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return Markup(text)


def _short(value: float) -> float | None:
    return float(f"{value:.3g}") if np.isfinite(value) else None
