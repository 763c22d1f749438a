"""Cells for training, from memory or from disk: what comes at a step follows from the step and the seed alone."""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, cast, final, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from aivc.core.errors import DataError
from aivc.core.measurement import Measurement
from aivc.data.streaming.normalize import Block, normalize_block, require_path
from aivc.data.streaming.shards import BlockShuffle, Shards


@final
@dataclass(frozen=True, eq=False)
class StepCells:
    """The cells of one step.

    Attributes:
        rows: ``(n,)`` their positions in the data.
        values: ``(n, f)`` dense or CSR.
        observed: ``(f,)`` or ``(n, f)`` True where measured.
    """

    rows: np.ndarray
    values: Block
    observed: np.ndarray


@runtime_checkable
class CellLoader(Protocol):
    """Where training gets cells from; a pure function of the step, so that an interrupted run is resumed exactly."""

    @property
    def features(self) -> np.ndarray:
        """``(f,)`` names."""
        ...

    @property
    def units(self) -> str:
        """Units of the values."""
        ...

    def __len__(self) -> int:
        """How many cells there are."""
        ...

    def batches(self, step: int, rank: int, world: int) -> StepCells:
        """The share of one of ``world`` processes in the batch of a step; shares do not overlap."""
        ...


@final
@dataclass(frozen=True, eq=False)
class MemoryCells:
    """Cells in memory, in a new random order each epoch.

    Attributes:
        measurement: In memory.
        batch: Cells of a step, over all processes.
        seed: Of the order.
        among: Positions of the training cells; None means all.

    Raises:
        DataError: The values are on disk, or the batch is larger than the data.
    """

    measurement: Measurement
    batch: int
    seed: int = 0
    among: np.ndarray | None = None

    def __post_init__(self) -> None:
        self.measurement.require_table("Training on cells")
        if not self.measurement.in_memory:
            raise DataError(["These values lie on disk. Write them once with write_shards and use ShardCells."])
        _ = self._order

    @cached_property
    def _order(self) -> BlockShuffle:
        return BlockShuffle(len(self), self.batch, self.seed, block=1, window=max(len(self), 1))

    @property
    def features(self) -> np.ndarray:
        """``(f,)`` names."""
        return self.measurement.features

    @property
    def units(self) -> str:
        """Units of the values."""
        return self.measurement.units

    def __len__(self) -> int:
        """How many cells there are to train on."""
        return len(self.measurement) if self.among is None else len(self.among)

    def batches(self, step: int, rank: int, world: int) -> StepCells:
        """The share of one of ``world`` processes in the batch of a step."""
        rows = _among(self._order.at(step, rank, world), self.among)
        values = cast(Block, self.measurement.values)
        observed = self.measurement.observed
        if observed is None:
            observed = np.ones(len(self.features), dtype=bool)
        return StepCells(rows, values[rows], observed[rows] if observed.ndim == 2 else observed)


@final
@dataclass(frozen=True, eq=False)
class ShardCells:
    """Cells in memory-mapped shards: blocks are shuffled, then rows within a window; only the rows wanted are read.

    Attributes:
        shards: See `aivc.data.streaming.shards.write_shards`.
        batch: Cells of a step, over all processes.
        seed: Of the order.
        among: Sorted positions of the training cells; None means all.
        block: Neighbouring cells that stay in one window.
        window: Blocks that are mixed with each other.

    Raises:
        DataError: The batch is larger than the data.
    """

    shards: Shards
    batch: int
    seed: int = 0
    among: np.ndarray | None = None
    block: int = 512
    window: int = 128

    def __post_init__(self) -> None:
        _ = self._order

    @cached_property
    def _order(self) -> BlockShuffle:
        return BlockShuffle(len(self), self.batch, self.seed, self.block, self.window)

    @property
    def features(self) -> np.ndarray:
        """``(f,)`` names."""
        return self.shards.features

    @property
    def units(self) -> str:
        """Units of the values."""
        return self.shards.units

    def __len__(self) -> int:
        """How many cells there are to train on."""
        return self.shards.shape[0] if self.among is None else len(self.among)

    def batches(self, step: int, rank: int, world: int) -> StepCells:
        """The share of one of ``world`` processes in the batch of a step."""
        rows = _among(self._order.at(step, rank, world), self.among)
        return StepCells(rows, self.shards.take(rows), self.shards.observed(rows))


def _among(rows: np.ndarray, among: np.ndarray | None) -> np.ndarray:
    return rows if among is None else among[rows]


@final
@dataclass(frozen=True, eq=False)
class CellBatches:
    """Cells as the tensors that `aivc.training.loop.train` asks for.

    A batch holds ``rows`` ``(n,)``, and ``values`` and ``observed`` ``(n, f)``; what was not observed is 0.

    Attributes:
        loader: Where they come from.
        units: Units to bring them to; None keeps theirs.

    Raises:
        UnitsError: The units cannot be reached.
    """

    loader: CellLoader
    units: str | None = None

    def __post_init__(self) -> None:
        _ = self._target

    @cached_property
    def _target(self) -> tuple[float | None] | None:
        if self.units is None or self.units == self.loader.units:
            return None
        return (require_path(self.loader.units, self.units),)

    def __call__(self, step: int, rank: int, world: int) -> dict[str, Tensor]:
        """The share of one of ``world`` processes in the batch of a step."""
        cells = self.loader.batches(step, rank, world)
        values = cells.values
        if self._target is not None:
            values = normalize_block(values, self._target[0], cells.observed)
        x_nf = values if isinstance(values, np.ndarray) else values.toarray()
        seen_nf = np.broadcast_to(cells.observed, x_nf.shape)
        return {
            "rows": torch.from_numpy(cells.rows),
            "values": torch.from_numpy(np.where(seen_nf, x_nf, 0).astype(np.float32)),
            "observed": torch.from_numpy(seen_nf.copy()),
        }
