"""Opens images of cells: arrays of crops, OME-TIFF, OME-Zarr, SpatialData images, and tables of image files."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from aivc.core.errors import DataError, IntegrityError, SchemaError, UnavailableError
from aivc.core.measurement import StoredRows
from aivc.data.images.crop_arrays import crop_array
from aivc.data.images.fields import Field, FieldRows
from aivc.data.images.image_tables import table_fields
from aivc.data.images.layout import MASK, UNKNOWN_SIZE, ImageLayout
from aivc.data.images.objects import cut
from aivc.data.images.ome_tiff import ImageFacts, ome_facts
from aivc.data.images.ome_zarr import is_ome_zarr, ome_zarr_fields
from aivc.data.images.planes import PICTURES, TIFF, series_of
from aivc.data.io.formats import Raw, suffix
from aivc.data.io.schema import Schema
from aivc.data.io.tables import TABLES, join_metadata, read_table

_ARRAYS = (".npz", ".npy")


def open_images(path: Path, schema: Schema) -> Raw:
    """Open images without reading their pixels; label images are read once, for where the objects lie.

    An entity is a crop of an array, a whole field of view, or, where the schema names masks, the crop around an object
    of the first mask. Features are the channels, then the masks (``mask:nucleus``), 1 inside of the object.

    Args:
        path: npy, npz or zarr with an array of crops; OME-Zarr image or plate; SpatialData folder; TIFF, PNG or JPEG;
            a table that names image files; or a folder with such a table, which ``metadata`` names.
        schema: With its `ImageLayout`.

    Raises:
        DataError: A mask is no label image.
        IntegrityError: A file is damaged or of an unknown kind.
        SchemaError: Channels, axes or the size of a pixel are neither declared nor stated.
        UnavailableError: A library of the extra ``images`` is missing, or there is no such file.
    """
    layout = schema.image
    assert layout is not None
    end = suffix(path)
    if path.is_dir() and end != ".zarr":
        return open_images(_table_inside(path, schema), replace(schema, metadata=None))
    if end in _ARRAYS or (end == ".zarr" and not is_ome_zarr(path)):
        return _with_table(_crops(path, layout), path, schema)
    if end == ".zarr":
        fields, facts = ome_zarr_fields(path, layout.masks)
    elif end in TABLES:
        numbers = {schema.columns.get(name) for name in ("dose", "hours", "time", "cells")}
        texts = tuple(name for name in schema.columns.values() if name not in numbers)
        fields, facts = table_fields(path, layout, schema.entity, texts), ImageFacts()
    elif end in (*TIFF, *PICTURES):
        fields, facts = _one_file(path, layout)
    else:
        raise IntegrityError(
            f"{path} ends in {end!r}; images are read from {', '.join((*_ARRAYS, '.zarr', *TIFF, *PICTURES))}, or from "
            f"a table that names them ({', '.join(TABLES)}). Export them as one of these."
        )
    return _with_table(_of_fields(path, fields, facts, layout), path, schema)


def _table_inside(path: Path, schema: Schema) -> Path:
    """The table of a folder of images."""
    if schema.metadata is None:
        raise SchemaError(
            f"{path} is a folder of images, and a table in it says which file is what. Name it in the schema: metadata "
            '= "images.csv".'
        )
    if not (path / schema.metadata).is_file():
        raise UnavailableError(f"There is no table {path / schema.metadata}, which metadata names. Correct the schema.")
    return path / schema.metadata


def _crops(path: Path, layout: ImageLayout) -> Raw:
    found = crop_array(path, layout)
    if layout.masks:
        raise SchemaError("Masks of crops that were cut already are channels named mask:nucleus. Leave masks out.")
    facts = ImageFacts(found.channels, found.um_per_pixel)
    channels, size = _declared(path, layout, facts, found.rows.shape[1])
    about = _about(channels, size, found.dtype, layout, found.about)
    return Raw(found.rows, pd.DataFrame(index=pd.Index(channels, dtype=object)), found.columns, image=about)


def _one_file(path: Path, layout: ImageLayout) -> tuple[list[Field], ImageFacts]:
    planes, name = series_of(path, layout.axes), path.name.split(".")[0]
    masks = tuple(series_of(path.parent / file, None)[0] for _, file in layout.masks)
    many = len(planes) > 1
    fields = [
        Field(f"{name}_{i}" if many else name, (plane,), masks, {"frame": i} if many else {})
        for i, plane in enumerate(planes)
    ]
    return fields, ome_facts(path) if suffix(path) in TIFF else ImageFacts()


def _of_fields(path: Path, fields: list[Field], facts: ImageFacts, layout: ImageLayout) -> Raw:
    if not fields:
        raise DataError([f"{path} names no image. Give one with at least one field of view."])
    kinds = {(each.channels, each.planes[0].dtype) for each in fields}
    if len(kinds) > 1:
        first = {(each.channels, each.planes[0].dtype): each.name for each in reversed(fields)}
        shown = ", ".join(f"{count} channels of {dtype} in {first[count, dtype]}" for count, dtype in sorted(kinds))
        raise DataError([f"Fields of {path.name} differ: {shown}. Read those that are alike together."])
    channels, size = _declared(path, layout, facts, fields[0].channels)
    about = _about(channels, size, np.dtype(fields[0].planes[0].dtype), layout, {})
    names = [*channels, *(f"{MASK}{shown}" for shown, _ in layout.masks)]
    features = pd.DataFrame(index=pd.Index(names, dtype=object))
    if layout.crop is not None:
        rows, entities = cut(fields, layout.crop)
        values: StoredRows = rows
        return Raw(values, features, entities, notes=_empty(fields, entities), image=about)
    sizes = sorted({each.sides for each in fields})
    if len(sizes) > 1:
        raise DataError(
            [f"Fields of {path.name} have sizes {sizes[:4]}. Cut crops with masks and crop, or read each size alone."]
        )
    entities = pd.DataFrame([each.columns for each in fields], index=pd.Index([each.name for each in fields]))
    return Raw(FieldRows(tuple(fields)), features, entities, image=about)


def _empty(fields: list[Field], crops: pd.DataFrame) -> tuple[str, ...]:
    """Fields without any object, which are no row of what is read: a well without cells may be what a drug does."""
    seen = set(crops["field"])
    without = [each.name for each in fields if each.name not in seen]
    shown = ", ".join(without[:3]) + (f" and {len(without) - 3} more" if len(without) > 3 else "")
    said = f"{len(without)} of {len(fields)} fields show no object in their masks and are left out: {shown}."
    return (said,) if without else ()


def _declared(path: Path, layout: ImageLayout, facts: ImageFacts, count: int) -> tuple[tuple[str, ...], float | None]:
    channels = layout.channels or facts.channels
    if len(channels) != count:
        said = f"{len(channels)} are named ({', '.join(channels)})" if channels else "none is named"
        raise SchemaError(
            f"{path.name} has {count} channels, and {said}. Declare them in order: image = {{ channels = "
            '["DAPI", "Actin"] }.'
        )
    if layout.channels and facts.channels and set(layout.channels) != set(facts.channels):
        raise SchemaError(
            f"{path.name} names its channels {', '.join(facts.channels)}, the schema {', '.join(layout.channels)}. "
            "Leave channels out, or correct them."
        )
    if layout.um_per_pixel == UNKNOWN_SIZE:
        return facts.channels or channels, facts.um_per_pixel
    size = facts.um_per_pixel if layout.um_per_pixel is None else float(layout.um_per_pixel)
    if size is None:
        raise SchemaError(
            f"{path.name} does not state the size of a pixel. Declare it: image = {{ um_per_pixel = 0.65 }}, or "
            f'"{UNKNOWN_SIZE}" where the source does not say it either.'
        )
    if facts.um_per_pixel is not None and abs(size - facts.um_per_pixel) > 1e-3 * size:
        raise SchemaError(f"{path.name} states {facts.um_per_pixel:g} µm per pixel, the schema {size:g}. Which is it?")
    # The order of the file is that of the pixels.
    return facts.channels or channels, size


def _about(
    channels: tuple[str, ...], size: float | None, dtype: np.dtype[Any], layout: ImageLayout, more: Mapping[str, Any]
) -> dict[str, Any]:
    bits = layout.bits or (8 * dtype.itemsize if dtype.kind in "iu" else None)
    return {**more, "channels": list(channels), "um_per_pixel": size, "dtype": str(dtype), "bits": bits}


def _with_table(raw: Raw, path: Path, schema: Schema) -> Raw:
    if schema.metadata is None:
        return raw
    beside = path.parent / schema.metadata
    if not beside.exists():
        raise UnavailableError(f"There is no table {beside}, which metadata names. It lies beside the images.")
    if "field" not in raw.entities or _names_any(beside, raw.entities.index):
        return join_metadata(raw, beside, schema)
    # What is known of a field is known of the crops that were cut out of it.
    fields = raw.entities.drop_duplicates("field").set_index("field")
    joined = join_metadata(replace(raw, entities=fields), beside, schema)
    added = joined.entities.drop(columns=fields.columns).loc[raw.entities["field"]]
    return replace(joined, entities=pd.concat([raw.entities, added.set_axis(raw.entities.index)], axis=1))


def _names_any(table: Path, entities: pd.Index) -> bool:
    """Whether a table has rows for crops themselves, rather than for fields."""
    frame = read_table(table)[0]
    return any(entities.isin(frame[name].astype(str)).any() for name in frame.select_dtypes(exclude="number"))
