"""Small libraries of genes and of pairs whose strength is known, for tests of campaigns."""

import numpy as np

from aivc.experiments.campaign.pair_library import PairLibrary
from aivc.experiments.design.gene_features import GeneFeatures
from aivc.experiments.design.pair_learner import PairCandidates


def tiny_library(count: int = 300, seed: int = 0, *, prior: float = 1.0) -> tuple[GeneFeatures, np.ndarray]:
    """Features and true scores: strong genes lie far along two axes; the prior is a noisy copy, times its weight."""
    rng = np.random.default_rng(seed)
    x_nf = rng.standard_normal((count, 12))
    score_n = 1.5 * x_nf[:, 0] + x_nf[:, 1] + 0.5 * rng.standard_normal(count)
    hint_n = prior * (np.abs(score_n) + 0.5 * rng.standard_normal(count))
    both_nf = np.column_stack([x_nf, np.abs(x_nf[:, :2])]).astype(np.float32)
    names = tuple(f"G{i:03}" for i in range(count))
    return GeneFeatures(names, both_nf, hint_n, hint_n, x_nf[:, :4]), score_n


def tiny_pair_candidates(genes: tuple[str, ...], pairs: np.ndarray) -> PairCandidates:
    """Pairs of genes of whom four axes are known, in place of the annotations of real genes."""
    axes = np.random.default_rng(0).standard_normal((len(genes), 4))
    return PairCandidates(genes, pairs, axes, (axes @ axes.T)[None])


def tiny_pairs(genes: int = 16, given: int = 30) -> tuple[PairLibrary, dict[str, float]]:
    """All pairs of some genes, some known before, and the score of the others: strong genes make strong pairs."""
    rng = np.random.default_rng(1)
    names = tuple(f"G{i:02}" for i in range(genes))
    strong = rng.gamma(1.0, 1.0, genes)
    pairs = rng.permutation(np.array([(i, j) for j in range(genes) for i in range(j)]))
    score = strong[pairs].sum(axis=1) * rng.choice([-1, 1], len(pairs)) + 0.2 * rng.standard_normal(len(pairs))
    candidates = tiny_pair_candidates(names, pairs[given:])
    return PairLibrary(candidates, pairs[:given], score[:given]), dict(
        zip(candidates.names, score[given:], strict=True)
    )
