"""All that annotations and interactions tell of a gene, with many axes and how much is known: for models of screens."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress

import numpy as np
import pandas as pd
from scipy import sparse

from aivc.core.errors import IntegrityError, WritingError
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.state import SETTINGS
from aivc.core.ur import UR
from aivc.data import catalog
from aivc.data.names.genes import FILES, resolve
from aivc.data.priors.gene_sets import gene_sets
from aivc.data.priors.interactions import read_intact, read_string

# Axes of each block. Part of the cache's key, as the version is.
AXES: Mapping[str, int] = {"go-terms": 256, "reactome-sets": 128, "interactions": 200, "amounts": 3}
_SOURCES = ("go-bp", "reactome", "ppi-intact", "string-experimental")
_SMALLEST, _LARGEST, _VERSION = 4, 600, 1


def gene_annotations(seed: int = 0) -> UR:
    """Represent human genes by terms, pathways and interactions; built once, then read from the cache.

    Other than in `aivc.data.priors.gene_priors`, axes are not scaled gene by gene and there are more of them: how much
    is known of a gene, and what only a few genes share, tell much of its effect in a screen. Blocks, in order: GO
    processes and Reactome pathways of 4 to 600 genes (weighted by inverse frequency, rows of length one, leading
    singular axes), the normalized graph of interactions (likewise), and the logarithms of the numbers of processes,
    pathways and partners. Unknown genes are zero in a block.

    Args:
        seed: Of the start of the decompositions.

    Returns:
        Rows named by current symbol, with columns ``covered_<block>`` and ``axes_<block>`` per block.

    Raises:
        UnavailableError: A source is nowhere here.
    """
    pinned = {source: [file.sha256 for file in catalog.entry(source).files] for source in (*FILES["human"], *_SOURCES)}
    settings = json.dumps([_VERSION, dict(AXES), _SMALLEST, _LARGEST, seed, pinned], sort_keys=True)
    fingerprint = hashlib.sha256(settings.encode()).hexdigest()[:16]
    folder = catalog.cache() / "annotations" / fingerprint
    if (folder / SETTINGS).is_file():
        # A build that was interrupted, or a damaged cache, is written anew below.
        with suppress(IntegrityError):
            return UR.load(folder)
    made = _build(seed, fingerprint)
    with suppress(WritingError):
        made.save(folder)
    return made


def _build(seed: int, fingerprint: str) -> UR:
    sets = [_current(gene_sets(name).values()) for name in ("go-bp", "reactome")]
    pairs = _pairs()
    genes = pd.Index(sorted(set().union(*(each for many in sets for each in many), pairs["a"], pairs["b"])))
    member_gs = [_members(genes, many) for many in sets]
    a, b = genes.get_indexer(pairs["a"]), genes.get_indexer(pairs["b"])
    half_gg = sparse.coo_matrix((np.ones(len(a)), (a, b)), shape=(len(genes), len(genes)))
    graph_gg = sparse.csr_matrix((half_gg + half_gg.T) > 0, dtype=np.float64)
    known_gb = np.column_stack([np.asarray(each.sum(axis=1)).ravel() for each in (*member_gs, graph_gg)])
    root_g = sparse.diags(1 / np.sqrt(np.maximum(known_gb[:, 2], 1)))
    matrices = [_weighted(each) for each in member_gs] + [sparse.csr_matrix(root_g @ graph_gg @ root_g)]
    blocks = [_axes(each, AXES[name], seed) for name, each in zip(AXES, matrices, strict=False)]
    values_gf = np.column_stack([*blocks, np.log1p(known_gb)])
    entities = pd.DataFrame({"known_as": np.asarray(genes, dtype=object)}, index=genes)
    covered = [*(known_gb > 0).T, np.ones(len(genes), dtype=bool)]
    for name, covered_g in zip(AXES, covered, strict=True):
        entities[f"covered_{name}"], entities[f"axes_{name}"] = covered_g, AXES[name]
    return UR(values_gf, Space("gene-annotations", Scale.MOLECULAR, values_gf.shape[1], fingerprint), entities)


def _current(sets: Iterable[frozenset[str]]) -> list[frozenset[str]]:
    """Sets by current symbols."""
    kept = list(sets)
    named = sorted(set().union(*kept))
    today = dict(zip(named, resolve(named).current, strict=True))
    return [frozenset(today[name] for name in each) for each in kept]


def _pairs() -> pd.DataFrame:
    """Interactions, by current symbols, in columns ``a`` and ``b``."""
    intact = read_intact()
    string = read_string(catalog.path("string-experimental"))
    ends = {"a": [*intact["gene_a"], *string["protein1"]], "b": [*intact["gene_b"], *string["protein2"]]}
    pairs = pd.DataFrame(ends).dropna()
    # Proteins without a gene name stand as "nan" in a source: joined, they would be one hub that does not exist.
    pairs = pairs[(pairs != "nan").all(axis=1)]
    named = {end: resolve(str(gene).rstrip(";") for gene in pairs[end]).current for end in ("a", "b")}
    found = pd.DataFrame(named)
    return found[found["a"] != found["b"]].drop_duplicates()


def _members(genes: pd.Index, sets: Iterable[frozenset[str]]) -> sparse.csr_matrix:
    """``(g, s)`` ones where a gene is in a set; very small and very large sets are left out."""
    rows = [np.sort(genes.get_indexer(pd.Index(sorted(each)))) for each in sets if _SMALLEST <= len(each) <= _LARGEST]
    columns = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    places = (np.concatenate(rows), columns)
    return sparse.csr_matrix((np.ones(len(columns)), places), shape=(len(genes), len(rows)))


def _weighted(member_gs: sparse.csr_matrix) -> sparse.csr_matrix:
    """Sets weighted by inverse frequency, rows of length one."""
    size_s = np.asarray(member_gs.sum(axis=0)).ravel()
    weighted = sparse.csr_matrix(member_gs @ sparse.diags(np.log(member_gs.shape[0] / size_s)))
    length_g = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel())
    return sparse.csr_matrix(sparse.diags(1 / np.maximum(length_g, 1e-12)) @ weighted)


def _axes(matrix: sparse.csr_matrix, dim: int, seed: int) -> np.ndarray:
    """Leading left singular vectors times singular values; the largest loading of each axis is positive."""
    # Slow to import, and most annotations are read, not made.
    from scipy.sparse.linalg import svds

    start = np.random.default_rng(seed).standard_normal(min(matrix.shape))
    left, strength, _ = svds(matrix, k=dim, v0=start)
    order = np.argsort(-strength, kind="stable")
    left, strength = left[:, order], strength[order]
    left = left * np.sign(left[np.abs(left).argmax(axis=0), np.arange(dim)])
    return np.asarray(left * strength)
