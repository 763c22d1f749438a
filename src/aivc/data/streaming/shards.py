"""Cells as memory-mapped CSR shards, written once, and the order in which training walks through them."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, final

import numpy as np
import pandas as pd
from scipy import sparse

from aivc.core.errors import DataError, IntegrityError
from aivc.core.measurement import Measurement
from aivc.core.scale import Scale
from aivc.core.state import write_text
from aivc.core.writing import explained, held, meant_by, whole_file
from aivc.data.streaming.normalize import Block
from aivc.data.streaming.shard_files import (
    ENTITIES,
    FIELDS,
    FORMAT,
    MANIFEST,
    PANEL_OF,
    PANELS,
    entities_of,
    panels_of,
    piece_of,
    read_manifest,
    shard_file,
)
from aivc.data.streaming.stream import Progress

_PEEK = 1024


@final
@dataclass(frozen=True, eq=False)
class Shards:
    """Cells on disk in CSR pieces; it can stand for the values of a `Measurement`.

    Attributes:
        folder: Where they lie.
        features: ``(f,)`` names.
        units: Of the values.
        modality: Such as ``rna``.
        scale: Physical scale of the entities.
        starts: ``(s + 1,)`` first row of each shard, and the number of rows.
        digest: Which data these are: names, units, masks, and the first and last rows.
        provenance: That of the measurement they were written from.
    """

    folder: Path
    features: np.ndarray
    units: str
    modality: str
    scale: Scale
    starts: np.ndarray
    digest: str
    provenance: dict[str, Any]

    @classmethod
    def open(cls, folder: Path) -> "Shards":
        """Open what `write_shards` wrote.

        Raises:
            IntegrityError: There is no manifest, it is of another format, or the writing was interrupted.
        """
        manifest = read_manifest(folder)
        done = sum(shard["rows"] for shard in manifest["shards"])
        if done != manifest["rows"]:
            raise IntegrityError(
                f"{folder} holds {done} of {manifest['rows']} rows: writing was interrupted. "
                "Call write_shards again with the same measurement; it goes on where it stopped."
            )
        starts = np.cumsum([0, *(shard["rows"] for shard in manifest["shards"])])
        features = np.array(manifest["features"], dtype=object)
        named = (manifest["units"], manifest["modality"], Scale(manifest["scale"]))
        return cls(folder, features, *named, starts, manifest["digest"], manifest["provenance"])

    @property
    def shape(self) -> tuple[int, int]:
        """Number of entities and features."""
        return int(self.starts[-1]), len(self.features)

    @cached_property
    def entities(self) -> pd.DataFrame:
        """The entity table."""
        return entities_of(self.folder, self.shape[0])

    @cached_property
    def _panels(self) -> tuple[np.ndarray, np.ndarray] | None:
        if not (self.folder / PANELS).exists():
            return None
        return panels_of(self.folder, self.shape)

    @cached_property
    def _pieces(self) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        rows = np.diff(self.starts)
        return [piece_of(self.folder, i, int(count)) for i, count in enumerate(rows)]

    def rows(self, start: int, stop: int) -> sparse.csr_matrix:
        """Rows ``start`` to ``stop``."""
        return self.take(np.arange(start, stop))

    def take(self, rows: np.ndarray) -> sparse.csr_matrix:
        """Rows at any positions, in the order given; only they are read."""
        shard_n = np.searchsorted(self.starts, rows, side="right") - 1
        length_n, first_n = np.zeros(len(rows), dtype=np.int64), np.zeros(len(rows), dtype=np.int64)
        inside = [(i, np.flatnonzero(shard_n == i)) for i in np.unique(shard_n)]
        for i, where in inside:
            local, pointer = rows[where] - self.starts[i], self._pieces[i][2]
            first_n[where] = pointer[local]
            length_n[where] = pointer[local + 1] - first_n[where]
        indptr = np.concatenate([[0], np.cumsum(length_n)])
        data, indices = np.empty(indptr[-1], dtype=np.float32), np.empty(indptr[-1], dtype=np.int32)
        for i, where in inside:
            source, target = _spans(first_n[where], length_n[where]), _spans(indptr[where], length_n[where])
            data[target], indices[target] = self._pieces[i][0][source], self._pieces[i][1][source]
        if len(indices) and not 0 <= indices.min() <= indices.max() < len(self.features):
            raise IntegrityError(f"A shard in {self.folder} names features that are not there. Write the shards again.")
        return sparse.csr_matrix((data, indices, indptr), shape=(len(rows), len(self.features)))

    def observed(self, rows: np.ndarray) -> np.ndarray:
        """``(f,)`` or ``(n, f)`` True where the entities at these positions were measured."""
        if self._panels is None:
            return np.ones(len(self.features), dtype=bool)
        panels, panel_of = self._panels
        return np.asarray(panels[0] if len(panels) == 1 else panels[panel_of[rows]])

    def measurement(self) -> Measurement:
        """All of it as a measurement whose values stay on disk."""
        several = self._panels is not None
        observed = self.observed(np.arange(self.shape[0])) if several else None
        named = {"modality": self.modality, "scale": self.scale, "provenance": self.provenance}
        return Measurement(self, self.features, self.entities, self.units, observed=observed, **named)  # type: ignore[arg-type]

    def verify(self) -> None:
        """Read every byte and compare it with the manifest.

        Raises:
            IntegrityError: A shard was altered or truncated.
        """
        for i, shard in enumerate(read_manifest(self.folder)["shards"]):
            if _checksum(self.folder, i) != shard["sha256"]:
                raise IntegrityError(f"Shard {i} in {self.folder} is not what was written. Write the shards again.")


def write_shards(
    measurement: Measurement, folder: Path, *, rows: int = 65536, progress: Progress | None = None
) -> Shards:
    """Write the values of a measurement as CSR shards that training can read in any order.

    Values are kept as float32; coordinates and links are not kept. An interrupted call is taken up where it stopped,
    and a finished one is only opened.

    Args:
        measurement: In memory or on disk; read in blocks of ``rows``.
        folder: Made where it does not exist.
        rows: Entities in a shard.
        progress: Called with how many entities are written, of how many.

    Raises:
        DataError: No rows, or values of more than two axes.
        IntegrityError: The folder holds shards of other data, or of another size.
    """
    measurement.require_table("A shard")
    if rows < 1 or not len(measurement):
        raise DataError([f"Shards hold at least one of at least one entity; got {rows} of {len(measurement)}."])
    with held(folder / ".in-use"), explained(folder):
        return _go_on(measurement, folder, rows, progress)


def _go_on(measurement: Measurement, folder: Path, rows: int, progress: Progress | None) -> Shards:
    manifest = _begin(measurement, folder, rows)
    for i in range(len(manifest["shards"]), -(-len(measurement) // rows)):
        stop = min((i + 1) * rows, len(measurement))
        block = _plain(measurement.block(i * rows, stop))
        for field in FIELDS:
            with whole_file(shard_file(folder, i, field)) as partial, partial.open("wb") as file:
                np.save(file, getattr(block, field))
        entry = {"rows": block.shape[0], "values": int(block.nnz), "sha256": _checksum(folder, i)}
        manifest["shards"].append(entry)
        write_text(folder / MANIFEST, json.dumps(manifest))
        if progress is not None:
            progress("shards", stop, len(measurement))
    return Shards.open(folder)


def _begin(measurement: Measurement, folder: Path, rows: int) -> dict[str, Any]:
    digest = _identity(measurement)
    if (folder / MANIFEST).exists():
        manifest = read_manifest(folder)
        if (manifest["digest"], manifest["rows_per_shard"]) != (digest, rows):
            raise IntegrityError(
                f"{folder} holds shards of other data ({manifest['rows']} × {len(manifest['features'])} in "
                f"{manifest['units']}, {manifest['rows_per_shard']} rows each). Use another folder, or delete this one."
            )
        return manifest
    _require_empty(folder)
    with whole_file(folder / ENTITIES) as partial:
        measurement.entities.to_parquet(partial)
    # Of an earlier call that was cut off before its manifest, perhaps for other data.
    (folder / PANELS).unlink(missing_ok=True)
    if measurement.observed is not None:
        panels, panel_of = np.unique(np.atleast_2d(measurement.observed), axis=0, return_inverse=True)
        np.save(folder / PANELS, panels)
        np.save(folder / PANEL_OF, panel_of.ravel().astype(np.int32))
    manifest = {
        "format": FORMAT,
        "digest": digest,
        "features": [str(name) for name in measurement.features],
        "units": measurement.units,
        "modality": measurement.modality,
        "scale": measurement.scale.value,
        "rows": len(measurement),
        "rows_per_shard": rows,
        "provenance": measurement.provenance,
        "shards": [],
    }
    write_text(folder / MANIFEST, json.dumps(manifest))
    return manifest


def _require_empty(folder: Path) -> None:
    """Refuse a folder of others; what an earlier call left that was cut off before its manifest is taken over."""
    own = {ENTITIES, PANELS, PANEL_OF, ".in-use"}
    foreign = sorted(item.name for item in folder.iterdir() if meant_by(item.name) not in own)
    if foreign:
        raise IntegrityError(f"{folder} holds {foreign[0]}, which is no shard. Choose an empty or a new folder.")


def _identity(measurement: Measurement) -> str:
    named = [measurement.units, measurement.modality, measurement.scale.value, *map(str, measurement.features)]
    sha = hashlib.sha256(json.dumps(named).encode())
    sha.update("\0".join(map(str, measurement.entities.index)).encode())
    if measurement.observed is not None:
        sha.update(np.packbits(measurement.observed).tobytes())
    n = len(measurement)
    for start, stop in ((0, min(_PEEK, n)), (max(0, n - _PEEK), n)):
        block = _plain(measurement.block(start, stop))
        for field in FIELDS:
            sha.update(getattr(block, field).tobytes())
    return sha.hexdigest()


def _plain(block: Block) -> sparse.csr_matrix:
    block = sparse.csr_matrix(block, dtype=np.float32, copy=True)
    block.sum_duplicates()
    block.indices, block.indptr = block.indices.astype(np.int32), block.indptr.astype(np.int64)
    return block


def _checksum(folder: Path, shard: int) -> str:
    sha = hashlib.sha256()
    for field in FIELDS:
        with shard_file(folder, shard, field).open("rb") as file:
            while piece := file.read(1 << 20):
                sha.update(piece)
    return sha.hexdigest()


def _spans(first_n: np.ndarray, length_n: np.ndarray) -> np.ndarray:
    """Positions of many spans, one after the other."""
    before_n = np.cumsum(length_n) - length_n
    return np.repeat(first_n - before_n, length_n) + np.arange(length_n.sum())


@final
@dataclass(frozen=True)
class BlockShuffle:
    """An order of rows that is nearly random, and reads from few places at a time.

    Blocks of neighbouring rows are shuffled, then rows within a window of blocks. The rows of a step follow from the
    step and the seed alone. An epoch has as many whole batches as there are; those left over change with the epoch.

    Attributes:
        rows: How many rows there are.
        batch: Rows of a step, over all processes.
        seed: Of the order.
        block: Neighbouring rows that stay in one window.
        window: Blocks that are mixed with each other.

    >>> BlockShuffle(rows=8, batch=4, block=2, window=2).at(0).tolist() != [0, 1, 2, 3]
    True
    """

    rows: int
    batch: int
    seed: int = 0
    block: int = 512
    window: int = 128

    def __post_init__(self) -> None:
        if not 1 <= self.batch <= self.rows or self.block < 1 or self.window < 1:
            raise DataError(
                [
                    f"A batch of {self.batch} of {self.rows} rows, in blocks of {self.block}, {self.window} to a "
                    "window, cannot be made. Take at least one of each, and a batch no larger than the data."
                ]
            )

    @property
    def steps(self) -> int:
        """Steps of one epoch."""
        return self.rows // self.batch

    def at(self, step: int, rank: int = 0, world: int = 1) -> np.ndarray:
        """Positions that one of ``world`` processes reads at a step: every ``world``-th of the batch.

        Raises:
            DataError: There is no such step or process, or a process would have nothing to read.
        """
        if step < 0 or not 0 <= rank < world <= self.batch:
            raise DataError(
                [f"Step {step} of process {rank} among {world} has no share in a batch of {self.batch}. Count from 0."]
            )
        epoch, place = divmod(step, self.steps)
        ends = _blocks(self, epoch)[1]
        start, stop = place * self.batch, (place + 1) * self.batch
        first, last = np.searchsorted(ends, [start, stop - 1], side="right")
        rows = np.concatenate([_window(self, epoch, w) for w in range(first, last + 1)])
        offset = start - (ends[first - 1] if first else 0)
        return rows[offset : offset + self.batch][rank::world]


@lru_cache(maxsize=4)
def _blocks(shuffle: BlockShuffle, epoch: int) -> tuple[np.ndarray, np.ndarray]:
    """Shuffled blocks, and the place in the epoch at which each window ends."""
    order = np.random.default_rng((shuffle.seed, epoch)).permutation(-(-shuffle.rows // shuffle.block))
    length = np.minimum(shuffle.block, shuffle.rows - order * shuffle.block)
    return order, np.cumsum(np.add.reduceat(length, np.arange(0, len(order), shuffle.window)))


@lru_cache(maxsize=8)
def _window(shuffle: BlockShuffle, epoch: int, window: int) -> np.ndarray:
    order, _ = _blocks(shuffle, epoch)
    first_b = order[window * shuffle.window : (window + 1) * shuffle.window] * shuffle.block
    rows = _spans(first_b, np.minimum(shuffle.block, shuffle.rows - first_b))
    return np.asarray(np.random.default_rng((shuffle.seed, epoch, window + 1)).permutation(rows))
