"""What is already known about genes, as a molecular UR: a prior for genes that were never perturbed."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import sparse

from aivc.core.errors import DataError, IntegrityError, UnknownNameError, WritingError
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.state import SETTINGS
from aivc.core.ur import UR
from aivc.data import catalog
from aivc.data.names.gene_files import open_text
from aivc.data.names.genes import FILES, resolve
from aivc.data.priors.interactions import read_intact, read_string
from aivc.data.priors.spectra import leading_axes

# Axes per block. Part of the cache's key: change a number and priors are built anew.
DIMS: Mapping[str, int] = {"ppi": 64, "go": 64, "reactome": 32}
SOURCES: Mapping[str, tuple[str, ...]] = {
    "ppi": ("ppi-intact", "string-experimental"),
    "go": ("go-bp",),
    "reactome": ("reactome",),
}
_RESTART, _STEPS, _LANDMARKS = 0.5, 10, 2000
_VERSION = 4


def gene_priors(
    genes: Sequence[str] | None = None, *, blocks: Sequence[str] = ("ppi", "go", "reactome"), seed: int = 0
) -> UR:
    """Represent genes by their interactions and annotations; built once, then read from the cache.

    Each block is scaled to length one per gene. A gene that a block does not know has zeros there, with the prior
    variance ``1 / block axes``; where it is known the variance is 0. Genes that no block knows are not rows:
    `missing` lists them.

    Args:
        genes: Human genes by any name that `aivc.data.names.genes.resolve` understands; None means every known gene, by
            current symbol.
        blocks: Which of ``ppi``, ``go`` and ``reactome``, in this order of axes.
        seed: For the landmarks of the interaction graph and the start of the decompositions.

    Returns:
        Rows named as asked, with columns ``known_as`` (symbol in the sources) and ``covered_<block>`` per block.

    Raises:
        UnknownNameError: No such block.
        UnavailableError: A source, or a file of gene names, is nowhere here.
    """
    for block in blocks:
        if block not in DIMS:
            raise UnknownNameError("block of gene knowledge", block, DIMS)
    known = _cached(tuple(blocks), seed)
    if genes is None:
        return known
    asked = list(dict.fromkeys(genes))
    rows = known.entities.index.get_indexer(pd.Index(resolve(asked).current, dtype=object))
    found = known.take(rows[rows >= 0])
    entities = found.entities.set_axis([gene for gene, row in zip(asked, rows, strict=True) if row >= 0], axis=0)
    return UR(found.values, found.space, entities, found.variance)


def block_slices(ur: UR) -> dict[str, slice]:
    """Which axes of a prior belong to which block, in order.

    A block's width stands in its column ``axes_<block>``; the blocks of `gene_priors` have theirs by name.

    Raises:
        DataError: A block does not say how wide it is.

    >>> import pandas as pd
    >>> table = pd.DataFrame({"known_as": ["A"], "covered_reactome": [True]}, index=["A"])
    >>> block_slices(UR(np.ones((1, 32)), Space("gene-knowledge", Scale.MOLECULAR, 32, ""), table))
    {'reactome': slice(0, 32, None)}
    """
    names = [str(column).removeprefix("covered_") for column in ur.entities if str(column).startswith("covered_")]
    widths = [_width(name, ur) for name in names]
    ends = np.cumsum(widths).tolist()
    return {name: slice(end - width, end) for name, width, end in zip(names, widths, ends, strict=True)}


def _width(block: str, ur: UR) -> int:
    column = f"axes_{block}"
    if column in ur.entities and len(ur):
        return int(ur.entities[column].iloc[0])
    if block not in DIMS:
        raise DataError([f"Block {block!r} does not say how many axes it has. Give the table a column {column}."])
    return DIMS[block]


def missing(genes: Iterable[str], ur: UR) -> list[str]:
    """Those of the genes asked for that have no row in a prior."""
    return [gene for gene in dict.fromkeys(genes) if gene not in ur.entities.index]


def _cached(blocks: tuple[str, ...], seed: int) -> UR:
    sources = [*FILES["human"], *(source for block in blocks for source in SOURCES[block])]
    pinned = {source: [file.sha256 for file in catalog.entry(source).files] for source in sources}
    settings = [_VERSION, blocks, [DIMS[block] for block in blocks], seed, _RESTART, _STEPS, _LANDMARKS, pinned]
    fingerprint = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
    folder = catalog.cache() / "knowledge" / fingerprint
    if (folder / SETTINGS).is_file():
        try:
            return UR.load(folder)
        except IntegrityError:
            # A build that was interrupted, or a damaged cache: what follows writes it anew.
            pass
    ur = _build(blocks, seed, fingerprint)
    # A cache that cannot be written to only costs the time of building it again.
    with suppress(WritingError):
        ur.save(folder)
    return ur


def _build(blocks: tuple[str, ...], seed: int, fingerprint: str) -> UR:
    pieces = {block: _block(block, seed) for block in blocks}
    genes = pd.Index(sorted(set().union(*(names for names, _ in pieces.values()))))
    values = np.zeros((len(genes), sum(DIMS[block] for block in blocks)))
    variance = np.zeros_like(values)
    entities = pd.DataFrame({"known_as": np.asarray(genes, dtype=object)}, index=genes)
    start = 0
    for block, (names, block_gd) in pieces.items():
        axes = slice(start, start + DIMS[block])
        start = axes.stop
        entities[f"covered_{block}"] = genes.isin(names)
        values[genes.get_indexer(pd.Index(names)), axes] = block_gd
        variance[~entities[f"covered_{block}"].to_numpy(), axes] = 1 / DIMS[block]
    space = Space("gene-knowledge", Scale.MOLECULAR, values.shape[1], fingerprint)
    return UR(values, space, entities, variance)


def _block(block: str, seed: int) -> tuple[list[str], np.ndarray]:
    if block == "ppi":
        genes, graph = _graph()
        matrix: np.ndarray | sparse.csr_matrix = _proximity(graph, seed)
    else:
        genes, matrix = _tfidf(_read_sets(catalog.path(SOURCES[block][0])))
    return genes, leading_axes(matrix, DIMS[block], seed)


def _graph() -> tuple[list[str], sparse.csr_matrix]:
    intact = read_intact()
    string = read_string(catalog.path("string-experimental"))
    pairs = pd.DataFrame(
        {
            "a": [*intact["gene_a"], *string["protein1"]],
            "b": [*intact["gene_b"], *string["protein2"]],
            "weight": [*np.full(len(intact), 0.5), *(string["conf"] / 1000)],
        }
    )
    # Proteins without a gene name stand blank or as "nan" in the sources: joined, they would be one hub that does not
    # exist.
    pairs = pairs[(pairs[["a", "b"]] != "nan").all(axis=1)].dropna(subset=["a", "b"])
    for end in ("a", "b"):
        pairs[end] = resolve(str(gene).rstrip(";") for gene in pairs[end]).current
    # The same pair may stand in both directions, twice within a source; the strongest evidence of each counts once.
    pairs = pairs[pairs["a"] != pairs["b"]]
    genes = pd.Index(sorted({*pairs["a"], *pairs["b"]}))
    a, b = genes.get_indexer(pairs["a"]), genes.get_indexer(pairs["b"])
    ends = pd.DataFrame({"a": np.minimum(a, b), "b": np.maximum(a, b), "weight": pairs["weight"].to_numpy()})
    ends = ends.groupby(["a", "b"], as_index=False)["weight"].max()
    half = sparse.coo_matrix((ends["weight"], (ends["a"], ends["b"])), shape=(len(genes), len(genes)))
    return list(genes), sparse.csr_matrix(half + half.T)


def _proximity(graph: sparse.csr_matrix, seed: int) -> Float[np.ndarray, "g landmarks"]:
    """Log proximity of every gene to random landmark genes, by random walks with restart at the landmark.

    All pairs would need gigabytes; a sample of columns spans the same leading axes.
    """
    n = graph.shape[0]
    landmarks = np.sort(np.random.default_rng(seed).permutation(n)[:_LANDMARKS])
    degree = np.asarray(graph.sum(axis=0)).ravel()
    walk = sparse.csr_matrix(graph @ sparse.diags(1 / degree), dtype=np.float32)
    start = np.zeros((n, len(landmarks)), dtype=np.float32)
    start[landmarks, np.arange(len(landmarks))] = 1
    reach = start.copy()
    for _ in range(_STEPS):
        reach = walk @ reach
        reach *= 1 - _RESTART
        reach += _RESTART * start
    # One over n is what a walk without any direction would give: below it, differences mean nothing.
    proximity = np.log1p(reach * n)
    return proximity - proximity.mean(axis=0)


def _read_sets(path: Path) -> list[set[str]]:
    """Sets of current symbols; each line holds a name, a description, and genes with or without a weight."""
    with open_text(path) as lines:
        rows = [[item.split(",")[0] for item in line.rstrip("\n").split("\t")[2:] if item] for line in lines]
    named = sorted(set().union(*rows))
    today = dict(zip(named, resolve(named).current, strict=True))
    return [{today[name] for name in row} for row in rows]


def _tfidf(sets: Sequence[set[str]]) -> tuple[list[str], sparse.csr_matrix]:
    """Genes by sets, a set counting the more the fewer genes it holds."""
    genes = pd.Index(sorted(set().union(*sets)))
    rows = [genes.get_indexer(pd.Index(sorted(members))) for members in sets]
    weights = [np.full(len(row), np.log(len(genes) / len(row))) for row in rows]
    columns = np.repeat(np.arange(len(sets)), [len(row) for row in rows])
    shape = (len(genes), len(sets))
    return list(genes), sparse.csr_matrix((np.concatenate(weights), (np.concatenate(rows), columns)), shape=shape)
