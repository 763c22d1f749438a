"""What has to be left out together: donors, sections, or blocks of neighbouring cells."""

from collections.abc import Sequence

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import breadth_first_order

from aivc.core.ur import UR
from aivc.data.tissue.spacing import SECTION

_BLOCKS, _CELLS_EACH, _FEWEST = 20, 25, 4


def left_out_together(
    ur: UR, rows: np.ndarray, groups: Sequence[object] | np.ndarray | None = None, *, seed: int = 0
) -> tuple[np.ndarray, str]:
    """Say which cells are no independent witnesses of each other.

    Args:
        ur: States of cells.
        rows: ``(n,)`` True for those that matter, such as labelled ones.
        groups: ``(n,)`` labels of groups; None takes the column ``donor`` where the rows hold two or more, else
            ``section``, else blocks of linked cells, else every cell is a group.
        seed: Draws where the first block begins.

    Returns:
        ``(n,)`` codes of groups, and what they are: ``group``, ``donor``, ``section``, ``block`` or ``cell``.
    """
    if groups is not None:
        return _coded(np.asarray([str(each) for each in groups], dtype=object)), "group"
    for column in ("donor", SECTION):
        if column in ur.entities and ur.entities[column][rows].nunique() > 1:
            return _coded(ur.entities[column].astype(str).to_numpy(dtype=object)), column
    if ur.links is not None and ur.links.nnz:
        return blocks(ur.links, rows, seed=seed), "block"
    return np.arange(len(ur)), "cell"


def blocks(links: sparse.csr_matrix, rows: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Divide a tissue into blocks of neighbouring cells: 4 to 20, of 25 or more of the given cells.

    Cells join the nearest of some that lie far apart, by number of links; a part that is linked to no other is
    a block of its own.

    Args:
        links: ``(n, n)`` who is whose neighbour.
        rows: ``(n,)`` True for those that matter.
        seed: Draws the first of these cells.

    Returns:
        ``(n,)`` codes of blocks.
    """
    among = np.flatnonzero(rows)
    wanted = int(np.clip(len(among) // _CELLS_EACH, _FEWEST, _BLOCKS))
    middle = int(np.random.default_rng(seed).choice(among))
    nearest, block = np.full(links.shape[0], np.inf), np.zeros(links.shape[0], dtype=np.int64)
    for code in range(wanted):
        away = _steps(links, middle)
        closer = away < nearest
        block[closer], nearest[closer] = code, away[closer]
        # The farthest begins the next block; a part never reached is infinitely far.
        middle = int(among[np.argmax(nearest[among])])
    return block


def _steps(links: sparse.csr_matrix, start: int) -> np.ndarray:
    """``(n,)`` number of links between a cell and each; infinite where no chain leads there."""
    order, before = breadth_first_order(links, start, directed=False)
    away = np.full(links.shape[0], np.inf)
    away[start] = 0
    for at in order[1:]:
        away[at] = away[before[at]] + 1
    return away


def _coded(names: np.ndarray) -> np.ndarray:
    return np.unique(names, return_inverse=True)[1]
