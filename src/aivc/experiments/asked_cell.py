"""A virtual cell in memory with a question about very many candidates: rows of scores, of effects or of gene sets."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from typing import Literal, TypeAlias, final

import numpy as np
import pyarrow as pa

from aivc.compute.executor import Shard
from aivc.core.errors import DataError
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import GUARANTEED, NOT_GUARANTEED, Applicability
from aivc.core.ur import UR
from aivc.core.virtual_cell import VirtualCell
from aivc.experiments.batch import beginning, was_seen, where
from aivc.experiments.candidates import Candidates, contexts_of, questions_of
from aivc.experiments.context_asker import AnsweredBlock, ContextAsker, decoders_read
from aivc.experiments.journal import question
from aivc.experiments.known_names import questions
from aivc.experiments.library_blocks import ContextQuestion
from aivc.experiments.response import Response
from aivc.experiments.scores.answer import Answer
from aivc.experiments.scores.linear_effects import LinearEffects
from aivc.experiments.scores.screen_score import Score

Output: TypeAlias = Literal["full", "pathway", "score"]
OUTPUTS: tuple[Output, ...] = ("full", "pathway", "score")
# Few shards lose little when work is cut off; many questions at once are answered in few products.
SHARD = 500
# What the column ``interval`` says.
WIDEST, NO_INTERVAL = "widest of its effects", "none: the score is not linear in effects"
_SCORED = pa.schema(
    [
        ("perturbation", pa.string()),
        ("context", pa.string()),
        ("score", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("interval", pa.string()),
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


@final
@dataclass(frozen=True)
class ScreenQuestion:
    """What is asked about each candidate.

    Attributes:
        candidates: What to ask about.
        output: ``full`` (the effect on every feature), ``pathway`` (its mean over each set) or ``score``.
        score: For ``score``.
        context: Where candidates are asked that name no context.
        new_context: Whether its name is meant, although it reads like a known one.
        sets: Names and genes, for ``pathway``.
        level: Of intervals.
        allow_unknown: Ask also about names of which the cell knows nothing.
    """

    candidates: Candidates
    output: Output = "score"
    score: Score | None = None
    context: str = ""
    new_context: bool = False
    sets: tuple[tuple[str, tuple[str, ...]], ...] = ()
    level: float = 0.9
    allow_unknown: bool = False

    @property
    def reads_here(self) -> bool:
        """Whether answers in the context of a candidate are read, and not those in the score's own alone."""
        return self.score is None or self.score.here or not self.score.contexts

    def place(self, context: str) -> str:
        """Where a candidate is asked that names a context, or the empty text for none."""
        if context or self.context or self.reads_here:
            return context or self.context
        assert self.score is not None
        return min(self.score.contexts)

    @cached_property
    def places(self) -> tuple[str, ...]:
        """Every context that candidates are asked in."""
        return tuple(dict.fromkeys(map(self.place, contexts_of(self.candidates))))


@final
@dataclass(frozen=True, eq=False)
class AskedCell:
    """A cell in memory, and how it is asked: what a worker holds.

    Attributes:
        cell: The cell.
        asked: What is asked.
        askers: By context, those of the candidates and those that the score reads.
        digest: Of all that the answers depend on.
    """

    cell: VirtualCell
    asked: ScreenQuestion
    askers: Mapping[str, ContextAsker]
    digest: str

    @classmethod
    def of(cls, cell: VirtualCell, asked: ScreenQuestion, start: UR | None = None) -> "AskedCell":
        """Prepare a cell; of the candidates a few are tried, the same ones in every worker.

        Args:
            cell: With one manipulator.
            asked: What to ask.
            start: Control states to start from in the context of ``asked``, instead of those that the cell keeps.

        Raises:
            DataError: There are no candidates; or they name contexts, and the score reads others alone.
            UnknownNameError: The cell keeps no such context, or has no such decoder.
        """
        if not asked.reads_here and len(asked.places) > 1:
            raise DataError(
                [f"{asked.score} reads contexts of its own, so that others change nothing. Name none, or score in one."]
            )
        tried, score = _tried(cell, asked), asked.score
        decoders = decoders_read(cell, score.decoders if score else frozenset())
        askers = {}
        for name in (*asked.places, *sorted(score.contexts if score else ())):
            if name not in askers:
                given = start is not None and name == asked.context
                begin = beginning(cell, name, start if given else cell.start(name, new_context=asked.new_context))
                askers[name] = ContextAsker.of(cell, where(name, begin), begin, tried, decoders)
        first = askers[asked.places[0]]
        candidates = hashlib.sha256(json.dumps(asked.candidates.to_json()).encode()).hexdigest()
        said = [asked.output, score.content if score else "", [[name, *genes] for name, genes in asked.sets]]
        starts = [[each.label, each.digest] for each in askers.values()]
        return cls(cell, asked, askers, question(cell, first.start, starts, candidates, *said, asked.level))

    @property
    def features(self) -> np.ndarray:
        """``(f,)`` that it decodes."""
        return next(iter(self.askers.values())).main.features

    @property
    def read(self) -> list[ContextAsker]:
        """Whose answers the score of a candidate rests on, that of its own context aside."""
        return [self.askers[name] for name in sorted(self.asked.score.contexts)] if self.asked.score else []

    def label(self, place: str) -> str:
        """What the rows of candidates asked in a context say of it: where they were scored."""
        return self.askers[place].label if self.asked.reads_here else ", ".join(each.label for each in self.read)

    def work(self, shard: Shard) -> pa.Table:
        """Ask about the candidates of a shard: a row of each, in their order."""
        found = questions_of(self.asked.candidates, shard.start, shard.stop)
        known = questions(self.cell, [each.perturbation for each in found], allow_unknown=self.asked.allow_unknown)
        return self.table([ContextQuestion(one, each.context) for one, each in zip(known, found, strict=True)])

    def table(self, found: Sequence[ContextQuestion]) -> pa.Table:
        """A row of each answer, in their order; of perturbations in the names of the cell."""
        runs = [(name, [each.perturbation for each in run]) for name, run in groupby(found, lambda each: each.context)]
        if self.asked.output == "score":
            tables = [each for name, asked in runs for each in self._scored(self.asked.place(name), asked)]
            about = {"score": str(self.asked.score), "units": self.units}
            return pa.concat_tables([_SCORED.empty_table(), *tables]).replace_schema_metadata(about)
        return self._effects(runs)

    def _effects(self, runs: Sequence[tuple[str, list[Perturbation]]]) -> pa.Table:
        effect_pf = np.empty((sum(len(asked) for _, asked in runs), len(self.features)), np.float32)
        texts, contexts, applicability = list[str](), list[str](), list[str]()
        for name, asked in runs:
            asker = self.askers[self.asked.place(name)]
            for each, said in zip(asked, asker.each(asked), strict=True):
                effect_pf[len(texts)] = said.effect
                texts.append(str(each))
                contexts.append(asker.label)
                applicability.append(str(said.applicability))
        text = pa.string()
        columns = {
            "perturbation": pa.array(texts, text),
            "context": pa.array(contexts, text),
            "applicability": pa.array(applicability, text),
        }
        if self.asked.output == "full":
            flat = pa.FixedSizeListArray.from_arrays(pa.array(effect_pf.ravel()), len(self.features))
            made = pa.table({**columns, "effect": flat})
            return made.replace_schema_metadata({"features": json.dumps(list(map(str, self.features)))})
        mean_ps = effect_pf @ self._weights_fs
        return pa.table({**columns, **{name: mean_ps[:, i] for i, name in enumerate(self._sets_f)}})

    def _scored(self, place: str, asked: list[Perturbation]) -> Iterator[pa.Table]:
        assert self.asked.score is not None
        level = None if self._linear is None else self.asked.level
        names = [place] if self.asked.reads_here else []
        names += sorted(self.asked.score.contexts - set(names))
        for blocks in zip(*(self.askers[name].blocks(asked, level) for name in names), strict=True):
            yield self._block(place, dict(zip(names, blocks, strict=True)))

    def _block(self, place: str, blocks: Mapping[str, AnsweredBlock]) -> pa.Table:
        score = self.asked.score
        assert score is not None
        answer = _joined({name: block.answer for name, block in blocks.items()}, place)
        linear, n = score.linear(answer), len(answer)
        score_n = score.of(answer) if linear is None else linear.value()
        low_n, high_n = (None, None) if linear is None else linear.ends()
        order = list(Applicability)
        said = [list(each) for each in zip(*(block.said for block in blocks.values()), strict=True)]
        judged = [max((each.applicability for each in some), key=order.index) for some in said]
        promised = [all(each.coverage == GUARANTEED for each in some) for some in said]
        columns = {
            "perturbation": list(map(str, answer.perturbations)),
            "context": [self.label(place)] * n,
            # What divides by zero in a score says nothing of a candidate, and stands last with what is not a number.
            "score": np.where(np.isfinite(score_n), score_n, np.nan),
            "low": pa.nulls(n) if low_n is None else low_n,
            "high": pa.nulls(n) if high_n is None else high_n,
            "interval": [NO_INTERVAL if linear is None else WIDEST] * n,
            "seen": [was_seen(self.cell, p, a) for p, a in zip(answer.perturbations, judged, strict=True)],
            "applicability": list(map(str, judged)),
            "self_target": pa.nulls(n) if linear is None else linear.self_target,
            "scored_on": pa.nulls(n) if linear is None else linear.scored_on(),
            "coverage": [GUARANTEED if each else NOT_GUARANTEED for each in promised],
            "abstained": [any(each.abstained for each in some) for some in said],
        }
        return pa.table({name: pa.array(column, _SCORED.field(name).type) for name, column in columns.items()})

    @cached_property
    def _blank(self) -> Answer:
        names = [self.asked.places[0], *(self.asked.score.contexts if self.asked.score else ())]
        return _joined({name: self.askers[name].blank() for name in names}, names[0])

    @cached_property
    def _linear(self) -> LinearEffects | None:
        return self.asked.score.linear(self._blank) if self.asked.score else None

    @cached_property
    def response(self) -> Response | None:
        """The score as weights of features, where it is a weighted sum of effects in the context of a candidate."""
        linear, here = self._linear, self._blank
        if linear is None or not self.asked.reads_here or set(linear.parts) != {here}:
            return None
        weight_f = linear.parts[here].toarray()[0]
        weights = {str(here.features[i]): float(weight_f[i]) for i in np.flatnonzero(weight_f)}
        return Response(weights) if weights else None

    @cached_property
    def units(self) -> str:
        """Of the score; empty where it has none."""
        return self.asked.score.unit(self._blank) if self.asked.score else self._blank.units

    @cached_property
    def _sets_f(self) -> dict[str, np.ndarray]:
        """By set, which features are of its genes; only sets of which enough are decoded."""
        found = {name: np.isin(self.features, genes) for name, genes in self.asked.sets}
        return {name: in_f for name, in_f in found.items() if in_f.sum() >= _LEAST_GENES}

    @cached_property
    def _weights_fs(self) -> np.ndarray:
        return np.stack([in_f / in_f.sum() for in_f in self._sets_f.values()], axis=1).astype(np.float32)

    def require_output(self) -> None:
        """Check, before any work, that the cell can give what is asked for.

        Raises:
            DataError: No set of which the cell decodes enough genes.
            UnknownNameError: The cell decodes no such feature of the score.
        """
        if self.asked.score is not None:
            self.asked.score.of(self._blank)
        if self.asked.output == "pathway" and not self._sets_f:
            raise DataError(
                [
                    f"Of no gene set the cell decodes {_LEAST_GENES} genes: {len(self.asked.sets)} sets came. Name a "
                    "collection in the gene symbols of the cell, such as hallmark."
                ]
            )


def _joined(answers: Mapping[str, Answer], place: str) -> Answer:
    """The answer in the context of the candidates, from which those in all contexts can be reached."""
    found: dict[str, Answer] = {}
    found.update({name: replace(each, contexts=found) for name, each in answers.items()})
    return found[place] if place in found else next(iter(found.values()))


def _tried(cell: VirtualCell, asked: ScreenQuestion) -> list[Perturbation]:
    """Some candidates: on these it is tried whether the fast way holds."""
    if not len(asked.candidates):
        raise DataError(
            [
                "There is nothing to ask about. No candidate is left, or none was named: name at least one "
                "perturbation, such as ko:JAK2; the history of a library says which constraint left out what."
            ]
        )
    rows = np.unique(np.linspace(0, len(asked.candidates) - 1, 3).round().astype(int))
    # Limits of a library may leave out one and all of these.
    some = [each for i in rows.tolist() for each in asked.candidates.take(i, i + 1)]
    some = questions(cell, some or asked.candidates.take(0, SHARD), allow_unknown=asked.allow_unknown)
    if not some:
        raise DataError([f"Limits leave none of the first {SHARD} candidates. Order or limit them otherwise."])
    return list(dict.fromkeys(some))
