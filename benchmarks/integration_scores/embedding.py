"""Integration across batches, read off distances in the embedding: silhouettes, clusters, and variance of batches."""

import numpy as np
from scipy.special import entr

_ROWS, _STARTS, _ROUNDS = 512, 10, 100


def silhouette_label(embedding: np.ndarray, labels: np.ndarray) -> float:
    """Average silhouette width of the labels, brought to 0 to 1 (Rousseeuw 1987, J Comput Appl Math 20:53)."""
    return float((silhouettes(embedding, labels).mean() + 1) / 2)


def isolated_labels(embedding: np.ndarray, labels: np.ndarray, batches: np.ndarray) -> float:
    """Mean silhouette, brought to 0 to 1, of the labels found in the fewest batches.

    After Luecken et al. 2022 (Nat Methods 19:41); each label against the nearest other, as in scib-metrics 0.5.
    """
    inside_n = (silhouettes(embedding, labels) + 1) / 2
    known = np.unique(labels)
    spread = np.array([len(np.unique(batches[labels == label])) for label in known])
    return float(np.mean([inside_n[labels == label].mean() for label in known[spread == spread.min()]]))


def bras(embedding: np.ndarray, labels: np.ndarray, batches: np.ndarray) -> float | None:
    """Batch removal adapted silhouette: per label ``1 - |silhouette of batches|``, averaged over labels; 1 is best.

    Cosine distances, and the mean distance to all cells of other batches instead of the nearest one's, which rewards
    nested mixing (Rautenstrauch & Ohler 2025). Labels of one batch are skipped; None where none is left.
    """
    scores = []
    for label in np.unique(labels):
        own = labels == label
        many = len(np.unique(batches[own]))
        if 1 < many < own.sum():
            x_nd = embedding[own] / np.maximum(np.linalg.norm(embedding[own], axis=1, keepdims=True), 1e-12)
            scores.append(1 - np.abs(_silhouettes(x_nd, batches[own], cosine=True, nearest=False)).mean())
    return float(np.mean(scores)) if scores else None


def silhouettes(embedding: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """``(n,)`` silhouette widths: Euclidean, against the nearest other group; 0 for a group of one.

    >>> silhouettes(np.array([[0.0], [1.0], [5.0], [6.0]]), np.array(["a", "a", "b", "b"])).round(2).tolist()
    [0.82, 0.78, 0.78, 0.82]
    """
    return _silhouettes(embedding, groups, cosine=False, nearest=True)


def _silhouettes(x_nd: np.ndarray, groups: np.ndarray, *, cosine: bool, nearest: bool) -> np.ndarray:
    known, code_n = np.unique(groups, return_inverse=True)
    member_ng = np.eye(len(known))[code_n]
    size_g = member_ng.sum(axis=0)
    square_n = (x_nd**2).sum(axis=1)
    found_n = np.zeros(len(x_nd))
    for start in range(0, len(x_nd), _ROWS):
        some = slice(start, start + _ROWS)
        at = np.arange(len(x_nd[some])), code_n[some]
        dot_qn = x_nd[some] @ x_nd.T
        far_qn = 1 - dot_qn if cosine else np.sqrt(np.maximum(square_n[some, None] + square_n - 2 * dot_qn, 0.0))
        far_qn[at[0], np.arange(start, start + len(at[0]))] = 0.0
        total_qg = far_qn @ member_ng
        own_q = total_qg[at] / np.maximum(size_g[at[1]] - 1, 1)
        if nearest:
            total_qg = total_qg / size_g
            total_qg[at] = np.inf
            other_q = total_qg.min(axis=1)
        else:
            other_q = (total_qg.sum(axis=1) - total_qg[at]) / (len(x_nd) - size_g[at[1]])
        most_q = np.maximum(own_q, other_q)
        found_n[some] = np.where((size_g[at[1]] > 1) & (most_q > 0), (other_q - own_q) / np.maximum(most_q, 1e-300), 0)
    return found_n


def cluster_agreement(embedding: np.ndarray, labels: np.ndarray, *, seed: int = 0) -> tuple[float, float]:
    """Normalized mutual information and adjusted Rand index of the labels with as many k-means clusters.

    The best of ten k-means++ starts. Information is divided by the arithmetic mean of both entropies; the index is
    that of Hubert & Arabie 1985 (J Classif 2:193).
    """
    known, code_n = np.unique(labels, return_inverse=True)
    cluster_n = _k_means(np.asarray(embedding, dtype=np.float64), len(known), np.random.default_rng(seed))
    table = np.zeros((len(known), len(known)))
    np.add.at(table, (code_n, cluster_n), 1.0)
    return _information(table), _rand(table)


def pcr_comparison(before: np.ndarray, after: np.ndarray, batches: np.ndarray) -> float | None:
    """How much less of the variance batches explain after integration: ``(R2 before - R2 after) / R2 before``.

    Not below 0; 1 is best. None where batches explained nothing before. R2 is that of each principal component on the
    batches, weighted by its variance (Büttner et al. 2019, Nat Methods 16:43).
    """
    first, then = explained(before, batches), explained(after, batches)
    return None if first <= 1e-12 else max((first - then) / first, 0.0)


def explained(values: np.ndarray, batches: np.ndarray) -> float:
    """Share of the total variance that lies between batches: what principal component regression sums up to."""
    # Weighted by variance, R2 of every component adds up to between-batch over total sum of squares: no PCA is needed.
    x_nd = values - values.mean(axis=0)
    between = sum(
        (batches == batch).sum() * (x_nd[batches == batch].mean(axis=0) ** 2).sum() for batch in np.unique(batches)
    )
    return float(between / max((x_nd**2).sum(), 1e-300))


def _k_means(x_nd: np.ndarray, k: int, draw: np.random.Generator) -> np.ndarray:
    found = [_lloyd(x_nd, _plus_plus(x_nd, k, draw)) for _ in range(_STARTS)]
    return min(found, key=lambda pair: pair[1])[0]


def _plus_plus(x_nd: np.ndarray, k: int, draw: np.random.Generator) -> np.ndarray:
    centers = [x_nd[draw.integers(len(x_nd))]]
    near_n = ((x_nd - centers[0]) ** 2).sum(axis=1)
    while len(centers) < k:
        total = near_n.sum()
        centers.append(x_nd[draw.choice(len(x_nd), p=near_n / total if total > 0 else None)])
        near_n = np.minimum(near_n, ((x_nd - centers[-1]) ** 2).sum(axis=1))
    return np.array(centers)


def _lloyd(x_nd: np.ndarray, centers_kd: np.ndarray) -> tuple[np.ndarray, float]:
    square_n, before = (x_nd**2).sum(axis=1), np.inf
    cluster_n = np.zeros(len(x_nd), dtype=int)
    for _ in range(_ROUNDS):
        far_nk = square_n[:, None] + (centers_kd**2).sum(axis=1) - 2 * x_nd @ centers_kd.T
        cluster_n = far_nk.argmin(axis=1)
        inertia = float(far_nk.min(axis=1).sum())
        if before - inertia <= 1e-6 * abs(before):
            break
        before = inertia
        member_nk = np.eye(len(centers_kd))[cluster_n]
        size_k = member_nk.sum(axis=0)
        centers_kd = np.where(size_k[:, None] > 0, member_nk.T @ x_nd / np.maximum(size_k, 1)[:, None], centers_kd)
    return cluster_n, inertia


def _information(table: np.ndarray) -> float:
    p_lk = table / table.sum()
    entropies = [float(entr(p_lk.sum(axis=axis)).sum()) for axis in (0, 1)]
    ratio = p_lk / np.maximum(np.outer(p_lk.sum(axis=1), p_lk.sum(axis=0)), 1e-300)
    shared = float((p_lk * np.log(np.where(p_lk > 0, ratio, 1.0))).sum())
    return shared / max(sum(entropies) / 2, 1e-300)


def _rand(table: np.ndarray) -> float:
    pairs = [float((t * (t - 1) / 2).sum()) for t in (table, table.sum(axis=1), table.sum(axis=0), table.sum())]
    both, first, second, every = pairs
    expected = first * second / every
    return (both - expected) / max((first + second) / 2 - expected, 1e-300)
