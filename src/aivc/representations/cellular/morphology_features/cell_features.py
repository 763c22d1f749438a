"""All features of crops of cells, block by block, under CellProfiler's names."""

from collections.abc import Iterator

import numpy as np

from aivc.core.errors import DataError
from aivc.core.measurement import Measurement
from aivc.data.images.layout import is_mask
from aivc.representations.cellular.morphology_features.compartments import Compartment, compartments
from aivc.representations.cellular.morphology_features.correlations import channel_correlations
from aivc.representations.cellular.morphology_features.intensity_features import intensity_features
from aivc.representations.cellular.morphology_features.localization import localization_features
from aivc.representations.cellular.morphology_features.radial_features import radial_features
from aivc.representations.cellular.morphology_features.shape_features import shape_features
from aivc.representations.cellular.morphology_features.texture_features import texture_features

# Pixels of one channel that are measured at once: larger blocks leave the cache of the processor.
_PIXELS = 1 << 18


def cell_features(measurement: Measurement, only: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Measure each crop: shape, intensity, radial distribution, texture, localization, correlation of channels.

    Rotation by a right angle and reflection change nothing; neither do the order of channels or of crops.

    Args:
        measurement: Images, ``(n, c, y, x)``, with channels by name and perhaps ``mask:nucleus`` and ``mask:cell``;
            in memory or on disk, of which a block is in memory at a time.
        only: Channels and masks to use; None uses all.

    Returns:
        ``(f,)`` names, and ``(n, f)`` values.

    Raises:
        DataError: These are no square images of one channel or more.
    """
    used = np.arange(len(measurement.features))
    if only is not None:
        used = np.flatnonzero(np.isin(measurement.features, only))
    channels = [str(name) for name in measurement.features[used] if not is_mask(name)]
    if len(measurement.values.shape) != 4 or not channels or measurement.values.shape[2] != measurement.values.shape[3]:
        axes = " × ".join(map(str, measurement.values.shape))
        raise DataError([f"Morphology is measured on square crops, (n, c, y, x) with y = x; got {axes}. Cut crops."])
    empty = np.zeros((1, len(used), *measurement.values.shape[2:]), dtype=np.float32)
    names = np.array(list(_measured(empty, measurement.features[used], None)), dtype=object)
    named = list(_blocks(measurement, used))
    return names, np.concatenate(named) if named else np.zeros((0, len(names)))


def channel_of(feature: str, channels: list[str]) -> list[str]:
    """Channels that a feature is measured on, of those given; none for shapes.

    >>> channel_of("Cells_Correlation_Overlap_DNA_Actin", ["DNA", "Actin", "ER"])
    ['DNA', 'Actin']
    """
    padded = f"{feature}_"
    return [channel for channel in channels if f"_{channel}_" in padded]


def _blocks(measurement: Measurement, used: np.ndarray) -> Iterator[np.ndarray]:
    step = max(1, _PIXELS // int(np.prod(measurement.values.shape[2:])))
    for start in range(0, len(measurement), step):
        block = np.asarray(measurement.block(start, min(start + step, len(measurement))))[:, used].astype(np.float32)
        made = _measured(block, measurement.features[used], pixel_size(measurement))
        yield np.stack(list(made.values()), axis=1)


def pixel_size(measurement: Measurement) -> float | None:
    """µm per pixel as its provenance says; None where that is not known."""
    size = measurement.provenance.get("image", {}).get("um_per_pixel")
    return None if size is None else float(size)


def _measured(block: np.ndarray, features: np.ndarray, um_per_pixel: float | None) -> dict[str, np.ndarray]:
    images = {str(name): block[:, i] for i, name in enumerate(features)}
    masks = {name: image for name, image in images.items() if is_mask(name)}
    # Sorted, so that the order in which a file holds its channels does not matter.
    channels = sorted(name for name in images if not is_mask(name))
    parts = {part.name: part for part in compartments(masks, (len(block), *block.shape[2:]))}
    made: dict[str, np.ndarray] = {}
    for part in parts.values():
        made |= shape_features(part, um_per_pixel)
        made |= _of_channels(images, channels, part)
    for channel in channels:
        made |= localization_features(images[channel], parts, channel)
    return made


def _of_channels(images: dict[str, np.ndarray], channels: list[str], part: Compartment) -> dict[str, np.ndarray]:
    made: dict[str, np.ndarray] = {}
    for channel in channels:
        image = images[channel]
        made |= intensity_features(image, part, channel)
        made |= radial_features(image, part, channel)
        made |= texture_features(image, part, channel)
    for i, first in enumerate(channels):
        for second in channels[i + 1 :]:
            made |= channel_correlations(images[first], images[second], part, f"{first}_{second}")
    return made
