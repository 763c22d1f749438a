"""How well batches are mixed in an embedding, and how much biology is left: the scIB-style table."""

from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd

from aivc.core.errors import DataError
from integration_scores.embedding import (
    bras,
    cluster_agreement,
    isolated_labels,
    pcr_comparison,
    silhouette_label,
)
from integration_scores.graph import clisi, graph_connectivity, ilisi, kbet, near

BIO = ("isolated labels", "k-means NMI", "k-means ARI", "silhouette label", "cLISI")
BATCH = ("BRAS", "iLISI", "kBET", "graph connectivity", "PCR comparison")
_BIO_WEIGHT, _FEWEST = 0.6, 10


@final
@dataclass(frozen=True)
class Integration:
    """Scores of one embedding; every one is best at 1.

    They are not comparable across implementations, nor across sets of cells; report each, not the total alone.

    Attributes:
        scores: Each metric of `BIO` and `BATCH`; None where it is undefined.
        reasons: Why, for those that are None.
    """

    scores: dict[str, float | None]
    reasons: dict[str, str]

    @property
    def bio(self) -> float | None:
        """Mean of the defined metrics of biology kept."""
        return self._mean(BIO)

    @property
    def batch(self) -> float | None:
        """Mean of the defined metrics of batches mixed."""
        return self._mean(BATCH)

    @property
    def total(self) -> float | None:
        """``0.6 bio + 0.4 batch``; None where either is."""
        if self.bio is None or self.batch is None:
            return None
        return _BIO_WEIGHT * self.bio + (1 - _BIO_WEIGHT) * self.batch

    def to_json(self) -> dict[str, float | None]:
        """Every score and the three means, rounded to 4 digits."""
        means = {"bio": self.bio, "batch": self.batch, "total": self.total}
        return {name: None if x is None else round(x, 4) for name, x in (self.scores | means).items()}

    def _mean(self, names: tuple[str, ...]) -> float | None:
        known = [score for name in names if (score := self.scores[name]) is not None]
        return float(np.mean(known)) if known else None


def integration(
    embedding: np.ndarray,
    labels: np.ndarray,
    batches: np.ndarray,
    *,
    before: np.ndarray | None = None,
    seed: int = 0,
) -> Integration:
    """Score an embedding by the metrics of Luecken et al. 2022 (Nat Methods 19:41) as scib-metrics 0.5.10 has them.

    Args:
        embedding: ``(n, d)`` states of cells.
        labels: ``(n,)`` cell types, or whatever biology is to be kept.
        batches: ``(n,)`` batches to be mixed.
        before: ``(n, f)`` values before integration, such as principal components; the PCR comparison needs them.
        seed: Draws the starts of k-means.

    Raises:
        DataError: Lengths disagree, values are not finite, a label or batch is missing, or there are fewer than 10
            cells.

    >>> x_nd = np.repeat(np.eye(3) * 9, 40, axis=0) + np.random.default_rng(0).normal(size=(120, 3))
    >>> kept = integration(x_nd, np.repeat(["a", "b", "c"], 40), np.tile(["one", "two"], 60))
    >>> kept.scores["k-means ARI"], kept.reasons["PCR comparison"]
    (1.0, 'Values before integration were not given: pass before=.')
    """
    labels, batches = np.asarray(labels), np.asarray(batches)
    if problems := _problems(embedding, labels, batches, before):
        raise DataError(problems)
    labels, batches = labels.astype(str), batches.astype(str)
    scores: dict[str, float | None] = dict.fromkeys((*BIO, *BATCH))
    neighbours = near(embedding)
    scores["graph connectivity"] = graph_connectivity(neighbours, labels)
    if len(np.unique(labels)) > 1:
        scores["isolated labels"] = isolated_labels(embedding, labels, batches)
        scores["k-means NMI"], scores["k-means ARI"] = cluster_agreement(embedding, labels, seed=seed)
        scores["silhouette label"] = silhouette_label(embedding, labels)
        scores["cLISI"] = clisi(neighbours, labels)
    if len(np.unique(batches)) > 1:
        scores["BRAS"] = bras(embedding, labels, batches)
        scores["iLISI"] = ilisi(neighbours, batches)
        scores["kBET"] = kbet(neighbours, labels, batches)
        scores["PCR comparison"] = None if before is None else pcr_comparison(before, embedding, batches)
    return Integration(scores, _reasons(scores, labels, batches, before))


def _reasons(
    scores: dict[str, float | None], labels: np.ndarray, batches: np.ndarray, before: np.ndarray | None
) -> dict[str, str]:
    reasons = {}
    for name in (name for name, score in scores.items() if score is None):
        if name in BIO:
            reasons[name] = f"Every cell has the label {labels[0]!r}: it takes two to tell apart."
        elif len(np.unique(batches)) == 1:
            reasons[name] = f"Every cell is of the batch {batches[0]!r}: it takes two to mix."
        elif name == "PCR comparison" and before is None:
            reasons[name] = "Values before integration were not given: pass before=."
        elif name == "PCR comparison":
            reasons[name] = "Batches explained nothing before integration, so there was nothing to remove."
        else:
            reasons[name] = "No label has enough cells in more than one batch."
    return reasons


def _problems(embedding: np.ndarray, labels: np.ndarray, batches: np.ndarray, before: np.ndarray | None) -> list[str]:
    n, problems = len(embedding), []
    if embedding.ndim != 2:
        return [f"An embedding has one row per cell and one column per axis; this has shape {embedding.shape}."]
    if n < _FEWEST:
        problems.append(f"Neighbourhoods need at least {_FEWEST} cells; there are {n}. Score more cells at once.")
    for name, values in (("labels", labels), ("batches", batches), ("values before", before)):
        if values is not None and len(values) != n:
            problems.append(f"There are {n} cells, but {len(values)} {name}. Align them.")
    for name, values in (("labels", labels), ("batches", batches)):
        if pd.isna(values).any():
            problems.append(f"{int(pd.isna(values).sum())} of the {name} are missing. Leave those cells out.")
    for name, values in (("embedding", embedding), ("values before", before)):
        if values is not None and not np.isfinite(values).all():
            problems.append(f"The {name} hold NaN or infinity. Leave those cells out, or embed them again.")
    return problems
