"""Patches of stained sections around the spots whose expression was measured, with links between neighboring spots."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy import sparse
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from aivc.core.errors import UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.units import ARBITRARY, INTENSITY
from aivc.data.images.optional import optional

COLORS = ("R", "G", "B")
# Spots between these distances are neighbors, in units of the distance of the nearest.
_NEAR, _FAR = 0.5, 1.5


def section_patches(spots: Measurement, path: Path, side: int) -> Measurement:
    """Cut a patch around each spot, two pitches wide, so that its inner half is the spot.

    Args:
        spots: Of one section, with their ``pixel_x`` and ``pixel_y``.
        path: Image of the section in color.
        side: Of the patches, in pixels.

    Returns:
        Images ``(n, 3, side, side)`` from 0 to 255, linked to those one pitch away.
    """
    pictures = optional("PIL.Image")
    at_n2 = spots.entities[["pixel_x", "pixel_y"]].to_numpy(float)
    pitch = float(np.median(cKDTree(at_n2).query(at_n2, 2)[0][:, 1]))
    away = cdist(at_n2, at_n2) / pitch
    links = sparse.csr_matrix(((away > _NEAR) & (away < _FAR)).astype(float))
    with warnings.catch_warnings():
        # Sections are large: their files are known by checksum.
        warnings.simplefilter("ignore", pictures.DecompressionBombWarning)
        with pictures.open(path) as picture:
            light, half = np.asarray(picture), round(pitch)
    light = np.pad(light, ((half, half), (half, half), (0, 0)), mode="edge")
    made = np.empty((len(spots), side, side, 3), dtype=np.uint8)
    for i, (x, y) in enumerate(np.round(at_n2).astype(int)):
        cut = pictures.fromarray(light[y : y + 2 * half, x : x + 2 * half])
        made[i] = np.asarray(cut.resize((side, side), pictures.Resampling.BILINEAR))
    colors = np.array(COLORS, dtype=object)
    return Measurement(made.transpose(0, 3, 1, 2), colors, spots.entities, INTENSITY, modality="image", links=links)


def depth_scaled(spots: Measurement, genes: Sequence[str]) -> Measurement:
    """Log of one plus counts scaled to the median depth of the section, of some genes.

    Raises:
        UnknownNameError: A gene was not measured.
    """
    place = {str(gene): i for i, gene in enumerate(spots.features)}
    for gene in genes:
        if gene not in place:
            raise UnknownNameError("gene", gene, place, "Read the file that the benchmark was frozen on.")
    counts = np.asarray(spots.dense(), dtype=np.float64)
    total = counts.sum(axis=1)
    scaled = np.log1p(counts * (np.median(total) / np.maximum(total, 1))[:, None])
    values = scaled[:, [place[gene] for gene in genes]]
    return Measurement(values, np.array(genes, dtype=object), spots.entities, ARBITRARY)
