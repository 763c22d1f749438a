"""Labels of cells or spots where they were never seen: in a new patient, or in another part of a section."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, final

import numpy as np
import pandas as pd
from scipy import sparse

from aivc.core.measurement import Measurement
from aivc.core.registry import DECODERS, ENCODERS
from aivc.core.scale import Scale
from aivc.core.ur import UR
from aivc.data.priors.memberships import memberships
from aivc.data.tissue.clusters import k_means, squares
from aivc.data.tissue.graph import GraphRule, link
from aivc.evaluation.benchmarks.protocol import POOLED, SHUFFLED, Protocol, ScoreRow
from aivc.evaluation.tissue.tissue_inputs import (
    auroc,
    digits,
    far_from,
    fit_encoder,
    macro_f1,
    require_known,
    shells_of,
    shuffled_links,
    states_of,
    variable_genes,
)

KNOWN = ("most-frequent", "total-counts", "position", "own", "composition")
_LABEL, _FEWEST = "asked", 10


@final
class HeldOutLabels(Protocol):
    """States are fitted on training cells, the decoder ``tissue-labels`` on their labels, and others are asked.

    Methods are encoders of tissue, on states of ``factor-analysis``. ``own`` is the state of a cell alone,
    ``composition`` the shells of ten clusters of states, ``position`` a quadratic of coordinates, ``total-counts`` the
    log total. Shuffled: cells exchange neighbours within their section.

    Settings: ``dataset``; ``label``, the column; ``unknown``, values that are no label; ``positive``, values that make
    one class of two; ``leave_out``, a column, or ``rows``, a text with the fold of each row and a dot for rows that are
    left aside; ``buffer``, the distance from tested cells within which no cell trains; ``genes``, ``width`` (axes of a
    cell and of each shell), ``graph`` (``rule``, ``reach``, ``by_section``); ``metrics``.
    """

    def __init__(self) -> None:
        self._made: dict[str, UR] = {}
        self._cells: Measurement | None = None

    def require(self, settings: Mapping[str, Any], methods: Sequence[str]) -> None:
        """See `Protocol.require`."""
        require_known(methods, KNOWN)

    def run(self, data: Mapping[str, Any], settings: Mapping[str, Any], method: str, seed: int) -> list[ScoreRow]:
        """See `Protocol.run`."""
        cells = self._read(data, settings)
        label, seen = cells.entities[_LABEL].to_numpy(), cells.entities[_LABEL].to_numpy() != ""
        best, likely = np.full(len(cells), "", dtype=object), np.zeros(len(cells))
        rows, folds = [], _folds(cells, settings)
        for fold, test in folds.items():
            assert cells.coordinates is not None
            train = far_from(cells.coordinates, test, settings.get("buffer", 0.0))
            names, p_nc = self._asked(cells, train, method, settings, fold, seed)
            best[test] = names[p_nc[test].argmax(axis=1)]
            if "positive" in settings:
                likely[test] = p_nc[test, list(names).index("positive")]
            asked = test & seen
            rows += _scored(method, fold, label[asked], best[asked], likely[asked], settings)
        if "positive" not in settings:
            rows += _scored(method, POOLED, label[seen], best[seen], likely[seen], settings)
        return rows

    def _read(self, data: Mapping[str, Any], settings: Mapping[str, Any]) -> Measurement:
        if self._cells is None:
            cells: Measurement = data[settings["dataset"]]
            label = cells.entities[settings["label"]].astype(str).to_numpy()
            label = np.where(np.isin(label, settings["unknown"]), "", label)
            if "positive" in settings:
                two = np.where(np.isin(label, settings["positive"]), "positive", "negative")
                label = np.where(label == "", "", two)
            entities = cells.entities.assign(**{_LABEL: label.astype(object)})
            if "rows" in settings:
                entities["fold"] = digits(settings["rows"], len(cells)).astype(str)
            cells = cells.replace(entities=entities)
            if "rows" in settings:
                cells = cells.take(np.flatnonzero(entities["fold"] != "-1"))
            self._cells = link(cells, GraphRule.parse(settings["graph"]["rule"]))
        return self._cells

    def _asked(
        self, cells: Measurement, train: np.ndarray, method: str, settings: Mapping[str, Any], fold: str, seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Names of the classes, and ``(n, c)`` probabilities from a fit on training labels."""
        label = np.where(train, cells.entities[_LABEL].to_numpy(), "")
        if method == "most-frequent":
            names, count = np.unique(label[label != ""], return_counts=True)
            return names, np.tile(count / count.sum(), (len(cells), 1))
        ur, reach = self._states(cells, train, method, settings, fold, seed)
        ur = replace(ur, entities=ur.entities.assign(**{_LABEL: label}))
        seen = np.flatnonzero(train)
        known = memberships(ur.entities.iloc[seen], _LABEL, scale=ur.space.scale)
        part: Any = DECODERS.load("tissue-labels")
        fitted = part.fit(ur.take(seen), known, reach=reach, neighbors=method != "own", seed=seed)
        return fitted.features, fitted.probabilities(ur)

    def _states(
        self, cells: Measurement, train: np.ndarray, method: str, settings: Mapping[str, Any], fold: str, seed: int
    ) -> tuple[UR, int]:
        name, rows = method.removesuffix(SHUFFLED), np.flatnonzero(train)
        if name in ("total-counts", "position"):
            return states_of(_plain(cells, name, rows), cells, name), 0
        parts = self._parts(cells, rows, settings, fold, seed)
        graph = settings["graph"]
        if name == "composition":
            # Clusters of states without what differs between sections; their shares keep what differs.
            own = fit_encoder(
                "shells", cells.take(rows), parts.take(rows), settings["width"], {**graph, "reach": 0}, seed
            )
            parts = _clustered(
                own.encode(cells, **own.given(parts)).values, cells, rows, settings.get("clusters", 10), seed
            )
            graph = {**graph, "by_section": False}
        if method.endswith(SHUFFLED):
            cells = shuffled_links(cells, seed)
        dim = settings["width"] * (graph["reach"] + 1)
        used = "shells" if name in ("own", "composition") else name
        encoder = fit_encoder(used, cells.take(rows), parts.take(rows), dim, graph, seed)
        return encoder.encode(cells, **encoder.given(parts)), shells_of(encoder)

    def _parts(self, cells: Measurement, train: np.ndarray, settings: Mapping[str, Any], fold: str, seed: int) -> UR:
        if fold not in self._made:
            x = variable_genes(cells, train, settings["genes"]).replace(links=None)
            part = ENCODERS.load(settings.get("encoder", "factor-analysis"))
            self._made[fold] = part.fit(x.take(train), dim=settings["width"], seed=seed).encode(x)
        return self._made[fold]


def _folds(cells: Measurement, settings: Mapping[str, Any]) -> dict[str, np.ndarray]:
    fold_n = cells.entities[settings.get("leave_out", "fold")].astype(str).to_numpy()
    return {str(name): fold_n == name for name in np.unique(fold_n)}


def _plain(cells: Measurement, name: str, train: np.ndarray) -> np.ndarray:
    if name == "total-counts":
        return np.log1p(sparse.csr_matrix(cells.values).sum(axis=1).A1.astype(np.float64)[:, None])
    assert cells.coordinates is not None
    z = (cells.coordinates - cells.coordinates[train].mean(axis=0)) / cells.coordinates[train].std(axis=0)
    return np.column_stack([z, z**2, z[:, 0] * z[:, 1]])


def _clustered(values: np.ndarray, cells: Measurement, train: np.ndarray, number: int, seed: int) -> UR:
    """Membership in clusters that were found among training states."""
    centers, _ = k_means(values[train], number, seed=seed)
    kind = squares(values, centers).argmin(axis=1)
    named = pd.DataFrame({"kind": kind.astype(str)}, index=cells.entities.index)
    return states_of(memberships(named, "kind", scale=Scale.CELLULAR).dense(), cells, "clusters")


def _scored(
    method: str, fold: str, own: np.ndarray, best: np.ndarray, likely: np.ndarray, settings: Mapping[str, Any]
) -> list[ScoreRow]:
    rows = []
    for metric in settings["metrics"]:
        if metric == "auroc":
            truth = own == "positive"
            if min(truth.sum(), (~truth).sum()) < _FEWEST:
                note = f"{fold} has {truth.sum()} positive and {(~truth).sum()} negative cells"
                rows.append(ScoreRow(method, fold, metric, None, note=note))
                continue
            rows.append(ScoreRow(method, fold, metric, auroc(likely, truth)))
        else:
            value = macro_f1(own, best) if metric == "macro_f1" else float((own == best).mean())
            rows.append(ScoreRow(method, fold, metric, value))
    return rows
