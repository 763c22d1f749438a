"""What neighbours say of the expression of a cell beyond its own type."""

from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np
from scipy import sparse

from aivc.core.axes import Axes
from aivc.core.measurement import Measurement
from aivc.core.registry import DECODERS
from aivc.core.units import ARBITRARY
from aivc.core.ur import UR
from aivc.data.tissue.graph import GraphRule, link
from aivc.evaluation.benchmarks.protocol import POOLED, SHUFFLED, Protocol, ScoreRow
from aivc.evaluation.tissue.tissue_inputs import (
    digits,
    far_from,
    fit_encoder,
    masked_states,
    require_known,
    shuffled_within,
    states_of,
    type_means,
)

FORMS: dict[str, dict[str, Any]] = {
    "type": {"own": "type", "neighbours": "none"},
    "neighbors": {"own": "type"},
    "same-gene": {"own": "type", "neighbours": "same"},
    "other-genes": {"own": "type", "neighbours": "others"},
    "own-genes": {"own": "both", "neighbours": "none"},
    "own-genes+neighbors": {"own": "both"},
}
_DRAWS, _TYPE = 1000, "cell_type"


@final
class BeyondType(Protocol):
    """Each gene is read from a cell's type and what surrounds it, in blocks of the section that were held out.

    ``neighbors`` and its parts are forms of the decoder ``tissue-expression``: ``same-gene`` sees only the gene asked
    for next door, which holds spill-over and smooth staining, ``other-genes`` all but it. An encoder of tissue is asked
    with the cell itself hidden (`masked_states`), and read with the type. Shuffled: neighbours' expression is exchanged
    among cells of one type.

    R² is pooled over folds, its reference the training mean, and the mean is over genes. Its interval draws blocks.

    Settings: ``dataset``; ``rows``, the fold of each row and a dot for rows left aside; ``graph``; ``nearness``, in µm,
    by which links weigh less; ``buffer``, in µm; ``dim`` of an encoder.
    """

    def __init__(self) -> None:
        self._cells: Measurement | None = None

    def require(self, settings: Mapping[str, Any], methods: Sequence[str]) -> None:
        """See `Protocol.require`."""
        require_known(methods, FORMS)

    def run(self, data: Mapping[str, Any], settings: Mapping[str, Any], method: str, seed: int) -> list[ScoreRow]:
        """See `Protocol.run`."""
        cells = self._read(data, settings)
        fold_n, ur = cells.entities["fold"].to_numpy(), states_of(cells.dense(), cells, "genes")
        source = None
        if method.endswith(SHUFFLED):
            source = ur.values[shuffled_within(ur.entities[_TYPE].to_numpy(), seed)]
        left, whole = [], []
        for fold in np.unique(fold_n):
            asked = fold_n == fold
            assert cells.coordinates is not None
            train = far_from(cells.coordinates, asked, settings["buffer"])
            read = self._read_out(cells, ur, source, train, method, settings, seed)
            left.append(((ur.values - read)[asked] ** 2).sum(axis=0))
            whole.append(((ur.values - ur.values[train].mean(axis=0))[asked] ** 2).sum(axis=0))
        return _scored(method, list(map(str, np.unique(fold_n))), np.array(left), np.array(whole), seed)

    def _read(self, data: Mapping[str, Any], settings: Mapping[str, Any]) -> Measurement:
        if self._cells is None:
            cells: Measurement = data[settings["dataset"]]
            fold = digits(settings["rows"], len(cells))
            cells = cells.replace(entities=cells.entities.assign(fold=fold)).take(np.flatnonzero(fold >= 0))
            counts = cells.dense().astype(np.float64)
            total = counts.sum(axis=1, keepdims=True)
            x = np.log1p(counts * np.median(total) / np.maximum(total, 1))
            made = cells.replace(values=(x - x.mean(axis=0)) / x.std(axis=0), units=ARBITRARY)
            made = link(made, GraphRule.parse(settings["graph"]))
            self._cells = made.replace(links=nearness(made, settings["nearness"]))
        return self._cells

    def _read_out(
        self,
        cells: Measurement,
        ur: UR,
        source: np.ndarray | None,
        train: np.ndarray,
        method: str,
        settings: Mapping[str, Any],
        seed: int,
    ) -> np.ndarray:
        seen = cells.replace(observed=np.broadcast_to(train[:, None], cells.values.shape).copy())
        part: Any = DECODERS.load("tissue-expression")
        name = method.removesuffix(SHUFFLED)
        if name in FORMS:
            axes = Axes(cells.features, np.zeros(len(cells.features)), np.zeros((len(cells.features), 0)))
            fitted = part.fit(ur, seen, axes=axes, source=source, seed=seed, **FORMS[name])
            return np.asarray(fitted.expect(ur, source)[0])
        given = ur if source is None else states_of(source, cells, "genes")
        blank = type_means(ur.values, ur.entities[_TYPE].to_numpy(), train)
        encoder = fit_encoder(name, cells, given, settings["dim"], {"rule": settings["graph"]}, seed)
        around = masked_states(encoder, cells, given, blank)
        fitted = part.fit(around, seen, own="both", neighbours="none", reach=0, seed=seed)
        return np.asarray(fitted.expect(around)[0])


def nearness(cells: Measurement, width: float) -> sparse.csr_matrix:
    """Links that weigh less the longer they are, by a gaussian of this width."""
    assert cells.links is not None
    assert cells.coordinates is not None
    links = sparse.coo_matrix(cells.links)
    away = np.linalg.norm(cells.coordinates[links.row] - cells.coordinates[links.col], axis=1)
    return sparse.csr_matrix((np.exp(-0.5 * (away / width) ** 2) + 1e-9, (links.row, links.col)), shape=links.shape)


def _scored(method: str, folds: Sequence[str], left_kg: np.ndarray, whole_kg: np.ndarray, seed: int) -> list[ScoreRow]:
    def r2(drawn: np.ndarray) -> np.ndarray:
        return np.asarray(1 - left_kg[drawn].sum(axis=0) / whole_kg[drawn].sum(axis=0))

    every, rng = np.arange(len(folds)), np.random.default_rng(seed)
    drawn = [r2(rng.choice(every, len(every))).mean() for _ in range(_DRAWS)]
    low, high = map(float, np.quantile(drawn, [0.025, 0.975]))
    rows = [ScoreRow(method, fold, "r2", float(r2(every[[i]]).mean())) for i, fold in enumerate(folds)]
    median = ScoreRow(method, POOLED, "r2_median", float(np.median(r2(every))))
    return [*rows, ScoreRow(method, POOLED, "r2", float(r2(every).mean()), low=low, high=high), median]
