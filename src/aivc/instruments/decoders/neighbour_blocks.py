"""What stands around a cell, as columns of a regression: the same feature next door, the others, and who is there."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import sparse

from aivc.core.ur import UR
from aivc.data.tissue.rings import shell_means
from aivc.instruments.decoders.kernel_map import KernelMap

OWN = ("state", "type", "both", "nothing")
NEIGHBOURS = ("all", "same", "others", "none")
TYPE = "cell_type"
# A type seen once tells little of its mean: so many cells of the overall mean are added.
_SHRINK = 2.0
_FAINT = 0.05


class Around(NamedTuple):
    """Cells and what surrounds them.

    Attributes:
        kind: ``(n, c)`` 1 at the own type; a row of zeros where it is of no type of the fit.
        state: ``(n, d)`` own state less what is expected of its type.
        field: ``(n, s, d)`` mean over each shell of the neighbours' states less what is expected of their types.
        mixture: ``(n, s, c)`` share of each type in each shell.
    """

    kind: Float[np.ndarray, "n c"]
    state: Float[np.ndarray, "n d"]
    field: Float[np.ndarray, "n s d"]
    mixture: Float[np.ndarray, "n s c"]


class Design(NamedTuple):
    """Which columns each feature is read from.

    Attributes:
        own: What of the cell itself, one of `OWN`.
        neighbours: What of the neighbours, one of `NEIGHBOURS`.
        axis: ``(f,)`` the axis of the state that is the feature itself; -1 where none is.
        typical: ``(c + 1, f)`` reading expected of each type.
        curve: Of the cell and its shells (`laid`), where no axis is a feature; lines where it has no landmarks.
    """

    own: str
    neighbours: str
    axis: np.ndarray
    typical: Float[np.ndarray, "kinds f"]
    curve: KernelMap

    def blocks(self, given: Around) -> Iterator[tuple[list[np.ndarray], np.ndarray]]:
        """Blocks of columns, and which features are read from them: all from the same ones, or each from its own."""
        kind = [given.kind] if self.own in ("type", "both") else []
        if (self.axis < 0).all():
            yield [np.zeros((len(given.state), 1)), *kind, *self._shared(given)], np.arange(len(self.axis))
            return
        typical_nf = of_kind(given.kind, self.typical)
        for feature in range(len(self.axis)):
            own = self._own(given, int(self.axis[feature]))
            near = self._near(given, int(self.axis[feature]), typical_nf[:, feature])
            yield [np.zeros((len(given.state), 1)), *kind, *own, *near], np.array([feature])

    def _shared(self, given: Around) -> list[np.ndarray]:
        mixture = [_flat(given.mixture)] if self.neighbours in ("all", "others") else []
        if len(self.curve.landmarks):
            return [*mixture, self.curve(laid(given, self.own, self.neighbours))]
        state = [given.state] if self.own in ("state", "both") else []
        shells = [] if self.neighbours == "none" else list(np.moveaxis(given.field, 1, 0))
        return [*mixture, *state, *shells]

    def _own(self, given: Around, axis: int) -> list[np.ndarray]:
        if self.own not in ("state", "both"):
            return []
        others = _without(given.state, axis)
        return [others, others**2]

    def _near(self, given: Around, axis: int, typical_n: np.ndarray) -> list[np.ndarray]:
        found = []
        if self.neighbours in ("all", "same"):
            same = given.field[:, :, axis] if axis >= 0 else np.zeros(given.field.shape[:2])
            # Stain that spills, and light that is uneven, act in proportion to what is there.
            found += [same, same * typical_n[:, None]]
        if self.neighbours in ("all", "others"):
            found += [_without(given.field[:, shell], axis) for shell in range(given.field.shape[1])]
            found += [_flat(given.mixture)]
        return found


def laid(given: Around, own: str, neighbours: str) -> Float[np.ndarray, "n e"]:
    """``(n, e)`` the cell and its shells side by side; those further away count for less."""
    shells = [] if neighbours == "none" else list(np.moveaxis(given.field, 1, 0))
    state = [given.state] if own in ("state", "both") else []
    return np.concatenate([*state, *(shell / np.sqrt(s + 1) for s, shell in enumerate(shells))], axis=1)


def _flat(mixture_nsc: np.ndarray) -> np.ndarray:
    return mixture_nsc.reshape(len(mixture_nsc), -1)


def _without(values: np.ndarray, axis: int) -> np.ndarray:
    """Values with one column set to 0; the number of columns stays."""
    kept = np.array(values)
    if axis >= 0:
        kept[:, axis] = 0.0
    return kept


def kinds(ur: UR, types: np.ndarray) -> Float[np.ndarray, "n c"]:
    """``(n, c)`` 1 at the type that the column ``cell_type`` gives; no columns where no types are asked for."""
    found = np.zeros((len(ur), len(types)))
    if len(types):
        place_n = pd.Index(types).get_indexer(pd.Index(ur.entities[TYPE].astype(str)))
        known_n = np.flatnonzero(place_n >= 0)
        found[known_n, place_n[known_n]] = 1.0
    return found


def expected_by_kind(kind_nc: np.ndarray, values_nf: np.ndarray) -> np.ndarray:
    """``(c + 1, f)`` mean of each type, drawn a little to that of all, which is the last row."""
    mean_f = values_nf.sum(axis=0) / max(len(values_nf), 1)
    count_c = kind_nc.sum(axis=0)[:, None]
    return np.concatenate([(kind_nc.T @ values_nf + _SHRINK * mean_f) / (count_c + _SHRINK), mean_f[None]])


def of_kind(kind_nc: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """``(n, f)`` what is expected of each cell by its type; the mean of all where it has none."""
    return kind_nc @ expected[:-1] + (1 - kind_nc.sum(axis=1, keepdims=True)) * expected[-1]


def hidden(ur: UR) -> np.ndarray:
    """``(n,)`` True where nothing was measured: every axis has infinite variance."""
    if ur.variance is None:
        return np.zeros(len(ur), dtype=bool)
    return np.asarray(np.isinf(ur.variance).all(axis=1))


def around(ur: UR, kind_nc: np.ndarray, expected: np.ndarray, reach: int, source: np.ndarray) -> Around:
    """Describe cells by themselves and by what surrounds them.

    Where links have weights that differ, such as nearness, the weighted mean over them stands before the shells.

    A cell is no neighbour of its own, and a hidden cell is nobody's neighbour, nor a way to one.

    Args:
        ur: Cells with links; without links nobody has neighbours.
        kind_nc: ``(n, c)`` type of each.
        expected: ``(c + 1, d)`` state expected of each type (`expected_by_kind`).
        reach: Number of shells.
        source: ``(n, d)`` the states that neighbours are seen in; those of ``ur``, or a shuffle of them.
    """
    typical_nd = of_kind(kind_nc, expected)
    both_ne = np.concatenate([source - typical_nd, kind_nc], axis=1)
    links = visible_links(ur)
    means_nse, _ = shell_means(links, both_ne, reach)
    if reach and weighted(links):
        means_nse = np.concatenate([near_means(links, both_ne)[:, None], means_nse], axis=1)
    d = ur.space.dim
    return Around(kind_nc, ur.values - typical_nd, means_nse[..., :d], means_nse[..., d:])


def weighted(links: sparse.csr_matrix) -> bool:
    """Whether links have weights that differ."""
    return bool(links.nnz and np.ptp(links.data) > 0)


def near_means(links: sparse.csr_matrix, values: np.ndarray) -> np.ndarray:
    """``(n, d)`` means over the links by their weights; little where all neighbours are far away."""
    return np.asarray((links @ values) / (np.asarray(links.sum(axis=1)) + _FAINT * links.data.max()))


def visible_links(ur: UR) -> sparse.csr_matrix:
    """``(n, n)`` who sees whom: nobody sees itself, or a hidden cell. Without links nobody sees anyone."""
    n = len(ur)
    if ur.links is None:
        return sparse.csr_matrix((n, n), dtype=np.float32)
    links = sparse.coo_matrix(ur.links)
    kept = (links.row != links.col) & ~hidden(ur)[links.col] & (links.data > 0)
    ends = links.row[kept], links.col[kept]
    return sparse.csr_matrix((np.asarray(links.data[kept], dtype=np.float64), ends), shape=(n, n))


def shuffled_within(ur: UR, *, seed: int = 0) -> Float[np.ndarray, "n d"]:
    """``(n, d)`` states, each taken from another cell of the same type: what neighbours say but for their type.

    Args:
        ur: Cells; those hidden stay where they are. Without the column ``cell_type`` all are of one type.
        seed: Draws who gives to whom.
    """
    rng, values = np.random.default_rng(seed), ur.values.copy()
    own = ur.entities[TYPE].astype(str).to_numpy() if TYPE in ur.entities else np.full(len(ur), "all")
    seen = np.flatnonzero(~hidden(ur))
    for name in np.unique(own):
        rows = seen[own[seen] == name]
        values[rows] = ur.values[rng.permutation(rows)]
    return values
