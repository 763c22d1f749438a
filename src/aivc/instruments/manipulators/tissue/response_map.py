"""From surroundings to the state of a cell: ridge with a penalty for each kind of column, chosen on blocks left out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float
from scipy import sparse
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse.csgraph import reverse_cuthill_mckee

from aivc.core.ur import UR
from aivc.instruments.manipulators.tissue.surroundings import Surroundings

# Prior variances of slopes, as shares of the variance that surroundings leave: of types, which are free to take what
# they need; then, to be chosen, of slopes on shells that all types share, that alike types share, and on composition.
_TYPE = 10.0
CHOICES = (
    *((shell, 0.0, 0.0) for shell in (3.0, 0.3, 0.1, 0.03, 0.01)),
    *((3.0, alike, 0.0) for alike in (0.01, 0.03)),
)
_BLOCKS, _FEWEST = 10, 5


@final
@dataclass(frozen=True, eq=False)
class ResponseMap:
    """Linear in the surroundings, with slopes that alike types share.

    Attributes:
        level: ``(t + 1, d)`` state of each type in average surroundings; last that of a type never seen.
        shell: ``(t + 1, reach * q, d)`` slopes of each type on its shell means.
        named: ``(t, d)`` slopes on the composition of the first shell.
    """

    level: Float[np.ndarray, "k d"]
    shell: Float[np.ndarray, "k p d"]
    named: Float[np.ndarray, "t d"]

    def __call__(self, codes: np.ndarray, means: np.ndarray, shares: np.ndarray) -> np.ndarray:
        """``(n, d)`` states of cells with these types, shell means and compositions, less the mean state."""
        return self.level[codes] + self.change(codes, means) + shares @ self.named

    def change(self, codes: np.ndarray, means: np.ndarray) -> np.ndarray:
        """``(n, d)`` what a change of shell means does to cells of these types."""
        flat = means.reshape(len(means), -1)
        found = np.zeros((len(means), self.level.shape[1]))
        for code in np.unique(codes):
            rows = codes == code
            found[rows] = flat[rows] @ self.shell[code]
        return found

    def gain(self, given: Surroundings) -> float:
        """Bound of the spectral norm of one round: how much larger than the largest change its echo may be."""
        reach, q = given.reach, given.loadings.shape[1]
        by_shell = (self.shell @ given.loadings).reshape(-1, reach, q, q) / given.unit[:, None, None]
        return float(np.linalg.norm(by_shell, ord=2, axis=(2, 3)).sum(axis=1).max())


@final
@dataclass(frozen=True, eq=False)
class BlockSums:
    """Products of the columns of a design with themselves and with states, block of cells by block.

    Attributes:
        gram: ``(b, p, p)``.
        cross: ``(b, p, d)``.
    """

    gram: np.ndarray
    cross: np.ndarray

    def solve(self, prior: np.ndarray, weight: np.ndarray | None = None) -> np.ndarray:
        """``(p, d)`` slopes with ``(p,)`` prior variances; blocks count once each, or as often as weights say."""
        weight = np.ones(len(self.gram)) if weight is None else weight
        free = prior > 0
        gram = np.tensordot(weight, self.gram[:, free][:, :, free], axes=1)
        gram[np.diag_indices(len(gram))] += 1 / prior[free]
        slopes = np.zeros(self.cross.shape[1:])
        slopes[free] = cho_solve(cho_factor(gram), np.tensordot(weight, self.cross[:, free], axes=1))
        return slopes


def fit_maps(
    ur: UR, rings: Sequence[sparse.csr_matrix], given: Surroundings, blocks: np.ndarray, *, draws: int, seed: int = 0
) -> tuple[tuple[float, float, float], list[ResponseMap]]:
    """Choose penalties on cells left out, then fit to all blocks, and to blocks drawn again.

    What is left out is a type in a block, as a sample: the question is what a type does in surroundings in which it
    was not seen.

    Args:
        ur: Training cells.
        rings: Who is in which shell of each.
        given: How their surroundings become numbers.
        blocks: ``(n,)`` names of blocks of cells that are no independent samples, such as regions or sections.
        draws: Number of draws of weights of blocks (Rubin 1981, Ann Stat 9:130).
        seed: Draws the weights, and the shuffle.

    Returns:
        The choice; and maps: that of all blocks first, then the draws, and last one whose neighbours were shuffled
        within their types, so that they say which types are there and nothing else.
    """
    codes, means, shares = given.of(ur, rings)
    design, states = _design(given, codes, means, shares), ur.values - given.center
    block_n = np.unique(blocks.astype(str), return_inverse=True)[1]
    sums = _sums(design, states, block_n)
    groups = list(_groups(codes, block_n))
    scored = [(_left_out(design, states, groups, sums, _prior(given, each)), each) for each in CHOICES]
    choice = min(scored)[1] if groups else CHOICES[0]
    prior, rng = _prior(given, choice), np.random.default_rng(seed)
    weights = rng.exponential(size=(draws, len(sums.gram))) if len(sums.gram) > 1 else np.ones((0, 1))
    maps = [_map(given, sums.solve(prior, weight)) for weight in (None, *weights)]
    others = _design(given, codes, given.means(rings, states[shuffled(codes, seed)]), shares)
    return choice, [*maps, _map(given, _sums(others, states, np.zeros(len(states), dtype=int)).solve(prior))]


def shuffled(codes: np.ndarray, seed: int) -> np.ndarray:
    """``(n,)`` for each cell another one of its type at random, or itself."""
    rng, rows = np.random.default_rng(seed), np.arange(len(codes))
    for code in np.unique(codes):
        rows[codes == code] = rng.permutation(rows[codes == code])
    return rows


def graph_blocks(ur: UR, count: int = _BLOCKS) -> np.ndarray:
    """``(n,)`` blocks of cells near each other in the graph; cells in their order where there are no links."""
    order = np.arange(len(ur)) if ur.links is None else reverse_cuthill_mckee(ur.links, symmetric_mode=True)
    blocks = np.empty(len(ur), dtype=int)
    blocks[order] = np.arange(len(ur)) * count // max(len(ur), 1)
    return blocks


def _design(given: Surroundings, codes: np.ndarray, means: np.ndarray, shares: np.ndarray) -> np.ndarray:
    flat = means.reshape(len(means), -1)
    alike = (given.profile[codes][:, :, None] * flat[:, None, :]).reshape(len(flat), -1)
    return np.hstack([np.eye(len(given.types))[codes], flat, shares, alike])


def _prior(given: Surroundings, choice: tuple[float, float, float]) -> np.ndarray:
    shell, alike, named = choice
    t, p = len(given.types), given.reach * given.loadings.shape[1]
    return np.repeat([_TYPE, shell, named, alike], [t, p, t, given.profile.shape[1] * p])


def _map(given: Surroundings, slopes: np.ndarray) -> ResponseMap:
    t, p = len(given.types), given.reach * given.loadings.shape[1]
    level, shell, named, alike = np.split(slopes, np.cumsum([t, p, t]))
    own = np.einsum("ta,apd->tpd", given.profile, alike.reshape(-1, p, slopes.shape[1]))
    stranger = np.zeros((1, *own.shape[1:]))
    level = np.concatenate([level, level.mean(axis=0, keepdims=True)])
    return ResponseMap(level, shell + np.concatenate([own, stranger]), named)


def _sums(design: np.ndarray, states: np.ndarray, block_n: np.ndarray) -> BlockSums:
    rows = [np.flatnonzero(block_n == block) for block in np.unique(block_n)]
    gram = np.array([design[each].T @ design[each] for each in rows])
    return BlockSums(gram, np.array([design[each].T @ states[each] for each in rows]))


def _groups(codes: np.ndarray, block_n: np.ndarray) -> Iterator[np.ndarray]:
    both = codes * (block_n.max(initial=0) + 1) + block_n
    for name in np.unique(both):
        rows = np.flatnonzero(both == name)
        # A type seen in one block alone has nothing that could tell of it.
        if len(rows) >= _FEWEST and (codes == codes[rows[0]]).sum() > len(rows):
            yield rows


def _left_out(
    design: np.ndarray, states: np.ndarray, groups: list[np.ndarray], sums: BlockSums, prior: np.ndarray
) -> float:
    """Squared error of the mean state of each group, from all others; in closed form."""
    free = prior > 0
    x = design[:, free]
    gram = sums.gram[:, free][:, :, free].sum(axis=0)
    gram[np.diag_indices(len(gram))] += 1 / prior[free]
    inverse = np.linalg.inv(gram)
    residual = states - x @ (inverse @ sums.cross[:, free].sum(axis=0))
    return float(sum((_without(inverse, x[rows], residual[rows]) ** 2).sum() for rows in groups))


def _without(inverse: np.ndarray, x: np.ndarray, residual: np.ndarray) -> np.ndarray:
    """``(d,)`` mean residual of rows once they are left out: that of ``(I - H)^-1 r``, H their part of the hat matrix.

    As the mean of it is asked for, one solve does, in as many unknowns as there are rows or columns, the fewer of both.
    """
    m, p = x.shape
    if m <= p:
        return np.asarray(np.linalg.solve(np.eye(m) - x @ inverse @ x.T, np.full(m, 1 / m)) @ residual)
    # By Woodbury (I - x K x')^-1 = I + x (K^-1 - x'x)^-1 x'.
    side = np.linalg.solve(np.linalg.inv(inverse) - x.T @ x, x.mean(axis=0))
    return np.asarray(residual.mean(axis=0) + side @ (x.T @ residual))
