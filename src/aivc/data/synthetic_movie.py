"""Movies of nuclei with known motion, divisions, deaths and noise, to measure what finds and links them."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Int
from scipy.spatial import cKDTree

# Around the window, from where nuclei move in, in pixels; distances between nuclei and radius of one, likewise.
_MARGIN, _SPACING, _RADIUS = 48, 18.0, 5.0
# Frames over which a daughter grows up, and how far daughters are apart, in radii of their mother.
_GROWTH, _APART = 8, 2.2
# How far its middle may lie outside, in radii, where a quarter of a nucleus shows.
_SEEN = 0.4


class KnownMovie(NamedTuple):
    """A movie and what it shows.

    Attributes:
        frames: ``(t, y, x)`` counts of photons.
        cells: A row for each frame and nucleus of which a quarter or more lies in the window: ``frame``, ``cell``,
            ``y_px``, ``x_px``, ``radius_px``, and ``mother``, the cell that it came of; -1 for none.
    """

    frames: Int[np.ndarray, "t y x"]
    cells: pd.DataFrame


def known_movie(
    step: float,
    *,
    frames: int = 15,
    side: int = 256,
    dividing: float = 0.01,
    dying: float = 0.005,
    jitter: float = 0.7,
    light: float = 60.0,
    seed: int = 0,
) -> KnownMovie:
    """Make a movie of nuclei in a smooth flow; some divide, some die, some enter and leave the window.

    Args:
        step: Root mean square of the motion in common between two frames, in pixels.
        frames: Number of frames.
        side: Of the window, in pixels.
        dividing: Share of the nuclei that divide between two frames.
        dying: Share that disappears.
        jitter: Standard deviation of each nucleus's own motion, in pixels.
        light: Photons in the middle of a nucleus, over a background of 10.
        seed: Of all that draws.
    """
    draw = np.random.default_rng(seed)
    whole = side + 2 * _MARGIN
    grid = np.arange(_SPACING / 2, whole, _SPACING)
    at = np.stack(np.meshgrid(grid, grid, indexing="ij"), axis=-1).reshape(-1, 2)
    at = at + draw.uniform(-0.25, 0.25, at.shape) * _SPACING
    # A fifth of the places is empty: daughters need room.
    at = at[draw.random(len(at)) > 0.2]
    cell, mother, age = (np.asarray(each) for each in (np.arange(len(at)), [-1] * len(at), [_GROWTH] * len(at)))
    light_of, next_cell = np.asarray(draw.uniform(0.7, 1.3, len(at))), len(at)
    images, rows = [], []
    for t in range(frames):
        if t:
            at = _apart(_moved(at, step, t, whole) + draw.normal(0, jitter, at.shape), whole)
            alive = draw.random(len(at)) >= dying
            at, cell, mother, age = at[alive], cell[alive], mother[alive], age[alive] + 1
            light_of = light_of[alive]
            parts = np.flatnonzero((draw.random(len(at)) < dividing) & (age >= _GROWTH))
            made = _divided(at, parts, draw)
            keep = np.setdiff1d(np.arange(len(at)), parts)
            at = np.concatenate([at[keep], made])
            mother = np.concatenate([mother[keep], np.tile(cell[parts], 2)])
            cell = np.concatenate([cell[keep], next_cell + np.arange(2 * len(parts))])
            age = np.concatenate([age[keep], np.zeros(2 * len(parts), dtype=int)])
            light_of = np.concatenate([light_of[keep], np.tile(light_of[parts], 2)])
            next_cell += 2 * len(parts)
        # Half of the mother's area at first.
        radius = _RADIUS * np.sqrt(0.5 + 0.5 * np.minimum(age / _GROWTH, 1.0))
        seen = at - _MARGIN
        images.append(draw.poisson(_drawn(seen, radius, light * light_of, side)).astype(np.uint16))
        # Pixels reach half of one beyond their middle.
        out = 0.5 + _SEEN * radius[:, None]
        inside = ((seen >= -out) & (seen <= side - 1 + out)).all(axis=1)
        columns = {"cell": cell, "y_px": seen[:, 0], "x_px": seen[:, 1], "radius_px": radius, "mother": mother}
        rows.append(pd.DataFrame({"frame": t, **columns})[inside])
    return KnownMovie(np.stack(images), pd.concat(rows, ignore_index=True))


def _moved(at_n2: np.ndarray, step: float, t: int, whole: int) -> np.ndarray:
    """Moved by a turning flow that keeps areas, so that nuclei do not crowd; what leaves comes in opposite."""
    turn = 2 * np.pi * at_n2 / whole
    flow = np.stack([np.sin(turn[:, 1] + 0.15 * t), np.cos(turn[:, 0] + 0.1 * t)], axis=1)
    return np.asarray((at_n2 + step * flow) % whole)


def _apart(at_n2: np.ndarray, whole: int) -> np.ndarray:
    """Nuclei that overlap push each other away."""
    at_n2 = at_n2 % whole
    for _ in range(3):
        pairs = cKDTree(at_n2, boxsize=whole).query_pairs(2.1 * _RADIUS, output_type="ndarray")
        way = at_n2[pairs[:, 0]] - at_n2[pairs[:, 1]]
        way -= whole * np.round(way / whole)
        length = np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-6)
        push = 0.5 * (2.1 * _RADIUS - length) * way / length
        np.add.at(at_n2, pairs[:, 0], push)
        np.add.at(at_n2, pairs[:, 1], -push)
        at_n2 %= whole
    return at_n2


def _divided(at_n2: np.ndarray, parts: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    angle = draw.uniform(0, np.pi, len(parts))
    half = 0.5 * _APART * _RADIUS * np.stack([np.sin(angle), np.cos(angle)], axis=1)
    return np.concatenate([at_n2[parts] + half, at_n2[parts] - half])


def _drawn(at_n2: np.ndarray, radius: np.ndarray, light: np.ndarray, side: int) -> np.ndarray:
    """Disks with soft edges over a background of 10; ``(y, x)`` expected photons."""
    image = np.full((side, side), 10.0)
    for (y, x), size, bright in zip(at_n2, radius, light, strict=True):
        reach = int(size) + 4
        top, left = max(round(y) - reach, 0), max(round(x) - reach, 0)
        box = image[top : max(round(y) + reach + 1, 0), left : max(round(x) + reach + 1, 0)]
        if box.size:
            rows, columns = np.ogrid[top : top + box.shape[0], left : left + box.shape[1]]
            away = np.hypot(rows - y, columns - x)
            box += bright / (1 + np.exp(np.clip((away - size) / 0.8, -30, 30)))
    return image
