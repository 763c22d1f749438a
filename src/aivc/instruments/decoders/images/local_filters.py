"""What surrounds a pixel, at several scales: responses that turn and flip with the image."""

import numpy as np
from jaxtyping import Float
from scipy import ndimage

from aivc.instruments.decoders.images.pixels import LEAST

_SMOOTH, _EDGES, _SPREADS, _BLOBS = (1, 2, 4, 8), (1, 2, 4), (2, 4), (2, 4)
# Of the distance from the middle, where the cell is, in half sides of the crop.
_RINGS = (0.2, 0.4, 0.7, 1.0)


def levels(image_ncyx: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each channel of each crop, ``(n, c)``."""
    return image_ncyx.mean(axis=(2, 3)), np.maximum(image_ncyx.std(axis=(2, 3)), LEAST)


def local_filters(image_ncyx: np.ndarray) -> Float[np.ndarray, "n f y x"]:
    """Filter responses of every pixel.

    Each channel is standardized within its crop first. Of each: itself, Gaussian means, sizes of the Gaussian gradient,
    standard deviations nearby and Laplacians of Gaussians. Beside them how far the pixel is from the middle, and the
    logarithms of the means and deviations of the channels.

    Args:
        image_ncyx: ``(n, c, y, x)``.
    """
    mean_nc, spread_nc = levels(image_ncyx)
    u = ((image_ncyx - mean_nc[..., None, None]) / spread_nc[..., None, None]).astype(np.float32)
    smooth = {size: _gaussian(u, size) for size in _SMOOTH}
    found = [u, *smooth.values()]
    found += [np.hypot(_gaussian(u, size, (1, 0)), _gaussian(u, size, (0, 1))) for size in _EDGES]
    found += [np.sqrt(np.maximum(_gaussian(u * u, size) - smooth[size] ** 2, 0)) for size in _SPREADS]
    found += [size**2 * (_gaussian(u, size, (2, 0)) + _gaussian(u, size, (0, 2))) for size in _BLOBS]
    sides = image_ncyx.shape[2:]
    whole = np.log(np.concatenate([np.maximum(mean_nc, LEAST), spread_nc], axis=1))
    found += [
        np.broadcast_to(_rings(sides), (len(u), len(_RINGS), *sides)),
        np.broadcast_to(whole[..., None, None], (*whole.shape, *sides)),
    ]
    return np.concatenate(found, axis=1, dtype=np.float32)


def _gaussian(image_ncyx: np.ndarray, size: int, order: tuple[int, int] = (0, 0)) -> np.ndarray:
    out = image_ncyx
    for axis, derivative in zip((2, 3), order, strict=True):
        out = ndimage.gaussian_filter1d(out, size, axis, derivative, mode="nearest", truncate=3.0)
    return out


def _rings(sides: tuple[int, ...]) -> np.ndarray:
    down, right = (np.linspace(-1, 1, side) for side in sides)
    away = down[:, None] ** 2 + right[None] ** 2
    return np.stack([np.exp(-away / width**2) for width in _RINGS])
