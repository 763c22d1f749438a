"""Pseudobulk of many files, a shard each: whoever does them, and however often it is stopped, the sums are the same."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, final

import numpy as np
import pandas as pd
import pyarrow as pa

from aivc.compute.executor import Executor, Progressed, Shard, ShardedTask, cut
from aivc.compute.serial import Serial
from aivc.core.errors import DataError, UnavailableError, UnitsError
from aivc.core.measurement import Measurement
from aivc.core.scale import Scale
from aivc.core.units import COUNTS, parse_units
from aivc.core.writing import files_below
from aivc.data.io.as_measurement import read_checked
from aivc.data.io.formats import suffix
from aivc.data.io.read import BACKED
from aivc.data.io.schema import Schema
from aivc.data.streaming.normalize import require_path
from aivc.data.streaming.stream import pseudobulk

_ABOUT = b"about"
_CELLS, _VALUE, _BY = "cells", "value", "by:"


@final
@dataclass(frozen=True)
class PseudobulkTask(ShardedTask):
    """A file is a row of the work, and its groups are the rows of what comes of it.

    Attributes:
        files: Paths that every worker can read.
        schema: What the columns of all of them mean.
        by: Columns that make a group.
        units: None adds counts; otherwise means in these units.
        digest: Of the files as they are now, and of all else.
    """

    files: tuple[str, ...]
    schema: Schema
    by: tuple[str, ...]
    units: str | None
    digest: str

    @classmethod
    def of(cls, files: Sequence[Path | str], schema: Schema, by: Sequence[str], units: str | None) -> "PseudobulkTask":
        """Look at the files, without reading them.

        Raises:
            DataError: No file, or one twice.
            UnavailableError: A file is missing.
            UnitsError: There are no such units, or no way to them; or sums are asked of anything but counts.
        """
        paths = [Path(file).resolve() for file in files]
        if not paths or len(set(paths)) < len(paths):
            raise DataError([f"Files to add up are named, each once, got {len(paths)}. Name them once."])
        if missing := [path for path in paths if not path.exists()]:
            raise UnavailableError(f"There is no file {missing[0]}. Check the path.")
        if units is None and parse_units(schema.units) != COUNTS:
            raise UnitsError(
                f"Sums per group need counts, and the files are in {schema.units}. Ask for means: units=..."
            )
        units = None if units is None else parse_units(units)
        if units not in (None, parse_units(schema.units)):
            require_path(parse_units(schema.units), units)
        asked = [version("aivc"), [_stamp(path) for path in paths], schema.to_json(), list(by), units]
        digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
        return cls(tuple(map(str, paths)), schema, tuple(by), units, digest)

    def key(self) -> str:
        """The digest."""
        return self.digest

    def load(self) -> None:
        """Nothing is shared."""

    def work(self, state: None, shard: Shard) -> pa.Table:
        """Add up the cells of some files, each for itself."""
        return pa.concat_tables([self._table(Path(name)) for name in self.files[shard.start : shard.stop]])

    def _table(self, path: Path) -> pa.Table:
        # A file among many need hold no controls of its own.
        cells = read_checked(path, self.schema, backed=suffix(path) in BACKED, controls=False)
        found = pseudobulk(cells, self.by, units=self.units)
        flat = pa.FixedSizeListArray.from_arrays(pa.array(found.dense().astype(float).ravel()), len(found.features))
        labels = {f"{_BY}{name}": pa.array(found.entities[name].tolist()) for name in self.by}
        seen = None if found.observed is None else found.observed.tolist()
        about = {
            "features": list(map(str, found.features)),
            "units": found.units,
            "modality": found.modality,
            "scale": found.scale.value,
            "observed": seen,
        }
        return pa.table({**labels, _CELLS: found.entities["cells"].to_numpy(), _VALUE: flat}).replace_schema_metadata(
            {_ABOUT: json.dumps(about)}
        )


def _stamp(path: Path) -> list[Any]:
    """What tells that a file, or a folder, is as it was: names, sizes and times of change."""
    below = sorted(files_below(path)) if path.is_dir() else [""]
    return [[str(path / name), (path / name).stat().st_size, (path / name).stat().st_mtime_ns] for name in below]


def pseudobulk_files(
    files: Sequence[Path | str],
    schema: Schema,
    by: Sequence[str] = ("context", "perturbation"),
    *,
    units: str | None = None,
    executor: Executor | None = None,
    out: Path | str | None = None,
    progress: Progressed | None = None,
) -> Measurement:
    """Add cells of many files up per group: as `aivc.data.streaming.stream.pseudobulk` of each, joined.

    A group that is in several files is added up over them. Files stay on disk where they can, and of all that is read
    the groups alone are held.

    Args:
        files: As `aivc.data.io.read.read` takes them. None need hold controls, and cells of two files may share names.
        schema: What their columns mean; the same for all.
        by: Columns that make a group.
        units: None adds counts. Otherwise the mean over cells of the values in these units.
        executor: Does files side by side, such as ``aivc.compute.executor.executor("processes", 2)``; None does one by
            one.
        out: Folder where each finished file is kept, so that work that was cut off goes on; a file that has changed
            since is refused.
        progress: Called with what is being done, how many files are done, of how many.

    Returns:
        One row per group, sorted, named by its labels joined by ``|``, with a column ``cells``; values dense.

    Raises:
        DataError: No file, one twice, files that differ in features, or problems of one of them.
        IntegrityError: ``out`` holds something else.
        UnavailableError: A file is missing, or a worker died.
        UnitsError: The units cannot be reached, or files are in different ones.
    """
    task = PseudobulkTask.of(files, schema, by, units)
    done = (Serial() if executor is None else executor).run(task, cut(len(files), 1), out, progress=progress)
    return joined(done, task)


def joined(tables: Iterable[pa.Table], task: PseudobulkTask) -> Measurement:
    """Put what came of the files together, one at a time.

    Raises:
        DataError: Two differ in features or in what was measured.
    """
    groups = _Groups()
    about: dict[str, Any] = {}
    for file, table in zip(task.files, tables, strict=True):
        said = json.loads(table.schema.metadata[_ABOUT])
        if about and said != about:
            what = next(name for name in about if about[name] != said[name])
            raise DataError(
                [
                    f"{Path(file).name} and {Path(task.files[0]).name} differ in their {what}, so their groups cannot "
                    "be added up. Bring all files to the same, or add up those that agree."
                ]
            )
        about = said
        values_pf = table[_VALUE].combine_chunks().flatten().to_numpy().reshape(len(table), len(said["features"]))
        labels = zip(*(table[f"{_BY}{name}"].to_pylist() for name in task.by), strict=True)
        groups.add(labels, table[_CELLS].to_numpy(), values_pf, sums=task.units is None)
    entities, values_pf = groups.table(task.by)
    step = {"by": list(task.by), "value": "sum" if task.units is None else "mean", "files": len(task.files)}
    return Measurement(
        values_pf,
        np.array(about["features"], dtype=object),
        entities,
        units=about["units"],
        modality=about["modality"],
        scale=Scale(about["scale"]),
        observed=None if about["observed"] is None else np.array(about["observed"]),
        provenance={"files": [Path(file).name for file in task.files], "pseudobulk": step},
    )


@dataclass
class _Groups:
    """Groups met so far: their cells, and their sums or means."""

    cells: dict[tuple[Any, ...], float] = field(default_factory=dict)
    value: dict[tuple[Any, ...], np.ndarray] = field(default_factory=dict)

    def add(self, labels: Iterable[tuple[Any, ...]], cells_p: np.ndarray, values_pf: np.ndarray, *, sums: bool) -> None:
        """Add the groups of a file; one that is in no other file stays as it is, to the last digit."""
        for key, cells, value_f in zip(labels, cells_p.tolist(), values_pf, strict=True):
            if key not in self.cells:
                self.cells[key], self.value[key] = cells, value_f
                continue
            both = self.cells[key] + cells
            added_f = self.value[key] + value_f
            weighted_f = (self.value[key] * self.cells[key] + value_f * cells) / both
            self.cells[key], self.value[key] = both, added_f if sums else weighted_f

    def table(self, by: Sequence[str]) -> tuple[pd.DataFrame, np.ndarray]:
        """Labels with cells, sorted, and ``(p, f)`` values."""
        found = pd.DataFrame(list(self.cells), columns=list(by)).assign(cells=list(self.cells.values()))
        order = found.sort_values(list(by), kind="stable").index.to_numpy()
        keys = list(self.value)
        entities = found.loc[order]
        entities.index = pd.Index(["|".join(map(str, keys[i])) for i in order], dtype=object)
        return entities, np.array([self.value[keys[i]] for i in order])
