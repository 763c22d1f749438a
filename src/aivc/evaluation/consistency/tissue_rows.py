"""Properties of an encoder of tissue: what must not matter does not, and what is far away does not either."""

from collections.abc import Iterator

import numpy as np
from scipy import sparse

from aivc.core.measurement import Measurement
from aivc.data.tissue.graph import sections
from aivc.data.tissue.rings import shells
from aivc.evaluation.consistency.check_row import CheckRow, asked, judged, spared
from aivc.evaluation.consistency.subject import Subject

_EXACT = 1e-5
_SEEDS = 12
SYMMETRIES = asked(
    "C7",
    "A section may be turned, moved, mirrored, or read in another order",
    "largest change of any state, in standard deviations of its axis",
    f"< {_EXACT:g}",
)
ISOLATION = asked(
    "C8",
    "A cell without neighbors is the cell alone",
    "share of the variance of the states that the cell alone does not explain",
    f"< {_EXACT:g} without links",
)
BEYOND = asked(
    "C10",
    "Nothing changes beyond the reach",
    "largest change beyond the reach when one cell changes, in standard deviations",
    f"< {_EXACT:g}",
)
DECAY = asked(
    "C10",
    "What changes fades with the number of steps",
    "mean change one step from the cell that changed, in standard deviations",
    "more than on a rewired graph, and less with each step",
)


def symmetries(subject: Subject) -> CheckRow:
    """C7: rotation, mirror image, shift, and order; links are made anew from positions where there are any."""
    tissue, random = subject.tissue, subject.random
    placed = tissue.coordinates is not None
    base = tissue.replace(links=None) if placed else tissue
    before = subject.lifted(tissue=base)
    order = random.permutation(len(tissue))
    found = {"order": _difference(_reordered(subject, base, order), before[order], before)}
    for name, points in _moved(tissue):
        found[name] = _difference(subject.lifted(tissue=base.replace(coordinates=points)), before, before)
    mixed = tissue.replace(links=subject.links[order][:, order])
    null = _difference(subject.lifted(tissue=mixed), before, before)
    worst = max(found, key=lambda name: found[name])
    note = f"{', '.join(found)}; the largest by {worst}. The null puts cells in each other's places."
    return judged(SYMMETRIES, found[worst], null, holds=found[worst] < _EXACT, note=note)


def isolation(subject: Subject) -> CheckRow:
    """C8: without links, the states of the tissue are those of the cells, however many others there are."""
    n = len(subject.tissue)
    empty = sparse.csr_matrix((n, n), dtype=np.float32)
    alone = subject.lifted(links=empty)
    half = subject.random.permutation(n) < n // 2
    part = Subject(
        subject.cell, subject.tissue.replace(links=empty).take(half), subject.above,
        subject.cells.take(half), subject.states.take(half), subject.seed,
    )  # fmt: skip
    others = _difference(part.lifted(), alone[half], alone)
    left, null = (_unexplained(states, subject.cells.values) for states in (alone, subject.states.values))
    value = max(left, others)
    return judged(ISOLATION, value, null, holds=value < _EXACT, note="The null is the same with links.")


def locality(subject: Subject) -> list[CheckRow]:
    """C10: one cell changes, and so do its neighbors, the less the more steps away, and nobody beyond the reach."""
    reach = subject.reach
    if not subject.above.uses_parts:
        reason = f"{subject.above.name} reads measurements, not states of cells that could be changed one by one"
        return [spared(row, reason) for row in (BEYOND, DECAY)]
    if reach is None or not subject.links.nnz:
        reason = "the encoder states no reach" if reach is None else "no cell has a neighbor"
        return [spared(row, reason) for row in (BEYOND, DECAY)]
    where = np.flatnonzero(np.diff(subject.links.indptr))
    where = np.sort(subject.random.permutation(where)[:_SEEDS])
    rewired = rewire(subject.links, subject.random)
    steps, beyond, rewired_n = [], [], []
    for seed in where.tolist():
        change_n = _changed(subject, seed, subject.links)
        near = [shell.indices for shell in shells(subject.links, reach, np.array([seed]))]
        far = np.ones(len(change_n), dtype=bool)
        far[np.concatenate([[seed], *near])] = False
        steps.append([change_n[rows].mean() if len(rows) else np.nan for rows in near])
        beyond.append(change_n[far].max(initial=0.0))
        rewired_n.append(_changed(subject, seed, rewired)[near[0]].mean())
    by_step = np.array(steps)
    fading = np.nanmean(by_step[:, np.isfinite(by_step).any(axis=0)], axis=0)
    chance, said = float(np.mean(rewired_n)), ", ".join(f"{each:.2g}" for each in fading)
    holds = bool(fading[0] > chance and (np.diff(fading) < 0).all())
    note = f"By the number of steps: {said}. The null is a graph rewired at random, each cell with as many neighbors."
    furthest = float(max(beyond))
    first = f"Reach: {reach} steps; {len(where)} cells changed one by one. The null is the change at one step."
    return [
        judged(BEYOND, furthest, float(fading[0]), holds=furthest < _EXACT, note=first),
        judged(DECAY, float(fading[0]), chance, holds=holds, note=note),
    ]


def rewire(links: sparse.csr_matrix, random: np.random.Generator, *, rounds: int = 4) -> sparse.csr_matrix:
    """Exchange the ends of pairs of links at random: each entity keeps as many neighbors (Maslov & Sneppen 2002).

    Args:
        links: ``(n, n)`` symmetric.
        random: Draws the pairs.
        rounds: How often each link is tried on average.

    Returns:
        ``(n, n)`` symmetric links of weight 1, none of an entity to itself.
    """
    upper = sparse.triu(links, k=1).tocoo()
    ends = [[int(a), int(b)] for a, b in zip(upper.row, upper.col, strict=True)]
    there = {tuple(pair) for pair in ends}
    for i, j in random.integers(0, max(len(ends), 1), (rounds * len(ends), 2)):
        (a, b), (c, d) = ends[i], ends[j]
        first, second = tuple(sorted((a, d))), tuple(sorted((c, b)))
        if len({a, b, c, d}) < 4 or first in there or second in there:
            continue
        there -= {tuple(sorted((a, b))), tuple(sorted((c, d)))}
        there |= {first, second}
        ends[i], ends[j] = [a, d], [c, b]
    rows, columns = np.array(ends, dtype=int).reshape(-1, 2).T
    ones = np.ones(2 * len(rows), dtype=np.float32)
    return sparse.csr_matrix((ones, (np.r_[rows, columns], np.r_[columns, rows])), shape=links.shape)


def _moved(tissue: Measurement) -> Iterator[tuple[str, np.ndarray]]:
    if tissue.coordinates is None:
        return
    points = np.asarray(tissue.coordinates, dtype=np.float64)
    angle, turn = 1.0, np.eye(points.shape[1])
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    yield "rotation", points @ turn.T
    yield "mirror image", points * np.r_[-1.0, np.ones(points.shape[1] - 1)]
    moved = points.copy()
    for i, where in enumerate(sections(tissue)):
        moved[where] += 1000.0 * (i + 1)
    yield "shift of each section", moved


def _reordered(subject: Subject, base: Measurement, order: np.ndarray) -> np.ndarray:
    parts = subject.cells.take(order)
    return np.asarray(subject.above.encode(base.take(order), **subject.above.given(parts)).values)


def _changed(subject: Subject, seed: int, links: sparse.csr_matrix) -> np.ndarray:
    """``(n,)`` length of the change of each state when one cell moves by two standard deviations on each axis."""
    cells = np.array(subject.cells.values)
    cells[seed] += 2 * cells.std(axis=0)
    before, after = subject.lifted(links=links), subject.lifted(cells=cells, links=links)
    return np.asarray(np.linalg.norm((after - before) / _spread(before), axis=1))


def _difference(after: np.ndarray, before: np.ndarray, scale: np.ndarray) -> float:
    return float((np.abs(after - before) / _spread(scale)).max())


def _spread(values: np.ndarray) -> np.ndarray:
    spread = values.std(axis=0)
    return np.where(spread > 0, spread, 1.0)


def _unexplained(states: np.ndarray, cells: np.ndarray) -> float:
    """Share of the variance of states that no linear function of the cells explains."""
    design = np.column_stack([np.ones(len(cells)), cells])
    left = states - design @ np.linalg.lstsq(design, states, rcond=None)[0]
    total = ((states - states.mean(axis=0)) ** 2).sum()
    return float((left**2).sum() / total) if total > 0 else 0.0
