"""Fields of view and the crops cut out of them: nothing is read before a block of rows is asked for."""

from dataclasses import dataclass, field
from typing import Any, final

import numpy as np

from aivc.core.errors import DataError
from aivc.data.images.planes import Plane


@final
@dataclass(frozen=True)
class Field:
    """One field of view.

    Attributes:
        name: Unique among the fields.
        planes: Images whose channels stand one after the other.
        masks: Label images, in the order of `ImageLayout.masks`.
        columns: What is known of it, such as ``well``.
    """

    name: str
    planes: tuple[Plane, ...]
    masks: tuple[Plane, ...] = ()
    columns: dict[str, Any] = field(default_factory=dict)

    @property
    def sides(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.planes[0].sides

    @property
    def channels(self) -> int:
        """Number of channels."""
        return sum(plane.channels for plane in self.planes)

    def read(self) -> np.ndarray:
        """``(c, y, x)`` all channels.

        Raises:
            DataError: Its images differ in size.
        """
        if len({plane.sides for plane in self.planes}) > 1:
            sizes = ", ".join(f"{plane.path.name} {plane.sides}" for plane in self.planes)
            raise DataError([f"Images of field {self.name} differ in size: {sizes}. Give images of one field."])
        blocks = [plane.read() for plane in self.planes]
        return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)


@final
@dataclass(frozen=True, eq=False)
class FieldRows:
    """Whole fields of view of one size, an entity each.

    Attributes:
        fields: In order.
    """

    fields: tuple[Field, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of fields, channels, rows and columns."""
        return (len(self.fields), self.fields[0].channels, *self.fields[0].sides)

    def rows(self, start: int, stop: int) -> np.ndarray:
        """``(k, c, y, x)`` fields ``start`` to ``stop``."""
        some = self.fields[start:stop]
        if not some:
            return np.zeros((0, *self.shape[1:]), dtype=self.fields[0].planes[0].dtype)
        return np.stack([each.read() for each in some])


@final
@dataclass(frozen=True, eq=False)
class CropRows:
    """Windows around objects; masks stand behind the channels, 1 inside of the object that the crop shows.

    Attributes:
        fields: That are cut.
        of: ``(n,)`` which field a crop is from; those of one field stand together.
        center: ``(n, 2)`` row and column of the middle of each window; what lies outside of the field is 0.
        labels: ``(n, m)`` which object it is in each mask; 0 for none.
        side: Of the windows, in pixels.
    """

    fields: tuple[Field, ...]
    of: np.ndarray
    center: np.ndarray
    labels: np.ndarray
    side: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of crops, channels with masks, rows and columns."""
        return (len(self.of), self.fields[0].channels + self.labels.shape[1], self.side, self.side)

    def rows(self, start: int, stop: int) -> np.ndarray:
        """``(k, c, y, x)`` crops ``start`` to ``stop``; a field that several are from is read once."""
        stop = min(stop, len(self.of))
        kind = np.result_type(*[plane.dtype for plane in self.fields[0].planes])
        made = np.zeros((max(stop - start, 0), *self.shape[1:]), dtype=kind)
        last, image, masks = -1, np.zeros((0, 0, 0)), []
        for row in range(start, stop):
            if self.of[row] != last:
                last = int(self.of[row])
                image, masks = self.fields[last].read(), [labelled(mask) for mask in self.fields[last].masks]
            center, channels = self.center[row], len(image)
            made[row - start, :channels] = window(image, center, self.side)
            for i, mask in enumerate(masks):
                own = window(mask[None], center, self.side)[0] == self.labels[row, i]
                made[row - start, channels + i] = own & (self.labels[row, i] > 0)
        return made


def window(image: np.ndarray, center: np.ndarray, side: int) -> np.ndarray:
    """Cut ``(c, side, side)`` out of ``(c, y, x)``; what lies outside is 0.

    Args:
        image: ``(c, y, x)``.
        center: Row and column of the middle.
        side: Of the window.
    """
    top, left = (round(float(value)) - side // 2 for value in center)
    made = np.zeros((len(image), side, side), dtype=image.dtype)
    y, x = slice(max(top, 0), max(top + side, 0)), slice(max(left, 0), max(left + side, 0))
    inside = image[:, y, x]
    made[:, max(-top, 0) : max(-top, 0) + inside.shape[1], max(-left, 0) : max(-left, 0) + inside.shape[2]] = inside
    return made


def labelled(plane: Plane) -> np.ndarray:
    """``(y, x)`` a number for each object; of a mask of two values, what touches is one object.

    Raises:
        DataError: It is no label image.
    """
    block = plane.read()
    if len(block) != 1 or (block.dtype.kind == "f" and not np.array_equal(block, np.floor(block))) or block.min() < 0:
        raise DataError([f"{plane.path} is no label image: these hold one channel of whole numbers, 0 outside."])
    label = block[0].astype(np.int64)
    if label.max() > 0 and is_binary(label):
        from scipy import ndimage

        return np.asarray(ndimage.label(label > 0, structure=np.ones((3, 3)))[0], dtype=np.int64)
    return label


def is_binary(label: np.ndarray) -> bool:
    """Whether a mask tells no objects apart: one value beside 0."""
    highest = label.max()
    return bool(((label == 0) | (label == highest)).all())
