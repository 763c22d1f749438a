"""The keys of squidpy: positions and neighbors of an AnnData as it writes and reads them."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from scipy import sparse

from aivc.core.measurement import Measurement, broken_links
from aivc.data.io.schema import Schema

SPATIAL = "spatial"
CONNECTIVITIES, DISTANCES, NEIGHBORS = "spatial_connectivities", "spatial_distances", "spatial_neighbors"


def wanted_links(schema: Schema, there: Iterable[str]) -> str | None:
    """The key in obsp that is read as neighbors; None where there is none to read.

    Args:
        schema: Names a key, or leaves it to squidpy's where coordinates lie in obsm.
        there: Keys of obsp.
    """
    if schema.links is not None:
        return schema.links.removeprefix("obsp:")
    return CONNECTIVITIES if schema.coordinate_key is not None and CONNECTIVITIES in there else None


def no_positions(key: str, there: Iterable[str]) -> str:
    """Say that a key of obsm is not there."""
    listed = ", ".join(map(str, there)) or "none"
    return f"There is no obsm key {key!r} for coordinates; there are: {listed}. Correct coordinates in the schema."


def no_links(key: str, there: Iterable[str]) -> str:
    """Say that a key of obsp is not there."""
    listed = ", ".join(map(str, there)) or "none"
    return f"There is no obsp key {key!r} for links; there are: {listed}. Correct links in the schema."


def sound_links(matrix: Any, n: int, key: str) -> tuple[sparse.csr_matrix | None, list[str], list[str]]:
    """Check a matrix of neighbors.

    Args:
        matrix: Sparse or dense.
        n: Number of entities.
        key: Of obsp, for messages.

    Returns:
        ``(n, n)`` links without those of an entity to itself, or None; problems; and notes.
    """
    if matrix.ndim != 2 or matrix.dtype.kind not in "biuf":
        return None, [f"obsp[{key!r}] is no matrix of numbers. Compute the neighbors again."], []
    links = sparse.csr_matrix(matrix, dtype=np.float32, copy=True)
    if problems := [f"obsp[{key!r}]: {text}" for text in broken_links(links, n)]:
        return None, problems, []
    own = int(np.count_nonzero(links.diagonal()))
    links = sparse.csr_matrix(links - sparse.diags(links.diagonal(), dtype=np.float32))
    links.eliminate_zeros()
    directed = int((links != links.T).nnz)
    notes = [f"obsp[{key!r}] is read as neighbors: {links.nnz} links."]
    notes += [f"{own} links of obsp[{key!r}] join an entity with itself and are left out."] if own else []
    # The k nearest of squidpy go one way.
    notes += (
        [f"{directed} entries of obsp[{key!r}] differ from their mirror: neighbors go one way."] if directed else []
    )
    return links, [], notes


def spatial_keys(measurement: Measurement) -> dict[str, dict[str, Any]]:
    """What squidpy expects in an AnnData: ``obsm``, ``obsp`` and ``uns``, as far as the measurement has it.

    Returns:
        ``obsm["spatial"]``; and with links also ``obsp["spatial_connectivities"]`` (float32), ``spatial_distances``
        (float64, in the unit of the positions) and ``uns["spatial_neighbors"]``.
    """
    made: dict[str, dict[str, Any]] = {"obsm": {}, "obsp": {}, "uns": {}}
    if measurement.coordinates is not None:
        made["obsm"][SPATIAL] = np.asarray(measurement.coordinates, dtype=np.float64)
    if measurement.links is None:
        return made
    links = sparse.csr_matrix(measurement.links, dtype=np.float32)
    made["obsp"][CONNECTIVITIES] = links
    kind = "grid" if measurement.provenance.get("coordinates", {}).get("lattice") else "generic"
    made["uns"][NEIGHBORS] = {"connectivities_key": CONNECTIVITIES, "params": {"coord_type": kind}}
    if measurement.coordinates is not None:
        made["obsp"][DISTANCES] = _distances(links, made["obsm"][SPATIAL])
        made["uns"][NEIGHBORS]["distances_key"] = DISTANCES
    return made


def _distances(links: sparse.csr_matrix, points: np.ndarray) -> sparse.csr_matrix:
    rows = np.repeat(np.arange(links.shape[0]), np.diff(links.indptr))
    length = np.linalg.norm(points[rows] - points[links.indices], axis=1)
    return sparse.csr_matrix((length, links.indices.copy(), links.indptr.copy()), shape=links.shape)
