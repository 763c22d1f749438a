"""A simulated imaging screen in files: TIFF images of two channels, label images and a table, with known mechanisms."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from aivc.core.errors import IntegrityError
from aivc.data.images.optional import optional

# What each mechanism does at full effect, as factors: of the nucleus' radius, of the cell's, of actin at the rim.
MECHANISMS: Mapping[str, tuple[float, float, float]] = {
    "large nuclei": (1.45, 1.0, 1.0),
    "small cells": (1.0, 0.75, 1.0),
    "actin at the rim": (1.0, 1.0, 3.0),
}
COMPOUNDS: Mapping[str, str] = {
    "cpd-01": "large nuclei",
    "cpd-02": "large nuclei",
    "cpd-03": "small cells",
    "cpd-04": "small cells",
    "cpd-05": "actin at the rim",
    "cpd-06": "actin at the rim",
}
# Concentration of half the effect.
_HALF_UM = 0.5
_PITCH, _NUCLEUS, _CELL = 48, 6.5, 15.0
_UM = 0.65
_DARK, _DNA, _ACTIN = 30.0, 900.0, 350.0


def synthetic_plate(
    folder: Path | str,
    *,
    plates: int = 2,
    doses: tuple[float, ...] = (0.3, 3.0),
    controls: int = 4,
    cells: int = 9,
    seed: int = 0,
) -> Mapping[str, str]:
    """Write a folder of images and the table ``plate.csv`` that says which file is what.

    Each well is one field with a TIFF for DNA and one for actin (16 bits, 0.65 µm a pixel, as ImageJ writes it), and
    label images of nuclei and cells such as Cellpose writes. Wells are shuffled on each plate, and lamps differ between
    plates. Effects grow with the dose and are half as large at 0.5 µM.

    Args:
        folder: A new folder.
        plates: How many.
        doses: In µM, of each of the six compounds.
        controls: Wells with DMSO on each plate.
        cells: In each well; the next square number that is no smaller is taken.
        seed: Draws everything.

    Returns:
        Mechanism by perturbation, such as ``{"drug:cpd-01@3uM": "large nuclei"}``.

    Raises:
        IntegrityError: The folder exists.
        UnavailableError: The extra ``images`` is not installed.
    """
    folder, tiff = Path(folder), optional("tifffile")
    if folder.exists():
        raise IntegrityError(f"{folder} exists. Name a new folder for the images.")
    folder.mkdir(parents=True)
    draw, rows = np.random.default_rng(seed), []
    across = int(np.ceil(np.sqrt(cells)))
    treated = [(compound, dose) for compound in COMPOUNDS for dose in doses]
    for plate in range(1, plates + 1):
        lamp = draw.uniform(0.8, 1.2, 2)
        wells = [("DMSO", 0.0)] * controls + treated
        for place, number in enumerate(draw.permutation(len(wells))):
            compound, dose = wells[number]
            well = f"{'ABCDEFGH'[place // 12 % 8]}{place % 12 + 1:02d}"
            files = {name: f"P{plate}_{well}_{name}.tif" for name in ("DNA", "Actin", "nuclei", "cells")}
            for (name, file), image in zip(files.items(), _field(compound, dose, across, lamp, draw), strict=True):
                about = {"unit": "um", "axes": "YX", "info": name}
                tiff.imwrite(folder / file, image, imagej=True, resolution=(1 / _UM, 1 / _UM), metadata=about)
            rows.append({"plate": f"P{plate}", "well": well, "compound": compound, "concentration_uM": dose, **files})
    pd.DataFrame(rows).to_csv(folder / "plate.csv", index=False)
    return {f"drug:{compound}@{dose:g}uM": COMPOUNDS[compound] for compound, dose in treated}


def _field(compound: str, dose: float, across: int, lamp: np.ndarray, draw: np.random.Generator) -> list[np.ndarray]:
    """``(y, x)`` DNA, actin, labels of nuclei and labels of cells of one well."""
    full = MECHANISMS.get(COMPOUNDS.get(compound, ""), (1.0, 1.0, 1.0))
    share = dose / (dose + _HALF_UM)
    nucleus, cell, rim = (factor**share for factor in full)
    side = across * _PITCH
    grid_yx = np.mgrid[:side, :side]
    nuclei, bodies = np.zeros((2, side, side), np.uint16)
    actin_yx = np.zeros((side, side))
    for label in range(1, across**2 + 1):
        middle = np.array(divmod(label - 1, across)) * _PITCH + _PITCH / 2 + draw.normal(0, 1.5, 2)
        far_yx = np.hypot(*(grid_yx - middle[:, None, None]))
        radius = _CELL * cell * draw.normal(1, 0.05)
        body = far_yx <= radius
        bodies[body], nuclei[far_yx <= _NUCLEUS * nucleus * draw.normal(1, 0.05)] = label, label
        actin_yx[body] = draw.normal(1, 0.1) * np.where(far_yx[body] > 0.8 * radius, rim, 1.0)
    # Texture of the width of a few pixels, as nothing in a cell is flat.
    grain_yx = 1 + 0.15 * np.sin(grid_yx[0] / 2 + draw.uniform(0, 6)) * np.sin(grid_yx[1] / 2 + draw.uniform(0, 6))
    light = np.stack([_DNA * (nuclei > 0) * grain_yx, _ACTIN * actin_yx * grain_yx]) * lamp[:, None, None]
    return [*draw.poisson(light + _DARK).astype(np.uint16), nuclei, bodies]
