"""Shards done one by one in this process: what the other executors are compared with."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import pyarrow as pa

from aivc.compute.executor import Executor, Shard, ShardedTask, Worker
from aivc.compute.shard_store import ShardStore
from aivc.core.errors import DataError


@final
@dataclass(frozen=True)
class Serial(Executor):
    """One worker: this process.

    Raises:
        DataError: Several workers.
    """

    name: ClassVar[str] = "serial"

    def __post_init__(self) -> None:
        if self.workers != 1:
            raise DataError([f"The executor serial is one worker, got {self.workers}. Choose processes for several."])

    def _each(self, task: ShardedTask, shards: Sequence[Shard], store: ShardStore | None) -> Iterator[pa.Table | None]:
        return map(Worker.of(task, store), shards)
