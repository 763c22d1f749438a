"""Reads data: any file and its schema go in, a Measurement comes out, or every reason why not."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, final

import numpy as np
import pandas as pd
from scipy import sparse

from aivc.core.errors import (
    DataError,
    IntegrityError,
    SchemaError,
    UnavailableError,
)
from aivc.core.measurement import Measurement, StoredRows, Values
from aivc.core.scale import Scale
from aivc.core.units import COUNTS, is_effect
from aivc.data.images.open_images import open_images
from aivc.data.io.clones import with_stored_clones
from aivc.data.io.count_values import unmeasurable, whole_counts
from aivc.data.io.declared import declared_controls
from aivc.data.io.exclude import without_excluded
from aivc.data.io.formats import Raw, anndata_file, intact, suffix
from aivc.data.io.genome_prefix import of_genome, prefix_problems
from aivc.data.io.guides import with_stored_guides
from aivc.data.io.label_checks import label_notes, label_problems, named
from aivc.data.io.labels import some, translated
from aivc.data.io.mudata_file import mudata_file
from aivc.data.io.number_names import number_name_problems, number_text
from aivc.data.io.orientation import other_way_round, transposed
from aivc.data.io.own_file import refuse_odd_file
from aivc.data.io.positions import positions
from aivc.data.io.repeated_names import repeated_entities
from aivc.data.io.schema import Schema
from aivc.data.io.spatialdata_zarr import spatialdata_file, tables_inside
from aivc.data.io.spellings import spelling_notes, spelling_problems
from aivc.data.io.tables import TABLES, join_metadata, table
from aivc.data.io.target_genes import symbols_in
from aivc.data.io.ten_x import ten_x_folder, ten_x_h5
from aivc.data.io.vendor_folders import vendor_folder, vendors_of

BACKED = (".h5ad", ".zarr", ".h5", ".h5mu")


@final
@dataclass(frozen=True, eq=False)
class Draft:
    """A file translated as far as it can be, with everything that keeps it from being a Measurement.

    Attributes:
        values: ``(n, f)`` dense, CSR, or on disk.
        features: ``(f,)`` names, perhaps not unique.
        entities: ``n`` rows, in our columns where the file has them.
        units: Canonical units.
        modality: As declared.
        species: As declared.
        observed: ``(n, f)`` True where measured, or None.
        coordinates: ``(n, 2)`` or ``(n, 3)``, or None.
        problems: What keeps it from being used.
        notes: What was left aside.
        symbols: What columns of the features say of symbols.
        links: ``(n, n)`` who is whose neighbor, as the file says; or None.
        placed: What is known of the positions: unit, spacing, lattice or not.
        image: Of images: channels, ``um_per_pixel``, bits; None of anything else.
    """

    values: Values
    features: np.ndarray
    entities: pd.DataFrame
    units: str
    modality: str
    species: str
    observed: np.ndarray | None
    coordinates: np.ndarray | None
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    symbols: Mapping[str, frozenset[str]]
    links: sparse.csr_matrix | None = None
    placed: Mapping[str, Any] = field(default_factory=dict)
    image: Mapping[str, Any] | None = None

    @property
    def is_effects(self) -> bool:
        """Whether values are effects, as of a `Measurement`."""
        return is_effect(self.units)

    def block(self, start: int, stop: int) -> sparse.csr_matrix | np.ndarray:
        """Values of rows ``start`` to ``stop``, wherever they lie."""
        if isinstance(self.values, StoredRows):
            return self.values.rows(start, stop)
        return self.values[start:stop]


def read(path: Path | str, schema: Schema, *, backed: bool = False, controls: bool = True) -> Measurement:
    """Read a file as its schema says.

    Supported are h5ad, anndata and SpatialData zarr, MuData h5mu, 10x h5 and 10x folders, folders of Visium, Xenium,
    CosMx and MERSCOPE and folders of several of them, and csv, tsv, txt or parquet tables; and images, which stay on
    disk and are read block by block (`aivc.data.images.open_images`). Counts stay sparse. Names, labels and controls
    are checked here; numbers by `aivc.data.io.check.check`.

    Args:
        path: File or folder.
        schema: What its columns mean.
        backed: Leave the values on disk and read them block by block (h5ad, zarr and 10x h5).
        controls: Refuse a file without control cells; predictions need none.

    Raises:
        DataError: Every problem with names, labels and controls.
        IntegrityError: The file is damaged, hostile, or of an unknown kind.
        SchemaError: The schema names a place that is not in the file.
        UnavailableError: There is no such file.
    """
    drafted = draft(Path(path), schema, backed=backed, controls=controls)
    provenance = {"file": Path(path).name, "schema": schema.to_json(), "notes": list(drafted.notes)}
    return measurement_of(drafted, provenance)


def measurement_of(drafted: Draft, provenance: dict[str, Any]) -> Measurement:
    """Make a Measurement of a draft.

    Raises:
        DataError: The draft has problems.
    """
    if drafted.problems:
        raise DataError(drafted.problems)
    return Measurement(
        whole_counts(drafted.values) if drafted.units == COUNTS else drafted.values,
        drafted.features,
        drafted.entities,
        units=drafted.units,
        modality=drafted.modality,
        scale=Scale.CELLULAR,
        observed=drafted.observed,
        coordinates=drafted.coordinates,
        links=drafted.links,
        provenance=provenance
        | ({"coordinates": dict(drafted.placed)} if drafted.placed else {})
        | ({"image": dict(drafted.image)} if drafted.image is not None else {}),
    )


def open_raw(path: Path, schema: Schema, *, backed: bool = False) -> Raw:
    """Open a file without translating it.

    Raises:
        IntegrityError: The file is damaged, hostile, or of an unknown kind.
        SchemaError: The schema names a place that is not in the file, or asks for what this format cannot do.
        UnavailableError: There is no such file.
    """
    if not path.exists():
        raise UnavailableError(f"There is no file {path}. Check the path.")
    refuse_odd_file(path)
    if schema.image is not None:
        return open_images(path, schema)
    end = suffix(path)
    if end not in (*BACKED, *TABLES) and not path.is_dir():
        raise IntegrityError(
            f"{path} ends in {end!r}; supported are .h5ad, .zarr, .h5mu, .h5 (10x), a 10x folder with matrix.mtx, a "
            f"folder of Visium, Xenium, CosMx or MERSCOPE, {', '.join(TABLES)}. Export it as one of these."
        )
    if backed and end not in BACKED:
        raise SchemaError(
            f"{path} cannot stay on disk while it is read; only {', '.join(BACKED)} can. Convert it first."
        )
    with intact(path):
        raw = _raw(path, schema, backed=backed)
    if schema.format == "transposed" and end not in TABLES:
        raw = transposed(raw)
    if schema.metadata is None:
        return raw
    return join_metadata(raw, (path if path.is_dir() and end != ".zarr" else path.parent) / schema.metadata, schema)


def _raw(path: Path, schema: Schema, *, backed: bool) -> Raw:
    end = suffix(path)
    if end == ".h5":
        return ten_x_h5(path, schema, backed=backed)
    if end == ".h5mu":
        return mudata_file(path, schema, backed=backed)
    if end == ".zarr" and tables_inside(path):
        return spatialdata_file(path, schema, backed=backed)
    if end in BACKED:
        return with_stored_clones(
            path, with_stored_guides(path, anndata_file(path, schema, backed=backed), schema), schema
        )
    if end in TABLES:
        return table(path, schema)
    return vendor_folder(path, schema) if vendors_of(path) else ten_x_folder(path, schema)


def draft(path: Path, schema: Schema, *, backed: bool = False, controls: bool = True) -> Draft:
    """Translate a file and gather every structural problem, without stopping at the first.

    Raises:
        IntegrityError: The file cannot be opened.
        SchemaError: The schema names a place that is not in the file.
        UnavailableError: There is no such file.
    """
    return translate(open_raw(path, schema, backed=backed), schema, controls=controls)


def translate(raw: Raw, schema: Schema, *, controls: bool = True) -> Draft:
    """Translate what was opened, and gather every structural problem."""
    # What a format itself uses for sections needs no declaration.
    schema = replace(schema, section=raw.section) if schema.section is None and raw.section else schema
    raw = of_genome(without_excluded(raw, schema), schema)
    problems = [*raw.problems, *_absent_columns(raw, schema), *number_name_problems(raw.entities, schema.columns)]
    features = _names(raw.features, schema.features)
    names = _names(raw.entities, schema.entity if schema.entity in raw.entities else None)
    said = translated(raw.entities, names, schema, controls=controls)
    columns, found, notes = declared_controls(raw.entities, names, said, schema, controls=controls)
    entities = _kept(raw.entities, columns).set_index(pd.Index(names, dtype=object))
    placed = positions(raw, entities, schema)
    asked = named(raw.entities, names, schema)
    found += [*label_problems(asked, schema), *spelling_problems(raw.entities, asked, schema)]
    notes += [*label_notes(asked, schema), *spelling_notes(raw.entities, asked, schema)]
    problems += [
        *found,
        *placed.problems,
        *_shapes(raw, schema),
        *_twice(features),
        *prefix_problems(features, schema),
        *repeated_entities(names, raw.entities),
    ]
    problems += unmeasurable(schema.units) if controls else []
    return Draft(
        raw.values, features, entities, schema.units, schema.modality, schema.species, raw.observed, placed.values,
        tuple(problems), (*raw.notes, *notes), symbols_in(raw.features), raw.links, placed.about, raw.image,
    )  # fmt: skip


def _absent_columns(raw: Raw, schema: Schema) -> list[str]:
    wanted = dict(schema.columns)
    if schema.entity is not None and raw.entities.index.name != schema.entity:
        wanted["entity"] = schema.entity
    problems = [_absent(f, name, raw.entities) for f, name in wanted.items() if name not in raw.entities]
    if schema.features is not None and schema.features not in raw.features:
        problems.append(_absent("features", schema.features, raw.features))
    return problems


def _absent(field: str, name: str, frame: pd.DataFrame) -> str:
    columns = [str(column) for column in frame]
    near = difflib.get_close_matches(name, columns, n=2, cutoff=0.5)
    hint = (
        f"Did you mean {' or '.join(map(repr, near))}?"
        if near
        else f"The file has: {', '.join(columns[:12]) or 'none'}."
    )
    constant = (
        ""
        if field == "features" or field.startswith(("coord", "match"))
        else f' For one value, write {field} = {{ value = "..." }}.'
    )
    return f"There is no column {name!r} for {field}. {hint}{constant}"


def _names(frame: pd.DataFrame, column: str | None) -> np.ndarray:
    named = frame[column] if column is not None and column in frame else frame.index
    return np.array([number_text(name) for name in named], dtype=object)


def _shapes(raw: Raw, schema: Schema) -> list[str]:
    n, f = len(raw.entities), len(raw.features)
    if turned := other_way_round(raw, schema):
        return turned
    if raw.values.shape[:2] == (n, f) and n and f and (len(raw.values.shape) == 2 or raw.image is not None):
        return []
    return [
        f"Values have shape {raw.values.shape}, with {n} entities and {f} features. Export the file again, aligned."
    ]


def _twice(features: np.ndarray) -> list[str]:
    index = pd.Index(features)
    twice = index[index.duplicated()].unique()
    if twice.empty:
        return []
    return [f'Features stand twice: {some(twice)}. Name another column (features = "id" in 10x files), or sum them.']


def _kept(raw: pd.DataFrame, columns: dict[str, np.ndarray]) -> pd.DataFrame:
    # A column of theirs that bears one of our names but another meaning stays, under a name that says so. A time that
    # is not declared is in no known unit.
    renamed = {
        name: f"original:{name}" for name in (*columns, *(() if "time" in columns else ("time",))) if name in raw
    }
    return pd.concat([pd.DataFrame(columns, index=raw.index), raw.rename(columns=renamed)], axis=1)
