"""Pixels of images as arrays of channels by name, and how alike two images are."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from aivc.core.errors import DataError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.data.images.layout import is_mask

# Twice a level of 16 bits scaled to 1: a crop whose pixels vary by less holds nothing to scale by.
LEAST = 3e-5


def channels_of(measurement: Measurement) -> tuple[str, ...]:
    """Names of the channels that are no masks, in order.

    Raises:
        DataError: These are no images with channels.
    """
    named = tuple(str(name) for name in measurement.features if not is_mask(name))
    if len(measurement.values.shape) != 4 or not named:
        axes = " × ".join(map(str, measurement.values.shape))
        raise DataError([f"Images have axes (n, c, y, x) and a channel at least; got {axes}. Read them with a schema."])
    return named


def pixels(measurement: Measurement, channels: Sequence[str], rows: np.ndarray | slice = slice(None)) -> np.ndarray:
    """Numbers of some channels.

    Args:
        measurement: Images, in memory or on disk.
        channels: Names, in the order wanted.
        rows: Positions of the entities wanted, or a slice of them.

    Returns:
        ``(n, c, y, x)`` in the units of the images.

    Raises:
        UnknownNameError: A channel is missing.
    """
    place = {str(name): i for i, name in enumerate(measurement.features)}
    for name in channels:
        if name not in place:
            raise UnknownNameError("channel", name, place, "Images need every channel that the decoder was fitted on.")
    if isinstance(rows, slice):
        start, stop, _ = rows.indices(len(measurement))
        block = np.asarray(measurement.block(start, stop))
    else:
        block = np.asarray(measurement.take(rows).values)
    return block[:, [place[name] for name in channels]].astype(np.float32)


def pixel_pearson(one_nyx: np.ndarray, other_nyx: np.ndarray) -> Float[np.ndarray, " n"]:
    """Correlation of the pixels of two images, for each of ``n`` pairs; 0 where one of the two is constant."""
    a_nl, b_nl = (each.reshape(len(each), -1).astype(np.float64) for each in (one_nyx, other_nyx))
    a_nl, b_nl = (each - each.mean(axis=1, keepdims=True) for each in (a_nl, b_nl))
    size_n = np.sqrt((a_nl**2).sum(axis=1) * (b_nl**2).sum(axis=1))
    shared_n = (a_nl * b_nl).sum(axis=1)
    return np.divide(shared_n, size_n, out=np.zeros(len(a_nl)), where=size_n > 1e-12)


def gradient_energy(image_nyx: np.ndarray) -> Float[np.ndarray, " n"]:
    """Mean squared difference of neighbouring pixels: the higher, the sharper or the noisier."""
    down, right = (np.diff(image_nyx.astype(np.float64), axis=axis) for axis in (1, 2))
    return np.asarray((down**2).mean(axis=(1, 2)) + (right**2).mean(axis=(1, 2)))
