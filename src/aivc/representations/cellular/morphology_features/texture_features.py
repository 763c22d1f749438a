"""How light changes from pixel to pixel: co-occurrence of gray levels, and power by spatial frequency."""

import numpy as np
from scipy import fft

from aivc.representations.cellular.morphology_features.compartments import TINY, Compartment
from aivc.representations.cellular.morphology_features.intensity_features import mean_light

LEVELS, BANDS = 8, 8
DISTANCES = (1, 3)
_LEAST = 0.02


def texture_features(image: np.ndarray, part: Compartment, channel: str) -> dict[str, np.ndarray]:
    """``(n,)`` features by name.

    Gray levels are eight between the lowest and the highest light of the compartment, pairs of pixels lie 1 and 3 apart
    in four directions and both orders (Haralick 1973). ``Granularity`` is the power of a band of spatial
    frequencies relative to the squared mean, coarse bands first: not CellProfiler's openings, but the same question.

    Args:
        image: ``(n, y, x)`` of one channel.
        part: The compartment.
        channel: Its name.
    """
    made = {}
    level = _levels(image, part)
    for distance in DISTANCES:
        pairs = _pairs(level, distance, LEVELS + 1)[:, :LEVELS, :LEVELS]
        for name, value in _haralick(pairs).items():
            made[f"{part.name}_Texture_{name}_{channel}_{distance}"] = value
    mean_n = mean_light(image, part)
    for band, power in enumerate(_power(image, part, mean_n).T, 1):
        made[f"{part.name}_Granularity_{band}_{channel}"] = 0.5 * np.log(power + 1e-6)
    return made


def _levels(image: np.ndarray, part: Compartment) -> np.ndarray:
    """``(n, y, x)`` gray level of each pixel; ``LEVELS`` outside."""
    if part.everything:
        low, high = image.min(axis=(1, 2)), image.max(axis=(1, 2))
    else:
        low = np.where(part.inside, image, np.inf).min(axis=(1, 2))
        high = np.where(part.inside, image, -np.inf).max(axis=(1, 2))
    low, high = (np.where(np.isfinite(edge), edge, 0.0).astype(np.float32) for edge in (low, high))
    # A hair below LEVELS, and rounded to what a scale of all pixels keeps.
    scale = (LEVELS * (1 - 1e-5)) / np.maximum(high - low, TINY)
    level = ((image - low[:, None, None]) * scale[:, None, None] + 1e-4).astype(np.uint8)
    return level if part.everything else np.where(part.inside, level, np.uint8(LEVELS))


def _pairs(level: np.ndarray, distance: int, levels: int) -> np.ndarray:
    """``(n, levels, levels)`` how often two levels lie ``distance`` apart, in four directions and both orders."""
    n, height, width = level.shape
    d, size = distance, levels * levels
    first = np.arange(n, dtype=np.int32)[:, None, None] * size + level.astype(np.int32) * levels
    count = np.zeros(n * size, dtype=np.int64)
    for rows, columns in ((0, d), (d, 0), (d, d), (d, -d)):
        left, right = max(0, -columns), width - max(0, columns)
        here = first[:, : height - rows, left:right]
        there = level[:, rows:, left + columns : right + columns]
        count += np.bincount((here + there).ravel(), minlength=n * size)
    square = count.reshape(n, levels, levels)
    return square + square.transpose(0, 2, 1)


def _haralick(pairs: np.ndarray) -> dict[str, np.ndarray]:
    share = pairs / np.maximum(pairs.sum(axis=(1, 2), keepdims=True), 1)
    row, column = np.arange(LEVELS)[:, None], np.arange(LEVELS)
    one = share.sum(axis=2)
    mean_n = one @ column
    variance_n = one @ column**2 - mean_n**2
    product_n = np.einsum("nij,ij->n", share, row * column)
    return {
        "AngularSecondMoment": np.log((share**2).sum(axis=(1, 2)) + 1e-4),
        "Contrast": np.log(np.einsum("nij,ij->n", share, (row - column) ** 2) + _LEAST),
        "Correlation": (product_n - mean_n**2) / np.maximum(variance_n, TINY),
        "InverseDifferenceMoment": np.einsum("nij,ij->n", share, 1 / (1 + (row - column) ** 2)),
        "Entropy": -(share * np.log(share + 1e-12)).sum(axis=(1, 2)),
        "Variance": np.log(variance_n + _LEAST),
    }


def _power(image: np.ndarray, part: Compartment, mean_n: np.ndarray) -> np.ndarray:
    """``(n, BANDS)`` power of the light around its mean, relative to the squared mean."""
    n, height, width = image.shape
    off = np.where(part.inside, image / np.maximum(mean_n, TINY)[:, None, None].astype(np.float32) - 1, np.float32(0))
    wave = fft.rfft2(off)
    square = (wave.real**2 + wave.imag**2).reshape(n, -1)
    side = min(height, width)
    rows, columns = np.abs(fft.fftfreq(height)) * side, fft.rfftfreq(width) * side
    frequency = np.hypot(rows[:, None], columns)
    edges = np.geomspace(0.9, side / 2, BANDS + 1)
    # All columns but the first and, of an even width, the last stand for two.
    twice = np.where((columns == 0) | (columns == side / 2), 1.0, 2.0) * np.ones_like(frequency)
    band = np.searchsorted(edges, frequency.ravel(), side="right") - 1
    member = ((band[:, None] == np.arange(BANDS)) * twice.reshape(-1, 1)).astype(np.float32)
    return np.asarray(square @ member, dtype=np.float64) / (part.count.astype(np.float64)[:, None] * height * width)
