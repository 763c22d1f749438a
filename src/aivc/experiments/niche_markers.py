"""Genes that mark a niche, compared within each section, and names of niches from types and genes together."""

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pandas as pd

from aivc.core.measurement import Measurement
from aivc.core.units import COUNTS
from aivc.data.streaming.normalize import normalize, profile_units
from aivc.data.tissue.graph import sections
from aivc.experiments.niches import niche_names

_MIXED = "mixed"


def niche_markers(niche_n: np.ndarray, tissue: Measurement, *, most: int = 2000) -> pd.DataFrame:
    """Say which features are higher in each niche than in the rest of the same sections.

    The difference of means is taken in each section that holds the niche and other cells, so that depth and patient
    fall out, and averaged over sections by how many cells tell them apart. ``z`` is that difference by its standard
    error over cells (Welch). Cells beside each other are no independent samples, so it ranks features and is no test.

    Args:
        niche_n: ``(n,)`` number of the niche of each cell.
        tissue: Their measurement; counts are log-normalized.
        most: At most so many features, those that vary most.

    Returns:
        A row for each niche and feature: ``niche``, ``feature``, ``difference`` (of means, in units of the values),
        ``z`` and ``sections`` (how many), the largest z of each niche first.
    """
    profile = normalize(tissue, profile_units(tissue)) if tissue.units == COUNTS else tissue
    x_nf, names = profile.dense().astype(np.float64), profile.features.astype(str)
    if len(names) > most:
        kept = np.sort(np.argsort(-x_nf.var(axis=0), kind="stable")[:most])
        x_nf, names = x_nf[:, kept], names[kept]
    found = []
    for niche in np.unique(niche_n):
        difference, z, count = _against_rest(x_nf, niche_n == niche, sections(tissue))
        order = np.argsort(-z, kind="stable")
        found.append(
            pd.DataFrame({"niche": niche, "feature": names, "difference": difference, "z": z, "sections": count}).iloc[
                order
            ]
        )
    return pd.concat(found, ignore_index=True)


def _against_rest(
    x_nf: np.ndarray, inside_n: np.ndarray, places: list[np.ndarray]
) -> tuple[np.ndarray, np.ndarray, int]:
    total, weight, error, used = np.zeros(x_nf.shape[1]), 0.0, np.zeros(x_nf.shape[1]), 0
    for rows in places:
        own, rest = x_nf[rows[inside_n[rows]]], x_nf[rows[~inside_n[rows]]]
        if min(len(own), len(rest)) < 2:
            continue
        cells = len(own) * len(rest) / (len(own) + len(rest))
        total += cells * (own.mean(axis=0) - rest.mean(axis=0))
        error += cells**2 * (own.var(axis=0, ddof=1) / len(own) + rest.var(axis=0, ddof=1) / len(rest))
        weight, used = weight + cells, used + 1
    if not used:
        return total, total, 0
    deviation = np.sqrt(error)
    return total / weight, np.where(deviation > 0, total / np.where(deviation > 0, deviation, 1.0), 0.0), used


def named_niches(
    types: pd.DataFrame | None, markers: pd.DataFrame, *, genes: int = 2, least: float = 3.0
) -> dict[int, str]:
    """Name each niche by enriched types and by genes that mark it, such as ``beta, alpha (INS, GCG)``.

    Args:
        types: As `aivc.experiments.niches.enrichment` gives it; None where there are no types.
        markers: As `niche_markers` gives it.
        genes: How many genes a name holds.
        least: z that counts.

    Returns:
        Number → name; no two are the same: a number is added where they would be.
    """
    by_type: Mapping[int, str] = {} if types is None else niche_names(types, least=least)
    made = {}
    for niche, rows in markers.groupby("niche"):
        own = ", ".join(rows["feature"][rows["z"] >= least][:genes])
        kind = by_type.get(int(niche), "")
        if kind in ("", _MIXED):
            made[int(niche)] = own or kind or _MIXED
        else:
            made[int(niche)] = f"{kind} ({own})" if own else kind
    twice = {name for name, count in Counter(made.values()).items() if count > 1}
    return {niche: f"{name} {niche}" if name in twice else name for niche, name in made.items()}
