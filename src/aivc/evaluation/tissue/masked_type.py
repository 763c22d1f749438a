"""The type of a cell that is hidden, from everything but itself, in a donor never seen."""

from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np
import pandas as pd

from aivc.core.measurement import Measurement
from aivc.core.registry import DECODERS
from aivc.core.ur import UR
from aivc.data.priors.memberships import memberships
from aivc.data.tissue.graph import GraphRule, link
from aivc.evaluation.benchmarks.protocol import SHUFFLED, Protocol, ScoreRow
from aivc.evaluation.tissue.beyond_type import nearness
from aivc.evaluation.tissue.tissue_inputs import (
    fit_encoder,
    masked_states,
    require_known,
    rowhash,
    shuffled_within,
    states_of,
)

KNOWN = ("frequencies", "nearest-cell", "neighbors")
_TYPE = "cell_type"


@final
class MaskedType(Protocol):
    """Types of a share of cells of each donor, from the types around them; a donor is left out at a time.

    ``frequencies`` are those of training, ``nearest-cell`` the frequencies beside a nearest cell of the same type,
    ``neighbors`` the decoder ``neighbor-labels`` without the own state. An encoder of tissue is asked on memberships in
    types, with the cell itself hidden (`masked_states`), and read by ``tissue-labels``. Shuffled: types are exchanged
    among cells of a section.

    Settings: ``dataset``; ``graph``; ``nearness``, in µm, by which links weigh less; ``unknown``, a type never asked
    for; ``train`` and ``test``, ``[mod, seed, value]`` by which rows are drawn (`rowhash`); ``dim`` of an encoder.
    """

    def __init__(self) -> None:
        self._cells: Measurement | None = None

    def require(self, settings: Mapping[str, Any], methods: Sequence[str]) -> None:
        """See `Protocol.require`."""
        require_known(methods, KNOWN)

    def run(self, data: Mapping[str, Any], settings: Mapping[str, Any], method: str, seed: int) -> list[ScoreRow]:
        """See `Protocol.run`."""
        if self._cells is None:
            cells = memberships(data[settings["dataset"]].entities, _TYPE)
            cells = cells.replace(coordinates=data[settings["dataset"]].coordinates)
            linked = link(cells, GraphRule.parse(settings["graph"]))
            self._cells = linked.replace(links=nearness(linked, settings["nearness"]))
        cells, types = self._cells, self._cells.entities[_TYPE].astype(str).to_numpy()
        values = cells.dense()
        if method.endswith(SHUFFLED):
            values = values[shuffled_within(cells.entities["section"].to_numpy(), seed)]
        ur, rows = states_of(values, cells, "types"), []
        drawn = {
            part: _drawn(len(cells), settings[part]) & (types != settings["unknown"]) for part in ("train", "test")
        }
        donor = cells.entities["donor"].astype(str).to_numpy()
        for out in np.unique(donor):
            train, asked = drawn["train"] & (donor != out), np.flatnonzero(drawn["test"] & (donor == out))
            kept = [name for name in cells.features if name != settings["unknown"]]
            target = cells.replace(values=cells.dense() * train[:, None]).select(kept)
            names, p_mc = _probabilities(ur, target, asked, method.removesuffix(SHUFFLED), settings, seed)
            true = pd.Index(names).get_indexer(pd.Index(types[asked]))
            rows += _scored(method, str(out), p_mc, true)
        return rows


def _drawn(n: int, rule: Sequence[int]) -> np.ndarray:
    mod, seed, value = rule
    return rowhash(n, mod, seed) == value


def _probabilities(
    ur: UR, target: Measurement, asked: np.ndarray, method: str, settings: Mapping[str, Any], seed: int
) -> tuple[np.ndarray, np.ndarray]:
    y_nc = target.dense()
    if method == "frequencies":
        share = y_nc.sum(axis=0) / y_nc.sum()
        return target.features, np.tile(share, (len(asked), 1))
    if method == "nearest-cell":
        return target.features, _by_nearest(ur, y_nc, asked)
    if method == "neighbors":
        part: Any = DECODERS.load("neighbor-labels")
        fitted = part.fit(ur, target, own="nothing", seed=seed)
        return fitted.features, fitted.probabilities(ur, asked)
    seen = np.flatnonzero(y_nc.sum(axis=1) > 0)
    blank = np.tile(ur.values.mean(axis=0), (len(ur), 1))
    encoder = fit_encoder(method, target, ur, settings["dim"], {"rule": settings["graph"]}, seed)
    around = masked_states(encoder, target, ur, blank)
    reader: Any = DECODERS.load("tissue-labels")
    said = reader.fit(around.take(seen), target.take(seen), reach=0, seed=seed)
    return said.features, said.probabilities(around.take(asked))


def _by_nearest(ur: UR, y_nc: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """``(m, c)`` frequencies of training types beside a nearest cell of the type that is nearest here."""
    assert ur.links is not None
    links = ur.links.tocsr()
    nearest = np.array([links.indices[a:b][links.data[a:b].argmax()] if b > a else -1 for a, b in _spans(links.indptr)])
    beside = np.where(nearest >= 0, ur.values[nearest].argmax(axis=1), -1)
    overall = y_nc.sum(axis=0) / y_nc.sum()
    table = {kind: y_nc[beside == kind].sum(axis=0) + overall for kind in np.unique(beside)}
    return np.array([table[kind] / table[kind].sum() for kind in beside[asked]])


def _spans(indptr: np.ndarray) -> list[tuple[int, int]]:
    return list(zip(indptr[:-1].tolist(), indptr[1:].tolist(), strict=True))


def _scored(method: str, fold: str, p_mc: np.ndarray, true: np.ndarray) -> list[ScoreRow]:
    said = p_mc.argmax(axis=1)
    kinds = np.union1d(said, true)
    f1 = [2 * ((said == c) & (true == c)).sum() / ((said == c).sum() + (true == c).sum()) for c in kinds]
    likely = np.log(np.maximum(p_mc[np.arange(len(true)), true], 1e-12))
    return [
        ScoreRow(method, fold, "accuracy", float((said == true).mean())),
        ScoreRow(method, fold, "macro_f1", float(np.mean(f1))),
        ScoreRow(method, fold, "nll", float(-likely.mean()), "lower"),
    ]
