"""Screens of very many perturbations: a saved cell is asked in shards, by one process, several, or a cluster."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import pyarrow as pa

from aivc.compute.executor import Executor, Progressed, Shard, ShardedTask, cut, executor
from aivc.compute.reducers import Reduced, TopK
from aivc.core.errors import DataError, IntegrityError
from aivc.core.perturbation import Perturbation
from aivc.core.virtual_cell import VirtualCell
from aivc.experiments.annotated_rows import annotated
from aivc.experiments.asked_cell import OUTPUTS, SHARD, AskedCell, Output, ScreenQuestion
from aivc.experiments.batch import distinct
from aivc.experiments.candidates import Candidates, CrossedCandidates, ListedCandidates
from aivc.experiments.known_names import questions
from aivc.experiments.response import Response
from aivc.experiments.scores.score_text import parse_score
from aivc.experiments.scores.screen_score import ResponseScore, Score

__all__ = ["OUTPUTS", "SHARD", "AskedCell", "Candidates", "ScreenTask", "mass_screen", "screen_task"]


@final
@dataclass(frozen=True)
class ScreenTask(ShardedTask):
    """What is asked of a saved cell about each candidate.

    Attributes:
        cell: Its folder, which every worker can read.
        digest: Of cell, starts, candidates and output (`screen_task`).
        asked: What to ask.
    """

    cell: str
    digest: str
    asked: ScreenQuestion

    @property
    def candidates(self) -> Candidates:
        """What to ask about."""
        return self.asked.candidates

    def key(self) -> str:
        """The digest."""
        return self.digest

    def load(self) -> AskedCell:
        """Load the cell, and find out how it is asked fastest.

        Raises:
            IntegrityError: It is not the cell that was asked at first.
        """
        found = AskedCell.of(VirtualCell.load(Path(self.cell)), self.asked)
        if found.digest != self.digest:
            raise IntegrityError(f"{self.cell} is another cell than when the screen began. Put that one back.")
        return found

    def work(self, state: AskedCell, shard: Shard) -> pa.Table:
        """Ask about the candidates of a shard: a row of each, in their order."""
        return state.work(shard)


def screen_task(  # noqa: PLR0913 - one keyword for each thing a screen may be asked
    cell: Path | str,
    candidates: Candidates | Sequence[Perturbation | str],
    *,
    output: Output = "score",
    response: Response | str = "",
    score: Score | str | None = None,
    sets: Mapping[str, frozenset[str]] | None = None,
    context: str = "",
    contexts: Sequence[str] = (),
    new_context: bool = False,
    level: float = 0.9,
    allow_unknown: bool = False,
) -> ScreenTask:
    """Check a question to a saved cell, all of it before any work starts, and make it a task.

    Args:
        cell: Folder of the cell.
        candidates: Perturbations, none twice; or what makes them by number, whose names are checked as they are asked.
            A library may name the context of each candidate.
        output: ``full`` (the effect on every feature), ``pathway`` (its mean over each set) or ``score``.
        response: For ``score``: features with their weights, as `aivc.experiments.screen.screen` reads them.
        score: For ``score``, instead of a response: an object, or text for
            `aivc.experiments.scores.score_text.parse_score`.
        sets: For ``pathway``: genes by name, such as `aivc.data.priors.gene_sets.gene_sets` reads.
        context: Whose control states to start from.
        contexts: Ask every candidate in each of these instead.
        new_context: Whether their names are meant, although they read like known ones.
        level: Of intervals.
        allow_unknown: Ask also about names of which the cell knows nothing.

    Raises:
        DataError: Nothing to ask, a perturbation twice, an output without what it needs, or contexts named twice.
        IntegrityError: The folder holds no cell.
        UnknownNameError: No such feature, context, decoder or target.
    """
    if output not in OUTPUTS:
        raise DataError([f"A screen gives {', '.join(OUTPUTS)}, not {output!r}. Choose one of them."])
    if (output == "score") != (bool(response) != bool(score)) or (output == "pathway") != bool(sets):
        raise DataError(["A score needs a response or a score, a pathway gene sets, and full neither. Give just that."])
    if context and contexts:
        raise DataError(
            ["Contexts are named one way: context for one, or contexts for several. Leave out one of them."]
        )
    loaded = VirtualCell.load(Path(cell))
    if not isinstance(candidates, Candidates):
        asked = distinct(questions(loaded, candidates, allow_unknown=allow_unknown))
        candidates = ListedCandidates(tuple(map(str, asked)))
    question = ScreenQuestion(
        CrossedCandidates(candidates, tuple(contexts)) if contexts else candidates,
        output,
        _score(response, score),
        context,
        new_context,
        tuple((name, tuple(sorted(genes))) for name, genes in sorted((sets or {}).items())),
        level,
        allow_unknown,
    )
    prepared = AskedCell.of(loaded, question)
    prepared.require_output()
    return ScreenTask(str(Path(cell).resolve()), prepared.digest, question)


def _score(response: Response | str, score: Score | str | None) -> Score | None:
    if response:
        return ResponseScore(Response.parse(response) if isinstance(response, str) else response)
    if isinstance(score, str):
        return parse_score(score) if score else None
    return score


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
        The best rows, where ``keep`` was given, with what is known of their targets
        (`aivc.experiments.annotated_rows.annotated`); otherwise nothing is held in memory.

    Raises:
        DataError: Rows are to be kept by their score, and the output is another.
        IntegrityError: ``out`` holds other results.
        UnavailableError: A worker died; or the executor needs a library that is not installed.
    """
    if keep and task.asked.output != "score":
        raise DataError([f"The best are kept by their score, and the output is {task.asked.output}. Ask for score."])
    best = TopK("score", keep, largest=largest)
    made = executor(by, workers) if isinstance(by, str) else by
    shards = cut(len(task.candidates), size)
    if keep:
        found = best.joined(made.run(Reduced(task, best), shards, out, resume=resume, progress=progress))
        return annotated(task.load(), found)
    made.finish(task, shards, out, resume=resume, progress=progress)
    return None
