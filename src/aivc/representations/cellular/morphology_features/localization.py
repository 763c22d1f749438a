"""Where in a cell a channel's light is: nucleus against cytoplasm, rim, and spots."""

import numpy as np
from scipy import ndimage

from aivc.representations.cellular.morphology_features.compartments import TINY, Compartment
from aivc.representations.cellular.morphology_features.intensity_features import FLOOR, mean_light

# Spots are smaller than this, in pixels.
_SPOT = 2.0
# Of the radius of a cell: what lies farther out is its rim.
_RIM = 0.75


def localization_features(image: np.ndarray, parts: dict[str, Compartment], channel: str) -> dict[str, np.ndarray]:
    """``(n,)`` features by name, natural logs of ratios of mean light.

    ``NucleusOverCytoplasm`` and ``RimOverCell`` need masks of nuclei and cells; ``Puncta``, the share of the light that
    is left after smoothing is taken away, needs none.

    Args:
        image: ``(n, y, x)`` of one channel.
        parts: Compartments by name.
        channel: Its name.
    """
    whole = parts.get("Cells") or next(iter(parts.values()))
    mean_n = np.maximum(mean_light(image, whole), TINY)
    spots = np.maximum(image - ndimage.gaussian_filter(image, (0, _SPOT, _SPOT), truncate=2.0), 0)
    made = {f"{whole.name}_Localization_Puncta_{channel}": np.log(mean_light(spots, whole) / mean_n + 1e-3)}
    if "Cytoplasm" in parts:
        nucleus, cytoplasm = (mean_light(image, parts[name]) / mean_n + FLOOR for name in ("Nuclei", "Cytoplasm"))
        made[f"Cells_Localization_NucleusOverCytoplasm_{channel}"] = np.log(nucleus / cytoplasm)
    if "Cells" in parts:
        rim = whole.inside & (whole.radius > _RIM)
        outer_n = np.einsum("nyx,nyx->n", image, rim, dtype=np.float64) / np.maximum(rim.sum(axis=(1, 2)), 1)
        made[f"Cells_Localization_RimOverCell_{channel}"] = np.log(outer_n / mean_n + FLOOR)
    return made
