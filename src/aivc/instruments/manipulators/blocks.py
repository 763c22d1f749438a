"""Perturbations in the blocks of a molecular UR: which block knows which, and where they lie in it."""

from collections.abc import Sequence

import numpy as np

from aivc.core.perturbation import Perturbation
from aivc.core.ur import UR
from aivc.data.knowledge import block_slices
from aivc.instruments.manipulators.priors import locate

_MAIN, _WHOLE = 50, "priors"


def blocks_of(parts: UR) -> tuple[dict[str, slice], np.ndarray]:
    """Axes of each block, and which rows it knows; without blocks all axes are one, and a row of zeros is unknown."""
    axes = block_slices(parts)
    if not axes:
        return {_WHOLE: slice(0, parts.space.dim)}, (parts.values != 0).any(axis=1)[:, None]
    known = [parts.entities[f"covered_{block}"].to_numpy(dtype=bool) for block in axes]
    return axes, np.array(known).T.reshape(len(parts), len(axes))


def main_responses(shifts_pd: np.ndarray) -> np.ndarray:
    """The same rows on the few directions that hold most of them, to choose settings on."""
    if shifts_pd.shape[1] <= _MAIN:
        return shifts_pd
    values, vectors = np.linalg.eigh(shifts_pd @ shifts_pd.T)
    top = np.argsort(-values)[:_MAIN]
    return np.asarray(vectors[:, top] * np.sqrt(np.maximum(values[top], 0)))


def places_of(
    asked: Sequence[Perturbation],
    index: dict[str, int],
    values: np.ndarray,
    covered: np.ndarray,
    axes: Sequence[slice],
) -> tuple[np.ndarray, np.ndarray]:
    """``(p, m)`` positions, zero where a block knows none of the targets, and ``(p, b)`` whether it knows one."""
    places, known = np.zeros((len(asked), values.shape[1])), np.zeros((len(asked), len(axes)), dtype=bool)
    for row, perturbation in enumerate(asked):
        here = [index[target] for target in targets_of(perturbation) if target in index]
        place = locate(perturbation, index, values)
        if place is None:
            continue
        for block, where in enumerate(axes):
            # All or nothing: half a pair is another perturbation.
            known[row, block] = len(here) == len(perturbation.agents) and bool(covered[here, block].all())
            places[row, where] = place[where] if known[row, block] else 0.0
    return places, known


def targets_of(perturbation: Perturbation) -> list[str]:
    """What each agent is known under among molecules: the gene of a variant, otherwise its target."""
    genes = set(perturbation.genes)
    return [target.split(":")[0] if target.split(":")[0] in genes else target for target in perturbation.targets]
