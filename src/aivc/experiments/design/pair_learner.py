"""Believes of gene pairs that strong genes make strong pairs, and that like genes act alike; the rest is low rank."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import final

import numpy as np
from jaxtyping import Float, Int
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize, nnls

from aivc.core.errors import DataError
from aivc.core.state import State
from aivc.data.priors.gene_priors import block_slices, gene_priors
from aivc.experiments.design.strength_posterior import StrengthPosterior

# A model of pairs needs so many of them.
FEWEST = 10
_AXES, _PRODUCTS = 60, 24
# Ridge of gene terms; steps and threshold of the low-rank completion; from this share of all pairs on it has a say.
_GENE_PENALTY, _STEPS, _SOFT, _ENOUGH = 10.0, 8, 12.0, 0.1
_TRIES, _WEIGHED, _FOLDS = 40, 4000, 5


@final
@dataclass(frozen=True, eq=False)
class PairCandidates:
    """Pairs of genes, and what is known of the genes.

    Attributes:
        genes: ``g`` names.
        pairs: ``(n, 2)`` places of the two genes of each candidate.
        axes: ``(g, d)`` knowledge of genes, zeros where nothing is known.
        likeness: ``(b, g, g)`` cosines of the genes in each block of knowledge.
    """

    genes: tuple[str, ...]
    pairs: Int[np.ndarray, "n 2"]
    axes: Float[np.ndarray, "g d"]
    likeness: Float[np.ndarray, "b g g"]

    @classmethod
    def of(cls, genes: tuple[str, ...], pairs: Int[np.ndarray, "n 2"]) -> "PairCandidates":
        """Look up what is known of the genes.

        Raises:
            DataError: A pair names a gene that there is not, or one gene twice; nothing is known of any gene.
        """
        if len(pairs) and (pairs.min() < 0 or pairs.max() >= len(genes) or (pairs[:, 0] == pairs[:, 1]).any()):
            raise DataError(["A pair names two different genes of the list. Check the places of the genes."])
        known = gene_priors(genes)
        if not len(known):
            raise DataError(
                [f"Nothing is known of any of {len(genes)} genes, first {genes[0]}. Name human genes by their symbols."]
            )
        rows = known.entities.index.get_indexer(list(genes))
        values_gf = np.where(rows[:, None] >= 0, known.values[np.maximum(rows, 0)], 0.0)
        likeness = np.stack([values_gf[:, axes] @ values_gf[:, axes].T for axes in block_slices(known).values()])
        left, size, _ = np.linalg.svd(values_gf - values_gf.mean(axis=0), full_matrices=False)
        return cls(genes, pairs, (left * size)[:, :_AXES], likeness)

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def names(self) -> tuple[str, ...]:
        """Texts such as ``A+B``."""
        return tuple(f"{self.genes[a]}+{self.genes[b]}" for a, b in self.pairs)

    def blocks(self) -> list[int]:
        """Widths of the blocks of `values`: genes, their knowledge, products of it, and likeness."""
        products = min(_PRODUCTS, self.axes.shape[1])
        return [len(self.genes), self.axes.shape[1], products * (products + 1) // 2, len(self.likeness)]

    def values(self, pairs: Int[np.ndarray, "m 2"]) -> Float[np.ndarray, "m f"]:
        """``(m, f)`` features of pairs; the order of the two genes does not matter."""
        a, b = pairs[:, 0], pairs[:, 1]
        one_mg = np.zeros((len(pairs), len(self.genes)), dtype=np.float32)
        np.add.at(one_mg, (np.arange(len(pairs)), a), np.sqrt(0.5))
        np.add.at(one_mg, (np.arange(len(pairs)), b), np.sqrt(0.5))
        axes_gd = _unit(self.axes)
        part_gd = _unit(self.axes[:, :_PRODUCTS])
        i, j = np.triu_indices(part_gd.shape[1])
        both = part_gd[a][:, i] * part_gd[b][:, j] + part_gd[a][:, j] * part_gd[b][:, i]
        product_mp = both * np.where(i == j, 0.5, np.sqrt(0.5))
        near_mb = self.likeness[:, a, b].T
        sum_md = (axes_gd[a] + axes_gd[b]) * np.sqrt(0.5)
        return np.column_stack([one_mg, sum_md, product_mp, near_mb]).astype(np.float32)

    def state(self) -> State:
        """Return all of it, for `State.save`."""
        arrays = {"pairs": self.pairs, "axes": self.axes, "likeness": self.likeness}
        return State({"genes": list(self.genes)}, arrays)

    @classmethod
    def from_state(cls, state: State) -> "PairCandidates":
        """Inverse of `state`."""
        return cls(tuple(map(str, state.settings["genes"])), *(state.arrays[k] for k in ("pairs", "axes", "likeness")))


@final
@dataclass(frozen=True, eq=False)
class PairLearner:
    """A stack of models of the absolute score, each weighted by how well it predicts pairs left out.

    Where the known pairs do not show that the stack predicts better than magnitude alone, magnitude alone is believed.

    Members: the magnitude of genes (ridge of two gene terms on the absolute score); ridges on genes, knowledge and
    products of it, of the absolute and of the signed score, with variances of the blocks by maximal evidence; and,
    where many pairs are known, low-rank completions of both.

    Attributes:
        candidates: Pairs to choose from.
        given: ``(m, 2)`` pairs known before the campaign.
        scores: ``(m,)`` their signed scores.
    """

    candidates: PairCandidates
    given: Int[np.ndarray, "m 2"]
    scores: Float[np.ndarray, " m"]

    def __post_init__(self) -> None:
        if len(self.given) != len(self.scores):
            raise DataError([f"Every pair has a score, got {len(self.given)} and {len(self.scores)}. Give both."])

    @cached_property
    def _values(self) -> Float[np.ndarray, "n f"]:
        return self.candidates.values(self.candidates.pairs)

    def posterior(self, measured: Int[np.ndarray, " m"], score_m: Float[np.ndarray, " m"]) -> StrengthPosterior:
        """Belief about the absolute score of all candidates.

        Args:
            measured: Places of candidates measured so far.
            score_m: ``(m,)`` their signed scores.

        Raises:
            DataError: Nothing is known at all.
        """
        pairs = np.concatenate([self.given, self.candidates.pairs[measured]])
        score = np.concatenate([self.scores, score_m])
        if len(pairs) < FEWEST:
            raise DataError([f"A model of pairs needs ten of them, got {len(pairs)}. Measure a first batch at random."])
        known = self.candidates.values(pairs)
        size = np.abs(score)
        # Weights of four members are known well from some thousand pairs.
        kept = np.sort(np.random.default_rng(0).permutation(len(pairs))[:_WEIGHED])
        members = [
            self.magnitude(pairs, size, kept),
            *self._ridges(known, size, score, kept),
            *(self._low_ranks(pairs, score, kept) if self._many(len(pairs)) else []),
        ]
        said = np.column_stack([each[0] for each in members])
        without = np.column_stack([each[1] for each in members])
        weights, level = _weights(without, size[kept])
        if not stack_earned(without, size[kept]):
            weights, level = np.eye(said.shape[1])[0], 0.0
        mean = said @ weights + level
        noise = float(np.std(size[kept] - without @ weights - level))
        return StrengthPosterior(mean, noise, lambda: np.zeros((len(mean), 1)))

    def magnitude(
        self, pairs: Int[np.ndarray, "m 2"], size: Float[np.ndarray, " m"], kept: Int[np.ndarray, " k"]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Two gene terms and no term of the pair: what every model of pairs has to beat.

        Args:
            pairs: ``(m, 2)`` genes of what is known.
            size: ``(m,)`` absolute scores.
            kept: Places of the known pairs that are predicted without themselves, too.

        Returns:
            What is said of all candidates, and of the kept pairs.
        """
        genes = len(self.candidates.genes)
        x = np.zeros((len(pairs), genes), dtype=np.float32)
        x[np.arange(len(pairs)), pairs[:, 0]] = x[np.arange(len(pairs)), pairs[:, 1]] = 1
        asked = self.candidates.pairs
        weight, level, without = _ridge(x, size, np.full(genes, 1 / np.sqrt(_GENE_PENALTY)), kept)
        return level + weight[asked[:, 0]] + weight[asked[:, 1]], without

    def _ridges(
        self, known: np.ndarray, size: np.ndarray, score: np.ndarray, kept: np.ndarray
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Ridges on the absolute and the signed score."""
        found, blocks, gram = [], self.candidates.blocks(), _gram(known)
        for place, target in enumerate((size, score)):
            scales = _evidence(known, target, blocks, gram)
            weight, level, without = _ridge(known, target, np.repeat(scales, blocks), kept, gram)
            said = level + self._values @ weight
            found.append((np.abs(said), np.abs(without)) if place else (said, without))
        return found

    def _many(self, count: int) -> bool:
        genes = len(self.candidates.genes)
        return count >= _ENOUGH * genes * (genes - 1) / 2

    def _low_ranks(self, pairs: np.ndarray, score: np.ndarray, kept: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Completions of all pairs, and of each half by the other, of the absolute and the signed score."""
        half = np.random.default_rng(0).permutation(len(pairs)) < len(pairs) // 2
        genes, asked, found = len(self.candidates.genes), self.candidates.pairs, []
        for target in (np.abs(score), score):
            without = np.zeros(len(pairs))
            for seen in (half, ~half):
                without[~seen] = completed(genes, pairs[seen], target[seen], pairs[~seen])
            # A size that is positive stays what it is.
            found.append((np.abs(completed(genes, pairs, target, asked)), np.abs(without[kept])))
        return found


def completed(
    genes: int, pairs: Int[np.ndarray, "m 2"], value_m: Float[np.ndarray, " m"], asked: Int[np.ndarray, "n 2"]
) -> Float[np.ndarray, " n"]:
    """Complete a symmetric matrix: gene terms, and what is left with its eigenvalues drawn to zero (Mazumder 2010)."""
    x = np.zeros((len(pairs), genes), dtype=np.float32)
    x[np.arange(len(pairs)), pairs[:, 0]] = x[np.arange(len(pairs)), pairs[:, 1]] = 1
    weight, level, _ = _ridge(x, value_m, np.full(genes, 1 / np.sqrt(_GENE_PENALTY)), np.arange(1))
    left_gg, known_gg = np.zeros((genes, genes)), np.zeros((genes, genes), dtype=bool)
    rest = value_m - level - weight[pairs[:, 0]] - weight[pairs[:, 1]]
    for a, b in ((0, 1), (1, 0)):
        left_gg[pairs[:, a], pairs[:, b]] = rest
        known_gg[pairs[:, a], pairs[:, b]] = True
    low_gg = np.zeros_like(left_gg)
    for _ in range(_STEPS):
        strength, vector = np.linalg.eigh(np.where(known_gg, left_gg, low_gg))
        strength = np.sign(strength) * np.maximum(np.abs(strength) - _SOFT, 0)
        kept = strength != 0
        low_gg = (vector[:, kept] * strength[kept]) @ vector[:, kept].T
    one, other = asked[:, 0], asked[:, 1]
    return np.asarray(level + weight[one] + weight[other] + low_gg[one, other])


def _unit(axes_gd: np.ndarray) -> np.ndarray:
    return axes_gd / max(float(np.sqrt((axes_gd**2).sum(axis=1).mean())), 1e-12)


def _ridge(
    x: np.ndarray, y: np.ndarray, scale_f: np.ndarray, kept: np.ndarray, gram: np.ndarray | None = None
) -> tuple[np.ndarray, float, np.ndarray]:
    """Weights, level, and what is said of the kept rows, each without itself.

    ``scale_f`` are prior deviations of the weights over the noise; ``gram`` saves making it again.
    """
    level = float(y.mean())
    whole = scale_f[:, None] * (_gram(x) if gram is None else gram) * scale_f
    whole.flat[:: len(whole) + 1] += 1
    inverse = np.linalg.inv(whole)
    weight = scale_f * (inverse @ (scale_f * (x.T @ (y - level).astype(x.dtype)).astype(np.float64)))
    seen = x[kept] * scale_f.astype(x.dtype)
    leverage = np.minimum(np.einsum("mf,mf->m", seen @ inverse.astype(x.dtype), seen), 0.999)
    left = y[kept] - level - x[kept] @ weight
    return weight, level, np.asarray(y[kept] - left / (1 - leverage))


def _gram(x: np.ndarray) -> np.ndarray:
    return np.asarray((x.T @ x), dtype=np.float64)


def _evidence(x: np.ndarray, y: np.ndarray, blocks: list[int], gram: np.ndarray) -> np.ndarray:
    """Prior deviation of each block over the noise, by maximal marginal likelihood (MacKay 1992)."""
    count = len(y)
    across = (x.T @ (y - y.mean()).astype(x.dtype)).astype(np.float64)
    total = float(((y - y.mean()) ** 2).sum())
    ends = [slice(a, b) for a, b in pairwise(np.cumsum([0, *blocks]).tolist())]

    def cost(log_b: np.ndarray) -> float:
        scale_f = np.concatenate([np.full(end.stop - end.start, np.exp(v)) for end, v in zip(ends, log_b, strict=True)])
        whole = scale_f[:, None] * gram * scale_f
        whole.flat[:: len(whole) + 1] += 1
        factor = cho_factor(whole, lower=True, check_finite=False)
        own = scale_f * across
        left = max(total - float(own @ cho_solve(factor, own, check_finite=False)), 1e-9 * total + 1e-12)
        # A wide prior around small blocks keeps what the data do not determine from running away.
        fit = 0.5 * count * float(np.log(left / count)) + float(np.log(np.diag(factor[0])).sum())
        return fit + float((log_b + 1) @ (log_b + 1)) / 8

    best = minimize(cost, np.full(len(blocks), -1.0), method="Nelder-Mead", options={"maxfev": _TRIES}).x
    return np.exp(np.clip(best, -5, 2))


def _weights(without: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights of members, none negative, drawn to equal ones; and the level."""
    center = without.mean(axis=0)
    count = without.shape[1]
    pull = 0.1 * np.sqrt(len(size)) * float(without.std())
    rows = np.vstack([without - center, pull * np.eye(count)])
    wanted = np.concatenate([size - size.mean(), np.full(count, pull / count)])
    found = nnls(rows, wanted)[0]
    return found, float(size.mean() - center @ found)


def stack_earned(without: Float[np.ndarray, "m k"], size: Float[np.ndarray, " m"]) -> bool:
    """Whether a stack predicts better than its first member alone, by more than one standard error (Breiman 1984).

    The weights are fitted without the fold they are tried on. The first member has a slope and a level of its own, too:
    else a stack would be believed for its scale, which changes no order.

    Args:
        without: ``(m, k)`` what each member says of known pairs that it has not seen.
        size: ``(m,)`` their absolute scores.
    """
    fold = np.random.default_rng(0).permutation(len(size)) % _FOLDS
    gain = np.zeros(len(size))
    for each in range(_FOLDS):
        asked = fold == each
        for sign, members in ((1, without[:, :1]), (-1, without)):
            weights, level = _weights(members[~asked], size[~asked])
            gain[asked] += sign * (members[asked] @ weights + level - size[asked]) ** 2
    return bool(gain.mean() > gain.std(ddof=1) / np.sqrt(len(gain)))
