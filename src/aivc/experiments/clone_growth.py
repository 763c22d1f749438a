"""Which clones will grow? Said only where clones left out are ordered better than by chance and than by size."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float
from scipy.stats import rankdata

from aivc.core.errors import DataError
from aivc.experiments.time_series import later_effects

PENALTIES = (0.1, 0.3, 1.0, 3.0, 10.0)
_FOLDS, _DEALT, _FEWEST = 5, 5, 25


@final
@dataclass(frozen=True, eq=False)
class CloneGrowth:
    """How well growth of clones is predicted from what they were.

    Attributes:
        said: ``(g,)`` growth said of each clone while it was left out.
        spearman: Rank correlation with what was read.
        chance: What 95 % of the permutations of what was read stay below.
        size: Rank correlation of the size of clones with what was read, without a sign.
        beyond: What the first is above the third by, at least, in 95 % of the draws of clones (paired bootstrap).
        predictable: Whether the first is above chance, and surely above size.
    """

    said: Float[np.ndarray, " g"]
    spearman: float
    chance: float
    size: float
    beyond: float
    predictable: bool

    @property
    def answer(self) -> str:
        """In words."""
        beside = f"rank correlation {self.spearman:.3f}; chance {self.chance:.3f}, size alone {self.size:.3f}, "
        beside += f"beyond it by {self.beyond:+.3f} at least"
        return f"{'predictable' if self.predictable else 'not predictable'} ({beside})"


def clone_growth(
    states: np.ndarray, growth: np.ndarray, size: np.ndarray, *, permutations: int = 1000, seed: int = 0
) -> CloneGrowth:
    """Predict growth of clones left out by ridge regression, its penalty from folds inside the others.

    Growth is a ratio with the early size in it, so that size alone is to be beaten, beside chance.

    Args:
        states: ``(g, f)`` what is known of each clone early, such as mean states and scores of the cell cycle.
        growth: ``(g,)`` such as the logarithm of late over early size.
        size: ``(g,)`` early number of cells.
        permutations: For chance, and as many draws of clones.
        seed: Draws folds and permutations.

    Raises:
        DataError: Fewer than 25 clones, or numbers that do not match.

    >>> rng = np.random.default_rng(0)
    >>> x_gf = rng.normal(size=(60, 3))
    >>> clone_growth(x_gf, x_gf[:, 0], np.ones(60)).predictable
    True
    """
    if not len(states) == len(growth) == len(size) >= _FEWEST:
        raise DataError(
            [f"Growth is asked of {_FEWEST} clones or more, each with states and a size. Give more clones."]
        )
    rng, said_g = np.random.default_rng(seed), np.zeros(len(growth))
    # How clones are dealt to folds moves the answer; the mean over several dealings moves less.
    for out in [out for _ in range(_DEALT) for out in np.array_split(rng.permutation(len(growth)), _FOLDS)]:
        kept = np.setdiff1d(np.arange(len(growth)), out)
        found = later_effects(states[kept], growth[kept, None], states[out], np.arange(len(kept)), PENALTIES)
        said_g[out] += found[:, 0] / _DEALT
    spearman = _spearman(said_g, growth)
    chance = float(np.quantile([_spearman(said_g, rng.permutation(growth)) for _ in range(permutations)], 0.95))
    drawn = rng.integers(len(growth), size=(permutations, len(growth)))
    gaps = [_spearman(said_g[g], growth[g]) - abs(_spearman(size[g], growth[g])) for g in drawn]
    beyond, alone = float(np.quantile(gaps, 0.05)), abs(_spearman(size, growth))
    return CloneGrowth(said_g, spearman, chance, alone, beyond, spearman > chance and beyond > 0)


def _spearman(one_g: np.ndarray, two_g: np.ndarray) -> float:
    one_g, two_g = (rankdata(each) - (len(each) + 1) / 2 for each in (one_g, two_g))
    length = float(np.sqrt((one_g @ one_g) * (two_g @ two_g)))
    return float(one_g @ two_g) / length if length > 0 else 0.0
