"""What is known of the targets of a screen beside its predictions: are they expressed, and do annotations agree?"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from aivc.core.errors import UnavailableError
from aivc.core.perturbation import Perturbation
from aivc.core.units import log1p_target
from aivc.data.priors.regulons import regulons
from aivc.experiments.response import Response

# Counts per cell: about one cell in fifty shows such a gene. Units of more than 10,000 counts are no cell's own.
_EXPRESSED, _MOST = 0.02, 10_000
# Confidences of DoRothEA that rest on more than one kind of evidence.
_TRUSTED = ("A", "B", "C")
YES, NO, NOT_MEASURED, NOT_JUDGED, NO_GENE = "yes", "no", "not measured", "not judged", "no gene"
AGREES, CONTRADICTS, UNKNOWN, UNAVAILABLE = "agrees", "contradicts", "nothing known", "not available"


class ControlLevels(NamedTuple):
    """Mean readings of the control cells.

    Attributes:
        features: ``(f,)`` names.
        level: ``(f,)`` mean of each, in ``units``.
        units: Of the levels.
    """

    features: np.ndarray
    level: Float[np.ndarray, " f"]
    units: str


def target_columns(
    perturbations: Sequence[str], scores: Sequence[float], response: Response | None, controls: ControlLevels
) -> dict[str, list[object]]:
    """Columns of a screen.

    Args:
        perturbations: ``p`` texts.
        scores: ``p`` predicted changes of the response.
        response: What was read out; None where that is no weighted mean of features.
        controls: Of the context asked about.

    Returns:
        ``target_level``, the lowest mean reading of its target genes in control cells, NaN where none was measured;
        ``expressed``: ``yes`` or ``no`` where levels are logarithms of counts (no below 0.02
        counts in a cell of N counts, of 10,000 where N is more),
        ``not judged`` in other units, ``not measured`` where a target is no feature, ``no gene`` where it has none; and
        ``annotation``: whether DoRothEA's signed links from its targets to the features of the response (confidence A
        to C) ``agrees`` with the sign of the score or ``contradicts`` it, and which link says so; ``nothing known``,
        ``not available`` where the table is not here, or ``not judged`` where there is no response.
    """
    parsed = [Perturbation.parse(text) for text in perturbations]
    place = {str(name): i for i, name in enumerate(controls.features)}
    levels = [[controls.level[place[g]] if g in place else np.nan for g in each.genes] for each in parsed]
    links = None if response is None else _links(response)
    return {
        "target_level": [float(np.min(each)) if each and not np.isnan(each).all() else np.nan for each in levels],
        "expressed": [expression(each, controls.units) for each in levels],
        "annotation": [_agreement(each, score, response, links) for each, score in zip(parsed, scores, strict=True)],
    }


def expression(levels: Sequence[float], units: str) -> str:
    """Whether genes with these mean readings are all expressed: the column ``expressed`` of `target_columns`."""
    if not levels:
        return NO_GENE
    if np.isnan(levels).any():
        return NOT_MEASURED
    total = log1p_target(units)
    if total is None:
        return NOT_JUDGED
    return YES if np.expm1(min(levels)) * min(1.0, _MOST / total) >= _EXPRESSED else NO


def _links(response: Response) -> Mapping[str, pd.DataFrame] | None:
    """Trusted links into the response, by factor; None where the table is not here."""
    try:
        table = regulons()
    except UnavailableError:
        return None
    kept = table[table["target"].isin(response.weights) & table["confidence"].isin(_TRUSTED)]
    return {str(factor): rows for factor, rows in kept.groupby("tf")}


def _agreement(
    perturbation: Perturbation, score: float, response: Response | None, links: Mapping[str, pd.DataFrame] | None
) -> str:
    if response is None:
        return NOT_JUDGED
    return UNAVAILABLE if links is None else _annotation(perturbation, score, response, links)


def _annotation(perturbation: Perturbation, score: float, response: Response, links: Mapping[str, pd.DataFrame]) -> str:
    expected, said = 0.0, []
    for agent in perturbation.agents:
        rows = links.get(agent.gene or "")
        if rows is None or not agent.direction:
            continue
        for target, link, confidence in zip(rows["target"], rows["link"], rows["confidence"], strict=True):
            if target == agent.gene:
                continue
            expected += agent.direction * float(link) * response.weights[target]
            said.append(f"{agent.gene} {'raises' if link > 0 else 'lowers'} {target}, DoRothEA {confidence}")
    if not expected or not score:
        return UNKNOWN
    return f"{AGREES if expected * score > 0 else CONTRADICTS}: {'; '.join(said)}"
