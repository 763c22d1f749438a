"""Results made small where they are made: the best rows exactly, quantiles to one per cent; both add up."""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from aivc.compute.executor import Shard, ShardedTask
from aivc.core.errors import DataError

# Neighbouring bounds of buckets differ by this factor: a quantile is off by one per cent at most.
_ERROR = 0.01
_GROWTH = (1 + _ERROR) / (1 - _ERROR)
# What is nearer to zero than this counts as zero.
_LEAST = 1e-12


class Reducer(ABC):
    """Makes a table small; what it makes of parts, joined and made small again, is what it makes of the whole."""

    @abstractmethod
    def of(self, table: pa.Table) -> pa.Table:
        """Make a table of results small."""

    @abstractmethod
    def joined(self, tables: Iterable[pa.Table]) -> pa.Table:
        """Join what `of` made of parts."""

    @abstractmethod
    def text(self) -> str:
        """What it does, for digests."""


@final
@dataclass(frozen=True)
class TopK(Reducer):
    """The first rows by a column; equal ones by another, so that the order of the parts does not matter.

    Attributes:
        column: Of numbers.
        count: How many rows.
        largest: Whether the largest come first.
        ties: Column of texts, none twice.
    """

    column: str
    count: int
    largest: bool = False
    ties: str = "perturbation"

    def of(self, table: pa.Table) -> pa.Table:
        """The first rows, in order."""
        if not len(table):
            return table
        keys = [(self.column, "descending" if self.largest else "ascending"), (self.ties, "ascending")]
        return table.take(pc.select_k_unstable(table, min(self.count, len(table)), sort_keys=keys))

    def joined(self, tables: Iterable[pa.Table]) -> pa.Table:
        """The first rows of all; one table is held at a time.

        Raises:
            DataError: There is none.
        """
        best: pa.Table | None = None
        for table in tables:
            best = self.of(table if best is None else pa.concat_tables([best, table]))
        if best is None:
            raise DataError(["There is nothing to join: no shard is finished."])
        return best

    def text(self) -> str:
        """What it does, for digests."""
        return json.dumps(["top", self.column, self.count, self.largest, self.ties])


@final
@dataclass(frozen=True)
class QuantileSketch(Reducer):
    """How many values of a column lie in each of the buckets whose bounds grow by a factor (DDSketch, Masson 2019).

    Attributes:
        column: Of numbers.
    """

    column: str

    def of(self, table: pa.Table) -> pa.Table:
        """Columns ``sign`` (-1, 0, 1), ``bucket`` and ``count``."""
        value_n = table[self.column].to_numpy().astype(float)
        sign_n = np.where(np.abs(value_n) < _LEAST, 0, np.sign(value_n)).astype(np.int64)
        size_n = np.where(sign_n == 0, 1.0, np.abs(value_n))
        bucket_n = np.ceil(np.log(size_n) / np.log(_GROWTH)).astype(np.int64)
        found, count = np.unique(np.stack([sign_n, bucket_n], axis=1), axis=0, return_counts=True)
        return pa.table({"sign": found[:, 0], "bucket": found[:, 1], "count": count.astype(np.int64)})

    def joined(self, tables: Iterable[pa.Table]) -> pa.Table:
        """Counts added up."""
        grouped = pa.concat_tables(list(tables)).group_by(["sign", "bucket"]).aggregate([("count", "sum")])
        named = grouped.rename_columns(["sign", "bucket", "count"])
        return named.sort_by([("sign", "ascending"), ("bucket", "ascending")])

    def quantile(self, sketch: pa.Table, share: float) -> float:
        """Value below which a share of the values lies, to one per cent of its size.

        Raises:
            DataError: The share is not between 0 and 1, or there are no values.
        """
        if not 0 <= share <= 1 or not len(sketch):
            raise DataError([f"A quantile is asked of at least one value, at a share from 0 to 1, got {share}."])
        sign_b, bucket_b = sketch["sign"].to_numpy(), sketch["bucket"].to_numpy().astype(float)
        value_b = sign_b * 2 * _GROWTH**bucket_b / (_GROWTH + 1)
        order = np.argsort(value_b)
        passed = np.cumsum(sketch["count"].to_numpy()[order])
        place = int(np.searchsorted(passed, share * (passed[-1] - 1), side="right"))
        return float(value_b[order][place])

    def text(self) -> str:
        """What it does, for digests."""
        return json.dumps(["quantiles", self.column, _ERROR])


@final
@dataclass(frozen=True)
class Reduced(ShardedTask):
    """A task whose results are made small in the worker.

    Attributes:
        task: Makes them.
        reducer: Makes them small.
    """

    task: ShardedTask
    reducer: Reducer

    def key(self) -> str:
        """Digest of both."""
        return hashlib.sha256(f"{self.task.key()}{self.reducer.text()}".encode()).hexdigest()

    def load(self) -> Any:
        """What the task loads."""
        return self.task.load()

    def work(self, state: Any, shard: Shard) -> pa.Table:
        """Do a shard, and make its result small."""
        return self.reducer.of(self.task.work(state, shard))
