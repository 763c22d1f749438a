"""A folder of finished shards: each written whole or not at all, under the digest of what was asked."""

import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import final

import pyarrow as pa
import pyarrow.parquet as pq

from aivc.core.errors import IntegrityError
from aivc.core.foreign_text import parse_json, read_text
from aivc.core.state import write_text
from aivc.core.writing import explained, held, meant_by, whole_file

RUN = "run.json"
PATTERN = "shard-*.parquet"
_FORMAT = 1
_KEY = b"aivc.key"
_LOCK = f".{RUN}.in-use"


@final
@dataclass(frozen=True)
class ShardStore:
    """Results of one task, cut one way.

    Attributes:
        folder: Holds ``run.json`` and ``shard-000000.parquet``, ….
        key: Digest of the task and of how it is cut.
        shards: How many there are.
        rows: How many rows of work they cover.
    """

    folder: Path
    key: str
    shards: int
    rows: int

    @classmethod
    def of(cls, folder: Path, task: str, shards: Sequence[tuple[int, int, int]]) -> "ShardStore":
        """The store of a task, by its digest and its shards as (index, start, stop)."""
        key = hashlib.sha256(json.dumps([_FORMAT, task, *map(list, shards)]).encode()).hexdigest()
        return cls(folder, key, len(shards), sum(stop - start for _, start, stop in shards))

    def begin(self, *, resume: bool) -> None:
        """Make the folder, or check that what lies there is this very work.

        Raises:
            IntegrityError: It is a file, holds strangers' files or other work, or its work is not to be gone on with.
            WritingError: It cannot be written to.
        """
        run = self.folder / RUN
        if self.folder.exists() and not self.folder.is_dir():
            raise IntegrityError(f"{self.folder} is a file, and results are a folder. Choose another name.")
        if run.exists():
            self._require_same(run, resume=resume)
        elif self.folder.exists() and (odd := sorted(path.name for path in self.folder.iterdir() if _strange(path))):
            raise IntegrityError(f"{self.folder} holds {odd[0]}, and no {RUN}. Choose an empty or a new folder.")
        else:
            with explained(self.folder):
                self.folder.mkdir(parents=True, exist_ok=True)
            body = {"format": _FORMAT, "key": self.key, "shards": self.shards, "rows": self.rows}
            write_text(run, json.dumps(body, indent=1) + "\n")

    def _require_same(self, run: Path, *, resume: bool) -> None:
        if not resume:
            raise IntegrityError(f"{self.folder} holds results already. Go on with them (resume), or choose another.")
        body = parse_json(read_text(run), run)
        if not isinstance(body, dict) or body.get("key") != self.key:
            raise IntegrityError(
                f"{self.folder} holds results of another question: another model, other candidates, output or "
                "shards. Choose another folder."
            )

    def held(self) -> AbstractContextManager[None]:
        """Keep other runs from writing here meanwhile.

        Raises:
            IntegrityError: Another run does.
        """
        return held(self.folder / _LOCK)

    def path(self, index: int) -> Path:
        """Where a shard lies when it is finished."""
        return self.folder / f"shard-{index:06d}.parquet"

    def finished(self) -> frozenset[int]:
        """Indices of the shards that lie here whole; what a killed worker left half written is removed."""
        for path in self.folder.iterdir():
            if meant_by(path.name) != path.name:
                path.unlink(missing_ok=True)
        return frozenset(i for i in range(self.shards) if self._is_whole(self.path(i)))

    def _is_whole(self, path: Path) -> bool:
        if not path.is_file():
            return False
        try:
            found = pq.read_schema(path)
        except (pa.ArrowInvalid, OSError):
            # Such as a file that a broken disk cut off: its shard is done again.
            return False
        return (found.metadata or {}).get(_KEY) == self.key.encode()

    def write(self, index: int, table: pa.Table) -> None:
        """Write a shard: after a crash at any point it is there whole, or not at all.

        Raises:
            WritingError: The disk is full, or the place cannot be written to.
        """
        marked = table.replace_schema_metadata({**(table.schema.metadata or {}), _KEY: self.key.encode()})
        with whole_file(self.path(index)) as partial, partial.open("wb") as file:
            pq.write_table(marked, file, compression="zstd")
            file.flush()
            os.fsync(file.fileno())

    def read(self, index: int) -> pa.Table:
        """Read a finished shard, as it was given to `write`."""
        table = pq.read_table(self.path(index))
        kept = {name: value for name, value in (table.schema.metadata or {}).items() if name != _KEY}
        return table.replace_schema_metadata(kept or None)


def _strange(path: Path) -> bool:
    return path.name != _LOCK and meant_by(path.name) == path.name
