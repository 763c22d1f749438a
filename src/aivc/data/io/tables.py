"""Reads tables: wide (a row is an entity) or long (a row is a value), of states or of effects."""

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from aivc.core.errors import IntegrityError, SchemaError
from aivc.core.units import is_effect
from aivc.data.io.formats import Raw, intact, suffix
from aivc.data.io.labels import labels, some
from aivc.data.io.number_names import number_text
from aivc.data.io.orientation import undescribed
from aivc.data.io.own_file import refuse_bomb, refuse_odd_file, refuse_swollen_parquet
from aivc.data.io.schema import Schema
from aivc.data.io.text_tables import Dialect, dialect

TABLES = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz", ".parquet")
METADATA = "Metadata_"
_PLATE, _WELL, _ENTITY = "plate", "well", "entity"
# CellProfiler writes them so beside measurements of images.
_OF_IMAGES = f"Image_{METADATA}"
# Not "None" and "null": laboratories call controls so.
_MISSING = ["", "NA", "NaN", "nan", "N/A", "#N/A", "#NA", "n/a", "<NA>"]
_KEYS = ("perturbation", "kind_column", "context", "donor", "batch", "dose", "dose_unit", "hours", "time", "clone")


def is_metadata(name: object) -> bool:
    """Whether CellProfiler or pycytominer would say that a column is no measurement.

    >>> is_metadata("Metadata_Well"), is_metadata("Image_Metadata_Site"), is_metadata("Cells_AreaShape_Area")
    (True, True, False)
    """
    return str(name).startswith((METADATA, _OF_IMAGES))


def table(path: Path, schema: Schema) -> Raw:
    """Open a table of states or effects."""
    frame, problems, notes = read_table(path, tuple(_labels(schema)))
    read = {"long": _long, "wide": _wide, "transposed": _transposed, "cells": _cells}[schema.format]
    raw = read(frame, schema, problems)
    return replace(raw, notes=(*notes, *raw.notes))


def _labels(schema: Schema) -> list[str]:
    numeric = ["dose", "hours", "cells", "coordinates 0", "coordinates 1", "coordinates 2"]
    # Times that a rule reads are texts.
    numeric += ["time"] if schema.times is None and not schema.time_map else []
    names = [name for field, name in schema.columns.items() if field not in numeric]
    return [*names, *filter(None, (schema.entity, schema.feature))]


def read_table(path: Path, labels: tuple[str, ...] = ()) -> tuple[pd.DataFrame, list[str], tuple[str, ...]]:
    """Read a csv, tsv, txt or parquet file.

    Args:
        path: The file.
        labels: Columns read as text, so that ``007`` stays ``007``.

    Returns:
        The table, indexed by an unnamed first column where there is one, what is wrong with its header, and how it was
        written where that differs from its ending.

    Raises:
        IntegrityError: It is no text in UTF-8 or UTF-16.
        SchemaError: It is no table.
    """
    end = suffix(path)
    if end not in TABLES:
        raise SchemaError(f"{path} is no table; tables end in {', '.join(TABLES)}. Export it as one of these.")
    if end == ".parquet":
        refuse_swollen_parquet(path)
        return (*_parquet(path), ())
    refuse_bomb(path)
    try:
        return _text(path, dialect(path, "," if ".csv" in end else "\t"), labels)
    except UnicodeDecodeError as error:
        raise IntegrityError(
            f"{path} is no text in UTF-8 or UTF-16 (byte 0x{error.object[error.start]:02x}). Fetch or export it again, "
            "as UTF-8; Excel calls it CSV UTF-8."
        ) from error


def _text(path: Path, how: Dialect, labels: tuple[str, ...]) -> tuple[pd.DataFrame, list[str], tuple[str, ...]]:
    problems = [
        f"Column {name!r} stands {count} times. Rename all but one."
        for name, count in Counter(how.header).items()
        if count > 1
    ]
    frame = pd.read_csv(
        path,
        sep=how.separator,
        decimal=how.decimal,
        encoding=how.encoding,
        skiprows=how.skipped,
        dtype=dict.fromkeys(set(labels) & set(how.header), str),
        keep_default_na=False,
        na_values=_MISSING,
        low_memory=False,
        index_col=0 if how.header[:1] == ("",) else None,
    )
    return frame, problems, how.notes


def read_plain(path: Path, names: list[str]) -> pd.DataFrame:
    """Read a csv without a header; the first column stays text.

    Args:
        path: The file.
        names: Of its columns.
    """
    refuse_bomb(path)
    return pd.read_csv(path, header=None, names=names, dtype={names[0]: str}, keep_default_na=False, encoding="utf-8")


def _parquet(path: Path) -> tuple[pd.DataFrame, list[str]]:
    import pyarrow.parquet as pq

    read = pq.ParquetFile(path).read()
    twice = [name for name, count in Counter(read.column_names).items() if count > 1]
    if twice:
        raise ValueError(f"columns stand twice: {', '.join(twice)}")
    return read.to_pandas(), []


def _named(frame: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    if schema.entity in frame:
        return frame.set_index(pd.Index(frame[schema.entity].map(number_text).to_numpy(dtype=object)))
    plain = isinstance(frame.index, pd.RangeIndex)
    return frame.set_index(pd.Index([f"row-{i}" if plain else number_text(i) for i in frame.index], dtype=object))


def _wide(frame: pd.DataFrame, schema: Schema, problems: list[str]) -> Raw:
    frame = _named(frame, schema)
    # Of CellProfiler and pycytominer, whatever is no measurement begins so, numbers too.
    metadata = [name for name in frame if is_metadata(name)]
    described = {*schema.columns.values(), *schema.describe, *metadata, schema.entity}
    rest = [name for name in frame if name not in described]
    numeric = [n for n in rest if pd.api.types.is_numeric_dtype(frame[n]) and not pd.api.types.is_bool_dtype(frame[n])]
    problems += _label_row(frame[rest]) or [
        text for n in rest if n not in set(numeric) if (text := _almost_numeric(frame[n]))
    ]
    values = frame[numeric].to_numpy(dtype=np.float64, na_value=np.nan)
    entities = frame.drop(columns=numeric)
    features = pd.DataFrame(index=pd.Index([str(name) for name in numeric], dtype=object))
    observed = np.isfinite(values) if is_effect(schema.units) and not np.isfinite(values).all() else None
    if observed is not None:
        # Only what was left empty is unmeasured; an infinite score stays, for the check to find.
        observed = ~np.isnan(values)
        values = np.where(observed, values, 0.0)
    return Raw(values, features, entities, None, observed, tuple(problems))


def _transposed(frame: pd.DataFrame, schema: Schema, problems: list[str]) -> Raw:
    """A row is a feature, columns are entities; columns of text, and those of ``describe``, say what it is."""
    if schema.feature in frame:
        frame = frame.set_index(schema.feature)
    elif isinstance(frame.index, pd.RangeIndex):
        frame = frame.set_index(frame.columns[0])
    rest = [name for name in frame if name not in schema.describe]
    cells = [name for name in rest if pd.api.types.is_numeric_dtype(frame[name])]
    problems += _label_row(frame[rest]) or [
        text for n in rest if n not in set(cells) if (text := _almost_numeric(frame[n]))
    ]
    values = frame[cells].to_numpy(dtype=np.float64, na_value=np.nan).T
    features = frame.drop(columns=cells).set_axis(pd.Index(list(map(str, frame.index)), dtype=object))
    entities = pd.DataFrame(index=pd.Index(list(map(str, cells)), dtype=object))
    observed = ~np.isnan(values) if is_effect(schema.units) and np.isnan(values).any() else None
    return Raw(
        values if observed is None else np.where(observed, values, 0.0), features, entities, None, observed,
        tuple(problems),
    )  # fmt: skip


def _label_row(frame: pd.DataFrame) -> list[str]:
    """The problem of a table in which the same few rows hold text in nearly every column; else nothing."""
    texts = [name for name in frame if frame[name].dtype == object]
    if len(texts) < 2 or len(texts) * 2 < len(frame.columns) or not len(frame):
        return []
    strays = pd.DataFrame(
        {name: frame[name].notna() & pd.to_numeric(frame[name], errors="coerce").isna() for name in texts}
    )
    rows = strays.index[strays.mean(axis=1) > 0.5]
    if not 0 < len(rows) <= max(1, len(frame) // 10):
        return []
    named = some(map(repr, rows))
    return [
        f"{len(rows)} of {len(frame)} rows hold text in nearly every column ({named}), as labels of cells do in a "
        "table of genes × cells. Put them into a table of their own, a row for each cell, and write in the schema "
        'format = "transposed" and metadata = "cells.csv".'
    ]


def _cells(frame: pd.DataFrame, schema: Schema, problems: list[str]) -> Raw:
    """A row is a cell, of which only its place and type are known: its features are the types, 1 for its own."""
    frame = _named(frame, schema)
    if schema.cell_type not in frame:
        raise SchemaError(
            f"The table has no column {schema.cell_type!r} for cell_type; it has {', '.join(map(str, frame))}. Correct "
            "the schema."
        )
    # A cell without a type is of none of them.
    codes, types = pd.factorize(labels(frame[schema.cell_type]), sort=True)
    rows = np.flatnonzero(types[codes] != "")
    ones = np.ones(len(rows), dtype=np.float32)
    values = sparse.csr_matrix((ones, (rows, codes[rows])), shape=(len(frame), len(types)))
    named = types != ""
    features = pd.DataFrame(index=pd.Index(types[named]))
    return Raw(values[:, named], features, frame, None, None, tuple(problems))


def _almost_numeric(column: pd.Series) -> str:
    known = column.dropna()
    if not len(known) or pd.api.types.is_bool_dtype(known) or isinstance(known.dtype, pd.CategoricalDtype):
        return ""
    strays = known[pd.to_numeric(known, errors="coerce").isna()]
    if len(strays) * 2 >= len(known):
        return ""
    stray = repr(str(strays.iloc[0])) if len(strays) else "numbers written as text"
    return f"Column {column.name!r} is numeric but for {stray}. Correct the file, or name the column in describe."


def _long(frame: pd.DataFrame, schema: Schema, problems: list[str]) -> Raw:
    assert schema.feature is not None
    assert schema.value is not None
    keys = [schema.columns[field] for field in _KEYS if field in schema.columns]
    keys += [schema.entity] if schema.entity else []
    absent = [name for name in (*keys, schema.feature, schema.value) if name not in frame]
    if absent:
        raise SchemaError(
            f"The table has no column {', '.join(absent)}; it has {', '.join(map(str, frame))}. Correct the schema."
        )
    groups = frame.groupby(keys, sort=False, dropna=False, observed=True)
    rows, features = groups.ngroup().to_numpy(), frame[schema.feature].map(number_text).astype(object)
    columns, names = pd.factorize(features.to_numpy(dtype=object))
    entities = frame.loc[~pd.Series(rows, index=frame.index).duplicated(), list(dict.fromkeys(keys))]
    shown = entities[[schema.entity] if schema.entity else keys].astype(str)
    entities = entities.set_index(pd.Index(shown.agg("|".join, axis=1).to_numpy(dtype=object)))
    if (twice := pd.Series(rows * np.int64(len(names)) + columns).duplicated()).any():
        row, name = rows[twice][0], features[twice.to_numpy()].iloc[0]
        problems.append(
            f"{twice.sum()} values stand twice, first feature {name!r} of {entities.index[row]}. Average them, or name "
            "the column that tells them apart (batch, donor, entity) in the schema."
        )
    scores = pd.to_numeric(frame[schema.value], errors="raise").to_numpy(dtype=np.float64, na_value=np.nan)
    values, observed = np.zeros((len(entities), len(names))), np.zeros((len(entities), len(names)), dtype=bool)
    values[rows, columns], observed[rows, columns] = (
        np.nan_to_num(scores, nan=0.0, posinf=np.inf, neginf=-np.inf),
        ~np.isnan(scores),
    )
    left = [str(name) for name in frame if name not in {*keys, schema.feature, schema.value}]
    notes = (f"Columns left aside, since each row is one value: {', '.join(left)}.",) if left else ()
    index = pd.DataFrame(index=pd.Index(names, dtype=object))
    return Raw(values, index, entities, None, None if observed.all() else observed, tuple(problems), notes)


def join_metadata(raw: Raw, path: Path, schema: Schema) -> Raw:
    """Add the columns of a table beside the file, row by name; of a plate, also well by well.

    Raises:
        IntegrityError: The table is damaged.
        SchemaError: There is no such table.
    """
    if not path.is_file():
        raise SchemaError(
            f"There is no table {path}, which metadata names. It lies beside the file, or in the folder of a 10x "
            "matrix. Correct metadata in the schema."
        )
    refuse_odd_file(path)
    with intact(path):
        frame, problems, written = read_table(path, tuple(_labels(schema)))
    if schema.entity in frame:
        frame = frame.set_index(schema.entity)
    elif _WELL in frame and _WELL in raw.entities:
        frame, twice = _of_entities(frame, raw.entities, path.name)
        problems += twice
    elif isinstance(frame.index, pd.RangeIndex):
        frame = frame.set_index(frame.columns[0])
    frame.index, entities = _index(frame), raw.entities.set_axis(_index(raw.entities), axis=0)
    both = [str(name) for name in frame if name in raw.entities]
    if both:
        problems.append(
            f"Columns {', '.join(both)} stand in the file and in {path.name}. Rename them in one of the two."
        )
    if not frame.index.is_unique:
        problems.append(f"{path.name} describes {frame.index[frame.index.duplicated()][0]!r} twice. Keep one row each.")
        frame = frame[~frame.index.duplicated()]
    said, notes = undescribed(path.name, replace(raw, entities=entities), frame, schema)
    problems += said
    more = len(frame.index.difference(entities.index))
    notes += [f"{path.name} describes {more} entities that are not in the file."] if more else []
    joined = entities.join(frame.drop(columns=both), how="left")
    return replace(raw, entities=joined, problems=raw.problems + tuple(problems), notes=(*raw.notes, *written, *notes))


def _of_entities(frame: pd.DataFrame, entities: pd.DataFrame, name: str) -> tuple[pd.DataFrame, list[str]]:
    """Rows of a map of wells, one for each entity in them, and the wells that it describes twice."""
    keys = [each for each in (_PLATE, _WELL) if each in frame and each in entities]
    wells = frame.assign(**{_WELL: frame[_WELL].map(_padded)})
    twice = wells[wells.duplicated(keys)]
    problems = [f"{name} describes well {twice[_WELL].iloc[0]} twice. Keep one row each."] if len(twice) else []
    own = entities[keys].astype(str).assign(**{_WELL: entities[_WELL].map(_padded)})
    wells = wells.drop_duplicates(keys).astype(dict.fromkeys(keys, str))
    joined = own.reset_index(names=_ENTITY).merge(wells, on=keys, how="inner")
    return joined.set_index(_ENTITY).drop(columns=keys), problems


def _padded(well: object) -> str:
    """A well by its row and two digits, such as ``B02`` for ``b2``; any other text as it is."""
    found = re.fullmatch(r"([A-Za-z]{1,2})0*(\d{1,2})", str(well).strip())
    return f"{found[1].upper()}{int(found[2]):02d}" if found else str(well)


def _index(frame: pd.DataFrame) -> pd.Index:
    return pd.Index([number_text(name) for name in frame.index], dtype=object)
