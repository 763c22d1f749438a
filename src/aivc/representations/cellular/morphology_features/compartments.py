"""Which pixels of a crop a measurement is over: nucleus, cell, cytoplasm, or all where there are no masks."""

from dataclasses import dataclass
from typing import final

import numpy as np

from aivc.data.images.layout import CELL, NUCLEUS

TINY = 1e-6


@final
@dataclass(frozen=True, eq=False)
class Compartment:
    """Pixels of one compartment in ``n`` crops, and where they lie.

    Attributes:
        name: As CellProfiler's object: ``Nuclei``, ``Cells``, ``Cytoplasm``; ``Image`` for all pixels.
        inside: ``(n, y, x)`` True inside.
        count: ``(n,)`` how many pixels; at least 1.
        radius: ``(n, y, x)`` distance from its middle, where 1 is the radius of a disk of its area; for ``Image``, half
            of a side.
    """

    name: str
    inside: np.ndarray
    count: np.ndarray
    radius: np.ndarray

    @property
    def everything(self) -> bool:
        """Whether all pixels are inside."""
        return self.name == "Image"


def compartments(masks: dict[str, np.ndarray], shape: tuple[int, int, int]) -> list[Compartment]:
    """Make the compartments that masks allow.

    Args:
        masks: ``(n, y, x)`` by feature, such as ``mask:nucleus``.
        shape: Crops, rows and columns.
    """
    made = []
    nucleus, cell = (None if (mask := masks.get(name)) is None else mask > 0 for name in (NUCLEUS, CELL))
    if nucleus is not None:
        made.append(_around("Nuclei", nucleus))
    if cell is not None:
        made.append(_around("Cells", cell))
    if nucleus is not None and cell is not None:
        made.append(_around("Cytoplasm", cell & ~nucleus))
    if made:
        return made
    n, height, width = shape
    radius = np.hypot(*np.ix_(*(np.arange(side) - (side - 1) / 2 for side in (height, width)))) / (height / 2)
    inside = np.ones(shape, dtype=bool)
    return [Compartment("Image", inside, np.full(n, height * width), np.broadcast_to(radius, shape))]


def _around(name: str, inside: np.ndarray) -> Compartment:
    count = np.maximum(inside.sum(axis=(1, 2)), 1)
    rows, columns = (np.arange(side) - (side - 1) / 2 for side in inside.shape[1:])
    y_n = inside.sum(axis=2) @ rows / count
    x_n = inside.sum(axis=1) @ columns / count
    distance = np.sqrt((rows - y_n[:, None])[:, :, None] ** 2 + (columns - x_n[:, None])[:, None, :] ** 2)
    return Compartment(name, inside, count, distance / np.sqrt(count / np.pi)[:, None, None])
