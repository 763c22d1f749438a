"""Finds what is wrong with images before any work: depth, lost channels, saturation, focus, masks, copies."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import final

import numpy as np

from aivc.core.units import INTENSITY
from aivc.data.images.layout import is_mask

# Share of the pixels of a crop that may stand at the limit of the camera.
_SATURATED = 0.01
# Median absolute deviations below the median of a channel at which an image counts as blurred.
_BLURRED = 6.0
_SHOWN = 3


@final
@dataclass(eq=False)
class ImageScan:
    """What one pass over the pixels found.

    Attributes:
        names: ``(n,)`` of the entities.
        channels: ``(c,)`` features, masks among them.
        units: Of the pixels.
        bits: Of the camera; None for pixels that are no whole numbers.
        lowest: ``(c,)`` so far.
        highest: ``(c,)`` so far.
        faults: Entities with each fault, by its name and channel.
        focus: Sharpness of each entity, by channel.
        copies: Digest of each entity.
    """

    names: np.ndarray
    channels: np.ndarray
    units: str
    bits: int | None
    lowest: np.ndarray = field(init=False)
    highest: np.ndarray = field(init=False)
    faults: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    focus: dict[str, list[np.ndarray]] = field(default_factory=dict)
    copies: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lowest = np.full(len(self.channels), np.inf)
        self.highest = np.full(len(self.channels), -np.inf)

    def add(self, block: np.ndarray) -> None:
        """Look at ``(k, c, y, x)`` more entities."""
        start = len(self.copies)
        if not len(block):
            return
        self.copies += [blake2b(np.ascontiguousarray(each).tobytes(), digest_size=16).digest() for each in block]
        for i, channel in enumerate(map(str, self.channels)):
            image = block[:, i]
            low, high = image.min(axis=(1, 2)), image.max(axis=(1, 2))
            self._note("not finite", channel, start, ~np.isfinite(image.sum(axis=(1, 2), dtype=np.float64)))
            self.lowest[i] = min(self.lowest[i], float(low.min()))
            self.highest[i] = max(self.highest[i], float(high.max()))
            if is_mask(channel):
                self._mask(channel, start, image)
                continue
            self._note("constant", channel, start, low == high)
            if self.bits is not None:
                at_limit = (image >= 2**self.bits - 1).mean(axis=(1, 2))
                self._note("saturated", channel, start, at_limit > _SATURATED)
            self.focus.setdefault(channel, []).append(sharpness(image))

    def _mask(self, channel: str, start: int, image: np.ndarray) -> None:
        self._note("not binary", channel, start, ~np.all(np.isin(image, (0, 1)), axis=(1, 2)))
        self._note("empty", channel, start, high_of(image) == 0)
        edge = np.maximum(high_of(image[:, [0, -1]]), high_of(image[:, :, [0, -1]])) > 0
        self._note("cut", channel, start, edge)

    def _note(self, fault: str, channel: str, start: int, where: np.ndarray) -> None:
        if where.any():
            self.faults.setdefault((fault, channel), []).extend((start + np.flatnonzero(where)).tolist())

    def problems(self, perturbations: np.ndarray) -> Iterator[str]:
        """What must be corrected.

        Args:
            perturbations: ``(n,)`` labels: copies under two of them contradict each other.
        """
        n = len(self.copies)
        for i, channel in enumerate(map(str, self.channels)):
            if (rows := self.faults.get(("not finite", channel))) is not None:
                yield f"{len(rows)} entities hold NaN or infinite pixels in {channel}: {self._some(rows)}. Remove them."
            if (rows := self.faults.get(("not binary", channel))) is not None:
                yield f"{channel} is a mask, 0 or 1, but holds more in {len(rows)} entities: {self._some(rows)}."
            if len(self.faults.get(("constant", channel), ())) == n and n:
                yield (
                    f"Channel {channel} holds one value in each entity: it was not recorded. Leave it out, rather than "
                    "have it read as a measured zero."
                )
            if self.units == INTENSITY and self.lowest[i] < 0:
                yield f"Pixels of {channel} go down to {self.lowest[i]:g}, though intensities are never negative."
            if self.bits is not None and self.highest[i] > 2**self.bits - 1:
                yield f"Pixels of {channel} reach {self.highest[i]:g}, more than {self.bits} bits hold. Correct bits."
        for first, other in self._copied():
            if perturbations[first] != perturbations[other]:
                yield (
                    f"{self.names[other]} is an exact copy of {self.names[first]}, but one is {perturbations[other]} "
                    f"and the other {perturbations[first]}. Correct the labels, or remove the copies."
                )
                return

    def notes(self) -> Iterator[str]:
        """What is worth knowing."""
        n = len(self.copies)
        yield from self._depth()
        said = {
            "constant": "entities hold one value in channel {}, as where a channel is lost",
            "saturated": f"entities have more than {100 * _SATURATED:g} % of their pixels at the limit in channel {{}}",
            "empty": "entities show nothing of {}",
            "cut": "entities are cut by the border in {}: shapes and sums are too small there",
        }
        for (fault, channel), rows in self.faults.items():
            if fault in said and not (fault == "constant" and len(rows) == n):
                text = said[fault].format(channel)
                yield f"{len(rows)} of {n} {text}: {self._some(rows)}."
        for channel, blocks in self.focus.items():
            soft = blurred(np.concatenate(blocks)).tolist()
            if soft:
                yield (
                    f"{len(soft)} of {n} entities are much less sharp than the others in channel {channel}, as out of "
                    f"focus: {self._some(soft)}."
                )
        copied = [other for _, other in self._copied()]
        if copied:
            yield (
                f"{len(copied)} of {n} entities are exact copies of earlier ones ({self._some(copied)}): they count "
                "twice, and of frames of a movie nothing seems to happen there. Leave them out."
            )

    def _depth(self) -> Iterator[str]:
        colors = [i for i, channel in enumerate(self.channels) if not is_mask(channel)]
        highest = max((self.highest[i] for i in colors), default=0.0)
        if self.bits is None or not np.isfinite(highest) or highest <= 0:
            return
        needed = int(highest).bit_length()
        if needed <= self.bits - 2:
            yield (
                f"Pixels go up to {highest:g}, which {needed} bits hold, of {self.bits}. If the camera has {needed} "
                f"bits, declare image = {{ bits = {needed} }}: saturation is looked for at the limit."
            )

    def _copied(self) -> Iterator[tuple[int, int]]:
        first: dict[bytes, int] = {}
        for row, digest in enumerate(self.copies):
            if first.setdefault(digest, row) != row:
                yield first[digest], row

    def _some(self, rows: list[int]) -> str:
        more = f" and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
        return f"{', '.join(str(self.names[row]) for row in rows[:_SHOWN])}{more}"


def high_of(image: np.ndarray) -> np.ndarray:
    """``(n,)`` highest pixel of each of ``(n, y, x)`` images."""
    return np.asarray(image.max(axis=(1, 2)))


def sharpness(image: np.ndarray) -> np.ndarray:
    """``(n,)`` log of the share of an image's variance that lies between neighboring pixels; NaN where it has none.

    Args:
        image: ``(n, y, x)``.
    """
    pixels = image.astype(np.float32)
    second = (
        4 * pixels[:, 1:-1, 1:-1] - pixels[:, :-2, 1:-1] - pixels[:, 2:, 1:-1] - pixels[:, 1:-1, :-2]
        - pixels[:, 1:-1, 2:]
    )  # fmt: skip
    variance = pixels.var(axis=(1, 2), dtype=np.float64)
    if not second.size:
        return np.full(len(image), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(variance > 0, np.log(second.var(axis=(1, 2), dtype=np.float64) / variance), np.nan))


def blurred(sharp: np.ndarray) -> np.ndarray:
    """Places of images far less sharp than the median of their channel.

    Args:
        sharp: ``(n,)`` of `sharpness`.
    """
    known = sharp[np.isfinite(sharp)]
    if len(known) < 10:
        return np.zeros(0, dtype=int)
    middle = np.median(known)
    spread = 1.4826 * np.median(np.abs(known - middle))
    return np.flatnonzero(sharp < middle - _BLURRED * max(spread, 1e-6))
