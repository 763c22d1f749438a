"""Folders of TIFF and PNG files with a table that says which file is which channel of which field."""

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from aivc.core.errors import DataError, IntegrityError, SchemaError
from aivc.data.images.fields import Field
from aivc.data.images.layout import ImageLayout
from aivc.data.images.planes import Plane, series_of
from aivc.data.io.number_names import number_text
from aivc.data.io.tables import read_table


def table_fields(path: Path, layout: ImageLayout, entity: str | None, texts: tuple[str, ...]) -> list[Field]:
    """Describe the fields of a table of images; a row is a field, and a file of several frames is as many fields.

    Args:
        path: Of the table; files are named relative to its folder.
        layout: Names the columns of the files, and of the masks.
        entity: Column that names the rows; None takes the names of the first files.
        texts: Columns read as text.

    Raises:
        DataError: A field stands in two rows.
        IntegrityError: A file is damaged, or leads out of the folder.
        SchemaError: The table has no such column.
        UnavailableError: There is no such file.
    """
    masks = tuple(column for _, column in layout.masks)
    frame, problems, _ = read_table(path, (*layout.files, *masks, *texts))
    if problems:
        raise SchemaError(" ".join(problems))
    if not layout.files:
        raise SchemaError(
            "A table of images needs the columns of its files: image = { files = ["
            f"{', '.join(map(repr, list(frame)[:3]))}], ... }}, one for each channel in their order."
        )
    absent = [name for name in (*layout.files, *masks) if name not in frame]
    if absent:
        raise SchemaError(
            f"{path.name} has no column {', '.join(absent)}; it has {', '.join(map(str, frame))}. Correct files and "
            "masks in the schema."
        )
    fields: list[Field] = []
    rest = frame.drop(columns=[*layout.files, *masks])
    for row in range(len(frame)):
        planes = [_planes(path, frame[column].iloc[row], layout.axes) for column in layout.files]
        own = [_planes(path, frame[column].iloc[row], None)[0] for column in masks]
        name = _name(frame, row, entity, layout.files[0])
        columns = {str(key): rest[key].iloc[row] for key in rest}
        fields += _frames(name, planes, own, columns)
    _require_once(path, [each.name for each in fields])
    return fields


def _require_once(path: Path, names: list[str]) -> None:
    """Refuse a field that stands in two rows.

    Raises:
        DataError: Two fields have one name.
    """
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        shown = ", ".join(twice[:3]) + (f" and {len(twice) - 3} more" if len(twice) > 3 else "")
        raise DataError(
            [
                f"{len(twice)} fields of {path.name} stand in more than one row: {shown}. Leave the copies out; where "
                'these are different fields, name them apart in a column and declare it: entity = "field".'
            ]
        )


def _name(frame: pd.DataFrame, row: int, entity: str | None, first: str) -> str:
    if entity in frame:
        return str(number_text(frame[entity].iloc[row]))
    if not isinstance(frame.index, pd.RangeIndex):
        return str(number_text(frame.index[row]))
    return Path(str(frame[first].iloc[row])).stem


def _planes(path: Path, name: object, axes: str | None) -> list[Plane]:
    if not isinstance(name, str) or not name:
        raise SchemaError(f"A row of {path.name} names no file in a column of files. Fill it, or leave the row out.")
    file = path.parent / name
    if not file.resolve().is_relative_to(path.parent.resolve()):
        raise IntegrityError(f"{path.name} names {name}, which lies outside of its folder. Copy the images beside it.")
    return series_of(file, axes)


def _frames(name: str, planes: list[list[Plane]], masks: list[Plane], columns: dict[str, object]) -> list[Field]:
    counts = {len(each) for each in planes}
    if len(counts) > 1:
        raise SchemaError(f"The files of {name} hold {sorted(counts)} frames. Give channels of the same frames.")
    count = counts.pop()
    if count == 1:
        return [Field(name, tuple(each[0] for each in planes), tuple(masks), dict(columns))]
    return [
        Field(f"{name}_t{t}", tuple(each[t] for each in planes), tuple(masks), {**columns, "frame": np.int64(t)})
        for t in range(count)
    ]
