"""Where light lies between the middle of a compartment and its rim."""

import numpy as np

from aivc.representations.cellular.morphology_features.compartments import TINY, Compartment
from aivc.representations.cellular.morphology_features.intensity_features import FLOOR, mean_light

BINS = 6


def radial_features(image: np.ndarray, part: Compartment, channel: str) -> dict[str, np.ndarray]:
    """``(n,)`` features by name: mean light of rings, relative to the compartment's, and its variation within a ring.

    Rings are of equal width; the outermost reaches to wherever the compartment does.

    Args:
        image: ``(n, y, x)`` of one channel.
        part: The compartment.
        channel: Its name.
    """
    n = len(image)
    share = image / np.maximum(mean_light(image, part), TINY)[:, None, None].astype(np.float32)
    sums = _sums(part, share, n)
    mean_nb = sums[1] / np.maximum(sums[0], 1)
    spread_nb = np.sqrt(np.maximum(sums[2] / np.maximum(sums[0], 1) - mean_nb**2, 0.0))
    made = {}
    for b in range(BINS):
        ring = f"{channel}_{b + 1}of{BINS}"
        made[f"{part.name}_RadialDistribution_MeanFrac_{ring}"] = np.log(mean_nb[:, b] + FLOOR)
        made[f"{part.name}_RadialDistribution_RadialCV_{ring}"] = np.log(
            spread_nb[:, b] / (mean_nb[:, b] + FLOOR) + FLOOR
        )
    return made


def _sums(part: Compartment, share: np.ndarray, n: int) -> list[np.ndarray]:
    """Pixels, light and squared light in each ring, ``(n, BINS)`` each."""
    # A thousandth of a ring inward, so that rounding puts no pixel in another ring in a crop that was turned.
    if part.everything:
        ring = np.minimum((part.radius[0] * (BINS - 1e-3)).astype(int), BINS - 1).ravel()
        member = (ring[:, None] == np.arange(BINS)).astype(np.float32)
        flat = share.reshape(n, -1)
        return [np.broadcast_to(member.sum(axis=0), (n, BINS)), flat @ member, flat**2 @ member]
    ring = np.minimum((part.radius * (BINS - 1e-3)).astype(np.int64), BINS - 1)
    code = (ring + BINS * np.arange(n)[:, None, None])[part.inside]
    light = share[part.inside]
    weights = (None, light, light.astype(np.float64) ** 2)
    return [np.bincount(code, weight, n * BINS).reshape(n, BINS).astype(np.float64) for weight in weights]
