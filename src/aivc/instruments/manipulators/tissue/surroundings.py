"""What surrounds a cell: its type, the mean states and the composition of its shells."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float
from scipy import sparse

from aivc.core.ur import UR
from aivc.data.tissue.edits import CELL_TYPE
from aivc.data.tissue.rings import shells

# Types differ on so many axes: slopes of alike types are alike.
_TYPE_AXES = 6
_ONE_TYPE = "all"


@final
@dataclass(frozen=True, eq=False)
class Surroundings:
    """How the surroundings of a cell become numbers.

    Attributes:
        types: ``t`` cell types; one where cells have none.
        profile: ``(t, a)`` each type on the axes on which types differ most, of mean square 1 over the cells.
        center: ``(d,)`` mean state.
        loadings: ``(d, q)`` leading axes of the states, which neighbours are read on.
        unit: ``(reach,)`` root mean square of the mean state of each shell.
        share: Root mean square of the composition of the first shell.
        composition: ``(t,)`` mean composition of the first shell.
    """

    types: tuple[str, ...]
    profile: Float[np.ndarray, "t a"]
    center: Float[np.ndarray, " d"]
    loadings: Float[np.ndarray, "d q"]
    unit: Float[np.ndarray, " reach"]
    share: float
    composition: Float[np.ndarray, " t"]

    @property
    def reach(self) -> int:
        """Number of shells."""
        return len(self.unit)

    def codes(self, ur: UR) -> np.ndarray:
        """``(n,)`` which type each cell is of; the number of types for one that was not there in training."""
        place = {name: i for i, name in enumerate(self.types)}
        return np.array([place.get(name, len(place)) for name in type_names(ur)], dtype=int)

    def means(self, rings: Sequence[sparse.csr_matrix], states: np.ndarray) -> np.ndarray:
        """``(n, reach, q)`` mean of each shell on the leading axes, in units; 0, the average, where nobody is.

        Args:
            rings: Who is in which shell (`averages`).
            states: ``(n, d)`` differences from the center, or changes of states.
        """
        read = states @ self.loadings
        return np.stack([ring @ read / unit for ring, unit in zip(rings, self.unit, strict=True)], axis=1)

    def shares(self, rings: Sequence[sparse.csr_matrix], codes: np.ndarray) -> np.ndarray:
        """``(n, t)`` composition of the first shell, less the average one; 0 where nobody is."""
        member = np.eye(len(self.types) + 1)[codes][:, :-1]
        known = np.diff(rings[0].indptr)[:, None] > 0
        return np.where(known, rings[0] @ member - self.composition, 0.0) / self.share

    def of(self, ur: UR, rings: Sequence[sparse.csr_matrix]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Types ``(n,)``, shell means ``(n, reach, q)`` and composition ``(n, t)`` of every cell."""
        codes = self.codes(ur)
        return codes, self.means(rings, ur.values - self.center), self.shares(rings, codes)


def averages(links: sparse.csr_matrix | None, n: int, reach: int) -> list[sparse.csr_matrix]:
    """``(n, n)`` for each shell, the matrix that averages over it; without entries where nobody is.

    Args:
        links: Who is whose neighbour; None where nobody is.
        n: Number of cells.
        reach: Number of shells.
    """
    if links is None:
        return [sparse.csr_matrix((n, n)) for _ in range(reach)]
    rings = []
    for ring in shells(links, reach):
        counts = np.diff(ring.indptr)
        shared = np.repeat(1 / np.maximum(counts, 1), counts)
        rings.append(sparse.csr_matrix((shared, ring.indices, ring.indptr), shape=ring.shape))
    return rings


def surroundings(ur: UR, rings: Sequence[sparse.csr_matrix], *, axes: int) -> Surroundings:
    """Learn the axes and units from training cells.

    Args:
        ur: Cells with their types, where they have any.
        rings: Who is in which shell (`averages`).
        axes: Number of leading axes of the states.
    """
    names = type_names(ur)
    types, codes = np.unique(names, return_inverse=True)
    center = ur.values.mean(axis=0)
    states = ur.values - center
    loadings = _leading(states, axes)
    share_t = np.bincount(codes) / len(codes)
    mean_td = np.array([states[codes == code].mean(axis=0) for code in range(len(types))])
    profile = mean_td @ _leading(mean_td * np.sqrt(share_t)[:, None], min(_TYPE_AXES, max(len(types) - 1, 1)))
    profile /= np.sqrt(max(float(share_t @ (profile**2).mean(axis=1)), 1e-12))
    zero = np.zeros(len(types))
    plain = Surroundings(tuple(map(str, types)), profile, center, loadings, np.ones(len(rings)), 1.0, zero)
    shares = plain.shares(rings, codes)
    composition = shares.mean(axis=0)
    share = _size(shares - composition)
    unit = np.array([_size(each) for each in plain.means(rings, states).transpose(1, 0, 2)])
    return Surroundings(plain.types, profile, center, loadings, unit, share, composition)


def type_names(ur: UR) -> np.ndarray:
    """``(n,)`` cell types as texts; one for all where there is no such column."""
    if CELL_TYPE not in ur.entities:
        return np.full(len(ur), _ONE_TYPE, dtype=object)
    return ur.entities[CELL_TYPE].astype(str).to_numpy(dtype=object)


def _leading(states: np.ndarray, axes: int) -> np.ndarray:
    _, vectors = np.linalg.eigh(states.T @ states)
    chosen = vectors[:, ::-1][:, : min(axes, states.shape[1])]
    # The sign of an axis is arbitrary: the largest loading is positive.
    return np.ascontiguousarray(chosen * np.sign(chosen[np.abs(chosen).argmax(axis=0), np.arange(chosen.shape[1])]))


def _size(values: np.ndarray) -> float:
    size = float(np.sqrt((values**2).sum(axis=1).mean()))
    return size if size > 0 else 1.0
