"""Finds nuclei, then cells around them, by thresholds and watersheds; nothing is trained, and every part is kept."""

from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np
import pandas as pd
from scipy import ndimage

from aivc.core.errors import DataError, SchemaError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.data.images.fields import window
from aivc.data.images.layout import CELL, NUCLEUS, is_mask
from aivc.data.images.objects import BORDER, objects, partners
from aivc.data.images.optional import optional

# How far a local threshold looks, in diameters of a nucleus.
_BLOCK = 2.5
_METHODS = ("otsu", "local")


class Segmented(NamedTuple):
    """Objects of one field of view, and how they came about.

    Attributes:
        nuclei: ``(y, x)`` number of the nucleus of each pixel; 0 outside.
        cells: ``(y, x)`` number of the cell, that of its nucleus; 0 outside. None where no channel shows cells.
        nucleus_light: ``(y, x)`` light that nuclei were found in.
        nucleus_threshold: What it has to exceed; a number, or ``(y, x)`` for a local one.
        cell_light: ``(y, x)`` log light that cells were found in; None where no channel shows cells.
        cell_threshold: What it has to exceed.
        cut: How many nuclei the border cuts.
        small: How many were smaller than a nucleus can be.
    """

    nuclei: np.ndarray
    cells: np.ndarray | None
    nucleus_light: np.ndarray
    nucleus_threshold: float | np.ndarray
    cell_light: np.ndarray | None
    cell_threshold: float | None
    cut: int
    small: int


@final
@dataclass(frozen=True, kw_only=True)
class Segmentation:
    """How nuclei and cells are found.

    Nuclei are what is brighter than a threshold in a smoothed channel of DNA, holes filled, and divided where they
    touch by a watershed of the distance to the background. Cells are what is brighter than Otsu's threshold in the sum
    of the logs of the other channels, shared out between nuclei by a watershed of that light.

    Attributes:
        nucleus: Channel that shows nuclei.
        cell: Channels that show cells; empty finds nuclei alone.
        diameter: Of a nucleus, in pixels; about right is enough: middles are a third of it apart at least, and what is
            smaller than a disk of half of it is no nucleus.
        method: ``otsu``, one threshold for the field; or ``local``, for light that is uneven.
        keep_cut: Whether nuclei and cells that the border cuts are kept. Their shapes and sums are too small.

    Raises:
        SchemaError: A setting is none.
    """

    nucleus: str
    cell: tuple[str, ...] = ()
    diameter: float | int
    method: str = "otsu"
    keep_cut: bool = False

    def __post_init__(self) -> None:
        if not self.diameter >= 4:
            raise SchemaError(f"diameter is that of a nucleus in pixels, at least 4; got {self.diameter!r}.")
        if self.method not in _METHODS:
            raise SchemaError(f"method is one of {', '.join(_METHODS)}; got {self.method!r}.")

    def segment(self, image: np.ndarray, channels: np.ndarray | list[str]) -> Segmented:
        """Find the nuclei and cells of one field.

        Args:
            image: ``(c, y, x)`` light.
            channels: ``(c,)`` their names.

        Raises:
            UnavailableError: scikit-image is not installed.
            UnknownNameError: A channel is not there.
        """
        place = {str(name): i for i, name in enumerate(channels)}
        for name in (self.nucleus, *self.cell):
            if name not in place:
                raise UnknownNameError("channel", name, place)
        light, threshold, all_nuclei, small = self._nuclei(image[place[self.nucleus]])
        whole = objects(all_nuclei)
        kept = np.where(whole.border & (not self.keep_cut), 0, whole.label)
        cells, cell_light, cell_threshold = None, None, None
        if self.cell:
            # Cells that will be left out take their share first: others would grow into it.
            cell_light, cell_threshold, cells = self._cells(image[[place[name] for name in self.cell]], all_nuclei)
            found = objects(cells)
            cells = _renumbered(cells, found.label, np.where(found.border & (not self.keep_cut), 0, found.label))
        nuclei = _renumbered(all_nuclei, whole.label, kept)
        return Segmented(nuclei, cells, light, threshold, cell_light, cell_threshold, int(whole.border.sum()), small)

    def _nuclei(self, image: np.ndarray) -> tuple[np.ndarray, float | np.ndarray, np.ndarray, int]:
        filters, segmentation, feature = map(optional, ("skimage.filters", "skimage.segmentation", "skimage.feature"))
        light = ndimage.gaussian_filter(image.astype(np.float32), self.diameter / 30)
        otsu = float(filters.threshold_otsu(light)) if np.ptp(light) > 0 else np.inf
        threshold: float | np.ndarray = otsu
        if self.method == "local":
            local = filters.threshold_local(light, 2 * int(_BLOCK * self.diameter / 2) + 1, method="gaussian")
            threshold = np.maximum(local, otsu / 2)
        inside = ndimage.binary_fill_holes(light > threshold)
        parts, count = ndimage.label(inside)
        area = np.bincount(parts.ravel(), minlength=count + 1)
        least = np.pi * (self.diameter / 4) ** 2
        small = np.flatnonzero(area < least)
        inside &= ~np.isin(parts, small)
        depth = ndimage.gaussian_filter(ndimage.distance_transform_edt(inside), self.diameter / 30)
        peaks = feature.peak_local_max(
            depth,
            min_distance=max(1, round(self.diameter / 3)),
            labels=np.where(inside, parts, 0),
            exclude_border=False,
        )
        seeds = np.zeros(inside.shape, dtype=np.int64)
        seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
        nuclei = segmentation.watershed(-depth, seeds, mask=inside)
        return light, threshold, nuclei.astype(np.int64), int((small > 0).sum())

    def _cells(self, images: np.ndarray, nuclei: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
        filters, segmentation = map(optional, ("skimage.filters", "skimage.segmentation"))
        smooth = [ndimage.gaussian_filter(image.astype(np.float32), self.diameter / 30) for image in images]
        light = np.sum([np.log(np.maximum(image, 1e-6 * max(image.max(), 1e-6))) for image in smooth], axis=0)
        threshold = float(filters.threshold_otsu(light)) if np.ptp(light) > 0 else np.inf
        cells = segmentation.watershed(-light, nuclei, mask=(light > threshold) | (nuclei > 0))
        return light, threshold, cells.astype(np.int64)


def _renumbered(mask: np.ndarray, old: np.ndarray, new: np.ndarray) -> np.ndarray:
    table = np.zeros(int(mask.max(initial=0)) + 1, dtype=np.int64)
    table[old] = new
    return np.asarray(table[mask])


def segmented_crops(fields: Measurement, how: Segmentation, side: int) -> Measurement:
    """Cut a crop around each nucleus of fields of view, with its masks as channels.

    A nucleus whose cell is left out, because the border cuts it, has an empty mask of it.

    Args:
        fields: Whole fields, ``(n, c, y, x)``; read one at a time.
        how: Finds nuclei and cells.
        side: Of the crops, in pixels.

    Raises:
        DataError: No field shows a nucleus.
    """
    crops, frames = [], []
    channels = [str(name) for name in fields.features if not is_mask(name)]
    for row in range(len(fields)):
        image = np.asarray(fields.block(row, row + 1))[0]
        found = how.segment(image, fields.features)
        masks = [found.nuclei, *([found.cells] if found.cells is not None else [])]
        made, frame = cut_out(image[: len(channels)], masks, side)
        crops.append(made)
        own = fields.entities.iloc[[row] * len(frame)].reset_index(drop=True)
        name = str(fields.entities.index[row])
        index = pd.Index([f"{name}/{label}" for label in frame["object"]], dtype=object)
        frames.append(pd.concat([own, frame], axis=1).assign(field=name).set_index(index))
    if not sum(map(len, crops)):
        raise DataError(["No field shows a nucleus. Look at the channel and the diameter of the segmentation."])
    names = [*channels, NUCLEUS, *([CELL] if how.cell else [])]
    return fields.replace(
        values=np.concatenate(crops),
        features=np.array(names, dtype=object),
        entities=pd.concat([frame for frame in frames if len(frame)]),
    )


def cut_out(image: np.ndarray, masks: list[np.ndarray], side: int) -> tuple[np.ndarray, pd.DataFrame]:
    """Cut crops around the objects of label images, wherever these were made.

    Args:
        image: ``(c, y, x)`` one field.
        masks: Label images, ``(y, x)`` each; crops are cut around the objects of the first.
        side: Of the crops, in pixels.

    Returns:
        ``(k, c + m, side, side)`` channels, then masks that are 1 inside of the crop's own object; and a row for each
        crop with the object's number, where it lies and whether the border cuts it.
    """
    found = objects(masks[0])
    labels = [found.label, *(partners(masks[0], mask, found.label) for mask in masks[1:])]
    made = np.zeros((len(found.label), len(image) + len(masks), side, side), dtype=image.dtype)
    for row, center in enumerate(found.center):
        made[row, : len(image)] = window(image, center, side)
        for i, mask in enumerate(masks):
            own = int(labels[i][row])
            made[row, len(image) + i] = (window(mask[None], center, side)[0] == own) & (own > 0)
    frame = pd.DataFrame(
        {
            "object": found.label,
            "center_y_px": found.center[:, 0],
            "center_x_px": found.center[:, 1],
            BORDER: found.border,
        }
    )
    return made, frame
