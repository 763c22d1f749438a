"""Leading axes of a table of things by features: few numbers that keep what tells the things apart."""

import numpy as np
from jaxtyping import Float
from scipy import sparse


def leading_axes(matrix: np.ndarray | sparse.csr_matrix, dim: int, seed: int = 0) -> Float[np.ndarray, "g d"]:
    """Leading singular axes, each row scaled to length one; the largest loading of each axis is positive.

    Args:
        matrix: ``(g, f)`` things by features.
        dim: Axes wanted; a table of lower rank bounds gives fewer.
        seed: Of the start of the iteration.

    >>> leading_axes(np.array([[2.0, 0.0, 0.0], [4.0, 0.0, 0.0], [0.0, 1.0, 0.0]]), 2).round(3) + 0.0
    array([[1., 0.],
           [1., 0.],
           [0., 1.]])
    """
    if dim < min(matrix.shape):
        # Slow to import, and most priors are read, not made.
        from scipy.sparse.linalg import svds

        start = np.random.default_rng(seed).standard_normal(min(matrix.shape))
        left, strength, _ = svds(matrix, k=dim, v0=start)
    else:
        dense = matrix if isinstance(matrix, np.ndarray) else matrix.toarray()
        left, strength, _ = np.linalg.svd(dense, full_matrices=False)
    order = np.argsort(-strength, kind="stable")[:dim]
    left, strength = left[:, order], strength[order]
    left = left * np.sign(left[np.abs(left).argmax(axis=0), np.arange(len(order))])
    # The root keeps hubs, which load on the first axis alone, from all looking alike.
    scaled = left * np.sqrt(strength)
    return np.asarray(scaled / np.maximum(np.linalg.norm(scaled, axis=1, keepdims=True), 1e-12))
