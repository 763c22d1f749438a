"""Sizes and shapes of compartments, from their masks alone."""

import numpy as np

from aivc.representations.cellular.morphology_features.compartments import TINY, Compartment


def shape_features(part: Compartment, um_per_pixel: float | None) -> dict[str, np.ndarray]:
    """``(n,)`` features by name; none of whole crops, whose shape is a choice of ours.

    Areas are in µm² where the size of a pixel is known, and all amounts are natural logarithms. The perimeter counts
    the sides of border pixels, so that a disk has a form factor of π²/16.

    Args:
        part: The compartment.
        um_per_pixel: Size of a pixel, or None.
    """
    if part.everything:
        return {}
    inside, count, size = part.inside, part.count, um_per_pixel or 1.0
    padded = np.pad(inside, ((0, 0), (1, 1), (1, 1)))
    sides = (padded[:, 1:] != padded[:, :-1]).sum(axis=(1, 2)) + (padded[:, :, 1:] != padded[:, :, :-1]).sum(
        axis=(1, 2)
    )
    major, minor = _axes(inside, count)
    named = {
        "Area": np.log(count * size**2),
        "Perimeter": np.log(np.maximum(sides, 1) * size),
        "FormFactor": 4 * np.pi * count / np.maximum(sides, 1) ** 2,
        "MajorAxisLength": np.log(np.maximum(major, 1) * size),
        "MinorAxisLength": np.log(np.maximum(minor, 1) * size),
        "Eccentricity": np.sqrt(np.maximum(1 - (minor / np.maximum(major, TINY)) ** 2, 0.0)),
        "Extent": _extent(inside, count),
    }
    return {f"{part.name}_AreaShape_{name}": value for name, value in named.items()}


def _axes(inside: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``(n,)`` lengths of the axes of the ellipse with the same second moments, in pixels."""
    rows, columns = (np.arange(side) - (side - 1) / 2 for side in inside.shape[1:])
    by_row, by_column = inside.sum(axis=2), inside.sum(axis=1)
    y, x = by_row @ rows / count, by_column @ columns / count
    # A pixel is a square, not a point.
    yy = by_row @ rows**2 / count - y**2 + 1 / 12
    xx = by_column @ columns**2 / count - x**2 + 1 / 12
    xy = np.einsum("nyx,y,x->n", inside, rows, columns) / count - x * y
    spread = np.sqrt((yy - xx) ** 2 + 4 * xy**2)
    return 4 * np.sqrt(np.maximum(yy + xx + spread, 0) / 2), 4 * np.sqrt(np.maximum(yy + xx - spread, 0) / 2)


def _extent(inside: np.ndarray, count: np.ndarray) -> np.ndarray:
    tall, wide = inside.any(axis=2).sum(axis=1), inside.any(axis=1).sum(axis=1)
    return np.asarray(count / np.maximum(tall * wide, 1))
