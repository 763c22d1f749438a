"""A stained section with known truth: its image, and counts of its spots."""

import numpy as np
import pandas as pd
from PIL import Image

from aivc.core.measurement import Measurement
from aivc.core.units import COUNTS

SIDE, PITCH = 9, 24


def stained(folder, name, seed=0):
    """Spots with few or many dark nuclei; ``dense`` follows how many, ``noise`` does not; ``rare`` is seldom seen."""
    draw = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE)), axis=-1).reshape(-1, 2)
    many = draw.integers(0, 9, len(grid))
    image = np.clip(draw.normal([230, 190, 230], 3, (SIDE * PITCH, SIDE * PITCH, 3)), 0, 255)
    for (column, row), count in zip(grid, many, strict=True):
        for _ in range(count):
            y, x = (draw.integers(2, PITCH - 5, 2) + np.array([row, column]) * PITCH).tolist()
            image[y : y + 4, x : x + 4] = [90, 70, 150]
    Image.fromarray(image.astype(np.uint8)).save(folder / name)
    counts = draw.poisson(np.stack([10 * many + 5, np.full(len(grid), 40), np.full(len(grid), 200)], axis=1))
    rare = np.zeros((len(grid), 1), dtype=int)
    rare[0] = 50
    at = (grid + 0.5) * PITCH
    entities = pd.DataFrame({"pixel_x": at[:, 0], "pixel_y": at[:, 1]}, index=[f"{seed}-{i}" for i in range(len(grid))])
    features = np.array(["dense", "noise", "steady", "rare"], dtype=object)
    return Measurement(np.concatenate([counts, rare], axis=1), features, entities, COUNTS, coordinates=at / 2)
