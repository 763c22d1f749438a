"""Shards done by the actors of a Ray cluster, on one machine or many; each actor holds the loaded task."""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

import pyarrow as pa

from aivc.compute.executor import Executor, Shard, ShardedTask, Worker
from aivc.compute.scale_extra import scale_module
from aivc.compute.shard_store import ShardStore
from aivc.core.errors import UnavailableError

_AHEAD = 2
# How often an actor, and what it was doing, is begun again after its machine went away.
_RETRIES = 3


@final
@dataclass(frozen=True)
class RayCluster(Executor):
    """Actors of one core each, spread over the machines of a cluster.

    The cluster is that which ``ray.init`` has connected to, or that of the variable ``RAY_ADDRESS``; without either,
    one of this machine is started for the run and ended after it. Ray gives an actor of one core one thread.
    """

    name: ClassVar[str] = "ray"

    def _each(self, task: ShardedTask, shards: Sequence[Shard], store: ShardStore | None) -> Iterator[pa.Table | None]:
        ray = scale_module("ray")
        own = not ray.is_initialized()
        if own:
            self._connect(ray)
        actors: list[Any] = []
        try:
            held = ray.remote(
                num_cpus=1, max_restarts=_RETRIES, max_task_retries=_RETRIES, scheduling_strategy="SPREAD"
            )(_Holder)
            actors += [held.remote(task, store) for _ in range(min(self.workers, len(shards)))]
            yield from _in_order(ray, actors, shards)
        finally:
            for actor in actors:
                ray.kill(actor)
            if own:
                ray.shutdown()

    def _connect(self, ray: Any) -> None:
        settings = {"include_dashboard": False, "log_to_driver": False, "configure_logging": False}
        if address := os.environ.get("RAY_ADDRESS"):
            ray.init(address=address, log_to_driver=False)
        else:
            ray.init(num_cpus=self.workers, **settings)


def _in_order(ray: Any, actors: Sequence[Any], shards: Sequence[Shard]) -> Iterator[pa.Table | None]:
    waiting: deque[Any] = deque()
    sent = 0
    while waiting or sent < len(shards):
        while sent < len(shards) and len(waiting) < _AHEAD * len(actors):
            waiting.append(actors[sent % len(actors)].work.remote(shards[sent]))
            sent += 1
        try:
            made = ray.get(waiting.popleft())
        except ray.exceptions.RayTaskError as error:
            # What went wrong in the task, as it would be without Ray.
            raise error.cause from error
        except ray.exceptions.RayActorError as error:
            raise UnavailableError(
                f"A Ray actor ended and could not be begun again ({str(error).splitlines()[0]}). Finished shards are "
                "kept: run the same again to go on."
            ) from error
        yield made


class _Holder:
    """Holds the loaded task in a process of Ray's."""

    def __init__(self, task: ShardedTask, store: ShardStore | None) -> None:
        self._given = task, store
        self._worker: Worker | None = None

    def work(self, shard: Shard) -> pa.Table | None:
        """Do a shard; the task is loaded with the first, so that what goes wrong comes back with its message."""
        worker = self._worker or Worker.of(*self._given)
        self._worker = worker
        return worker(shard)
