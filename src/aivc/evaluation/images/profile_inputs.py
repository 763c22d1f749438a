"""What protocols of image profiles share: which features count, plates, and standardization by their controls."""

from collections.abc import Sequence

import numpy as np

from aivc.core.errors import ControlError, DataError
from aivc.core.measurement import CONTROL, Measurement

# From the median absolute deviation to the standard deviation of a normal distribution.
_NORMAL = 1.4826


def without(profiles: Measurement, parts: Sequence[str]) -> Measurement:
    """Leave out features whose names hold one of these, such as where a cell lies.

    Raises:
        DataError: None are left.
    """
    kept = [name for name in profiles.features if not any(part in str(name) for part in parts)]
    if not kept:
        raise DataError(["All features are left out. Name fewer in the settings of the benchmark."])
    return profiles.select(kept)


def plates_of(profiles: Measurement) -> np.ndarray:
    """``(n,)`` plate of each well.

    Raises:
        ControlError: A plate has fewer than two controls, so it has no scale.
    """
    plate_n = profiles.entities["batch"].astype(str).to_numpy()
    control_n = profiles.perturbations == CONTROL
    for plate in np.unique(plate_n):
        found = int((control_n & (plate_n == plate)).sum())
        if found < 2:
            raise ControlError(
                f"Plate {plate} has {found} controls, and two are the fewest. Leave it out, or add them."
            )
    return plate_n


def control_scores(profiles: Measurement, *, by_plate: bool, robust: bool, clip: float) -> np.ndarray:
    """``(n, f)`` differences from controls, in standard deviations of the same controls.

    Args:
        profiles: Wells.
        by_plate: The controls are those of the same plate, not of all.
        robust: Median and median absolute deviation in place of mean and standard deviation.
        clip: Beyond this many deviations counts as this many; a feature that its controls do not vary in is 0.
    """
    x_nf, control_n = profiles.dense().astype(float), profiles.perturbations == CONTROL
    plate_n = plates_of(profiles) if by_plate else np.full(len(profiles), "all")
    made_nf = np.zeros_like(x_nf)
    for plate in np.unique(plate_n):
        here = plate_n == plate
        own_cf = x_nf[here & control_n]
        middle_f = np.median(own_cf, axis=0) if robust else own_cf.mean(axis=0)
        off_cf = own_cf - middle_f
        scale_f = _NORMAL * np.median(np.abs(off_cf), axis=0) if robust else own_cf.std(axis=0)
        varies = scale_f > 1e-8 * np.maximum(np.abs(middle_f), 1.0)
        made_nf[np.ix_(here, varies)] = (x_nf[here][:, varies] - middle_f[varies]) / scale_f[varies]
    return np.clip(made_nf, -clip, clip)


def centered_scores(profiles: Measurement, *, clip: float) -> np.ndarray:
    """``(n, g)`` differences from the mean control of the plate, in standard deviations over controls of all plates.

    Features that do not vary among controls are left out; ``clip`` as in `control_scores`.
    """
    x_nf, plate_n, control_n = profiles.dense().astype(float), plates_of(profiles), profiles.perturbations == CONTROL
    for plate in np.unique(plate_n):
        here = plate_n == plate
        x_nf[here] -= x_nf[here & control_n].mean(axis=0)
    scale_f = x_nf[control_n].std(axis=0)
    return np.clip(x_nf[:, scale_f > 0] / scale_f[scale_f > 0], -clip, clip)
