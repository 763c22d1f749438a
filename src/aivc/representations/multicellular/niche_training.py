"""How a graph of cells is learned without labels: masked cells, two views, and whether held-out tissue gains."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from scipy import sparse
from torch import Tensor, nn

from aivc.data.tissue.rings import shells
from aivc.nn.niche import Messages, NicheNetwork
from aivc.training.loop import Batch, Terms, TrainingRecipe, train

_BATCH, _EPOCHS, _FEWEST_STEPS = 256, 30, 150
_RATE, _DECAY = 4e-3, 0.02
# Share of neighbours that each view leaves out; weight of the disagreement of views, and of the size of a correction.
_LEFT_OUT, _AGREE, _SMALL = 0.2, 0.3, 0.05
_PENALTIES = np.geomspace(1e-3, 10.0, 9)


class NicheEdges(NamedTuple):
    """Messages that rows of a tissue receive, sorted by receiver.

    Attributes:
        sender: ``(e,)`` position of the sender among all cells.
        ring: ``(e,)`` number of links between, less one.
        distance: ``(e,)`` in units of a typical link.
        start: ``(m + 1,)`` where the messages of each row begin.
    """

    sender: np.ndarray
    ring: np.ndarray
    distance: np.ndarray
    start: np.ndarray

    def of(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which messages these rows receive, and ``(e,)`` which of the rows receives each."""
        count = self.start[rows + 1] - self.start[rows]
        receiver = np.repeat(np.arange(len(rows)), count)
        within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        return self.start[rows][receiver] + within, receiver


@dataclass(frozen=True, eq=False)
class MaskedCells:
    """Cells to be read from their surroundings.

    Attributes:
        own: ``(n, w)`` states of all cells of the tissue, of mean 0 and spread 1.
        shells: ``(m, p)`` shell means of the cells asked about, likewise.
        rows: ``(m,)`` which cells these are.
        edges: What they receive.
    """

    own: Float[np.ndarray, "n w"]
    shells: Float[np.ndarray, "m p"]
    rows: np.ndarray
    edges: NicheEdges

    def messages(
        self, rows: np.ndarray, kept: Callable[[int], np.ndarray] | None = None, kind: torch.dtype = torch.float64
    ) -> Messages:
        """What some of the cells receive; ``kept`` draws the weights of so many messages."""
        at, receiver = self.edges.of(rows)
        weight = np.ones(len(at)) if kept is None else kept(len(at))
        return Messages(
            torch.tensor(self.own[self.edges.sender[at]], dtype=kind),
            torch.tensor(self.edges.distance[at], dtype=kind),
            torch.tensor(self.edges.ring[at]),
            torch.tensor(receiver),
            torch.tensor(weight, dtype=kind),
        )


def edges_of(
    links: sparse.csr_matrix, places: np.ndarray, rows: np.ndarray, near: int, typical: float | int
) -> NicheEdges:
    """Say who sends to the cells of some rows: all that are ``near`` links away or nearer.

    Args:
        links: ``(n, n)`` who is whose neighbour.
        places: ``(n, 2)`` or ``(n, 3)`` positions.
        rows: ``(m,)`` the receivers.
        near: Number of rings.
        typical: Length of a typical link, which distances are measured in.
    """
    rings = [sparse.coo_matrix(ring) for ring in shells(links, near, rows)]
    receiver = np.concatenate([ring.row for ring in rings]).astype(np.int64)
    sender = np.concatenate([ring.col for ring in rings]).astype(np.int64)
    order = np.argsort(receiver, kind="stable")
    ring = np.repeat(np.arange(near), [each.nnz for each in rings])[order]
    receiver, sender = receiver[order], sender[order]
    distance = np.linalg.norm(places[rows[receiver]] - places[sender], axis=1) / typical
    return NicheEdges(sender, ring, distance, np.searchsorted(receiver, np.arange(len(rows) + 1)))


def typical_link(links: sparse.csr_matrix, places: np.ndarray) -> float:
    """Median length of a link; 1 where there is none."""
    ends = sparse.coo_matrix(links)
    return float(np.median(np.linalg.norm(places[ends.row] - places[ends.col], axis=1))) if links.nnz else 1.0


def trained(cells: MaskedCells, rows: np.ndarray, *, reach: int, near: int, seed: int, steps: int) -> NicheNetwork:
    """Train a network to read masked cells from corrected shells, from two views of their surroundings.

    Args:
        cells: Of training sections.
        rows: ``(m,)`` which of them to train on.
        reach: Shells of a state.
        near: Rings that messages come from.
        seed: Draws weights, batches and views.
        steps: At most so many; fewer where there are few cells.
    """
    width = cells.own.shape[1]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = NicheNetwork(width, reach, near)
    start = readout(cells.shells[rows], cells.own[cells.rows[rows]], _PENALTIES[4])
    with torch.no_grad():
        # Axes that say nothing at first keep a little of their first weights, so that they can be learned.
        network.readout.weight.mul_(0.3).add_(torch.tensor(start.T, dtype=torch.float32))
        network.readout.bias.zero_()
    steps = min(max(_EPOCHS * len(rows) // _BATCH, _FEWEST_STEPS), steps)
    recipe = TrainingRecipe(steps=steps, seed=seed, rate=_RATE, warmup=min(30, steps // 5), decay=_DECAY)
    train(network, _objective, _Views(cells, rows, seed), recipe)
    return network.eval().double()


def corrected(network: NicheNetwork, cells: MaskedCells, rows: np.ndarray) -> Float[np.ndarray, "m p"]:
    """``(m, p)`` corrections of the shell means of some of the cells."""
    with torch.no_grad():
        return np.asarray(network(torch.tensor(cells.shells[rows]), cells.messages(rows)).numpy())


def gained(
    cells: MaskedCells, group_m: np.ndarray, fold_m: np.ndarray, *, reach: int, near: int, seed: int, steps: int
) -> tuple[float, float]:
    """By what share corrected shells lower the error of masked cells in tissue left out, and its standard error.

    Both kinds of shells are read by a ridge regression of their own, fitted where the network is.

    Args:
        cells: Of all groups.
        group_m: ``(m,)`` section, patient or block of each.
        fold_m: ``(m,)`` groups that are left out together.
        reach: Shells of a state.
        near: Rings that messages come from.
        seed: Of the training, and
        steps: how many at most.
    """
    plain_m, better_m = np.zeros(len(fold_m)), np.zeros(len(fold_m))
    y_mw = cells.own[cells.rows]
    for fold in np.unique(fold_m):
        out, kept = np.flatnonzero(fold_m == fold), np.flatnonzero(fold_m != fold)
        network = trained(cells, kept, reach=reach, near=near, seed=seed, steps=steps)
        moved_mp = cells.shells + corrected(network, cells, np.arange(len(fold_m)))
        for said_mp, error_m in ((cells.shells, plain_m), (moved_mp, better_m)):
            error_m[out] = ((y_mw[out] - _read(said_mp, y_mw, kept, out, group_m)) ** 2).sum(axis=1)
    _, code_m = np.unique(group_m, return_inverse=True)
    gain_k = 1 - np.bincount(code_m, better_m) / np.maximum(np.bincount(code_m, plain_m), 1e-12)
    return float(gain_k.mean()), float(gain_k.std(ddof=1) / np.sqrt(len(gain_k)))


def readout(x_mp: np.ndarray, y_mw: np.ndarray, penalty: float | int) -> np.ndarray:
    """``(p, w)`` slopes of ridge; the penalty is a share of the rows."""
    gram_pp = x_mp.T @ x_mp
    gram_pp[np.diag_indices(len(gram_pp))] += penalty * len(x_mp)
    return np.linalg.solve(gram_pp, x_mp.T @ y_mw)


def _read(x_mp: np.ndarray, y_mw: np.ndarray, kept: np.ndarray, out: np.ndarray, group_m: np.ndarray) -> np.ndarray:
    """Masked states of rows left out; half of the other groups choose the penalty for the other half."""
    half = np.isin(group_m[kept], np.unique(group_m[kept])[::2])
    error_g = np.zeros(len(_PENALTIES))
    for a, b in ((kept[half], kept[~half]), (kept[~half], kept[half])):
        if len(a) and len(b):
            error_g += [((y_mw[b] - x_mp[b] @ readout(x_mp[a], y_mw[a], each)) ** 2).sum() for each in _PENALTIES]
    best = _PENALTIES[int(error_g.argmin())] if error_g.any() else _PENALTIES[4]
    return np.asarray(x_mp[out] @ readout(x_mp[kept], y_mw[kept], best))


def _objective(model: nn.Module, batch: Batch) -> Terms:
    b = len(batch["own"])
    twice = torch.cat([batch["shells"], batch["shells"]])
    given = Messages(*(batch[name] for name in Messages._fields))
    found = model(twice, given)
    assert isinstance(model.readout, nn.Linear)
    error = ((torch.cat([batch["own"], batch["own"]]) - model.readout(twice + found)) ** 2).mean(dim=1)
    apart = ((found[:b] - found[b:]) ** 2).mean(dim=1)
    one, two = torch.tensor(float(b)), torch.tensor(2.0 * b)
    return {
        "masked": (error.sum(), two),
        "views": (_AGREE * apart.sum(), one),
        "size": (_SMALL * (found**2).mean(dim=1).sum(), two),
    }


@dataclass(frozen=True, eq=False)
class _Views:
    """Batches of cells, each seen twice, with other neighbours left out each time."""

    cells: MaskedCells
    rows: np.ndarray
    seed: int

    def __call__(self, step: int, rank: int, world: int) -> Batch:
        rng = np.random.default_rng([self.seed, step])
        drawn = self.rows[rng.integers(len(self.rows), size=min(_BATCH, len(self.rows)))][rank::world]
        one, other = (
            self.cells.messages(drawn, lambda e: (rng.random(e) >= _LEFT_OUT).astype(float), torch.float32)
            for _ in range(2)
        )
        other = other._replace(receiver=other.receiver + len(drawn))
        both: dict[str, Tensor] = {
            name: torch.cat(pair) for name, *pair in zip(Messages._fields, one, other, strict=True)
        }
        own = self.cells.own[self.cells.rows[drawn]]
        return {
            "own": torch.tensor(own, dtype=torch.float32),
            "shells": torch.tensor(self.cells.shells[drawn], dtype=torch.float32),
            **both,
        }
