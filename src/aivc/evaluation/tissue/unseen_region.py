"""What cells of a type do in a region where they were never seen."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from scipy import sparse
from scipy.spatial import cKDTree

from aivc.core.measurement import Measurement
from aivc.core.registry import DECODERS, MANIPULATORS
from aivc.core.units import ARBITRARY
from aivc.core.ur import UR
from aivc.data.tissue.graph import GraphRule, link
from aivc.data.tissue.rings import shells
from aivc.evaluation.benchmarks.protocol import POOLED, SHUFFLED, Protocol, ScoreRow
from aivc.evaluation.tissue.tissue_inputs import (
    digits,
    fit_encoder,
    masked_states,
    require_known,
    rowhash,
    shuffled_within,
    states_of,
    type_means,
)

KNOWN = ("region-shift", "nearest-of-type", "half-of-cells")
MANIPULATOR = "tissue-response.v1"
_CEILING, _DRAWS, _TYPE = "half-of-cells", 1000, "cell_type"


@final
@dataclass(frozen=True, eq=False)
class _Tissue:
    """Log-normalized cells with links among those that are seen, and who is hidden."""

    cells: Measurement
    values: np.ndarray
    types: np.ndarray
    regions: np.ndarray
    hidden: np.ndarray

    def change(self, expected: np.ndarray, cell_type: str) -> np.ndarray:
        """Mean of hidden cells less the mean of what is seen of their type."""
        seen = (self.types == cell_type) & ~self.hidden
        return np.asarray(expected - self.values[seen].mean(axis=0))


@final
class UnseenRegion(Protocol):
    """Every cell of a type in a region is hidden, as a sample and as a neighbour; its mean change is asked for.

    ``region-shift`` adds what the other types do there, ``nearest-of-type`` takes the nearest seen cell of the type,
    ``half-of-cells`` is half of the hidden cells beside the other half. ``tissue-response.v1`` is asked what it expects
    of the hidden cells; an encoder of tissue is asked with the cell itself hidden (`masked_states`), and read with the
    type (decoder ``tissue-expression``). Shuffled: neighbours' expression is exchanged among cells of one type, so
    types and composition stay.

    ``pearson`` is the mean over pairs of type and region, ``skill`` is 1 - sum of squared errors / sum of squared
    changes over all pairs; 0 is no change. Their intervals draw pairs.

    Settings: ``dataset``; ``region``, a column, or ``regions_by_row`` with ``region_names``; ``rows``, a text with a
    dot for rows left aside; ``fewest_counts`` of a gene; ``neighbors``, of each cell; ``pairs``; ``dim`` of an encoder.
    """

    def __init__(self) -> None:
        self._made: tuple[Measurement, np.ndarray] | None = None

    def require(self, settings: Mapping[str, Any], methods: Sequence[str]) -> None:
        """See `Protocol.require`."""
        require_known(methods, KNOWN, (MANIPULATOR,))

    def run(self, data: Mapping[str, Any], settings: Mapping[str, Any], method: str, seed: int) -> list[ScoreRow]:
        """See `Protocol.run`."""
        cells, regions = self._read(data, settings)
        types, values = cells.entities[_TYPE].astype(str).to_numpy(), cells.dense()
        names, truths, answers = [], [], []
        for cell_type, region in settings["pairs"]:
            hidden = (types == cell_type) & (regions == region)
            linked = _linked(cells, hidden, settings["neighbors"])
            tissue = _Tissue(linked, values, types, regions, hidden)
            # Half of the cells are compared with the other half, everything else with all of them.
            truth = values[hidden][rowhash(int(hidden.sum()), 2) == 1] if method == _CEILING else values[hidden]
            truths.append(tissue.change(truth.mean(axis=0), cell_type))
            answers.append(tissue.change(_expected(tissue, cell_type, region, method, settings, seed), cell_type))
            names.append(f"{cell_type} | {region}")
        return list(_scored(method, names, np.array(truths), np.array(answers), seed))

    def _read(self, data: Mapping[str, Any], settings: Mapping[str, Any]) -> tuple[Measurement, np.ndarray]:
        if self._made is None:
            cells: Measurement = data[settings["dataset"]]
            regions = _regions(cells, settings)
            rows = np.arange(len(cells))
            if "rows" in settings:
                rows = np.flatnonzero(digits(settings["rows"], len(cells)) >= 0)
            counts = cells.dense()[rows].astype(np.float64)
            total = counts.sum(axis=1)
            x = np.log1p(counts * (np.median(total) / np.maximum(total, 1))[:, None])
            genes = cells.features[counts.sum(axis=0) >= settings.get("fewest_counts", 0)]
            made = cells.take(rows).replace(values=x, units=ARBITRARY).select(genes)
            self._made = (made.replace(links=None), regions[rows])
        return self._made


def _regions(cells: Measurement, settings: Mapping[str, Any]) -> np.ndarray:
    if "regions_by_row" not in settings:
        return cells.entities[settings["region"]].astype(str).to_numpy()
    codes = digits(settings["regions_by_row"], len(cells))
    return np.array(settings["region_names"])[codes]


def _linked(cells: Measurement, hidden: np.ndarray, number: int) -> Measurement:
    """Seen cells among each other, and hidden ones with the nearest seen ones: nobody has a hidden neighbour."""
    kept, asked = np.flatnonzero(~hidden), np.flatnonzero(hidden)
    among = sparse.coo_matrix(link(cells.take(kept), GraphRule("nearest", float(number))).links)
    assert cells.coordinates is not None
    _, near = cKDTree(cells.coordinates[kept]).query(cells.coordinates[asked], k=number)
    rows = np.concatenate([kept[among.row], np.repeat(asked, number)])
    columns = np.concatenate([kept[among.col], kept[near.ravel()]])
    links = sparse.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape=(len(cells),) * 2)
    return cells.replace(links=links)


def _expected(
    tissue: _Tissue, cell_type: str, region: str, method: str, settings: Mapping[str, Any], seed: int
) -> np.ndarray:
    """``(f,)`` mean state that is expected of the hidden cells."""
    name, hidden, values = method.removesuffix(SHUFFLED), tissue.hidden, tissue.values
    if name == _CEILING:
        half = rowhash(int(hidden.sum()), 2) == 0
        return np.asarray(values[hidden][half].mean(axis=0))
    if name == "nearest-of-type":
        own = np.flatnonzero((tissue.types == cell_type) & ~hidden)
        assert tissue.cells.coordinates is not None
        _, near = cKDTree(tissue.cells.coordinates[own]).query(tissue.cells.coordinates[hidden])
        return np.asarray(values[own[near]].mean(axis=0))
    if name == "region-shift":
        return _region_shift(tissue, cell_type, region)
    # A hidden cell must not come to stand at the place of one that is seen.
    apart = np.where(hidden, "", tissue.types)
    source = values[shuffled_within(apart, seed)] if method.endswith(SHUFFLED) else values
    if name == MANIPULATOR:
        return _by_response(tissue, source, seed)
    return _by_encoder(tissue, source, name, settings, seed)


def _region_shift(tissue: _Tissue, cell_type: str, region: str) -> np.ndarray:
    """What is seen of the type, and the mean change of other types between this region and all others."""
    seen, inside = ~tissue.hidden, tissue.regions == region
    shifts = []
    for other in np.unique(tissue.types):
        own = (tissue.types == other) & seen
        if other != cell_type and min((own & inside).sum(), (own & ~inside).sum()) >= 5:
            means = [tissue.values[own & where].mean(axis=0) for where in (inside, ~inside)]
            shifts.append(means[0] - means[1])
    base = tissue.values[(tissue.types == cell_type) & seen].mean(axis=0)
    return np.asarray(base + np.mean(shifts, axis=0) if shifts else base)


def _by_response(tissue: _Tissue, source: np.ndarray, seed: int) -> np.ndarray:
    """The map from surroundings to states, fitted on seen cells with neighbours seen in ``source``."""
    ur = states_of(tissue.values, tissue.cells, "genes")
    kept = np.flatnonzero(~tissue.hidden)
    train = ur.take(kept)
    train = UR(train.values, train.space, train.entities.assign(region=tissue.regions[kept]), links=train.links)
    part: Any = MANIPULATORS.load(MANIPULATOR)
    fitted = part.fit(train, blocks="region", draws=0, seed=seed)
    shuffled = source is not tissue.values
    # Its last map was fitted with neighbours shuffled within their types.
    by = fitted.maps[-1] if shuffled else fitted.maps[0]
    others = states_of(source, tissue.cells, "genes")
    said = by(*fitted.given.of(others, _averages(tissue.cells.links, fitted.given.reach)))
    return np.asarray((fitted.given.center + said)[tissue.hidden].mean(axis=0))


def _averages(links: Any, reach: int) -> list[sparse.csr_matrix]:
    made = []
    for ring in shells(links, reach):
        count = np.diff(ring.indptr)
        made.append(
            sparse.csr_matrix((np.repeat(1 / np.maximum(count, 1), count), ring.indices, ring.indptr), ring.shape)
        )
    return made


def _by_encoder(tissue: _Tissue, source: np.ndarray, name: str, settings: Mapping[str, Any], seed: int) -> np.ndarray:
    cells, seen = tissue.cells, ~tissue.hidden
    parts = states_of(source, cells, "genes")
    kept = np.flatnonzero(seen)
    encoder = fit_encoder(name, cells.take(kept), parts.take(kept), settings["dim"], {}, seed)
    blank = type_means(tissue.values, tissue.types, seen)
    around = masked_states(encoder, cells, parts, blank, tissue.hidden)
    observed = np.broadcast_to(seen[:, None], tissue.values.shape).copy()
    part: Any = DECODERS.load("tissue-expression")
    settings_of = {"own": "both", "neighbours": "none", "reach": 0, "landmarks": 0, "seed": seed}
    fitted = part.fit(around, cells.replace(observed=observed), **settings_of)
    return np.asarray(fitted.expect(around)[0][tissue.hidden].mean(axis=0))


def _scored(
    method: str, names: Sequence[str], truth_pf: np.ndarray, answer_pf: np.ndarray, seed: int
) -> Iterator[ScoreRow]:
    error, size = ((truth_pf - answer_pf) ** 2).sum(axis=1), (truth_pf**2).sum(axis=1)
    r_p = np.array(
        [np.corrcoef(a, b)[0, 1] if b.std() > 1e-12 else 0.0 for a, b in zip(truth_pf, answer_pf, strict=True)]
    )
    rng, every = np.random.default_rng(seed), np.arange(len(names))
    drawn = [rng.choice(every, len(every)) for _ in range(_DRAWS)]
    for name, r, e, s in zip(names, r_p, error, size, strict=True):
        yield ScoreRow(method, name, "pearson", float(r))
        yield ScoreRow(method, name, "skill", float(1 - e / s))
    ends = np.quantile([r_p[rows].mean() for rows in drawn], [0.025, 0.975])
    yield ScoreRow(method, POOLED, "pearson", float(r_p.mean()), low=float(ends[0]), high=float(ends[1]))
    ends = np.quantile([1 - error[rows].sum() / size[rows].sum() for rows in drawn], [0.025, 0.975])
    yield ScoreRow(
        method, POOLED, "skill", float(1 - error.sum() / size.sum()), low=float(ends[0]), high=float(ends[1])
    )
