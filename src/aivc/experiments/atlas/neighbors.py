"""The nearest of many states: all of them are looked at where they are few, and the likeliest lists where not."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float, Int

from aivc.core.errors import DataError
from aivc.core.state import State

EXACT, LISTS = "exact", "inverted-lists"
# Up to here every state is looked at; beyond, those of the lists whose centers are nearest.
_EXACT_STATES = 50_000
_BLOCK = 2**22
_SAMPLE, _ROUNDS = 40, 6


@final
@dataclass(frozen=True, eq=False)
class Neighbors:
    """Nearest-neighbour search in the Euclidean distance, without another library.

    Beyond 50,000 states they are dealt to lists by the nearest of about ``sqrt(n)`` centers (inverted lists; Jégou et
    al. 2011, IEEE TPAMI 33:117), and a question looks into the ``probes`` nearest lists. That is approximate: `kind`
    says so.

    Attributes:
        states: ``(n, d)`` list after list.
        rows: ``(n,)`` which row of what was given each state is.
        centers: ``(l, d)`` of the lists; one for an exact search.
        starts: ``(l + 1,)`` where each list begins.
        probes: How many lists are looked into.
    """

    name: ClassVar[str] = "neighbors"
    states: Float[np.ndarray, "n d"]
    rows: Int[np.ndarray, " n"]
    centers: Float[np.ndarray, "l d"]
    starts: Int[np.ndarray, " l1"]
    probes: int

    @classmethod
    def of(cls, values: np.ndarray, *, exact: bool | None = None, probes: int = 32, seed: int = 0) -> "Neighbors":
        """Prepare a search.

        Args:
            values: ``(n, d)`` states to find.
            exact: Whether every state is looked at; None decides by their number.
            probes: How many lists are looked into otherwise; more is slower and finds more.
            seed: Draws the centers.

        Raises:
            DataError: There are no states.

        >>> Neighbors.of(np.array([[0.0], [3.0], [4.0]])).find(np.array([[3.9]]), 2)[0].tolist()
        [[2, 1]]
        """
        x_nd = np.ascontiguousarray(values, dtype=np.float32)
        if not len(x_nd):
            raise DataError(["There are no states to search. Add some."])
        if exact or (exact is None and len(x_nd) <= _EXACT_STATES):
            ends = np.array([0, len(x_nd)], dtype=np.int64)
            return cls(x_nd, np.arange(len(x_nd)), x_nd.mean(axis=0, keepdims=True), ends, 1)
        centers = _centers(x_nd, max(int(np.sqrt(len(x_nd))), 1), np.random.default_rng(seed))
        return cls._dealt(x_nd, centers, _assigned(x_nd, centers), probes)

    @classmethod
    def _dealt(cls, x_nd: np.ndarray, centers: np.ndarray, list_n: np.ndarray, probes: int) -> "Neighbors":
        order = np.argsort(list_n, kind="stable")
        starts = np.searchsorted(list_n[order], np.arange(len(centers) + 1)).astype(np.int64)
        return cls(x_nd[order], order, centers, starts, probes)

    @property
    def kind(self) -> str:
        """``exact`` or ``inverted-lists``, which is approximate."""
        return EXACT if len(self.centers) == 1 else LISTS

    def find(self, asked: np.ndarray, k: int) -> tuple[Int[np.ndarray, "q k"], Float[np.ndarray, "q k"]]:
        """Find the nearest states of each row asked about, nearest first.

        Args:
            asked: ``(q, d)``.
            k: How many; at most as many as there are.

        Returns:
            Which rows, and their distances.
        """
        asked_qd, k = np.ascontiguousarray(asked, dtype=np.float32), min(k, len(self.states))
        if self.kind == EXACT:
            step = max(_BLOCK // len(self.states), 1)
            parts = [_nearest(asked_qd[i : i + step], self.states, k) for i in range(0, len(asked_qd), step)]
        else:
            parts = [self._probe(row, k) for row in asked_qd[:, None]]
        if not parts:
            return np.zeros((0, k), dtype=np.int64), np.zeros((0, k), dtype=np.float64)
        return self.rows[np.concatenate([at for at, _ in parts])], np.concatenate([far for _, far in parts])

    def find_apart(
        self, asked: np.ndarray, k: int, asked_of: np.ndarray, found_of: np.ndarray
    ) -> tuple[Int[np.ndarray, "q k"], Float[np.ndarray, "q k"]]:
        """Find the nearest states that do not share a value with the row asked about; every state is looked at.

        Args:
            asked: ``(q, d)``.
            k: How many; at most as many as there are apart from each value.
            asked_of: ``(q,)`` such as the patient of each row.
            found_of: ``(n,)`` the same of each state, in the order in which they were given.

        Returns:
            Which rows, and their distances.

        Raises:
            DataError: All states share the value of a row.

        >>> found = Neighbors.of(np.array([[0.0], [3.0]]))
        >>> found.find_apart(np.array([[2.5]]), 1, np.array(["b"]), np.array(["a", "b"]))
        (array([[0]]), array([[2.5]]))
        """
        values, apart = np.unique(asked_of), {name: np.flatnonzero(found_of != name) for name in np.unique(asked_of)}
        fewest = min(map(len, apart.values()), default=0)
        if not fewest:
            raise DataError([f"All states that could be found are of {values[0]!r} too. Search among others as well."])
        k = min(k, fewest)
        x_nd = np.empty_like(self.states)
        x_nd[self.rows] = self.states
        rows, far = np.zeros((len(asked), k), dtype=np.int64), np.zeros((len(asked), k))
        for name, kept in apart.items():
            own = np.flatnonzero(asked_of == name)
            step = max(_BLOCK // len(kept), 1)
            for start in range(0, len(own), step):
                block = own[start : start + step]
                near, rows_far = _nearest(np.ascontiguousarray(asked[block], dtype=np.float32), x_nd[kept], k)
                rows[block], far[block] = kept[near], rows_far
        return rows, far

    def _probe(self, row_1d: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        near = np.argsort(((self.centers - row_1d) ** 2).sum(axis=1), kind="stable")
        held = np.cumsum(np.diff(self.starts)[near])
        lists = near[: max(self.probes, int(np.searchsorted(held, k)) + 1)]
        spans = [(int(self.starts[each]), int(self.starts[each + 1])) for each in lists]
        places = np.concatenate([np.arange(start, stop) for start, stop in spans])
        at, far = _nearest(row_1d, np.concatenate([self.states[start:stop] for start, stop in spans]), k)
        return places[at], far

    def state(self) -> State:
        """All but the states themselves, which whoever keeps the search keeps anyway."""
        arrays = {"rows": self.rows, "centers": self.centers, "starts": self.starts}
        return State({"kind": self.kind, "probes": self.probes}, arrays)

    @classmethod
    def from_state(cls, state: State, values: np.ndarray) -> "Neighbors":
        """Inverse of `state`, given the states in their first order."""
        rows = state.arrays["rows"]
        x_nd = np.ascontiguousarray(values, dtype=np.float32)[rows]
        return cls(x_nd, rows, state.arrays["centers"], state.arrays["starts"], int(state.settings["probes"]))


def _nearest(asked_qd: np.ndarray, x_nd: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    squared_qn = (x_nd**2).sum(axis=1) - 2 * (asked_qd @ x_nd.T)
    close_qk = (
        np.argpartition(squared_qn, k - 1, axis=1)[:, :k]
        if k < len(x_nd)
        else np.tile(np.arange(len(x_nd)), (len(asked_qd), 1))
    )
    # The difference itself, not the expanded square, so that equal states are at distance zero.
    far_qk = np.sqrt(((x_nd[close_qk] - asked_qd[:, None]).astype(np.float64) ** 2).sum(axis=2))
    order = np.lexsort((close_qk, far_qk), axis=1)
    return np.take_along_axis(close_qk, order, axis=1), np.take_along_axis(far_qk, order, axis=1)


def _centers(x_nd: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Lloyd's algorithm on a sample; a center that lost its states takes the place of a random one."""
    sample = x_nd[np.sort(rng.permutation(len(x_nd))[: count * _SAMPLE])]
    centers = sample[rng.permutation(len(sample))[:count]].copy()
    for _ in range(_ROUNDS):
        list_n = _assigned(sample, centers)
        order = np.argsort(list_n, kind="stable")
        held, first = np.unique(list_n[order], return_index=True)
        sums = np.add.reduceat(sample[order], first, axis=0)
        centers[held] = sums / np.diff([*first, len(sample)])[:, None]
        lost = np.setdiff1d(np.arange(count), held)
        centers[lost] = sample[rng.permutation(len(sample))[: len(lost)]]
    return centers


def _assigned(x_nd: np.ndarray, centers: np.ndarray) -> np.ndarray:
    step, half_l = max(_BLOCK // len(centers), 1), (centers**2).sum(axis=1) / 2
    found = np.zeros(len(x_nd), dtype=np.int64)
    for start in range(0, len(x_nd), step):
        found[start : start + step] = (half_l - x_nd[start : start + step] @ centers.T).argmin(axis=1)
    return found
