"""How bright a channel is in a compartment, and how its light is spread; amounts are logs, relative to the mean."""

import numpy as np

from aivc.representations.cellular.morphology_features.compartments import TINY, Compartment

# Below this share of the mean, light is noise: logarithms begin here.
FLOOR = 0.02
_QUANTILES = {
    "Lower05": 0.05,
    "LowerQuartile": 0.25,
    "Median": 0.5,
    "UpperQuartile": 0.75,
    "Upper95": 0.95,
    "Upper99": 0.99,
}


def mean_light(image: np.ndarray, part: Compartment) -> np.ndarray:
    """``(n,)`` mean of a channel inside of a compartment.

    Args:
        image: ``(n, y, x)``.
        part: The compartment.
    """
    return np.asarray(np.einsum("nyx,nyx->n", image, part.inside, dtype=np.float64) / part.count)


def intensity_features(image: np.ndarray, part: Compartment, channel: str) -> dict[str, np.ndarray]:
    """``(n,)`` features by name.

    Only ``MeanIntensity`` says how bright a channel is. All others are relative to it, so that a lamp that is dimmer
    moves one feature and not all of them.

    Args:
        image: ``(n, y, x)`` of one channel.
        part: The compartment.
        channel: Its name.
    """
    n = len(image)
    mean_n = mean_light(image, part)
    share = (image / np.maximum(mean_n, TINY)[:, None, None].astype(np.float32)).reshape(n, -1)
    inside = part.inside.reshape(n, -1)
    ordered = np.sort(share if part.everything else np.where(inside, share, np.float32(np.inf)), axis=1)
    off = np.where(inside, share - 1, np.float32(0))
    moments = [np.einsum("np,np->n", off**power, off, dtype=np.float64) / part.count for power in (1, 2)]
    spread = np.sqrt(moments[0])
    named = {
        "MeanIntensity": np.log(mean_n + 1e-3),
        "StdOverMean": np.log(spread + FLOOR),
        "MeanDeviationOverMean": np.log(np.abs(off).sum(axis=1, dtype=np.float64) / part.count + FLOOR),
        "Skewness": np.arcsinh(moments[1] / np.maximum(spread, TINY) ** 3),
        "MassDisplacement": np.log(_displacement(image, part) + FLOOR),
    }
    rows = np.arange(n)
    for name, level in _QUANTILES.items():
        where = np.minimum((level * (part.count - 1)).round().astype(int), ordered.shape[1] - 1)
        value = ordered[rows, where]
        named[f"{name}OverMean"] = np.log(np.where(np.isfinite(value), value, 0.0) + FLOOR)
    return {f"{part.name}_Intensity_{name}_{channel}": value for name, value in named.items()}


def _displacement(image: np.ndarray, part: Compartment) -> np.ndarray:
    """``(n,)`` how far the middle of the light lies from the middle of the compartment, as a share of its radius."""
    rows, columns = (np.arange(side) - (side - 1) / 2 for side in image.shape[1:])
    light = image if part.everything else np.where(part.inside, image, np.float32(0))
    total = np.maximum(light.sum(axis=(1, 2), dtype=np.float64), TINY)
    y, x = light.sum(axis=2, dtype=np.float64) @ rows / total, light.sum(axis=1, dtype=np.float64) @ columns / total
    if part.everything:
        return np.asarray(np.hypot(y, x) / (image.shape[1] / 2))
    y = y - part.inside.sum(axis=2) @ rows / part.count
    x = x - part.inside.sum(axis=1) @ columns / part.count
    return np.asarray(np.hypot(y, x) / np.sqrt(part.count / np.pi))
