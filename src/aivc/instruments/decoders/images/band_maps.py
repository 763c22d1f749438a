"""Moves what an image shows at each scale and distance from the middle, by quantiles: textures change, places stay."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import ndimage

from aivc.instruments.decoders.images.local_filters import levels

# Widths of the Gaussians that bands lie between, in pixels, and where zones end, in half sides of the crop.
_WIDTHS, _ZONES = (1, 2, 4, 8), (0.25, 0.5, 0.75)
_QUANTILES = np.linspace(0, 1, 129)
# Sizes a cell may change to, and rings that it is chosen by.
_SIZES = (0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.15, 1.2, 1.3)
_RINGS = 16


class BandMaps(NamedTuple):
    """Quantiles of bands before and after.

    Attributes:
        before: ``(b, z, c, q)`` of each band, zone and channel.
        after: ``(b, z, c, q)``.
    """

    before: Float[np.ndarray, "b z c q"]
    after: Float[np.ndarray, "b z c q"]


def standardized(image_ncyx: np.ndarray) -> np.ndarray:
    """Each channel of each crop less its mean, in its standard deviations."""
    mean_nc, spread_nc = levels(image_ncyx)
    return np.asarray((image_ncyx - mean_nc[..., None, None]) / spread_nc[..., None, None])


def zoomed(image_ncyx: np.ndarray, size: float) -> np.ndarray:
    """Crops whose content is ``size`` times as large, around the middle; edges are repeated."""
    if size == 1.0:
        return image_ncyx
    start = [(side - 1) / 2 * (1 - 1 / size) for side in image_ncyx.shape[2:]]
    step = np.array([1.0, 1.0, 1 / size, 1 / size])
    return np.asarray(ndimage.affine_transform(image_ncyx, step, [0, 0, *start], order=1, mode="nearest"))


def fitted_size(before_ncyx: np.ndarray, after_ncyx: np.ndarray) -> float:
    """How much larger cells became: the size that brings the mean image, ring by ring, closest to the one after."""
    wanted = _profile(standardized(after_ncyx).mean(axis=0))
    mean = standardized(before_ncyx).mean(axis=0)[None]
    error = [float(((_profile(zoomed(mean, size)[0]) - wanted) ** 2).sum()) for size in _SIZES]
    return _SIZES[int(np.argmin(error))]


def fit_bands(before_ncyx: np.ndarray, after_ncyx: np.ndarray) -> BandMaps:
    """Learn quantiles of standardized crops, of two populations that need not be paired."""
    zone = _zones(before_ncyx.shape[2:])
    found = [
        np.array(
            [
                [np.quantile(band[:, :, zone == z].transpose(1, 0, 2).reshape(band.shape[1], -1), _QUANTILES, axis=1).T
                 for z in range(len(_ZONES) + 1)]
                for band in _bands(image)
            ]
        )
        for image in (before_ncyx, after_ncyx)
    ]  # fmt: skip
    return BandMaps(found[0].astype(np.float32), found[1].astype(np.float32))


def moved(image_ncyx: np.ndarray, maps: BandMaps) -> np.ndarray:
    """Standardized crops with the bands of the population after."""
    weight_zyx, out = _zone_weights(image_ncyx.shape[2:]), np.zeros_like(image_ncyx)
    for b, band in enumerate(_bands(image_ncyx)):
        for z, weight in enumerate(weight_zyx):
            used = weight > 0
            for c in range(band.shape[1]):
                inside = np.interp(band[:, c, used], maps.before[b, z, c], maps.after[b, z, c])
                out[:, c, used] += weight[used] * inside
    return standardized(out)


def _bands(image_ncyx: np.ndarray) -> list[np.ndarray]:
    found, finer = [], image_ncyx
    for width in _WIDTHS:
        coarser = ndimage.gaussian_filter(image_ncyx, (0, 0, width, width), mode="nearest", truncate=3.0)
        found.append(finer - coarser)
        finer = coarser
    return [*found, finer]


def _away(sides: tuple[int, ...]) -> np.ndarray:
    down, right = (np.linspace(-1, 1, side) for side in sides)
    return np.asarray(np.hypot(down[:, None], right[None]))


def _zones(sides: tuple[int, ...]) -> np.ndarray:
    return np.digitize(_away(sides), _ZONES)


def _zone_weights(sides: tuple[int, ...]) -> np.ndarray:
    """``(z, y, x)`` how much each zone's map counts at a pixel: a sharp border would be seen as a ring."""
    edges = np.array([0.0, *_ZONES, 1.0])
    middles = (edges[:-1] + edges[1:]) / 2
    return np.array([np.interp(_away(sides), middles, hat) for hat in np.eye(len(middles))])


def _profile(image_cyx: np.ndarray) -> np.ndarray:
    """``(c, r)`` mean of each ring, within the circle that a crop holds whole; 0 where a ring holds no pixel."""
    ring = np.minimum((_away(image_cyx.shape[1:]) * _RINGS).astype(int), _RINGS).ravel()
    count = np.maximum(np.bincount(ring, minlength=_RINGS + 1), 1)
    found = [np.bincount(ring, channel.ravel(), _RINGS + 1) / count for channel in image_cyx]
    return np.array(found)[:, :_RINGS]
