"""Whether the neighbors are used: what is lost when they are shuffled, with an interval."""

import numpy as np
import pandas as pd

from aivc.data.tissue.graph import sections
from aivc.evaluation.consistency.check_row import CheckRow, asked, judged, spared
from aivc.evaluation.consistency.subject import Subject

_HIDDEN, _FOLDS, _SHUFFLES, _RESAMPLES = 5, 4, 3, 2000
_PENALTIES = np.logspace(-2, 5, 15)
USE = asked(
    "C13",
    "Neighbors are used",
    "R² of the state of a cell by its neighbors, its own state hidden, in places held out",
    "more than with neighbors shuffled: the 95 % interval of the gain is above 0",
)


def information_use(subject: Subject) -> CheckRow:
    """C13: neighbors foresee the state of a cell, and neighbors of another cell do so less.

    Cells exchange places within their section, and within their type where types are known: what is lost is what
    neighbors say beyond type. Blocks of space are held out, and the interval is over these blocks.
    """
    if not subject.above.uses_parts:
        return spared(USE, f"{subject.above.name} reads measurements, so that no state can be hidden from it")
    random, cells = subject.random, subject.cells.values
    block_n = blocks(subject)
    true_b, total_b = _errors(subject, np.arange(len(cells)), block_n, random)
    shuffled = [_errors(subject, _exchanged(subject, random), block_n, random)[0] for _ in range(_SHUFFLES)]
    mixed_b = np.mean(shuffled, axis=0)
    drawn = random.integers(0, len(total_b), (_RESAMPLES, len(total_b)))
    gains = (mixed_b - true_b)[drawn].sum(axis=1) / total_b[drawn].sum(axis=1)
    low, high = np.quantile(gains, [0.025, 0.975])
    value, null = 1 - true_b.sum() / total_b.sum(), 1 - mixed_b.sum() / total_b.sum()
    usage = f"usage index {1 - null / value:.2f}" if value > 0 else "no usage index, as nothing is foreseen"
    within = "section and type" if "cell_type" in subject.tissue.entities else "section"
    note = (
        f"Gain {value - null:.3f}, 95 % interval {low:.3f} to {high:.3f} over {len(total_b)} blocks; {usage}. "
        f"Shuffled within {within}."
    )
    return judged(USE, value, null, holds=bool(low > 0), note=note)


def blocks(subject: Subject) -> np.ndarray:
    """``(n,)`` the block of space of each cell: quarters of each section, or random eighths without positions."""
    tissue = subject.tissue
    if tissue.coordinates is None:
        return np.asarray(subject.random.permutation(len(tissue)) % 8)
    made = np.zeros(len(tissue), dtype=int)
    for i, where in enumerate(sections(tissue)):
        points = np.asarray(tissue.coordinates[where], dtype=np.float64)[:, :2]
        right = points > np.median(points, axis=0)
        made[where] = 4 * i + 2 * right[:, 0] + right[:, 1]
    return np.unique(made, return_inverse=True)[1]


def _exchanged(subject: Subject, random: np.random.Generator) -> np.ndarray:
    """``(n,)`` whose place each cell takes: that of one of its section and type."""
    entities = subject.tissue.entities
    columns = [name for name in ("section", "cell_type") if name in entities]
    place = np.arange(len(entities))
    groups = pd.factorize(pd.MultiIndex.from_frame(entities[columns].astype(str)))[0] if columns else 0 * place
    for group in np.unique(groups):
        where = np.flatnonzero(groups == group)
        place[where] = random.permutation(where)
    return place


def _errors(
    subject: Subject, place: np.ndarray, block_n: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Squared errors and squared deviations from the training mean, each summed over the cells of a block."""
    links = subject.links[place][:, place]
    cells, hidden = subject.cells.values, np.random.default_rng(subject.seed).permutation(len(place)) % _HIDDEN
    seen = np.zeros((len(cells), subject.above.dim))
    for fold in range(_HIDDEN):
        blank = np.array(cells)
        blank[hidden == fold] = cells.mean(axis=0)
        seen[hidden == fold] = subject.lifted(cells=blank, links=links)[hidden == fold]
    count = block_n.max() + 1
    # Blocks of one section are spread over the folds.
    fold_n = (block_n % _FOLDS) if count >= _FOLDS else block_n
    error_n, total_n = np.zeros(len(cells)), np.zeros(len(cells))
    for fold in np.unique(fold_n):
        test = fold_n == fold
        guess = ridge(seen[~test], cells[~test], seen[test])
        error_n[test] = ((cells[test] - guess) ** 2).sum(axis=1)
        total_n[test] = ((cells[test] - cells[~test].mean(axis=0)) ** 2).sum(axis=1)
    return np.bincount(block_n, error_n), np.bincount(block_n, total_n)


def ridge(x_nd: np.ndarray, y_nt: np.ndarray, new_md: np.ndarray) -> np.ndarray:
    """Predict by ridge regression; the penalty is chosen by generalized cross-validation (Golub et al. 1979).

    Args:
        x_nd: ``(n, d)`` training inputs.
        y_nt: ``(n, t)`` training targets.
        new_md: ``(m, d)`` inputs asked about.

    Returns:
        ``(m, t)``.
    """
    center, spread = x_nd.mean(axis=0), x_nd.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    left, size, right = np.linalg.svd((x_nd - center) / spread, full_matrices=False)
    mean_t = y_nt.mean(axis=0)
    onto = left.T @ (y_nt - mean_t)
    rest = ((y_nt - mean_t) ** 2).sum() - (onto**2).sum()
    scores = []
    for penalty in _PENALTIES:
        kept = size**2 / (size**2 + penalty)
        missed = rest + (((1 - kept)[:, None] * onto) ** 2).sum()
        scores.append(missed / (len(x_nd) - 1 - kept.sum()) ** 2)
    penalty = _PENALTIES[int(np.argmin(scores))]
    weights = right.T @ ((size / (size**2 + penalty))[:, None] * onto)
    return np.asarray(mean_t + (new_md - center) / spread @ weights)
