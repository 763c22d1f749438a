"""Folders of spatial instruments: which one wrote a folder, and several sections at once."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from aivc.core.errors import SchemaError
from aivc.data.io.cell_folders import (
    COSMX,
    MERSCOPE,
    XENIUM_CELLS,
    XENIUM_MATRIX,
    cosmx_folder,
    merscope_folder,
    xenium_folder,
)
from aivc.data.io.formats import Raw, intact, suffix
from aivc.data.io.schema import Schema
from aivc.data.io.ten_x_files import prefixes
from aivc.data.io.visium_folder import POSITIONS, visium_folder

_FOLDER = "folder"
_OPEN: dict[str, Callable[[Path, Schema], Raw]] = {
    "Visium": visium_folder,
    "Xenium": xenium_folder,
    "CosMx": cosmx_folder,
    "MERSCOPE": merscope_folder,
}


def vendor_of(path: Path) -> str:
    """Which instrument wrote a folder: ``Visium``, ``Xenium``, ``CosMx`` or ``MERSCOPE``; else empty."""
    if not path.is_dir() or suffix(path) == ".zarr":
        return ""
    if any((path / "spatial" / name).is_file() for name in POSITIONS):
        return "Visium"
    matrix = (path / f"{XENIUM_MATRIX}.h5").is_file() or (path / XENIUM_MATRIX).is_dir()
    if matrix and any((path / name).is_file() for name in XENIUM_CELLS):
        return "Xenium"
    for vendor, patterns in (("CosMx", COSMX), ("MERSCOPE", MERSCOPE)):
        if all(any(path.glob(pattern)) for pattern in patterns):
            return vendor
    return ""


def vendors_of(path: Path) -> list[str]:
    """Instruments that wrote a folder, or the folders inside of it; none of what is no such folder."""
    return [vendor] if (vendor := vendor_of(path)) else sorted({vendor_of(folder) for folder in _sections(path)})


def _sections(path: Path) -> list[Path]:
    """Folders inside a folder that an instrument wrote, a section each; a 10x folder has none."""
    if not path.is_dir() or suffix(path) == ".zarr" or prefixes(path):
        return []
    return sorted(folder for folder in path.iterdir() if folder.is_dir() and vendor_of(folder))


def vendor_folder(path: Path, schema: Schema) -> Raw:
    """Open a folder of an instrument, or a folder of such folders, each of which is a section.

    Raises:
        IntegrityError: A file is missing or damaged.
        SchemaError: Its sections come from different instruments, or the schema asks for other positions.
    """
    key = schema.coordinate_key
    if key not in (None, "spatial"):
        raise SchemaError(
            f'A folder of an instrument has one place for positions. Write coordinates = "spatial", not {key!r}.'
        )
    if vendor := vendor_of(path):
        return _OPEN[vendor](path, schema)
    if len(vendors := vendors_of(path)) > 1:
        raise SchemaError(f"{path} holds folders of {', '.join(vendors)}. Read each instrument by itself.")
    opened = {}
    for folder in _sections(path):
        with intact(folder):
            opened[folder.name] = _OPEN[vendor_of(folder)](folder, schema)
    return joined_sections(opened)


def joined_sections(sections: dict[str, Raw]) -> Raw:
    """Put sections into one table: entities are named ``SECTION/NAME``, and features are those of all sections.

    Args:
        sections: By name.
    """
    first = next(iter(sections.values()))
    common = [name for name in first.features.index if all(name in raw.features.index for raw in sections.values())]
    notes, problems = [], []
    for name, raw in sections.items():
        if more := len(raw.features) - len(common):
            notes.append(f"{more} of {len(raw.features)} features of section {name} are left aside: others lack them.")
        notes += [f"{name}: {text}" for text in raw.notes]
        problems += [f"{name}: {text}" for text in raw.problems]
        if not raw.features.index.is_unique:
            problems.append(f'{name}: features stand twice, so sections cannot be joined. Write features = "id".')
    if problems:
        return replace(first, problems=tuple(problems), notes=tuple(notes))
    values = [sparse.csr_matrix(raw.values)[:, raw.features.index.get_indexer(common)] for raw in sections.values()]
    entities = [
        raw.entities.set_axis([f"{name}/{entity}" for entity in raw.entities.index], axis=0).assign(**{_FOLDER: name})
        for name, raw in sections.items()
    ]
    return replace(
        first,
        values=sparse.csr_matrix(sparse.vstack(values)),
        features=first.features.loc[common],
        entities=pd.concat(entities),
        coordinates=_one_scale(list(sections.values())),
        notes=tuple(notes),
        section=_FOLDER,
    )


def _one_scale(sections: list[Raw]) -> np.ndarray | None:
    """Positions in pixels of the first section: each image has its own."""
    points = []
    for raw in sections:
        if raw.coordinates is None:
            return None
        sizes = raw.um_per_pixel, sections[0].um_per_pixel
        points.append(raw.coordinates * (sizes[0] / sizes[1] if sizes[0] and sizes[1] else 1.0))
    return np.concatenate(points)
