"""Do cells come in the order in which their kinds are known to arise? From a root that is given, or without any."""

from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np

from aivc.core.errors import IntegrityError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.ur import UR
from aivc.evaluation.benchmarks.protocol import POOLED, SHUFFLED, Protocol, ScoreRow
from aivc.evaluation.time.velocity_direction import (
    directed_order,
    potential_order,
    to_next_kind,
    toward,
)
from aivc.experiments.atlas.neighbors import Neighbors
from aivc.experiments.fate import represented
from aivc.experiments.order import NEIGHBORS, order, order_without_root, pair_auroc
from aivc.experiments.splicing import Splicing

RANDOM = "random-order"
_WAYS = {"order": ("diffusion", "path"), "order-diffusion": ("diffusion",), "order-path": ("path",)}
_ANY_ROOT = "order" + SHUFFLED
_VELOCITIES = ("velocity", "velocity" + SHUFFLED, "velocity-swapped")
_OFF = "velocity-off"
_GIVEN = (*_WAYS, _ANY_ROOT, "root-distance", RANDOM)
_FREE = ("genes-detected", "genes-detected" + SHUFFLED, RANDOM)
_NEEDED = ("dataset", "rows", "column", "root", "pairs", "encoder", "axes", "roots", "resamples")
# Of velocities, where there are unspliced counts.
_MOVING = ("unspliced", "smooth", "shuffles")


@final
class KnownOrder(Protocol):
    """Each pair of kinds of which one comes later is a fold; scored is how often its later cell comes later (AUROC).

    With a ``root``, methods are ``order`` (mean rank of diffusion pseudotime and shortest paths), ``order-diffusion``
    and ``order-path``, and ``root-distance``, how far a cell is from the mean of the root. ``order:shuffled`` is given
    a cell drawn at random for a root, ``roots`` times, of which the mean is scored. Without a ``root`` they are
    ``genes-detected`` (``:shuffled``, its numbers exchanged among cells) and, with unspliced counts,
    ``unspliced-share``. A benchmark is of one of the two, so that no table holds both. ``random-order`` is the null of
    both: orders drawn at random, which is the same as labels permuted.

    With unspliced counts, ``velocity`` is, from a root, shortest paths on which a step along the velocity is shorter
    (``velocity-off``: the same paths without), and without a root the potential that fits velocities best.
    ``velocity:shuffled`` has unspliced counts permuted over cells, ``shuffles`` times, of which the mean is scored;
    ``velocity-swapped`` has the two layers exchanged.
    Their second metric, ``cosine_to_next``, is how well velocities point to neighbors of the kind that comes next.

    The interval draws cells anew within each kind; of methods that draw, it holds 95 % of what they drew.

    Settings: ``dataset``; ``rows``, number of cells; ``column`` of kinds; ``root``, a kind or nothing; ``pairs``, the
    earlier and the later kind of each; ``encoder`` and its ``axes``; ``roots`` drawn; ``resamples``. With velocities:
    ``unspliced``, a dataset; ``smooth``, the neighbors whose layers are averaged; ``shuffles``.
    """

    def __init__(self) -> None:
        self._states: UR | None = None
        self._near: tuple[np.ndarray, np.ndarray] | None = None
        self._directions: dict[str, float] = {}

    def require(self, settings: Mapping[str, Any], methods: Sequence[str]) -> None:
        """See `Protocol.require`."""
        wanted = (*_NEEDED, *_MOVING) if settings.get("unspliced") else _NEEDED
        if missing := [key for key in wanted if key not in settings]:
            raise IntegrityError(f"Settings of known-order lack {', '.join(missing)}. State them.")
        known = list(_GIVEN if settings["root"] else _FREE)
        if settings.get("unspliced"):
            known += [*_VELOCITIES, _OFF if settings["root"] else "unspliced-share"]
        for method in methods:
            if method not in known:
                advice = "Orders from a root and orders without one are asked by benchmarks of their own."
                raise UnknownNameError("method", method, known, advice)

    def run(self, data: Mapping[str, Any], settings: Mapping[str, Any], method: str, seed: int) -> list[ScoreRow]:
        """See `Protocol.run`."""
        cells: Measurement = data[settings["dataset"]]
        kind_n = cells.entities[settings["column"]].astype(str).to_numpy()
        pairs = [(str(early), str(late)) for early, late in settings["pairs"]]
        named = {kind for pair in pairs for kind in pair}
        if len(cells) != settings["rows"] or not named <= set(kind_n):
            raise IntegrityError(
                f"The benchmark was frozen on {settings['rows']} cells of kinds {', '.join(sorted(named))}; these are "
                f"{len(cells)} of {', '.join(sorted(set(kind_n)))}. Read the same file."
            )
        rng = np.random.default_rng(seed)
        time_rn = self._orders(data, settings, method, rng)
        score_rp = np.array([_by_pair(time_n, kind_n, pairs) for time_n in time_rn])
        if len(time_rn) == 1:
            drawn = [_redrawn(kind_n, rng) for _ in range(settings["resamples"])]
            spread = [pair_auroc(time_rn[0][rows], kind_n[rows], pairs) for rows in drawn]
        else:
            spread = score_rp.mean(axis=1).tolist()
        low, high = map(float, np.quantile(spread, [0.025, 0.975]))
        rows = [
            ScoreRow(method, f"{early} → {late}", "auroc", float(value))
            for (early, late), value in zip(pairs, score_rp.mean(axis=0), strict=True)
        ]
        rows.append(ScoreRow(method, POOLED, "auroc", float(score_rp.mean()), low=low, high=high))
        if method in self._directions:
            rows.append(ScoreRow(method, POOLED, "cosine_to_next", self._directions[method]))
        return rows

    def _orders(
        self, data: Mapping[str, Any], settings: Mapping[str, Any], method: str, rng: np.random.Generator
    ) -> np.ndarray:
        """``(r, n)`` the order of a method, or the many that it draws."""
        cells: Measurement = data[settings["dataset"]]
        if method == RANDOM:
            return np.array([rng.random(len(cells)) for _ in range(settings["resamples"])])
        if method == "genes-detected" + SHUFFLED:
            own_n = self._orders(data, settings, "genes-detected", rng)[0]
            return np.array([rng.permutation(own_n) for _ in range(settings["resamples"])])
        if method == "genes-detected":
            detected_n = (cells.dense() > 0).sum(axis=1).astype(np.float64)
            return order_without_root(detected_n)[None]
        if method == "unspliced-share":
            young_n, old_n = (
                np.asarray(data[settings[key]].values.sum(axis=1)).ravel() for key in ("unspliced", "dataset")
            )
            return np.asarray(young_n / np.maximum(young_n + old_n, 1))[None]
        ur, given = self._represented(settings, data), {settings["column"]: settings["root"]}
        if method in _WAYS:
            return order(ur, given, ways=_WAYS[method]).time[None]
        if method == _ANY_ROOT:
            drawn = rng.integers(len(ur), size=settings["roots"])
            return np.array([order(ur, [str(ur.entities.index[i])], neighbors=(15,)).time for i in drawn])
        if method == "root-distance":
            root_n = ur.entities[settings["column"]].astype(str).to_numpy() == settings["root"]
            return np.asarray(np.linalg.norm(ur.values - ur.values[root_n].mean(axis=0), axis=1))[None]
        return self._moving(data, settings, method, rng)

    def _moving(
        self, data: Mapping[str, Any], settings: Mapping[str, Any], method: str, rng: np.random.Generator
    ) -> np.ndarray:
        """``(r, n)`` orders by velocities, whose direction it keeps, or by the same paths without any."""
        ur = self._represented(settings, data)
        near_nk, far_nk = self._neighbors(settings, data)
        if method == _OFF:
            return self._placed(settings, ur, np.zeros((len(ur), len(ur))))[None]
        layers = Splicing.of(data[settings["dataset"]], data[settings["unspliced"]])
        s_nf, u_nf = (np.asarray(layer, dtype=np.float64) for layer in (layers.spliced, layers.unspliced))
        if method == "velocity-swapped":
            s_nf, u_nf = u_nf, s_nf
        shuffled = method.endswith(SHUFFLED)
        kind_n = ur.entities[settings["column"]].astype(str).to_numpy()
        found, directions = [], []
        for _ in range(settings["shuffles"] if shuffled else 1):
            cosine_nn = toward(s_nf, rng.permutation(u_nf) if shuffled else u_nf, near_nk)
            directions.append(to_next_kind(cosine_nn, near_nk, kind_n, settings["pairs"]))
            found.append(
                self._placed(settings, ur, cosine_nn)
                if settings["root"]
                else potential_order(near_nk, far_nk, cosine_nn)
            )
        self._directions[method] = float(np.mean(directions))
        return np.array(found)

    def _placed(self, settings: Mapping[str, Any], ur: UR, cosine_nn: np.ndarray) -> np.ndarray:
        near_nk, far_nk = self._neighbors(settings, {})
        roots = order(ur, {settings["column"]: settings["root"]}, neighbors=(10,), ways=("path",)).roots
        return directed_order(near_nk, far_nk, cosine_nn, ur.entities.index.get_indexer(roots), NEIGHBORS)

    def _represented(self, settings: Mapping[str, Any], data: Mapping[str, Any]) -> UR:
        if self._states is None:
            cells = data[settings["dataset"]]
            self._states = represented(cells, cells, settings["encoder"], settings["axes"], 0)
        return self._states

    def _neighbors(self, settings: Mapping[str, Any], data: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
        if self._near is None:
            x_nd = self._represented(settings, data).values
            self._near = Neighbors.of(x_nd).find(x_nd, settings["smooth"] + 1)
        return self._near


def _by_pair(time_n: np.ndarray, kind_n: np.ndarray, pairs: Sequence[tuple[str, str]]) -> list[float]:
    return [pair_auroc(time_n, kind_n, [(early, late)]) for early, late in pairs]


def _redrawn(kind_n: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rows drawn anew within each kind."""
    members = [np.flatnonzero(kind_n == kind) for kind in np.unique(kind_n)]
    return np.concatenate([rng.choice(rows, size=len(rows)) for rows in members])
