"""Small libraries of genes whose strength is known, for tests of campaigns."""

import numpy as np

from aivc.experiments.design.gene_features import GeneFeatures


def tiny_library(count: int = 300, seed: int = 0, *, prior: float = 1.0) -> tuple[GeneFeatures, np.ndarray]:
    """Features and true scores: strong genes lie far along two axes; the prior is a noisy copy, times its weight."""
    rng = np.random.default_rng(seed)
    x_nf = rng.standard_normal((count, 12))
    score_n = 1.5 * x_nf[:, 0] + x_nf[:, 1] + 0.5 * rng.standard_normal(count)
    hint_n = prior * (np.abs(score_n) + 0.5 * rng.standard_normal(count))
    both_nf = np.column_stack([x_nf, np.abs(x_nf[:, :2])]).astype(np.float32)
    names = tuple(f"G{i:03}" for i in range(count))
    return GeneFeatures(names, both_nf, hint_n, hint_n, x_nf[:, :4]), score_n
