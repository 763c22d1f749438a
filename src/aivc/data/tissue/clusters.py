"""Clusters of surroundings, and how well two ways of dividing the same cells agree."""

import numpy as np
from jaxtyping import Float

_ROUNDS = 100


def k_means(x_nd: np.ndarray, k: int, *, seed: int = 0) -> tuple[Float[np.ndarray, "k d"], float]:
    """Find ``k`` centers from a start that spreads them (k-means++; Arthur & Vassilvitskii 2007, SODA 1027).

    Args:
        x_nd: Points.
        k: Number of centers, not above that of points.
        seed: Draws the start.

    Returns:
        ``(k, d)`` centers, and the mean squared distance of points from theirs.
    """
    rng = np.random.default_rng(seed)
    centers = _spread(x_nd, k, rng)
    label_n, far = np.full(len(x_nd), -1), 0.0
    for _ in range(_ROUNDS):
        square_nk = squares(x_nd, centers)
        found_n = square_nk.argmin(axis=1)
        far = float(square_nk[np.arange(len(x_nd)), found_n].mean())
        if (found_n == label_n).all():
            break
        label_n = found_n
        size_k = np.bincount(label_n, minlength=k)
        sums = np.stack([np.bincount(label_n, column, minlength=k) for column in x_nd.T], axis=1)
        # A center that nobody is near stays where it is.
        centers = np.where(size_k[:, None] > 0, sums / np.maximum(size_k, 1)[:, None], centers)
    return centers, far


def squares(x_nd: np.ndarray, centers: np.ndarray) -> Float[np.ndarray, "n k"]:
    """``(n, k)`` squared distances of points from centers."""
    square = (x_nd**2).sum(axis=1)[:, None] - 2 * x_nd @ centers.T + (centers**2).sum(axis=1)
    return np.asarray(np.maximum(square, 0.0))


def adjusted_rand(first: np.ndarray, second: np.ndarray) -> float:
    """Agreement of two divisions of the same points: 1 where they are the same, 0 on average by chance.

    The adjusted Rand index (Hubert & Arabie 1985, J Classif 2:193).

    >>> adjusted_rand(np.array([0, 0, 1, 1]), np.array(["b", "b", "a", "a"]))
    1.0
    """
    _, a = np.unique(first, return_inverse=True)
    _, b = np.unique(second, return_inverse=True)
    table = np.zeros((a.max() + 1, b.max() + 1))
    np.add.at(table, (a, b), 1)
    both, rows, columns = (_pairs(each).sum() for each in (table, table.sum(axis=1), table.sum(axis=0)))
    expected, most = rows * columns / max(_pairs(np.array(float(len(a)))), 1.0), (rows + columns) / 2
    return 1.0 if most == expected else float((both - expected) / (most - expected))


def _pairs(counts: np.ndarray) -> np.ndarray:
    return np.asarray(counts * (counts - 1) / 2)


def _spread(x_nd: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    chosen = [int(rng.integers(len(x_nd)))]
    near_n = squares(x_nd, x_nd[chosen])[:, 0]
    while len(chosen) < k:
        total = near_n.sum()
        chosen.append(int(rng.choice(len(x_nd), p=near_n / total if total > 0 else None)))
        near_n = np.minimum(near_n, squares(x_nd, x_nd[chosen[-1:]])[:, 0])
    return np.array(x_nd[chosen], dtype=np.float64)
