"""Simulated crops of cells whose protein is where it is said to be, as an imperfect microscope would see them."""

from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
import pandas as pd
from scipy import ndimage

from aivc.core.errors import DataError
from aivc.core.measurement import CONTROL, Measurement
from aivc.core.units import INTENSITY
from aivc.data.images.layout import CELL, NUCLEUS

PLACES = ("nucleus", "nucleolus", "nuclear rim", "cytoplasm", "perinuclear", "puncta", "membrane")
DNA, PROTEIN = "DNA", "protein"
LOCATION, TRUE_SHARE = "location", "true_nucleus_share"


def synthetic_locations(
    *,
    wells: int = 4,
    cells: int = 20,
    plates: int = 2,
    side: int = 64,
    hard: float | int | tuple[float, float] = 1.0,
    seed: int = 0,
) -> Measurement:
    """Simulate crops of a protein in each of `PLACES`, a well of a plate for each.

    Cells differ in shape, size and how much protein they hold, and some of it is everywhere; wells differ in how much
    of it, plates in blur, background and light. Masks are a little too large or too small, and neighbors reach in.

    Args:
        wells: Of each place on each plate.
        cells: Of each well.
        plates: How many.
        side: Of the crops, in pixels.
        hard: Multiplies noise, blur beyond the least, and what is everywhere; of two, plates go in even steps from one
            to the other.
        seed: Draws everything.

    Returns:
        Crops with the channels ``DNA`` and ``protein`` and masks; the columns ``location``, ``batch``, ``well`` and
        ``true_nucleus_share``.

    >>> crops = synthetic_locations(wells=1, cells=2, plates=1)
    >>> crops
    Measurement(14 cellular entities × 4 image features, intensity)
    """
    rng = np.random.default_rng(seed)
    rows = [
        (f"P{plate + 1}", f"{chr(65 + place)}{well + 1:02d}", PLACES[place], plate)
        for plate in range(plates)
        for place in range(len(PLACES))
        for well in range(wells)
        for _ in range(cells)
    ]
    frame = pd.DataFrame(rows, columns=["batch", "well", LOCATION, "plate"])
    own_np = (frame[LOCATION].to_numpy()[:, None] == np.array(PLACES)).astype(np.float64)
    well_n = pd.factorize(frame["batch"] + frame["well"])[0]
    return _seen(own_np, frame, well_n, side, hard, rng)


def synthetic_translocation(
    shares: dict[str, float],
    *,
    wells: int = 4,
    cells: int = 20,
    plates: int = 2,
    side: int = 64,
    spread: float = 0.3,
    hard: float | int | tuple[float, float] = 1.0,
    seed: int = 0,
) -> Measurement:
    """Simulate a protein that a treatment moves between cytoplasm and nucleus.

    Args:
        shares: Share of the protein in the nucleus, by text of the perturbation; with ``control``.
        wells: Of each perturbation on each plate.
        cells: Of each well.
        plates: How many.
        side: Of the crops, in pixels.
        spread: Standard deviation, in log odds, of the share between wells, and between the cells of one; half as large
            between plates.
        hard: As in `synthetic_locations`.
        seed: Draws everything.

    Raises:
        DataError: There is no control, or a share is not between 0 and 1.

    >>> synthetic_translocation({"control": 0.3, "drug:X@1uM": 0.6}, wells=1, cells=3, plates=1)
    Measurement(6 cellular entities × 4 image features, intensity)
    """
    if CONTROL not in shares or not all(0 < share < 1 for share in shares.values()):
        raise DataError([f"Shares lie between 0 and 1, and one is that of {CONTROL!r}; got {shares}."])
    rng = np.random.default_rng(seed)
    rows, odds = [], []
    for plate in range(plates):
        moved = 0.5 * spread * rng.normal()
        for i, (text, share) in enumerate(shares.items()):
            for well in range(wells):
                middle = np.log(share / (1 - share)) + moved + spread * rng.normal()
                odds.extend(middle + spread * rng.normal(size=cells))
                rows += [(f"P{plate + 1}", f"{chr(65 + i % 26)}{well + 1:02d}", text, plate)] * cells
    frame = pd.DataFrame(rows, columns=["batch", "well", "perturbation", "plate"])
    share_n = 1 / (1 + np.exp(-np.array(odds)))
    mix_np = np.zeros((len(frame), len(PLACES)))
    mix_np[:, PLACES.index("nucleus")], mix_np[:, PLACES.index("cytoplasm")] = share_n, 1 - share_n
    return _seen(mix_np, frame, pd.factorize(frame["batch"] + frame["well"])[0], side, hard, rng)


def _seen(
    mix_np: np.ndarray,
    frame: pd.DataFrame,
    well_n: np.ndarray,
    side: int,
    hard: float | int | tuple[float, float],
    rng: np.random.Generator,
) -> Measurement:
    """What the microscope shows of cells with these mixtures of places."""
    if side < 32:
        raise DataError([f"A crop of {side} pixels is too small for these cells. Ask for 32 or more."])
    n, plate_n = len(frame), frame["plate"].to_numpy()
    shape = _Shapes.drawn(n, side, rng)
    cell = shape.cell.astype(np.float64)
    hard_n = _per_plate(hard, plate_n)
    everywhere = hard_n * rng.beta(2, 10, well_n.max() + 1)[well_n] + 0.05 * hard_n * rng.normal(size=n)
    everywhere = np.clip(everywhere, 0, 0.8)
    light = (everywhere / cell.sum(axis=(1, 2)))[:, None, None] * cell
    for p in range(len(PLACES)):
        if (rows := np.flatnonzero(mix_np[:, p] > 0)).size:
            pattern = np.maximum(shape.take(rows).pattern(p, rng), 0) + 1e-9
            weight = (1 - everywhere[rows]) * mix_np[rows, p] / pattern.sum(axis=(1, 2))
            light[rows] += weight[:, None, None] * pattern
    true_n = (light * shape.nucleus).sum(axis=(1, 2)) / (light * cell).sum(axis=(1, 2))
    light *= (shape.cell.sum(axis=(1, 2)) * np.exp(0.5 * rng.normal(size=n)))[:, None, None]
    dna = shape.nucleus * (1 + 0.3 * _smooth(rng, n, side, 2.0)) * np.exp(0.2 * rng.normal(size=n))[:, None, None]
    images = np.stack([_imaged(each, shape.cell, plate_n, hard_n, rng) for each in (dna, light)], axis=1)
    masks = np.stack(shape.drawn_masks(rng), axis=1).astype(images.dtype)
    entities = frame.drop(columns="plate").assign(**{TRUE_SHARE: true_n, "context": "simulated"})
    if "perturbation" not in entities:
        entities = entities.assign(perturbation=CONTROL)
    entities.index = pd.Index([f"crop-{i}" for i in range(n)], dtype=object)
    about = {"channels": [DNA, PROTEIN, NUCLEUS, CELL], "um_per_pixel": None, "dtype": "float32", "bits": 32}
    names = np.array([DNA, PROTEIN, NUCLEUS, CELL], dtype=object)
    values = np.concatenate([images, masks], axis=1)
    return Measurement(values, names, entities, INTENSITY, modality="image", provenance={"image": about})


@dataclass(frozen=True, eq=False)
class _Shapes:
    """Outlines of ``n`` cells and their nuclei.

    Attributes:
        to_border: ``(n, y, x)`` distance to the border of the cell, negative inside.
        to_nucleus: The same of the nucleus.
        dy: Distance from the middle of the nucleus.
        dx: The same along columns.
        part: ``(n,)`` radius of the nucleus.
        size: ``(n,)`` radius of the cell.
    """

    to_border: np.ndarray
    to_nucleus: np.ndarray
    dy: np.ndarray
    dx: np.ndarray
    part: np.ndarray
    size: np.ndarray

    @classmethod
    def drawn(cls, n: int, side: int, rng: np.random.Generator) -> "_Shapes":
        """Draw outlines: waves around a circle for the border, an ellipse for the nucleus."""
        at = np.arange(side) - (side - 1) / 2
        y, x = at[None, :, None], at[None, None, :]
        angle, radius = np.arctan2(y, x), np.hypot(y, x)
        size = side / 64 * np.exp(rng.normal(np.log(20), 0.12, n))
        border = np.ones((n, side, side))
        for wave, depth in ((1, 0.1), (2, 0.16), (3, 0.08), (4, 0.05)):
            turn, high = rng.uniform(0, 2 * np.pi, n), depth * rng.normal(size=n)
            border += high[:, None, None] * np.cos(wave * angle + turn[:, None, None])
        border = np.clip(border, 0.6, 1.5) * size[:, None, None]
        part, turn = rng.uniform(0.4, 0.56, n) * size, rng.uniform(0, np.pi, n)
        long = np.exp(rng.uniform(-0.2, 0.2, n))[:, None, None]
        middle = (rng.normal(0, 0.08, (2, n)) * size)[:, :, None, None]
        dy, dx = y - middle[0] + 0 * x, x - middle[1] + 0 * y
        cos, sin = np.cos(turn)[:, None, None], np.sin(turn)[:, None, None]
        stretched = np.hypot((cos * dx + sin * dy) / long, (cos * dy - sin * dx) * long)
        return cls(radius - border, stretched - part[:, None, None], dy, dx, part, size)

    @cached_property
    def nucleus(self) -> np.ndarray:
        """``(n, y, x)`` True inside."""
        return np.asarray(self.to_nucleus < 0)

    @cached_property
    def cell(self) -> np.ndarray:
        """``(n, y, x)`` True inside."""
        return np.asarray((self.to_border < 0) | (self.to_nucleus < 1))

    def take(self, rows: np.ndarray) -> "_Shapes":
        """Some of the cells."""
        return _Shapes(*(getattr(self, item.name)[rows] for item in fields(self)))

    def pattern(self, place: int, rng: np.random.Generator) -> np.ndarray:
        """``(n, y, x)`` light of a protein in a place."""
        n, side = self.to_border.shape[:2]
        cytoplasm = self.cell & ~self.nucleus
        name = PLACES[place]
        if name == "nucleus":
            return np.asarray(self.nucleus * (1 + 0.35 * _smooth(rng, n, side, 2.5)))
        if name == "nucleolus":
            return np.asarray(self.nucleus * (0.1 + self._disks(rng, 3, (0.08, 0.14), inside=True)))
        if name == "nuclear rim":
            return np.asarray(np.exp(-(self.to_nucleus**2) / 2) * self.cell)
        if name == "cytoplasm":
            thick = np.sqrt(np.clip(-self.to_border / self.size[:, None, None], 0.05, 1))
            return np.asarray(cytoplasm * (1 + 0.35 * _smooth(rng, n, side, 2.5)) * thick)
        if name == "perinuclear":
            turn = rng.uniform(0, 2 * np.pi, n)
            y, x = ((1.15 * self.part * each)[:, None, None] for each in (np.sin(turn), np.cos(turn)))
            wide = (0.45 * self.part)[:, None, None]
            blob = np.exp(-((self.dy - y) ** 2 + (self.dx - x) ** 2) / 2 / wide**2) * (0.2 + cytoplasm)
            return np.asarray(blob * self.cell * (1 + 0.5 * _smooth(rng, n, side, 1.2)).clip(0))
        if name == "puncta":
            return np.asarray(cytoplasm * (0.03 + self._disks(rng, 22, (0.05, 0.09), inside=False)))
        return np.asarray(np.exp(-((self.to_border + 1) ** 2) / 2) * self.cell + 0.03 * cytoplasm)

    def _disks(self, rng: np.random.Generator, count: int, radii: tuple[float, float], *, inside: bool) -> np.ndarray:
        """``(n, y, x)`` spots inside of the nucleus or around it, up to ``count``."""
        n = len(self.size)
        made = np.zeros(self.to_border.shape)
        for i in range(count):
            angle = rng.uniform(0, 2 * np.pi, n)
            around = self.part + (self.size - self.part) * rng.uniform(0.05, 0.9, n)
            away = self.part * 0.65 * np.sqrt(rng.uniform(0, 1, n)) if inside else around
            wide = self.size * rng.uniform(*radii, n)
            bright = np.exp(0.4 * rng.normal(size=n)) * ((i < 1 + count // 3) | (rng.random(n) < 0.5))
            square = (self.dy - (away * np.sin(angle))[:, None, None]) ** 2
            square += (self.dx - (away * np.cos(angle))[:, None, None]) ** 2
            made += bright[:, None, None] * np.exp(-square / 2 / (wide**2)[:, None, None])
        return made

    def drawn_masks(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Masks of nucleus and cell, about a pixel too large or too small."""
        n = len(self.size)
        off = [(0.7 * rng.normal(size=n))[:, None, None], rng.normal(size=n)[:, None, None]]
        return self.to_nucleus < off[0], (self.to_border < off[1]) | (self.to_nucleus < off[0] + 1)


def _imaged(
    light: np.ndarray, cell: np.ndarray, plate_n: np.ndarray, hard_n: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """``(n, y, x)`` light with neighbors, background, blur and noise."""
    n, side = light.shape[:2]
    made = light.copy()
    # A neighbor is another of these cells, aside.
    for _ in range(2):
        turn = rng.uniform(0, 2 * np.pi)
        step = [round(0.7 * side * float(part)) for part in (np.sin(turn), np.cos(turn))]
        other = ndimage.shift(np.roll(light, int(rng.integers(1, max(n, 2))), axis=0), (0, *step), order=0)
        made += np.where(cell, 0.0, other)
    plates = int(plate_n.max()) + 1
    blur = 0.7 + rng.uniform(0, 0.8, plates)[plate_n] * hard_n
    dark, lamp, photons = rng.uniform(0.1, 0.6, plates), rng.uniform(200, 3000, plates), rng.uniform(15, 60, plates)
    slope = rng.normal(0, 0.1, (2, n, 1, 1)) * (np.arange(side) / side - 0.5)[:, None]
    made = made + dark[plate_n][:, None, None]
    made *= 1 + slope[0] + slope[1].swapaxes(1, 2)
    for plate in range(plates):
        own = plate_n == plate
        width = float(blur[own][0])
        made[own] = ndimage.gaussian_filter(made[own], (0, width, width))
    gain = (photons[plate_n] / np.maximum(hard_n, 0.1) ** 2)[:, None, None]
    made = rng.poisson(np.maximum(made * gain, 0)) / gain + 0.03 * hard_n[:, None, None] * rng.normal(size=made.shape)
    return np.asarray(made * lamp[plate_n][:, None, None], dtype=np.float32)


def _smooth(rng: np.random.Generator, n: int, side: int, width: float) -> np.ndarray:
    """``(n, y, x)`` smooth noise of unit variance."""
    made = ndimage.gaussian_filter(rng.normal(size=(n, side, side)), (0, width, width))
    return np.asarray(made / made.std())


def _per_plate(hard: float | int | tuple[float, float], plate_n: np.ndarray) -> np.ndarray:
    """``(n,)`` difficulty of the plate of each cell; even steps between two."""
    plates = int(plate_n.max()) + 1
    return np.asarray(np.linspace(*hard, plates)[plate_n] if isinstance(hard, tuple) else np.full(len(plate_n), hard))
