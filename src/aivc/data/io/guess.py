"""What a file seems to mean: a schema suggested with evidence, to be confirmed and never used by itself."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np
from scipy import sparse

from aivc.core.errors import DataError, SchemaError
from aivc.core.measurement import StoredRows
from aivc.core.units import COUNTS, log1p_units
from aivc.data.io.conventions import (
    GUIDE_FIELDS,
    Line,
    as_mapping,
    convention,
    features_lines,
    guide_lines,
    lines_of,
)
from aivc.data.io.formats import Raw, intact, opened, suffix
from aivc.data.io.guess_images import guess_images
from aivc.data.io.guess_places import guides_of, places_of_values, several_samples, table_beside, turned, with_table
from aivc.data.io.guess_positions import CELLS, beside_positions, position_lines, units_of_cells
from aivc.data.io.guess_times import time_lines, whole_in_time
from aivc.data.io.in_memory import anndata_raw, is_anndata, name_of
from aivc.data.io.own_file import refuse_odd_file
from aivc.data.io.read import BACKED, open_raw
from aivc.data.io.schema import Constant, Schema, toml_value
from aivc.data.io.vendor_folders import vendors_of

if TYPE_CHECKING:
    from anndata import AnnData

# Rows whose values are looked at.
_ROWS = 200
# Nobody brings cells to a smaller total.
_LEAST_TOTAL = 100.0
_UNLABELED = (
    "Cell Ranger files hold no labels of cells. Put them into a table beside the file, name it as metadata, and name "
    "its columns below."
)
_LAYERS = ("counts", "raw_counts", "raw", "X")


@final
@dataclass(frozen=True)
class Guess:
    """A suggested schema.

    Attributes:
        file: What was looked at.
        convention: Whose way of naming columns it is, such as ``GEARS``; empty where none is known.
        lines: Of the schema, each with its evidence. Those that are not ``sure`` are for a person to complete.
        notes: What no schema can say.
    """

    file: str
    convention: str
    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()

    def to_toml(self) -> str:
        """Write the suggestion as TOML: evidence in comments, and what is not known commented out."""
        whose = f" Its columns are named as by {self.convention}." if self.convention else ""
        head = [f"# Suggested for {self.file}, from what it holds. Confirm every line before use.{whose}"]
        head += [f"# {note}" for note in self.notes]
        for line in self.lines:
            text = f"{line.field} = {toml_value(line.value)}"
            head += ["", f"# {_one_line(line.evidence)}", text if line.sure else f"# {text}  # complete this line"]
        return "\n".join(head) + "\n"

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary; ``schema`` holds what the file says, ``open`` what is to be completed."""
        return {
            "file": self.file,
            "convention": self.convention,
            "schema": dict(as_mapping(self.lines)),
            "open": [line.field for line in self.lines if not line.sure],
            "lines": [line._asdict() for line in self.lines],
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        return self.to_toml()


def guess(data: "AnnData | Path | str") -> Guess:
    """Suggest a schema, by conventions such as those of scPerturb, GEARS, sci-Plex, Tahoe, Cell Ranger, CellProfiler.

    Nothing is decided by it: every line comes with its evidence, and a person confirms it and hands the schema over.

    Args:
        data: A file or folder that `aivc.data.io.read.read` takes, or an AnnData in memory. Of its values, 200 rows are
            looked at.

    Raises:
        DataError: This is neither a path nor an AnnData, or holds no entities; or images without what says which is
            what.
        IntegrityError: The file is damaged, hostile, or of an unknown kind.
        UnavailableError: There is no such file.

    >>> import anndata, numpy, pandas
    >>> obs = pandas.DataFrame({"condition": ["ctrl", "TP53+ctrl", "TP53+JUN"]}, index=["a", "b", "c"])
    >>> found = guess(anndata.AnnData(numpy.eye(3), obs, pandas.DataFrame(index=["TP53", "MYC", "JUN"])))
    >>> found.convention, found.to_json()["schema"]["control"]
    ('GEARS', 'ctrl')
    """
    if not (is_anndata(data) or isinstance(data, Path | str)):
        raise DataError(
            [f"A schema is suggested for a file or an AnnData, got {type(data).__name__}. Give the path of a file."]
        )
    if not is_anndata(data) and (seen := _images(Path(data))) is not None:
        return seen
    layers, place = _layers(data), data if is_anndata(data) else Path(data)
    samples = several_samples(place)
    raw, beside = _whole(place, _opened(data, layers[0], **({"prefix": samples[0]} if samples else {})))
    if not len(raw.entities):
        raise DataError([f"{name_of(data)} holds no rows, and so no cells. Export it again, with its data."])
    units = _units({layer: raw if layer == layers[0] else _opened(data, layer) for layer in layers})
    found, notes = lines_of(raw.entities)
    if not _labels(found) and (held := guides_of(place, raw)):
        found, notes = [*guide_lines(held), *(line for line in found if line.field not in GUIDE_FIELDS)], []
    placed = position_lines(place, raw)
    found = beside_positions(found, placed)
    of_features = features_lines([str(name) for name in raw.features.index], raw.features)
    if any(line.value == CELLS for line in placed):
        units, of_features = units_of_cells()
    times = time_lines(raw.entities, place, as_mapping(found))
    found, split = whole_in_time(raw.entities, found, times)
    notes = [*notes, *split]
    lines = [*units, *beside, *found, *times, *of_features]
    if samples:
        which = f"the folder holds samples {', '.join(samples)}, and the first was looked at: which?"
        lines.append(Line("prefix", samples[0], which, sure=False))
    vendor = " and ".join(vendors_of(place)) if isinstance(place, Path) else ""
    ten_x = isinstance(place, Path) and not vendor and _is_ten_x(place)
    if ten_x and not _labels(found):
        notes = [_UNLABELED, *notes]
        lines.append(Line("metadata", "cells.csv", "labels of cells lie beside a Cell Ranger file", sure=False))
    whose = vendor or ("Cell Ranger" if ten_x else convention(raw.entities))
    return Guess(name_of(data), whose, tuple(lines), tuple(notes))


def _images(path: Path) -> Guess | None:
    """The suggestion for images of cells and for their profiles; None for anything else."""
    if not path.exists() or (path.is_dir() and vendors_of(path)):
        return None
    refuse_odd_file(path)
    found = guess_images(path)
    return None if found is None else Guess(name_of(path), found.convention, found.lines, found.notes)


def _labels(lines: list[Line]) -> bool:
    return any(line.field == "perturbation" and line.sure for line in lines)


def _whole(data: "AnnData | Path", raw: Raw) -> tuple[Raw, list[Line]]:
    """The same, the right way round and with labels that lie beside it; and the lines of a schema that say so."""
    if is_anndata(data):
        return raw, []
    lines = []
    if turned(raw, data):
        raw = _opened(data, "X", format="transposed")
        names = ", ".join(map(repr, raw.features.index[:2])), ", ".join(map(repr, raw.entities.index[:2]))
        lines = [
            Line("format", "transposed", f"rows are named as genes are ({names[0]}), columns as cells ({names[1]})")
        ]
    name, evidence = table_beside(data, raw.entities.index) if not len(raw.entities.columns) else ("", "")
    return (with_table(raw, data, name), [*lines, Line("metadata", name, evidence)]) if name else (raw, lines)


def _is_ten_x(path: Path) -> bool:
    if suffix(path) == ".h5" and path.is_file():
        with intact(path), opened(path) as store:
            return "obs" not in store
    return path.is_dir() and suffix(path) != ".zarr"


def _layers(data: "AnnData | Path | str") -> list[str]:
    """Where values lie, likely counts last but for ``X``, which comes first."""
    if is_anndata(data):
        there = [*data.layers, *(["raw"] if data.raw is not None else [])]
    else:
        there = places_of_values(Path(data))
    return ["X", *sorted(there, key=lambda name: _LAYERS.index(name) if name in _LAYERS else len(_LAYERS))]


def _opened(data: "AnnData | Path | str", layer: str, **more: Any) -> Raw:
    # Nothing is translated: the declarations only have to be without contradiction.
    schema = Schema(units="arbitrary", perturbation=Constant("control"), layer=layer, **more)
    if is_anndata(data):
        return anndata_raw(data, schema)
    path = Path(data)
    try:
        return open_raw(path, schema, backed=suffix(path) in BACKED)
    except SchemaError:
        # Stored column by column, it can only be read whole.
        return open_raw(path, schema)


def _units(layers: dict[str, Raw]) -> list[Line]:
    """Units by a look at the values: whole numbers are counts, wherever they lie; else what sums say of a logarithm."""
    samples = {layer: _sample(raw) for layer, raw in layers.items()}
    for layer, values in samples.items():
        if values.size and (values >= 0).all() and (values == np.floor(values)).all() and values.max(initial=0) > 1:
            units = Line("units", COUNTS, f"{_where(layer)} holds whole numbers up to {values.max():g}")
            return [units, *([] if layer == "X" else [Line("layer", layer, f"X holds no whole numbers, {layer} does")])]
    values = samples["X"]
    sums = np.expm1(np.clip(values, None, 30)).sum(axis=1)
    largest = float(values.max(initial=0))
    if values.size and (values >= 0).all() and sums.min() >= _LEAST_TOTAL and np.ptp(sums) <= 0.01 * sums.mean():
        target, power = float(np.round(sums.mean())), 10.0 ** np.round(np.log10(sums.mean()))
        # Ten thousand, but for what single precision makes of it; a median of counts is as it is.
        target = float(power) if abs(target - power) <= 1e-3 * power else target
        evidence = f"in X, expm1 of every row sums to {sums.mean():.5g} (values up to {largest:.3g})"
        return [Line("units", log1p_units(target), evidence)]
    low = float(values.min(initial=0))
    evidence = f"X holds values from {low:.3g} to {largest:.3g}, whose rows sum to no one total: what are they?"
    return [Line("units", "log1p_cp10k", evidence, sure=False)]


def _where(layer: str) -> str:
    return layer if layer in ("X", "raw") else f"layer {layer!r}"


def _sample(raw: Raw) -> np.ndarray:
    block = raw.values.rows(0, _ROWS) if isinstance(raw.values, StoredRows) else raw.values[:_ROWS]
    return np.asarray(block.toarray() if isinstance(block, sparse.csr_matrix) else block, dtype=np.float64)


def _one_line(text: str) -> str:
    """Text of strangers must not end a comment early."""
    return json.dumps(text, ensure_ascii=False)[1:-1].replace('\\"', '"').replace("\x7f", "\\u007f")


__all__ = ["Guess", "Line", "guess"]
