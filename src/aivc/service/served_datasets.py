"""The datasets of a service: files that were brought, questions about them, and what is shown of those ready."""

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, final

import numpy as np
from sqlalchemy import Engine, delete, insert, select, update

from aivc.core.errors import AIVCError, DataError, IntegrityError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.units import COUNTS, EXPECTED_COUNTS, log1p_units
from aivc.core.writing import whole_file
from aivc.data import catalog
from aivc.data.io.as_measurement import read_checked
from aivc.data.io.check import CheckReport, check
from aivc.data.io.formats import intact, opened, refuse_unknown, suffix
from aivc.data.io.guess import Guess, guess
from aivc.data.io.read import BACKED
from aivc.data.io.schema import Schema
from aivc.data.streaming.normalize import normalize
from aivc.service.accounts import Account
from aivc.service.bounded import bounded
from aivc.service.expansion import expansion
from aivc.service.feature_columns import FeatureColumns
from aivc.service.point_clouds import arrow_bytes, plane_of_values, point_table, position_table, shown_rows
from aivc.service.refusals import ForbiddenError
from aivc.service.served_cells import slug
from aivc.service.service_tables import DATASETS
from aivc.service.settings import Settings
from aivc.service.uploads import forget, plain_name, room_for, unpacked

ASKED, READY = "asked", "ready"
POINTS, POSITIONS, COLUMNS = "points.arrow", "positions.arrow", "columns"
# Where others keep planes of cells, the most telling first.
_PLANES = {"X_umap": "UMAP", "X_tsne": "t-SNE", "X_pca": "PC"}
_SHOWN_UNITS = log1p_units(10_000.0)
_CATALOG = "catalog"
# What may take more memory than this is looked at in a process of its own; unpacking, from so large a zip on.
_IN_PLACE, _SMALL_ZIP = 64 << 20, 8 << 20
Found = TypeVar("Found")


@final
@dataclass(frozen=True, eq=False)
class ServedDataset:
    """A dataset, and whose it is.

    Attributes:
        id: What it is asked under.
        name: What people call it.
        state: ``asked`` while questions about its columns are open, then ``ready``.
        owner: Its user.
        visibility: Who may see it.
        folder: Where it is kept, with what was made of it.
        file: Path in that folder; empty for one of the catalog.
        asked: What was guessed: ``schema``, ``evidence``, ``questions``, ``notes``.
        schema: What was confirmed; None while it is not.
        cells: Entities.
        genes: Features.
        created: Seconds since 1970.
    """

    id: str
    name: str
    state: str
    owner: str
    visibility: str
    folder: Path
    file: str
    asked: Mapping[str, Any]
    schema: Mapping[str, Any] | None
    cells: int
    genes: int
    created: float

    @property
    def path(self) -> Path:
        """Where its file lies."""
        return self.folder / self.file

    @property
    def positions(self) -> bool:
        """Whether its cells have places, as its schema or the catalog says."""
        if self.owner == _CATALOG:
            return catalog.entry(self.name).positions
        return self.state == READY and bool((self.schema or {}).get("coordinates"))

    def measurement(self) -> Measurement:
        """Its cells, left on disk where that can be.

        Raises:
            DataError: Its schema was not confirmed yet, or the data fail their check.
        """
        if self.owner == _CATALOG:
            return catalog.load(self.name)
        if self.state != READY or self.schema is None:
            raise DataError([f"{self.name} is not ready: confirm what its columns mean first."])
        declared = Schema.from_json(dict(self.schema))
        try:
            return read_checked(self.path, declared, backed=suffix(self.path) in BACKED)
        except DataError:
            raise
        except AIVCError:
            # Stored column by column, it can only be read whole; other faults show there again.
            return read_checked(self.path, declared)


@final
@dataclass(eq=False)
class DatasetShelf:
    """All datasets of a service.

    Attributes:
        settings: Of the service.
        engine: Of its database.
    """

    settings: Settings
    engine: Engine
    _locks: dict[str, threading.Lock] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _named: dict[str, ServedDataset] = field(default_factory=dict)

    def seen_by(self, account: Account) -> list[ServedDataset]:
        """Those that a user may see, the newest first, then those of the catalog that a cell was fitted on."""
        with self.engine.connect() as connection:
            rows = connection.execute(select(DATASETS).order_by(DATASETS.c.created.desc())).mappings().all()
        home = self.settings.folder("datasets")
        made = [ServedDataset(folder=home / str(row["id"]), **{key: row[key] for key in row}) for row in rows]
        return [each for each in [*made, *self._named.values()] if account.sees(each.owner, each.visibility)]

    def get(self, dataset_id: str, account: Account) -> ServedDataset:
        """One dataset.

        Raises:
            UnknownNameError: There is none of that id, for this user.
        """
        seen = {each.id: each for each in self.seen_by(account)}
        if dataset_id not in seen:
            raise UnknownNameError("dataset", dataset_id, seen)
        return seen[dataset_id]

    def of_catalog(self, name: str) -> ServedDataset:
        """Serve a dataset of the catalog, which a cell was fitted on.

        Raises:
            UnavailableError: It is not on this computer.
            UnknownNameError: There is none of that name.
        """
        for each in catalog.entry(name).files:
            catalog.path(name, each.name, offline=True)
        folder, cells, genes = self.settings.folder("datasets") / f"{_CATALOG}-{name}", 0, 0
        if (folder / COLUMNS).is_dir():
            shown = FeatureColumns.open(folder / COLUMNS)
            cells, genes = shown.rows, len(shown.features)
        self._named[name] = ServedDataset(
            name, name, READY, _CATALOG, "public", folder, "", {}, {}, cells, genes, 0.0
        )  # fmt: skip
        return self._named[name]

    def add(self, path: Path, file_name: str | None, name: str, owner: str) -> ServedDataset:
        """Keep a file that was brought, look what it holds, and ask what is not clear.

        Args:
            path: Where it waits; it is moved away from there.
            file_name: As it was called where it comes from.
            name: What to call it; empty takes that.
            owner: Whose it is.

        Raises:
            AIVCError: It is damaged, hostile, too large, or of a kind that is not read; nothing of it is kept.
            WritingError: The disk is full; likewise.
        """
        plain = plain_name(file_name)
        dataset_id = f"{slug(name or Path(plain).stem)[:40]}-{secrets.token_hex(3)}"
        folder = self.settings.folder("datasets") / dataset_id
        with ExitStack() as undone, room_for(plain):
            folder.mkdir()
            undone.callback(forget, folder)
            made = self._added(self._moved(path, plain, folder), folder, (name or plain)[:200], owner)
            undone.pop_all()
            return made

    def _moved(self, path: Path, plain: str, folder: Path) -> Path:
        """What is to be read, in its own folder."""
        if suffix(Path(plain)) != ".zip":
            path.replace(folder / plain)
            return folder / plain
        (folder / "files").mkdir()
        given, small = (path, folder / "files", self.settings.upload_limit, plain), path.stat().st_size <= _SMALL_ZIP
        return unpacked(*given) if small else self._bounded(plain, unpacked, *given)

    def _added(self, path: Path, folder: Path, name: str, owner: str) -> ServedDataset:
        found = self._within(path, _guessed, path)
        row: dict[str, Any] = {
            "id": folder.name, "name": name, "state": ASKED, "owner": owner, "visibility": "private",
            "file": str(path.relative_to(folder)), "asked": _questions(found), "schema": None, "cells": 0, "genes": 0,
            "created": time.time(),
        }  # fmt: skip
        with self.engine.begin() as connection:
            connection.execute(insert(DATASETS).values(row))
        return ServedDataset(folder=folder, **row)

    def _within(self, path: Path, work: Callable[..., Found], *given: Any) -> Found:
        """Look at a file here, or in a process of its own where it may take much."""
        if expansion(path, self.settings).held <= _IN_PLACE:
            return work(*given)
        return self._bounded(path.name, work, *given)

    def _bounded(self, name: str, work: Callable[..., Found], *given: Any) -> Found:
        limits = self.settings
        return bounded(work, *given, name=name, seconds=limits.look_seconds, memory_mb=limits.job_memory_mb)

    def confirm(self, dataset: ServedDataset, schema: Mapping[str, Any]) -> ServedDataset:
        """Take what a person says its columns mean, after a full check.

        Args:
            dataset: Which.
            schema: Fields of `aivc.data.io.schema.Schema`.

        Raises:
            DataError: Every problem found.
            SchemaError: Fields contradict each other or the file.
        """
        if dataset.owner == _CATALOG:
            raise ForbiddenError(f"{dataset.name} is a dataset of the catalog, which brings its own schema.")
        declared = Schema.from_json(dict(schema))
        if declared.metadata is not None and Path(declared.metadata).name != declared.metadata:
            raise IntegrityError("metadata names a table beside the file, by its plain name.")
        found = self._within(dataset.path, _checked, dataset.path, declared)
        found.raise_if_any()
        for name in (POINTS, POSITIONS, COLUMNS):
            forget(dataset.folder / name)
        changes = {"state": READY, "schema": declared.to_json(), "cells": found.cells, "genes": found.features}
        with self.engine.begin() as connection:
            connection.execute(update(DATASETS).where(DATASETS.c.id == dataset.id).values(changes))
        kept = {name: getattr(dataset, name) for name in dataset.__dataclass_fields__}
        return ServedDataset(**{**kept, **changes})

    def remove(self, dataset: ServedDataset, account: Account) -> None:
        """Delete a dataset with its file.

        Raises:
            ForbiddenError: It belongs to somebody else.
        """
        if dataset.owner == _CATALOG or not account.owns(dataset.owner):
            raise ForbiddenError(f"{dataset.name} belongs to {dataset.owner}, who alone may delete it.")
        with self.engine.begin() as connection:
            connection.execute(delete(DATASETS).where(DATASETS.c.id == dataset.id))
        forget(dataset.folder)

    def points(self, dataset: ServedDataset) -> bytes:
        """Its cells as points, as an Arrow stream; made once.

        Raises:
            DataError: It is not ready.
        """
        with self._held(dataset):
            path = dataset.folder / POINTS
            if not path.is_file():
                self._draw(dataset)
                if dataset.owner == _CATALOG:
                    self.of_catalog(dataset.name)
            return path.read_bytes()

    def positions(self, dataset: ServedDataset) -> bytes:
        """Its cells where they lie in their sections, in the order of `points`, as an Arrow stream; made once.

        Raises:
            DataError: It is not ready, or has no positions.
        """
        with self._held(dataset):
            path = dataset.folder / POSITIONS
            if not path.is_file():
                table = position_table(dataset.measurement(), dataset.name)
                dataset.folder.mkdir(parents=True, exist_ok=True)
                with whole_file(path) as partial:
                    partial.write_bytes(arrow_bytes(table))
            return path.read_bytes()

    def columns(self, dataset: ServedDataset) -> FeatureColumns:
        """Its features, column by column; made once.

        Raises:
            DataError: It is not ready.
        """
        with self._held(dataset):
            if not (dataset.folder / COLUMNS).is_dir():
                self._draw(dataset)
            return FeatureColumns.open(dataset.folder / COLUMNS)

    def _held(self, dataset: ServedDataset) -> threading.Lock:
        with self._lock:
            return self._locks.setdefault(dataset.id, threading.Lock())

    def _draw(self, dataset: ServedDataset) -> None:
        if dataset.owner == _CATALOG:
            _show(dataset)
        else:
            self._within(dataset.path, _show, dataset)


def _guessed(path: Path) -> Guess:
    """What a file seems to mean; whatever its readers raise on bytes of strangers is a refusal of it."""
    with intact(path):
        return guess(path)


def _checked(path: Path, declared: Schema) -> CheckReport:
    with intact(path):
        return check(path, declared)


def _show(dataset: ServedDataset) -> None:
    """Write its cells as points and its features column by column."""
    measured = dataset.measurement()
    measured.require_table("A picture of its cells")
    shown = normalize(measured, _SHOWN_UNITS) if measured.units in (COUNTS, EXPECTED_COUNTS) else measured
    dataset.folder.mkdir(parents=True, exist_ok=True)
    FeatureColumns.write(shown, dataset.folder / COLUMNS)
    rows = shown_rows(len(measured))
    plane, axes = _stored_plane(dataset, len(measured)) or (plane_of_values(shown), "PC")
    entities = measured.entities.iloc[rows]
    table = point_table(plane if len(plane) == len(rows) else plane[rows], entities, (f"{axes} 1", f"{axes} 2"))
    with whole_file(dataset.folder / POINTS) as partial:
        partial.write_bytes(arrow_bytes(table))


def _stored_plane(dataset: ServedDataset, n: int) -> tuple[np.ndarray, str] | None:
    """A plane that the file brings along, where it is one row for each cell."""
    if dataset.owner == _CATALOG or suffix(dataset.path) not in (".h5ad", ".zarr"):
        return None
    with intact(dataset.path), opened(dataset.path) as store:
        for key, axes in _PLANES.items():
            place = f"obsm/{key}"
            if place in store and getattr(store[place], "shape", (0, 0))[0] == n and len(store[place].shape) == 2:
                refuse_unknown(store[place])
                plane = np.asarray(store[place][:, :2], dtype=np.float64)
                if plane.shape[1] == 2 and np.isfinite(plane).all():
                    return plane, axes
    return None


def _questions(found: Guess) -> dict[str, Any]:
    """What was guessed, and what a person has to say, field by field."""
    sure = [line for line in found.lines if line.sure]
    return {
        "convention": found.convention,
        "schema": found.to_json()["schema"],
        "evidence": {line.field: line.evidence for line in found.lines},
        "questions": [
            {
                "field": line.field, "question": line.evidence, "suggestion": line.value,
                "choices": _choices(line.field),
            }
            for line in found.lines
            if not line.sure and line.field not in {each.field for each in sure}
        ],
        "notes": list(found.notes),
    }  # fmt: skip


def _choices(field_name: str) -> list[str]:
    known = {
        "units": ["counts", "log1p_cp10k", "log2fc", "zscore", "arbitrary"],
        "kind": ["ko", "crispri", "crispra", "drug", "ligand", "oe"],
        "species": ["human", "mouse", "none"],
        "coordinate_unit": ["um", "array", "pixel"],
        "format": ["wide", "long", "transposed", "cells"],
        "zero_dose": ["control", "perturbation"],
        "time_unit": ["s", "min", "h", "d"],
    }
    return known.get(field_name, [])
