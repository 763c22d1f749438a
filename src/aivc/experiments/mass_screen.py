"""Screens of very many perturbations: a saved cell is asked in shards, by one process, several, or a cluster."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias, final, runtime_checkable

import numpy as np
import pyarrow as pa

from aivc.compute.executor import Executor, Progressed, Shard, ShardedTask, cut, executor
from aivc.compute.reducers import Reduced, TopK
from aivc.core.errors import DataError, IntegrityError
from aivc.core.measurement import Measurement
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Prediction
from aivc.core.virtual_cell import VirtualCell
from aivc.data.names.own_genes import GeneColumns
from aivc.experiments.batch import beginning, distinct, where
from aivc.experiments.journal import question
from aivc.experiments.known_names import questions
from aivc.experiments.predict import Predictor, predictor
from aivc.experiments.response import Response
from aivc.experiments.scores.answer import own_features
from aivc.experiments.screen import screened_row

Output: TypeAlias = Literal["full", "pathway", "score"]
OUTPUTS: tuple[Output, ...] = ("full", "pathway", "score")
# Few shards lose little when work is cut off; many questions at once are answered in few products.
SHARD = 500
_SCORED = pa.schema(
    [
        ("perturbation", pa.string()),
        ("score", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("seen", pa.bool_()),
        ("applicability", pa.string()),
        ("self_target", pa.bool_()),
        ("scored_on", pa.int64()),
        ("coverage", pa.string()),
        ("abstained", pa.bool_()),
    ]
)
# Genes of a set that the cell must decode, for its mean to stand for the set.
_LEAST_GENES = 3


@runtime_checkable
class Candidates(Protocol):
    """Perturbations by number, without all of them being made."""

    def __len__(self) -> int:
        """How many there are."""

    def take(self, start: int, stop: int) -> list[Perturbation]:
        """Those from ``start`` up to, not including, ``stop``."""

    def to_json(self) -> Any:
        """What tells them from others."""


@final
@dataclass(frozen=True)
class ListedCandidates:
    """Perturbations one by one.

    Attributes:
        texts: Of each.
    """

    texts: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, start: int, stop: int) -> list[Perturbation]:
        """Read those from ``start`` up to, not including, ``stop``."""
        return [Perturbation.parse(text) for text in self.texts[start:stop]]

    def to_json(self) -> list[str]:
        """The texts."""
        return list(self.texts)


@final
@dataclass(frozen=True)
class ScreenTask(ShardedTask):
    """What is asked of a saved cell about each candidate.

    Attributes:
        cell: Its folder, which every worker can read.
        digest: Of cell, start, candidates and output (`screen_task`).
        candidates: What to ask about.
        output: ``full`` (the effect on every feature), ``pathway`` (its mean over each set) or ``score`` (on the
            response, with interval, as `aivc.experiments.screen.Screen` has it).
        context: Whose control states to start from.
        new_context: Whether its name is meant, although it reads like a known one.
        response: Text of what to read out, for ``score``.
        sets: Names and genes, for ``pathway``.
        level: Of intervals.
        allow_unknown: Ask also about names of which the cell knows nothing.
    """

    cell: str
    digest: str
    candidates: Candidates
    output: Output
    context: str = ""
    new_context: bool = False
    response: str = ""
    sets: tuple[tuple[str, tuple[str, ...]], ...] = ()
    level: float = 0.9
    allow_unknown: bool = False

    def key(self) -> str:
        """The digest."""
        return self.digest

    def load(self) -> "AskedCell":
        """Load the cell, and find out how it is asked fastest.

        Raises:
            IntegrityError: It is not the cell that was asked at first.
        """
        found = AskedCell.of(VirtualCell.load(Path(self.cell)), self)
        if found.digest != self.digest:
            raise IntegrityError(f"{self.cell} is another cell than when the screen began. Put that one back.")
        return found

    def work(self, state: "AskedCell", shard: Shard) -> pa.Table:
        """Ask about the candidates of a shard: a row of each, in their order."""
        asked = questions(state.cell, self.candidates.take(shard.start, shard.stop), allow_unknown=self.allow_unknown)
        return state.table(asked)


@final
@dataclass(frozen=True, eq=False)
class AskedCell:
    """A cell in memory, and how it is asked: what a worker holds.

    Attributes:
        cell: The cell.
        task: What is asked.
        tell: Answers.
        digest: Of all that the answers depend on.
        features: ``(f,)`` that it decodes.
    """

    cell: VirtualCell
    task: ScreenTask
    tell: Predictor
    digest: str
    features: np.ndarray

    @classmethod
    def of(cls, cell: VirtualCell, task: ScreenTask) -> "AskedCell":
        """Prepare a cell; of the candidates a few are tried, the same ones in every worker.

        Raises:
            DataError: There are no candidates.
            UnknownNameError: The cell keeps no such context.
        """
        if not len(task.candidates):
            raise DataError(["There is nothing to ask about. Name at least one perturbation, such as ko:JAK2."])
        begin = beginning(cell, task.context, cell.start(task.context, new_context=task.new_context))
        rows = np.unique(np.linspace(0, len(task.candidates) - 1, 3).round().astype(int))
        # Limits of a library may leave out one and all of these.
        some = [each for i in rows.tolist() for each in task.candidates.take(i, i + 1)]
        some = questions(cell, some or task.candidates.take(0, SHARD), allow_unknown=task.allow_unknown)
        if not some:
            raise DataError([f"Limits leave none of the first {SHARD} candidates. Order or limit them otherwise."])
        candidates = hashlib.sha256(json.dumps(task.candidates.to_json()).encode()).hexdigest()
        asked = [task.output, task.response, [[name, *genes] for name, genes in task.sets], task.level]
        digest = question(cell, begin, where(task.context, begin), candidates, *asked)
        features = np.asarray(cell.decode(begin).draws[0].features)
        return cls(cell, task, predictor(cell, begin, some), digest, features)

    def table(self, asked: Sequence[Perturbation]) -> pa.Table:
        """A row of each answer, in their order."""
        answers = self.tell.each(asked)
        if self.task.output == "score":
            rows = [self._row(each, said) for each, said in zip(asked, answers, strict=True)]
            return pa.Table.from_pylist(rows, schema=_SCORED)
        effect_pf = np.empty((len(asked), len(self.features)), np.float32)
        applicability = []
        for i, said in enumerate(answers):
            effect_pf[i] = said.effect
            applicability.append(str(said.applicability))
        columns = {"perturbation": list(map(str, asked)), "applicability": applicability}
        if self.task.output == "full":
            flat = pa.FixedSizeListArray.from_arrays(pa.array(effect_pf.ravel()), len(self.features))
            made = pa.table({**columns, "effect": flat})
            return made.replace_schema_metadata({"features": json.dumps(list(map(str, self.features)))})
        mean_ps = effect_pf @ self._weights_fs
        return pa.table({**columns, **{name: mean_ps[:, i] for i, name in enumerate(self._set_names)}})

    def _row(self, asked: Perturbation, said: Prediction[Measurement]) -> dict[str, Any]:
        own = own_features(asked, self.features, self._columns)
        return screened_row(self.cell, self._response, self.task.level, asked, said, own)

    @cached_property
    def _response(self) -> Response:
        return Response.parse(self.task.response)

    @cached_property
    def _columns(self) -> GeneColumns:
        return GeneColumns.of(self.features)

    @cached_property
    def _sets_f(self) -> dict[str, np.ndarray]:
        """By set, which features are of its genes; only sets of which enough are decoded."""
        found = {name: np.isin(self.features, genes) for name, genes in self.task.sets}
        return {name: in_f for name, in_f in found.items() if in_f.sum() >= _LEAST_GENES}

    @property
    def _set_names(self) -> list[str]:
        return list(self._sets_f)

    @cached_property
    def _weights_fs(self) -> np.ndarray:
        return np.stack([in_f / in_f.sum() for in_f in self._sets_f.values()], axis=1).astype(np.float32)

    def require_output(self) -> None:
        """Check, before any work, that the cell can give what is asked for.

        Raises:
            DataError: No response to score, or no set of which the cell decodes enough genes.
            UnknownNameError: The cell decodes no such feature of the response.
        """
        if self.task.output == "score":
            self._response.over(self.features)
        if self.task.output == "pathway" and not self._sets_f:
            raise DataError(
                [
                    f"Of no gene set the cell decodes {_LEAST_GENES} genes: {len(self.task.sets)} sets came. Name a "
                    "collection in the gene symbols of the cell, such as hallmark."
                ]
            )


def screen_task(  # noqa: PLR0913 - one keyword for each thing a screen may be asked
    cell: Path | str,
    candidates: Candidates | Sequence[Perturbation | str],
    *,
    output: Output = "score",
    response: Response | str = "",
    sets: Mapping[str, frozenset[str]] | None = None,
    context: str = "",
    new_context: bool = False,
    level: float = 0.9,
    allow_unknown: bool = False,
) -> ScreenTask:
    """Check a question to a saved cell, all of it before any work starts, and make it a task.

    Args:
        cell: Folder of the cell.
        candidates: Perturbations, none twice; or what makes them by number, whose names are checked as they are asked.
        output: See `ScreenTask`.
        response: For ``score``.
        sets: For ``pathway``: genes by name, such as `aivc.data.priors.gene_sets.gene_sets` reads.
        context: Whose control states to start from.
        new_context: Whether its name is meant, although it reads like a known one.
        level: Of intervals.
        allow_unknown: Ask also about names of which the cell knows nothing.

    Raises:
        DataError: Nothing to ask, a perturbation twice, or an output without what it needs.
        IntegrityError: The folder holds no cell.
        UnknownNameError: No such feature, context or target.
    """
    if output not in OUTPUTS:
        raise DataError([f"A screen gives {', '.join(OUTPUTS)}, not {output!r}. Choose one of them."])
    if (output == "score") != bool(response) or (output == "pathway") != bool(sets):
        raise DataError(["A score needs a response, a pathway gene sets, and full neither. Give just that."])
    loaded = VirtualCell.load(Path(cell))
    if not isinstance(candidates, Candidates):
        asked = distinct(questions(loaded, candidates, allow_unknown=allow_unknown))
        candidates = ListedCandidates(tuple(map(str, asked)))
    named = tuple((name, tuple(sorted(genes))) for name, genes in sorted((sets or {}).items()))
    given = (candidates, output, context, new_context, str(response), named, level, allow_unknown)
    place = str(Path(cell).resolve())
    prepared = AskedCell.of(loaded, ScreenTask(place, "", *given))
    prepared.require_output()
    return ScreenTask(place, prepared.digest, *given)


def mass_screen(  # noqa: PLR0913 - how the work is done, beside what is asked
    task: ScreenTask,
    out: Path | str,
    *,
    by: Executor | str = "serial",
    workers: int = 1,
    keep: int = 0,
    largest: bool = False,
    size: int = SHARD,
    resume: bool = True,
    progress: Progressed | None = None,
) -> pa.Table | None:
    """Ask a saved cell about very many perturbations, and keep the answers in a folder of Parquet files.

    `aivc.compute.query.query` asks that folder in SQL.

    Args:
        task: What to ask (`screen_task`).
        out: Folder of results.
        by: Name of an executor, or one.
        workers: How many at a time, where ``by`` is a name.
        keep: Of scores, keep only so many of the best of each shard, and return the best of all; 0 keeps every row.
        largest: Whether the best are the largest.
        size: Perturbations of a shard.
        resume: Go on where an earlier run of the same question stopped.
        progress: Called with what is being done, how many perturbations are done, of how many.

    Returns:
        The best rows, where ``keep`` was given; otherwise nothing is held in memory.

    Raises:
        DataError: Rows are to be kept by their score, and the output is another.
        IntegrityError: ``out`` holds other results.
        UnavailableError: A worker died; or the executor needs a library that is not installed.
    """
    if keep and task.output != "score":
        raise DataError([f"The best are kept by their score, and the output is {task.output}. Ask for score."])
    best = TopK("score", keep, largest=largest)
    made = executor(by, workers) if isinstance(by, str) else by
    shards = cut(len(task.candidates), size)
    if keep:
        return best.joined(made.run(Reduced(task, best), shards, out, resume=resume, progress=progress))
    made.finish(task, shards, out, resume=resume, progress=progress)
    return None
