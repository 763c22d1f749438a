"""Objects in label images: where each lies, whether the border cuts it, and which belongs to which."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from aivc.core.errors import DataError
from aivc.data.images.fields import CropRows, Field, labelled

BORDER = "touches_border"


class Objects(NamedTuple):
    """Objects of one label image.

    Attributes:
        label: ``(k,)`` their numbers, ascending.
        center: ``(k, 2)`` row and column of the middle of each.
        area: ``(k,)`` pixels.
        border: ``(k,)`` whether the border of the image cuts it.
    """

    label: np.ndarray
    center: np.ndarray
    area: np.ndarray
    border: np.ndarray


def objects(mask_yx: np.ndarray) -> Objects:
    """Find the objects of a label image.

    Args:
        mask_yx: ``(y, x)`` whole numbers, 0 outside.
    """
    label = np.unique(mask_yx)
    label = label[label > 0]
    if not len(label):
        return Objects(label, np.zeros((0, 2)), np.zeros(0), np.zeros(0, dtype=bool))
    # Whatever reads a file imports this module; few files are images.
    from scipy import ndimage

    center = np.array(ndimage.center_of_mass(mask_yx > 0, mask_yx, label))
    area = np.bincount(mask_yx.ravel(), minlength=int(label[-1]) + 1)[label]
    edge = np.unique(np.concatenate([mask_yx[0], mask_yx[-1], mask_yx[:, 0], mask_yx[:, -1]]))
    return Objects(label, center, area, np.isin(label, edge))


def partners(first_yx: np.ndarray, second_yx: np.ndarray, label: np.ndarray) -> np.ndarray:
    """``(k,)`` the object of a second mask that covers most of each object of a first; 0 where none does.

    Args:
        first_yx: Label image, such as of nuclei.
        second_yx: Label image, such as of cells.
        label: ``(k,)`` objects of the first.
    """
    both = (first_yx > 0) & (second_yx > 0)
    pairs, count = np.unique(np.stack([first_yx[both], second_yx[both]]), axis=1, return_counts=True)
    best: dict[int, tuple[int, int]] = {}
    for (one, two), size in zip(pairs.T, count, strict=True):
        if size > best.get(int(one), (0, 0))[1]:
            best[int(one)] = int(two), int(size)
    return np.array([best.get(int(each), (0, 0))[0] for each in label], dtype=np.int64)


def cut(fields: list[Field], side: int) -> tuple[CropRows, pd.DataFrame]:
    """Cut a crop around each object of the first mask of every field.

    Args:
        fields: With masks.
        side: Of the crops, in pixels.

    Returns:
        The crops on disk; and a row for each, with the field, its columns, the object's number, where it lies and
        whether the border cuts it.

    Raises:
        DataError: A mask has other sides than its field, or no mask shows any object.
    """
    of, center, labels, frames = [], [], [], []
    for number, each in enumerate(fields):
        masks = [labelled(plane) for plane in each.masks]
        _require_alike(each, masks)
        found = objects(masks[0])
        others = [partners(masks[0], mask, found.label) for mask in masks[1:]]
        of.append(np.full(len(found.label), number))
        center.append(found.center)
        labels.append(np.stack([found.label, *others], axis=1).astype(np.int64))
        own = pd.DataFrame(
            {
                "field": each.name,
                **each.columns,
                "object": found.label,
                "center_y_px": found.center[:, 0],
                "center_x_px": found.center[:, 1],
                BORDER: found.border,
            },
            index=pd.Index([f"{each.name}/{label}" for label in found.label], dtype=object),
        )
        frames.append(own)
    if not any(map(len, frames)):
        raise DataError([f"The masks of {len(fields)} fields show no object: 0 stands everywhere. Segment them again."])
    rows = CropRows(tuple(fields), np.concatenate(of), np.concatenate(center), np.concatenate(labels), side)
    return rows, pd.concat(frames)


def _require_alike(field: Field, masks: list[np.ndarray]) -> None:
    """Masks that were made at another size lie beside the cells.

    Raises:
        DataError: A mask has other sides than its field.
    """
    for plane, mask in zip(field.masks, masks, strict=True):
        if mask.shape != field.sides:
            got, wanted = (" × ".join(map(str, sides)) for sides in (mask.shape, field.sides))
            raise DataError(
                [f"The mask {plane.path.name} is {got} pixels, and its image is {wanted}. Bring the mask to its size."]
            )
