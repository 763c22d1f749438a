"""Shards done by processes of this machine, each of which loads the task once and computes with one thread."""

import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from typing import ClassVar, final

import pyarrow as pa

from aivc.compute.executor import Executor, Shard, ShardedTask, Worker
from aivc.compute.shard_store import ShardStore
from aivc.core.errors import UnavailableError

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
# Shards that wait for each worker, so that none is idle while the next is sent.
_AHEAD = 2


@final
@dataclass(frozen=True)
class ProcessExecutor(Executor):
    """Worker processes, started afresh (spawn): threads and locks of this one are not copied."""

    name: ClassVar[str] = "processes"

    def _each(self, task: ShardedTask, shards: Sequence[Shard], store: ShardStore | None) -> Iterator[pa.Table | None]:
        count = min(self.workers, len(shards))
        pool = ProcessPoolExecutor(count, get_context("spawn"), _begin, (task, store))
        waiting: deque[Future[pa.Table | None]] = deque()
        rest = iter(shards)
        try:
            # A worker is started with each of the first questions: libraries read the variables as they load.
            with _one_thread():
                waiting.extend(pool.submit(_work, shard) for _, shard in zip(range(count * _AHEAD), rest, strict=False))
            while waiting:
                made = waiting.popleft().result()
                waiting.extend(pool.submit(_work, shard) for _, shard in zip(range(1), rest, strict=False))
                yield made
        except BrokenProcessPool as error:
            raise UnavailableError(
                "A worker process was ended from outside, as happens where memory runs out. Finished shards are kept: "
                "run the same again to go on, with fewer workers or smaller shards."
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _one_thread() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


# In a worker: what it was given, and what it has loaded.
_given: list[tuple[ShardedTask, ShardStore | None]] = []
_loaded: list[Worker] = []


def _begin(task: ShardedTask, store: ShardStore | None) -> None:
    _given.append((task, store))
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    # Where the parent is killed, its workers would wait for questions for ever.
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(shard: Shard) -> pa.Table | None:
    # Loaded here and not in `_begin`: what goes wrong then comes back to who asked, with its message.
    if not _loaded:
        _loaded.append(Worker.of(*_given[0]))
    return _loaded[0](shard)
