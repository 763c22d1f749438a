"""What state each cell of a simulated series is in: a label where the virtual cell reads labels, or else a cluster."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.cluster import vq

from aivc.core.contracts import Decoder
from aivc.core.ur import UR
from aivc.core.virtual_cell import VirtualCell

_CLUSTERS, _LEARNED = 5, 5000


class CellStates(NamedTuple):
    """States by name, and which one each cell is in.

    Attributes:
        names: ``s`` names, those of clusters in the order of time.
        codes: For each population that was given, ``(n,)`` positions among the names.
        by: Decoder of the labels; empty where states are clusters.
    """

    names: tuple[str, ...]
    codes: tuple[np.ndarray, ...]
    by: str


def label_decoders(cell: VirtualCell, example: UR) -> dict[str, Decoder]:
    """The decoders of a cell that read labels, by name."""
    found = {key: part for key, part in cell.instruments.items() if isinstance(part, Decoder)}
    few = example.take(np.arange(min(2, len(example))))
    here = {key: part for key, part in found.items() if part.reads == example.space}
    return {key: part for key, part in here.items() if part.decode(few).draws[0].modality == "label"}


def cell_states(cell: VirtualCell, populations: Sequence[UR], *, seed: int = 0) -> CellStates:
    """Name the state of every cell.

    Args:
        cell: Whose only decoder of labels is asked; without one, all populations are cut into clusters.
        populations: In the order of time.
        seed: Draws the first centers of clusters.
    """
    readers = label_decoders(cell, populations[0])
    if len(readers) == 1:
        ((name, reader),) = readers.items()
        said = [reader.decode(each).draws[0] for each in populations]
        names = tuple(map(str, said[0].features))
        return CellStates(names, tuple(each.dense().argmax(axis=1) for each in said), name)
    return _clusters(populations, seed)


def _clusters(populations: Sequence[UR], seed: int) -> CellStates:
    values = np.concatenate([each.values for each in populations])
    order = np.repeat(np.arange(len(populations)), [len(each) for each in populations])
    rows = np.random.default_rng(seed).permutation(len(values))[:_LEARNED]
    count = min(_CLUSTERS, len(np.unique(values[rows], axis=0)))
    centers = vq.kmeans2(values[rows], count, minit="++", rng=seed, missing="warn")[0] if count > 1 else values[:1]
    code = np.argmin(((values[:, None] - centers[None]) ** 2).sum(axis=2), axis=1)
    there = [k for k in range(len(centers)) if (code == k).any()]
    # Clusters that are there early come first.
    first = sorted(there, key=lambda k: (float(order[code == k].mean()), k))
    place = {k: i for i, k in enumerate(first)}
    codes = np.array([place[k] for k in code])
    names = tuple(f"cluster {i + 1}" for i in range(len(first)))
    return CellStates(names, tuple(np.split(codes, np.cumsum([len(each) for each in populations])[:-1])), "")
