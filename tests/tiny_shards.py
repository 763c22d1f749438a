"""A task for tests of executors: worker processes import it."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from aivc.compute.executor import Shard, ShardedTask
from aivc.core.errors import ScoreError


@dataclass(frozen=True)
class Squares(ShardedTask):
    """Squares of row numbers, and who made them; `log` gets a letter for each load and each shard begun."""

    log: str = ""
    pause: float = 0.0
    fails_at: int = -1
    dies_at: int = -1
    offset: int = 0

    def key(self) -> str:
        return f"squares-{self.offset}"

    def load(self) -> float:
        self._note("L")
        return 2.0

    def work(self, state: float, shard: Shard) -> pa.Table:
        self._note("s")
        if shard.index == self.fails_at:
            raise ScoreError(f"shard {shard.index} holds NaN")
        if shard.index == self.dies_at:
            os.kill(os.getpid(), 9)
        time.sleep(self.pause)
        rows = np.arange(shard.start, shard.stop)
        return pa.table({"perturbation": [f"ko:G{i:03}" for i in rows], "score": (rows - 3.0) ** state + self.offset})

    def _note(self, letter: str) -> None:
        if self.log:
            with Path(self.log).open("a") as file:
                file.write(letter)


@dataclass(frozen=True)
class Threads(ShardedTask):
    """How many threads a worker was told to take, and which process and machine it is."""

    on_ray: bool = False

    def key(self) -> str:
        return "threads"

    def load(self) -> str:
        if not self.on_ray:
            return "here"
        import ray

        return ray.get_runtime_context().get_node_id()

    def work(self, state: str, shard: Shard) -> pa.Table:
        time.sleep(0.05)
        return pa.table({"threads": [os.environ.get("OMP_NUM_THREADS")], "process": [os.getpid()], "node": [state]})
