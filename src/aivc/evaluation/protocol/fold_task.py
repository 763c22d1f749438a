"""Folds of an evaluation as work in shards: several methods and folds side by side, with the answers of one process."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import final

import pyarrow as pa

from aivc.compute.executor import Executor, Progressed, Shard, ShardedTask
from aivc.core.errors import UnavailableError
from aivc.core.ur import UR
from aivc.evaluation.protocol.asked_fold import FAILURES, AskedFold, failure
from aivc.evaluation.protocol.checkpoints import KeptFolds
from aivc.evaluation.protocol.questions import EvaluationSet
from aivc.experiments.fitting.shared_fit import Recipe

_DONE = pa.schema([("fold", pa.int64()), ("method", pa.string()), ("error", pa.string())])


@final
@dataclass(frozen=True, eq=False)
class FoldTask(ShardedTask):
    """Every method in every fold, a row each, fold by fold.

    Answers are kept where one process keeps them (`KeptFolds`), so an evaluation that was cut off goes on with any
    executor, or with none. A row of the result says what went wrong, or nothing.

    Attributes:
        evaluation: Data and split.
        recipe: Encoder, decoder and their sizes.
        parts: Molecular UR of possible targets.
        methods: To ask.
        kept: Where their answers go.
        keep_going: Whether a method may fail.
    """

    evaluation: EvaluationSet
    recipe: Recipe
    parts: UR | None
    methods: tuple[str, ...]
    kept: KeptFolds
    keep_going: bool = False

    @classmethod
    def of(
        cls,
        evaluation: EvaluationSet,
        recipe: Recipe,
        parts: UR | None,
        methods: Sequence[str],
        kept: KeptFolds,
        *,
        keep_going: bool = False,
    ) -> "FoldTask":
        """Make the task; what only scoring needs does not travel to the workers."""
        return cls(replace(evaluation, cut=None), recipe, parts, tuple(methods), kept, keep_going)

    def key(self) -> str:
        """Digest of what is fitted on and asked, and of the methods."""
        return hashlib.sha256(json.dumps([self.kept.asked, *self.methods, self.keep_going]).encode()).hexdigest()

    def load(self) -> list[AskedFold]:
        """An empty place for the fold that is worked on: what its methods share is fitted once."""
        return []

    def work(self, state: list[AskedFold], shard: Shard) -> pa.Table:
        """Ask the methods of some rows."""
        rows = []
        for row in range(shard.start, shard.stop):
            number, which = divmod(row, len(self.methods))
            if not state or state[0].number != number:
                state[:] = [AskedFold(self.evaluation, number, self.recipe, self.parts)]
            method = self.methods[which]
            rows.append({"fold": number, "method": method, "error": self._error(state[0], method)})
        return pa.Table.from_pylist(rows, schema=_DONE)

    def _error(self, fold: AskedFold, method: str) -> str:
        if self.kept.holds(method, fold.number):
            return ""
        try:
            for _ in self.kept.each(method, fold.number, partial(fold.ask, method)):
                pass
        except FAILURES as error:
            return failure(error, method, fold.number, keep_going=self.keep_going)
        return ""

    def done(self, by: Executor, progress: Progressed | None = None) -> dict[tuple[int, str], str]:
        """Have all that is not kept yet answered.

        Args:
            by: Does the work.
            progress: Called with what is being done, how many answers of a method in a fold are there, of how many.

        Returns:
            By fold and method, what went wrong.

        Raises:
            ScoreError: A method failed that may not; or what else it raised.
            UnavailableError: A worker died, or keeps its answers on a disk of its own.
        """
        shards = self.shards(by.workers)
        made = by.run(self, shards, progress=progress) if shards else ()
        rows = [row for table in made for row in table.to_pylist()]
        failed = {(row["fold"], row["method"]): row["error"] for row in rows if row["error"]}
        answered = [(row["method"], row["fold"]) for row in rows if not row["error"]]
        if not all(self.kept.holds(*each) for each in answered):
            raise UnavailableError(
                f"Workers have answered, and {self.kept.folder} holds no such answers: each machine has its own "
                "disk. Name a checkpoint folder on a disk that all share."
            )
        return failed

    def shards(self, workers: int) -> list[Shard]:
        """Cut what is not kept yet: a fold each, as its methods share what is fitted first.

        Where there are more workers than folds, the methods of a fold are cut, too.
        """
        count = len(self.methods)
        folds = [fold for fold in range(len(self.evaluation.split.folds)) if not self._whole(fold)]
        if not folds:
            return []
        pieces = min(count, -(-workers // len(folds)))
        cuts = [count * i // pieces for i in range(pieces + 1)]
        rows = [(fold * count + a, fold * count + b) for fold in folds for a, b in pairwise(cuts)]
        return [Shard(i, start, stop) for i, (start, stop) in enumerate(rows)]

    def _whole(self, fold: int) -> bool:
        return all(self.kept.holds(method, fold) for method in self.methods)
