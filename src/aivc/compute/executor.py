"""One contract for work in shards: what a task is, and who does it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeAlias, final

import pyarrow as pa

from aivc.compute.shard_store import ShardStore
from aivc.core.errors import DataError
from aivc.core.registry import EXECUTORS

# Called with what is being done, how many rows are done, of how many.
Progressed: TypeAlias = Callable[[str, int, int], None]


class Shard(NamedTuple):
    """A run of rows of the work: those from ``start`` up to, not including, ``stop``."""

    index: int  # type: ignore[assignment] # hides the method of tuples
    start: int
    stop: int


class ShardedTask(ABC):
    """Work that can be cut into shards: a frozen dataclass that can be sent to another process."""

    @abstractmethod
    def key(self) -> str:
        """Digest of all that the results depend on, other than how the work is cut."""

    @abstractmethod
    def load(self) -> Any:
        """Read what every shard needs, such as a model; done once by each worker."""

    @abstractmethod
    def work(self, state: Any, shard: Shard) -> pa.Table:
        """Do a shard; the result depends on nothing else."""


def cut(rows: int, size: int) -> list[Shard]:
    """Cut rows into shards of one size, the last of which may be smaller.

    Raises:
        DataError: A size below one.

    >>> cut(5, 2)[-1]
    Shard(index=2, start=4, stop=5)
    """
    if size < 1:
        raise DataError([f"A shard holds at least one row, got {size}. Choose a size such as 500."])
    return [Shard(i, start, min(start + size, rows)) for i, start in enumerate(range(0, rows, size))]


@dataclass(frozen=True)
class Executor(ABC):
    """Does the shards of a task.

    Attributes:
        workers: How many at a time.

    Raises:
        DataError: Fewer than one worker.
    """

    workers: int = 1
    name: ClassVar[str]

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise DataError([f"At least one worker is needed, got {self.workers}. Choose as many as there are cores."])

    @abstractmethod
    def _each(self, task: ShardedTask, shards: Sequence[Shard], store: ShardStore | None) -> Iterator[pa.Table | None]:
        """Do shards and yield them in their order; None for each that a worker has put into the store."""

    def run(
        self,
        task: ShardedTask,
        shards: Sequence[Shard],
        out: Path | str | None = None,
        *,
        resume: bool = True,
        progress: Progressed | None = None,
    ) -> Iterator[pa.Table]:
        """Do all shards, and yield their results in order; few are held at a time.

        With ``out``, workers write each finished shard there whole. What was finished when work was cut off, by
        whatever, is not done again.

        Args:
            task: What to do.
            shards: How it is cut, in order.
            out: Folder of results; with workers on several machines, on a disk they share.
            resume: Go on where an earlier run of the same task, cut the same way, stopped.
            progress: Called with what is being done, how many rows are done, of how many.

        Raises:
            DataError: There are no shards.
            IntegrityError: ``out`` holds something else, or results that are not to be gone on with.
            UnavailableError: A worker died; or the executor needs a library that is not installed.
        """
        store = self._begun(task, shards, out, resume=resume)
        # The checks above run now, and the work as results are asked for.
        return self._results(self._run(task, shards, store, progress), store)

    def finish(
        self,
        task: ShardedTask,
        shards: Sequence[Shard],
        out: Path | str,
        *,
        resume: bool = True,
        progress: Progressed | None = None,
    ) -> None:
        """Do all shards as `run` does, and leave the results in ``out`` unread.

        Raises:
            DataError: There are no shards.
            IntegrityError: ``out`` holds something else, or results that are not to be gone on with.
            UnavailableError: A worker died; or the executor needs a library that is not installed.
        """
        for _ in self._run(task, shards, self._begun(task, shards, out, resume=resume), progress):
            pass

    def _begun(
        self, task: ShardedTask, shards: Sequence[Shard], out: Path | str | None, *, resume: bool
    ) -> ShardStore | None:
        if not shards:
            raise DataError(["There is no work: no shard was given. Name at least one row."])
        if out is None:
            return None
        # Workers may stand in another folder.
        store = ShardStore.of(Path(out).resolve(), task.key(), shards)
        store.begin(resume=resume)
        return store

    def _results(self, made: Iterator[tuple[int, pa.Table | None]], store: ShardStore | None) -> Iterator[pa.Table]:
        for index, table in made:
            if store is not None:
                yield store.read(index)
            elif table is not None:
                yield table

    def _run(
        self, task: ShardedTask, shards: Sequence[Shard], store: ShardStore | None, progress: Progressed | None
    ) -> Iterator[tuple[int, pa.Table | None]]:
        with store.held() if store else nullcontext():
            finished = store.finished() if store else frozenset()
            todo = [shard for shard in shards if shard.index not in finished]
            total = sum(shard.stop - shard.start for shard in shards)
            done = total - sum(shard.stop - shard.start for shard in todo)
            if progress and done:
                progress("working", done, total)
            made = self._each(task, todo, store) if todo else iter(())
            for shard in shards:
                if shard.index in finished:
                    yield shard.index, None
                    continue
                fresh = next(made)
                done += shard.stop - shard.start
                if progress:
                    progress("working", done, total)
                yield shard.index, fresh


@final
@dataclass(frozen=True)
class Worker:
    """A task with what it has loaded, and where its results go: what every executor keeps in each worker."""

    task: ShardedTask
    state: Any
    store: ShardStore | None

    @classmethod
    def of(cls, task: ShardedTask, store: ShardStore | None) -> "Worker":
        """Load a task."""
        return cls(task, task.load(), store)

    def __call__(self, shard: Shard) -> pa.Table | None:
        """Do a shard; with a store it is written there, and nothing travels back."""
        made = self.task.work(self.state, shard)
        if self.store is None:
            return made
        self.store.write(shard.index, made)
        return None


def executor(name: str, workers: int = 1) -> Executor:
    """Make an executor by its registered name: ``serial``, ``processes`` or ``ray``.

    Raises:
        UnknownNameError: Nothing is registered under it.
        DataError: Fewer than one worker, or several for one that has one.
    """
    made: Executor = EXECUTORS.load(name)(workers)
    return made
