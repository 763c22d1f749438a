"""Where in a cell the light of each channel is: shares of nucleus, cytoplasm and periphery, rings, and spots."""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from aivc.core.errors import DataError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.units import ARBITRARY
from aivc.data.images.layout import CELL, NUCLEUS, is_mask

NUCLEUS_SHARE = "Cells_Subcellular_NucleusShare"
RINGS = 4
# Of the way from nucleus to border: what lies farther out is the periphery.
_PERIPHERY = 0.75
# Of the depth of a nucleus: what lies less deep is its rim.
_RIM = 0.3
# Darkest pixels outside of the cell are the background: few, as neighbors may fill most of a crop.
_DARK = 0.05
# Spots stand out of what is around them by this many standard deviations of the noise.
_ABOVE = 3.0
# Densities below this share of the cell's are noise: logarithms begin here.
_FLOOR = 0.05
_BLOCK = 256
# Distance between crops of a stack: none is near another.
_APART = 1e6


class Regions(NamedTuple):
    """Regions of ``n`` cells, ``(n, y, x)`` each.

    Attributes:
        cell: True inside; the nucleus is part of the cell.
        nucleus: True inside.
        rim: Outer part of the nucleus.
        cytoplasm: Cell without nucleus.
        way: From 0 at the nucleus to 1 at the border of the cell, in the cytoplasm; 0 outside it.
    """

    cell: np.ndarray
    nucleus: np.ndarray
    rim: np.ndarray
    cytoplasm: np.ndarray
    way: np.ndarray


def complete(crops: Measurement) -> np.ndarray:
    """``(n,)`` whether a crop has a nucleus, and a cytoplasm around it.

    Args:
        crops: With ``mask:nucleus`` and ``mask:cell``.

    Raises:
        UnknownNameError: A mask is missing.
    """
    nucleus, cell = _places(crops, (NUCLEUS, CELL))
    found = []
    for start in range(0, len(crops), _BLOCK):
        block = crops.block(start, start + _BLOCK)
        inside = block[:, nucleus] > 0
        found.append(inside.any(axis=(1, 2)) & ((block[:, cell] > 0) & ~inside).any(axis=(1, 2)))
    return np.concatenate(found) if found else np.zeros(0, dtype=bool)


def spot_radius(crops: Measurement) -> float:
    """A fifth of the radius of the median nucleus, in pixels: about what spots are smaller than.

    Args:
        crops: With ``mask:nucleus``.

    Raises:
        UnknownNameError: The mask is missing.
    """
    place = _places(crops, (NUCLEUS,))[0]
    area = [
        (crops.block(start, start + _BLOCK)[:, place] > 0).sum(axis=(1, 2)) for start in range(0, len(crops), _BLOCK)
    ]
    return max(0.5, float(np.sqrt(np.median(np.concatenate(area)) / np.pi)) / 5)


def subcellular(crops: Measurement, channels: list[str] | None = None, *, spot: float | int = 2.0) -> Measurement:
    """Say where in each cell the light of each channel is.

    Of the light of a cell above its background, the darkest twentieth of what is around it: ``NucleusShare``,
    ``CytoplasmShare`` and ``PeripheryShare``, which sum to one; ``NucleusPuncta`` and ``CytoplasmPuncta``, shares in
    round spots that stand out of the noise. As natural logarithms of ratios of mean light: ``NucleusOverCytoplasm``,
    ``PeripheryOverCytoplasm``, ``NucleusRimOverMiddle``, and ``MeanFrac_1of4`` and so on, rings from the nucleus to the
    border over the whole cell. ``NucleusPeak`` and ``CytoplasmPeak``, the brightest twentieth over the mean, and
    ``Aside``, how far the middle of the light in the cytoplasm is from that of the nucleus, in radii of the cell.

    A dimmer lamp or a constant background changes nothing. A cell that its crop cuts ends at the edge of the crop.

    Args:
        crops: Images ``(n, c, y, x)`` with ``mask:nucleus`` and ``mask:cell``; read block by block.
        channels: To measure; None measures all.
        spot: Radius in pixels that light is smoothed over; spots are smaller.

    Returns:
        A table with names as CellProfiler's: ``Cells_Subcellular_NucleusShare_DAPI``.

    Raises:
        DataError: These are no square crops, one has no nucleus or no cytoplasm, or the size of spots is none.
        UnknownNameError: A mask or a channel is missing.
    """
    if not spot > 0:
        raise DataError([f"spot is a radius in pixels, above 0; got {spot!r}."])
    names = [str(name) for name in crops.features if not is_mask(name)] if channels is None else list(channels)
    at = _places(crops, (*names, NUCLEUS, CELL))
    if len(crops.values.shape) != 4 or crops.values.shape[2] != crops.values.shape[3]:
        axes = " × ".join(map(str, crops.values.shape))
        raise DataError(
            [f"Square crops of one cell each are measured, (n, c, y, x) with y = x; got {axes}. Cut crops."]
        )
    lacking = ~complete(crops)
    if lacking.any():
        raise DataError(
            [
                f"{lacking.sum()} of {len(crops)} crops have no nucleus or no cytoplasm in their masks. Leave them "
                "out: crops.take(complete(crops))."
            ]
        )
    made = []
    for start in range(0, len(crops), _BLOCK):
        block = np.asarray(crops.block(start, min(start + _BLOCK, len(crops)))).astype(np.float32)
        regions = regions_of(block[:, at[-2]] > 0, block[:, at[-1]] > 0)
        columns: dict[str, np.ndarray] = {}
        for name, place in zip(names, at, strict=False):
            columns |= {f"{feature}_{name}": x_n for feature, x_n in profile(block[:, place], regions, spot).items()}
        made.append(np.stack(list(columns.values()), axis=1))
    if not made:
        raise DataError(["There are no crops."])
    return crops.replace(
        values=np.concatenate(made),
        features=np.array(list(columns), dtype=object),
        units=ARBITRARY,
        modality="profile",
        observed=None,
    )


def regions_of(nucleus_nyx: np.ndarray, cell_nyx: np.ndarray) -> Regions:
    """Divide cells into regions.

    Args:
        nucleus_nyx: True inside of the nucleus.
        cell_nyx: True inside of the cell.
    """
    cell = cell_nyx | nucleus_nyx
    cytoplasm = cell & ~nucleus_nyx
    depth, inner = _distance(nucleus_nyx), _distance(~nucleus_nyx, edge=True)
    outer = _distance(cell)
    way = np.where(cytoplasm, (inner - 0.5) / np.maximum(inner + outer - 1, 1e-3), 0.0)
    deepest = depth.max(axis=(1, 2), keepdims=True)
    return Regions(cell, nucleus_nyx, nucleus_nyx & (depth <= np.maximum(_RIM * deepest, 1.0)), cytoplasm, way)


def profile(image: np.ndarray, regions: Regions, spot: float | int = 2.0) -> dict[str, np.ndarray]:
    """``(n,)`` features by name, of one channel.

    Args:
        image: ``(n, y, x)``.
        regions: Of the same cells.
        spot: Radius in pixels.
    """
    light = image - _background(image, regions.cell)
    total = np.maximum(_sum(light, regions.cell), 1e-6)
    density = total / regions.cell.sum(axis=(1, 2))
    outside = regions.cytoplasm & (regions.way > _PERIPHERY)
    between = regions.cytoplasm & ~outside
    parts = {"Nucleus": regions.nucleus, "Cytoplasm": between, "Periphery": outside}
    share = np.stack([np.maximum(_sum(light, part), 0.0) for part in parts.values()])
    share /= np.maximum(share.sum(axis=0), 1e-6)
    made = {f"Cells_Subcellular_{name}Share": value for name, value in zip(parts, share, strict=True)}

    def over(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        first, second = (np.maximum(_mean(light, part) / density, 0.0) + _FLOOR for part in (one, other))
        return np.asarray(np.log(first / second))

    made["Cells_Subcellular_NucleusOverCytoplasm"] = over(regions.nucleus, regions.cytoplasm)
    made["Cells_Subcellular_PeripheryOverCytoplasm"] = over(outside, between)
    made["Cells_Subcellular_NucleusRimOverMiddle"] = over(regions.rim, regions.nucleus & ~regions.rim)
    ring = np.minimum((regions.way * RINGS).astype(int), RINGS - 1)
    for i in range(RINGS):
        own = regions.cytoplasm & (ring == i)
        made[f"Cells_Subcellular_MeanFrac_{i + 1}of{RINGS}"] = over(own, regions.cell)
    return made | _spots(light, regions, spot, total) | {"Cells_Subcellular_Aside": _aside(light, regions)}


def _spots(light: np.ndarray, regions: Regions, spot: float | int, total: np.ndarray) -> dict[str, np.ndarray]:
    """Shares of light in spots, and how much brighter than the mean the brightest pixels are."""
    smooth = ndimage.gaussian_filter(light, (0, spot / 2, spot / 2), truncate=3.0)
    round_nyx = _roundness(smooth)
    rest = smooth - ndimage.gaussian_filter(light, (0, spot, spot), truncate=3.0)
    made = {}
    for name, part in (("Nucleus", regions.nucleus), ("Cytoplasm", regions.cytoplasm)):
        # Median of the absolute rest: spots are few, and hardly move it.
        noise = 1.4826 * _quantile(np.abs(rest), part, 0.5)
        spots = np.where(part & (rest > _ABOVE * noise[:, None, None]), rest * round_nyx, 0.0)
        made[f"Cells_Subcellular_{name}Puncta"] = np.sqrt(np.clip(spots.sum(axis=(1, 2)) / total, 0.0, 1.0))
        mean = np.maximum(_mean(light, part), _FLOOR * total / regions.cell.sum(axis=(1, 2)))
        peak = np.maximum(_quantile(smooth, part, 0.95) / mean, 0.0)
        made[f"Cells_Subcellular_{name}Peak"] = np.log(peak + _FLOOR)
    return made


def _roundness(smooth: np.ndarray) -> np.ndarray:
    """``(n, y, x)`` 1 on a round spot, 0 on a straight line: the ratio of the two curvatures, where both bend down.

    Borders are as bright as spots; they bend across, and not along (Frangi et al. 1998).
    """
    padded = np.pad(smooth, ((0, 0), (1, 1), (1, 1)), mode="edge")
    middle, up, down = padded[:, 1:-1], padded[:, :-2], padded[:, 2:]
    yy = (up + down - 2 * middle)[:, :, 1:-1]
    xx = middle[:, :, :-2] + middle[:, :, 2:] - 2 * middle[:, :, 1:-1]
    xy = (down[:, :, 2:] + up[:, :, :-2] - down[:, :, :-2] - up[:, :, 2:]) / 4
    half, root = (yy + xx) / 2, np.hypot((yy - xx) / 2, xy)
    ratio = (half + root) / np.minimum(half - root, -1e-12)
    return np.where(half + root < 0, np.clip(ratio, 0.0, 1.0), 0.0)


def _aside(light: np.ndarray, regions: Regions) -> np.ndarray:
    """Distance of the middle of the cytoplasm's light from the middle of the nucleus, over the radius of the cell."""
    weight = np.where(regions.cytoplasm, np.maximum(light, 0.0), 0.0)
    y, x = (np.arange(side, dtype=np.float64) for side in light.shape[1:])
    radius = np.sqrt(regions.cell.sum(axis=(1, 2)) / np.pi)
    middles = [
        (each.sum(axis=2) @ y / size, each.sum(axis=1) @ x / size)
        for each, size in (
            (mass, np.maximum(mass.sum(axis=(1, 2)), 1e-6)) for mass in (weight, regions.nucleus.astype(np.float64))
        )
    ]
    return np.asarray(np.hypot(middles[0][0] - middles[1][0], middles[0][1] - middles[1][1]) / radius)


def _background(image: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """``(n, 1, 1)`` the darkest twentieth outside of the cell; the darkest of all where it fills its crop."""
    outside = ~cell
    level = np.where(outside.any(axis=(1, 2)), _quantile(image, outside, _DARK), image.min(axis=(1, 2)))
    return np.asarray(level[:, None, None])


def _quantile(image: np.ndarray, inside: np.ndarray, share: float) -> np.ndarray:
    """``(n,)`` quantile over the pixels inside; 0 where there are none."""
    count = inside.sum(axis=(1, 2))
    ranked = np.sort(np.where(inside, image, np.inf).reshape(len(image), -1), axis=1)
    rank = np.clip((share * (count - 1)).round().astype(int), 0, None)
    return np.where(count > 0, ranked[np.arange(len(image)), rank], 0.0)


def _sum(image: np.ndarray, inside: np.ndarray) -> np.ndarray:
    return np.asarray(np.einsum("nyx,nyx->n", image, inside, dtype=np.float64))


def _mean(image: np.ndarray, inside: np.ndarray) -> np.ndarray:
    return _sum(image, inside) / np.maximum(inside.sum(axis=(1, 2)), 1)


def _distance(inside: np.ndarray, *, edge: bool = False) -> np.ndarray:
    """``(n, y, x)`` distance to the nearest pixel outside; beyond the crop all is outside, or nothing is (``edge``)."""
    padded = np.pad(inside, ((0, 0), (1, 1), (1, 1)), constant_values=edge)
    return np.asarray(ndimage.distance_transform_edt(padded, sampling=(_APART, 1.0, 1.0))[:, 1:-1, 1:-1])


def _places(crops: Measurement, names: tuple[str, ...]) -> list[int]:
    """Where channels and masks stand.

    Raises:
        UnknownNameError: One is missing.
    """
    place = {str(name): i for i, name in enumerate(crops.features)}
    for name in names:
        if name not in place:
            raise UnknownNameError("channel" if not is_mask(name) else "mask", name, place)
    return [place[name] for name in names]
