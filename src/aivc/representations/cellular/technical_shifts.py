"""Shifts between batches, estimated only where cells of one batch have counterparts in another."""

from typing import NamedTuple

import numpy as np

_NEAREST, _ROUNDS, _RIDGE = 15, 3, 10.0
_CELLS, _CELLS_PER_BATCH, _FEWEST = 8000, 600, 5
MOST_AXES = 8


class Shifts(NamedTuple):
    """Where each batch lies beside the others, along a few technical axes; it differs smoothly between clusters.

    Attributes:
        axes: ``(d, t)`` orthonormal technical axes.
        overall: ``(B, t)`` shift of each batch.
        local: ``(K, B, t)`` what each cluster adds.
        centers: ``(K, d)`` clusters of states less the overall shift.
        width: Variance of a cluster's kernel.
        doubt: ``(K, B)`` one over how many matched cells say it, the prior's included.
        spread: ``(t,)`` variance of cells within a cluster along the axes.
    """

    axes: np.ndarray
    overall: np.ndarray
    local: np.ndarray
    centers: np.ndarray
    width: float
    doubt: np.ndarray
    spread: np.ndarray

    def along(self, y_nd: np.ndarray, batch: int, known_nd: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Shift ``(n, d)`` of cells of one batch, and its variance ``(n, d)``.

        Args:
            y_nd: States of cells, all of the batch.
            batch: Which.
            known_nd: How much of a full panel's certainty each state has along each axis.
        """
        overall_d = self.axes @ self.overall[batch]
        share_nk = shares(y_nd - known_nd * overall_d, self.centers, self.width)
        shift_nd = overall_d + share_nk @ self.local[:, batch] @ self.axes.T
        variance_nt = (share_nk @ self.doubt[:, batch])[:, None] * self.spread
        return known_nd * shift_nd, known_nd**2 * (variance_nt @ (self.axes**2).T)


def fit_shifts(y_nd: np.ndarray, batch_n: np.ndarray, clusters: int, draw: np.random.Generator) -> Shifts | None:
    """Fit shifts, or None where no axis tells batches apart beyond chance.

    Mutual nearest neighbours between batches (Haghverdi et al. 2018, Nat Biotechnol 36:421) differ by the overall
    shifts: ridge regression, a few rounds. Within a cluster the matched cells of a batch are off the matched cells of
    all by its local shift, shrunk by how few they are. Chance is what such offsets are for batches dealt anew within
    clusters: a low bar, so whoever uses the shifts judges them on cells held out.

    Args:
        y_nd: States, in units in which distances mean something.
        batch_n: Codes from 0; every code occurs.
        clusters: How many; 1 means that the overall shift is all there is.
        draw: Draws cells where there are many, starts of clusters, and batches dealt anew.
    """
    rows = _some(batch_n, draw)
    y_nd, batch_n, many = y_nd[rows], batch_n[rows], int(batch_n.max()) + 1
    overall_bd = np.zeros((many, y_nd.shape[1]))
    for _ in range(_ROUNDS):
        pairs = mutual(y_nd - overall_bd[batch_n], batch_n)
        if not len(pairs):
            return None
        overall_bd += _regressed(y_nd - overall_bd[batch_n], batch_n, pairs, many)
    overall_bd -= np.bincount(batch_n, minlength=many) @ overall_bd / len(batch_n)
    rest_nd = y_nd - overall_bd[batch_n]
    centers_kd, width = _clusters(rest_nd, clusters, draw)
    share_nk = shares(rest_nd, centers_kd, width)
    local_kbd, count_kb = np.zeros((clusters, many, y_nd.shape[1])), np.zeros((clusters, many))
    for _ in range(_ROUNDS):
        now_nd = rest_nd - _mixed(share_nk, local_kbd, batch_n)
        matched_nk = share_nk * np.isin(np.arange(len(y_nd)), mutual(now_nd, batch_n))[:, None]
        count_kb = np.stack([np.bincount(batch_n, w_n, many) for w_n in matched_nk.T])
        if clusters > 1:
            local_kbd += _offsets(now_nd, batch_n, matched_nk, many)
    whole_kbd = local_kbd + overall_bd
    dealt_n = _dealt(share_nk.argmax(axis=1), batch_n, draw)
    chance_kbd = _offsets(now_nd, dealt_n, matched_nk, many)
    axes_dt = _axes(whole_kbd, chance_kbd, count_kb)
    if axes_dt.shape[1] == 0:
        return None
    spread = ((now_nd - _mixed(share_nk, np.repeat(centers_kd[:, None], many, 1), batch_n)) @ axes_dt).var(axis=0)
    doubt_kb = 1 / (count_kb + _RIDGE)
    return Shifts(axes_dt, overall_bd @ axes_dt, local_kbd @ axes_dt, centers_kd, width, doubt_kb, spread)


def mutual(y_nd: np.ndarray, batch_n: np.ndarray, k: int = _NEAREST) -> np.ndarray:
    """``(p, 2)`` rows of cells of different batches that are among each other's ``k`` nearest of the other batch."""
    rows = [np.flatnonzero(batch_n == batch) for batch in range(int(batch_n.max()) + 1)]
    square_n = (y_nd**2).sum(axis=1)
    found = [np.zeros((0, 2), dtype=int)]
    for i, own in enumerate(rows):
        for other in rows[i + 1 :]:
            far = square_n[own, None] + square_n[other] - 2 * y_nd[own] @ y_nd[other].T
            first, second = (min(k, size) - 1 for size in (len(other), len(own)))
            close = far <= np.partition(far, first, axis=1)[:, first, None]
            close &= far <= np.partition(far, second, axis=0)[second]
            at, there = np.nonzero(close)
            found.append(np.column_stack([own[at], other[there]]))
    return np.concatenate(found)


def shares(y_nd: np.ndarray, centers_kd: np.ndarray, width: float) -> np.ndarray:
    """``(n, K)`` how much each cell belongs to each cluster; rows sum to 1."""
    far_nk = (y_nd**2).sum(axis=1, keepdims=True) + (centers_kd**2).sum(axis=1) - 2 * y_nd @ centers_kd.T
    weight_nk = np.exp(-(far_nk - far_nk.min(axis=1, keepdims=True)) / (2 * width))
    return np.asarray(weight_nk / weight_nk.sum(axis=1, keepdims=True))


def _some(batch_n: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    many = int(batch_n.max()) + 1
    most = max(50, min(_CELLS_PER_BATCH, _CELLS // many))
    kept = [draw.permutation(np.flatnonzero(batch_n == batch))[:most] for batch in range(many)]
    return np.sort(np.concatenate(kept))


def _regressed(y_nd: np.ndarray, batch_n: np.ndarray, pairs: np.ndarray, many: int) -> np.ndarray:
    """Shifts ``(B, d)`` whose differences are those of the pairs, by ridge regression."""
    one_n, two_n = batch_n[pairs[:, 0]], batch_n[pairs[:, 1]]
    apart_bb = np.bincount(one_n * many + two_n, minlength=many**2).reshape(many, many).astype(float)
    apart_bb += apart_bb.T
    # Each cell's net number of pairs: summing over cells, not pairs, keeps the sum cheap.
    weight_nb = np.zeros((len(y_nd), many))
    np.add.at(weight_nb, (pairs[:, 0], two_n), 1.0)
    np.add.at(weight_nb, (pairs[:, 1], one_n), 1.0)
    total_bd = np.zeros((many, y_nd.shape[1]))
    np.add.at(total_bd, batch_n, weight_nb.sum(axis=1, keepdims=True) * y_nd)
    total_bd -= weight_nb.T @ y_nd
    system_bb = np.diag(apart_bb.sum(axis=1)) - apart_bb + _RIDGE * np.eye(many)
    return np.asarray(np.linalg.solve(system_bb, total_bd))


def _offsets(y_nd: np.ndarray, batch_n: np.ndarray, weight_nk: np.ndarray, many: int) -> np.ndarray:
    """``(K, B, d)`` how far the mean of a batch is off that of all, cluster by cluster, shrunk by ridge."""
    member_nb = np.eye(many)[batch_n]
    found = np.zeros((weight_nk.shape[1], many, y_nd.shape[1]))
    for k, weight_n in enumerate(weight_nk.T):
        count_b = weight_n @ member_nb
        mean_bd = (member_nb * weight_n[:, None]).T @ y_nd / np.maximum(count_b, 1e-9)[:, None]
        answer_b = count_b > _FEWEST
        if answer_b.sum() > 1:
            middle_d = count_b[answer_b] @ mean_bd[answer_b] / count_b[answer_b].sum()
            shrunk_b = answer_b * count_b / (count_b + _RIDGE)
            found[k] = shrunk_b[:, None] * (mean_bd - middle_d)
    return found


def _mixed(share_nk: np.ndarray, shift_kbd: np.ndarray, batch_n: np.ndarray) -> np.ndarray:
    mixed_nd = np.empty((len(batch_n), shift_kbd.shape[2]))
    for batch in range(shift_kbd.shape[1]):
        mixed_nd[batch_n == batch] = share_nk[batch_n == batch] @ shift_kbd[:, batch]
    return mixed_nd


def _dealt(cluster_n: np.ndarray, batch_n: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    dealt_n = batch_n.copy()
    for cluster in np.unique(cluster_n):
        dealt_n[cluster_n == cluster] = draw.permutation(batch_n[cluster_n == cluster])
    return dealt_n


def _axes(shift_kbd: np.ndarray, chance_kbd: np.ndarray, count_kb: np.ndarray) -> np.ndarray:
    """``(d, t)`` leading axes of the shifts, as many as exceed the strongest axis of chance."""
    weight = np.sqrt(count_kb / max(count_kb.sum(), 1e-12))[..., None]
    d = shift_kbd.shape[2]
    _, strong, axes_td = np.linalg.svd((weight * shift_kbd).reshape(-1, d), full_matrices=False)
    chance = np.linalg.svd((weight * chance_kbd).reshape(-1, d), compute_uv=False)
    return np.asarray(axes_td[:MOST_AXES][strong[:MOST_AXES] > chance[0]].T)


def _clusters(y_nd: np.ndarray, many: int, draw: np.random.Generator) -> tuple[np.ndarray, float]:
    centers_kd = y_nd[draw.choice(len(y_nd), many, replace=False)]
    for _ in range(30):
        member_nk = np.eye(many)[shares(y_nd, centers_kd, 1e-6).argmax(axis=1)]
        size_k1 = member_nk.sum(axis=0)[:, None]
        centers_kd = np.where(size_k1 > 0, member_nk.T @ y_nd / np.maximum(size_k1, 1), centers_kd)
    within = float(((y_nd - centers_kd[member_nk.argmax(axis=1)]) ** 2).sum(axis=1).mean())
    # Broad enough that a cell between two clusters belongs to both.
    return centers_kd, max(within / (4 * np.log(many + 1)), 1e-9)
