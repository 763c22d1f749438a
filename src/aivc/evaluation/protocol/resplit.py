"""Cuts the measured cells of a question in half in several ways, so that the replicate does not hang on one draw."""

from types import MappingProxyType

import numpy as np
import pandas as pd
from scipy import sparse

from aivc.core.measurement import Measurement
from aivc.data.splits.split import REPLICATE, SCORE, column
from aivc.data.streaming.stream import random_ranks
from aivc.experiments.fitting.summary import Summary

PIECES = 3
# Which pieces of the scoring half and of the replicate half make up one half; all others make up the other. The first
# is the split's own. No two of the five are alike, and none is another turned round.
RESPLITS = tuple(
    MappingProxyType({SCORE: scoring, REPLICATE: replicate})
    for scoring, replicate in (
        ({0, 1, 2}, set()),
        ({0, 1}, {0}),
        ({0, 2}, {1}),
        ({0}, {0, 2}),
        ({0}, {1, 2}),
    )
)
# A half of fewer cells than this is not cut: its pieces would be cells, not samples.
_FEWEST = 12
# Profiles and variances of all pieces must fit into this many numbers.
_ROOM = 40_000_000


def pieces(measurement: Measurement, parts: np.ndarray) -> np.ndarray | None:
    """Cut both halves of every question into three pieces, balanced over batches.

    Args:
        measurement: The data.
        parts: ``(n,)`` what each entity is for.

    Returns:
        ``(n,)`` 0, 1 or 2, 0 for what belongs to no half; None where there are no halves, or profiles of so many pieces
        would fill the memory.
    """
    if measurement.is_effects:
        return None
    table = pd.DataFrame({name: column(measurement, name) for name in ("context", "perturbation", "donor", "batch")})
    table["part"] = parts
    halves = np.isin(parts, [SCORE, REPLICATE])
    profiles = len(table[halves].drop_duplicates()) * PIECES
    if not halves.any() or 2 * profiles * len(measurement.features) > _ROOM:
        return None
    table["rank"] = random_ranks(measurement.entities.index, 1)
    within = ["context", "perturbation", "donor", "part"]
    ordered = table[halves].sort_values([*within, "batch", "rank"])
    grouped = ordered.groupby(within, sort=False)
    rank, size = grouped.cumcount(), grouped["rank"].transform("size")
    found = np.zeros(len(measurement), dtype=np.int64)
    found[ordered.index.to_numpy()] = np.where(size >= _FEWEST, rank % PIECES, 0)
    return found


def merge(summary: Summary) -> Summary:
    """Put the pieces of every part together again; means and variances come out as if never cut."""
    table = summary.profiles.entities
    names = [name for name in table if name not in ("cells", "block")]
    code_p, labels = pd.factorize(pd.MultiIndex.from_frame(table[names]))
    weight_p, values = summary.profiles.mass, summary.profiles.dense()
    cells = np.bincount(code_p, weight_p)
    mean = _sums(code_p, weight_p[:, None] * values, len(cells)) / cells[:, None]
    # The spread within the pieces and between them; a piece of one cell has none within.
    within = np.nan_to_num(summary.variance_of(slice(None))) * np.maximum(weight_p - 1, 0)[:, None]
    between = weight_p[:, None] * (values - mean[code_p]) ** 2
    spread = _sums(code_p, within + between, len(cells))
    free = np.where(cells > 1, cells - 1, np.nan)
    entities = pd.DataFrame(list(labels), columns=names).assign(cells=cells)
    entities.index = pd.Index(["|".join(map(str, row)) for row in labels], dtype=object)
    return Summary(summary.profiles.replace(values=mean, entities=entities), spread / free[:, None], summary.sample)


def _sums(code_p: np.ndarray, values_pf: np.ndarray, groups: int) -> np.ndarray:
    rows = np.arange(len(code_p))
    return np.asarray(sparse.csr_matrix((np.ones(len(rows)), (code_p, rows)), shape=(groups, len(rows))) @ values_pf)
