"""What the model says of a question: from which evidence, how much, how surely, and what it is made of."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, final

import numpy as np
from jaxtyping import Float

from aivc.core.attribution import Piece
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Applicability
from aivc.instruments.manipulators.effect.agents import canonical, is_nothing
from aivc.instruments.manipulators.effect.components import Controls, Queries
from aivc.instruments.manipulators.effect.doses import stand_ins
from aivc.instruments.manipulators.effect.few_readings import Read, Tables
from aivc.instruments.manipulators.effect.hiding import CONTEXT, FEW, PAIR, PERTURBATION, RELATIVE, few_rows
from aivc.instruments.manipulators.effect.mixed import Learned, MixedModel
from aivc.instruments.manipulators.effect.posterior import Posterior

# What is known of an unseen perturbation's molecules counts where it explains this share of the variance.
_RELATED = 0.02
# Solving for so many columns at once takes little longer than for a few.
_AT_ONCE = 600
_MEAN = "mean effect"
# Where no combination was measured, so much of its squared sum may be interaction.
_INTERACTION = 0.25


class Estimate(NamedTuple):
    """Expected shift of a state, and how far it can be trusted.

    Attributes:
        shift: ``(d,)`` displacement from control.
        variance: ``(d,)`` expected squared error.
        retrieval: ``(d,)`` the mean effect and the perturbation's own deviation, unsmoothed; None where it has none.
        applicability: Whether the question lies where there is evidence.
        evidence: Kind of question: ``pair``, ``few``, ``context``, ``relative``, ``perturbation``, or ``nothing``.
    """

    shift: np.ndarray
    variance: np.ndarray
    retrieval: np.ndarray | None
    applicability: Applicability
    evidence: str


@final
@dataclass(frozen=True, eq=False)
class Answers:
    """All that was measured and learned, ready to be asked.

    Attributes:
        tables: What was measured, and models of tables of few readings.
        controls: Of contexts.
        learned: What practice has learned, by kind of question.
        seed: Of what is drawn.
    """

    tables: Tables
    controls: Controls
    learned: Mapping[str, Learned]
    seed: int

    @property
    def dim(self) -> int:
        """Number of axes."""
        return self.tables.rows.dim

    @cached_property
    def model(self) -> MixedModel:
        """What the model for all is made from."""
        return MixedModel(self.tables.general, self.tables.knowledge, self.controls, self.seed)

    def predict(self, perturbation: Perturbation, context: str = "", control: np.ndarray | None = None) -> Estimate:
        """Say what a perturbation is expected to do in a context, and from which evidence.

        Args:
            perturbation: As an object.
            context: Where.
            control: ``(d,)`` mean control state there; None takes that of the fit, or the mean of all.
        """
        asked = canonical(perturbation)
        if is_nothing(asked) or not len(self.tables.rows):
            nothing = np.zeros(self.dim)
            verdict = Applicability.IN if is_nothing(asked) else Applicability.OUT
            return Estimate(nothing, nothing, None, verdict, "nothing")
        kind = self.kind(asked, context)
        if (read := self._read(asked, context)) is not None:
            verdict = Applicability.EDGE if kind == CONTEXT else Applicability.IN
            return Estimate(read.shift, read.variance, None, verdict, kind)
        if parts := self._made_of(asked, kind):
            return self._sum(
                [(self.predict(Perturbation.parse(text), context, control), w) for text, w in parts], asked
            )
        posterior, question = self._posterior(kind), self._question(asked, context, control)
        learned, ahead = self.learned[kind], self._ahead.get((kind, context, str(asked)))
        shift_d, total = ahead or (posterior.shift(question)[0], self._total(kind, question))
        variance_d = total * learned.error / max(learned.expected, 1e-300)
        if self.tables.columns is not None:
            # All contexts tell the level of this one; the model for all saw some of them.
            shift_d = shift_d - posterior.shift(question, mean=True)[0] + self.tables.columns.level(context)
        away_d = self._away.get(str(asked))
        retrieval = None if away_d is None else self._filled_means.get(context, self._everywhere) + away_d
        return Estimate(shift_d, variance_d, retrieval, self._verdict(kind, asked, posterior, question, total), kind)

    def prepare(self, perturbations: Sequence[Perturbation], context: str) -> None:
        """Compute what `predict` needs of many perturbations in one context of the fit, in a few products.

        It is kept until the next call. Of another context nothing is: its control is not known here.
        """
        self._ahead.clear()
        asked = [each for each in map(canonical, perturbations) if not is_nothing(each)]
        if context not in self.controls.names or self.tables.few or not len(self.tables.rows):
            return
        kinds: dict[str, list[str]] = {}
        for each in asked:
            kind = self.kind(each, context)
            if not self._made_of(each, kind):
                kinds.setdefault(kind, []).append(str(each))
        for kind, texts in kinds.items():
            posterior, questions = self._posterior(kind), self._questions(np.array(texts), context, None)
            shift_qd = posterior.many(questions)
            total_q = np.full(len(texts), self.learned[kind].expected)
            if not posterior.large:
                total_q = posterior.variance(questions)
            said = zip(texts, shift_qd, total_q.tolist(), strict=True)
            self._ahead.update({(kind, context, text): (shift_d, total) for text, shift_d, total in said})

    @cached_property
    def _ahead(self) -> dict[tuple[str, str, str], tuple[np.ndarray, float]]:
        """Shifts and expected squared errors that were computed ahead, by kind of question, context and text."""
        return {}

    def _made_of(self, asked: Perturbation, kind: str) -> list[tuple[str, float]]:
        """What an answer is added up from: other doses and times of it, or parts where no combination was measured."""
        if kind not in (RELATIVE, PERTURBATION) or str(asked) in self._away:
            return []
        if (found := stand_ins(asked, self._by_targets.get(frozenset(asked.targets), ()))) or len(asked.agents) < 2:
            return found
        return [] if self._combined else [(str(part), 1.0) for part in asked.parts()]

    @staticmethod
    def _sum(parts: Sequence[tuple[Estimate, float]], asked: Perturbation) -> Estimate:
        """Answers added up; how an effect changes between doses and times, or by company, adds to the variance."""
        shift_d = np.sum([weight * each.shift for each, weight in parts], axis=0)
        variance_d = np.sum([weight * each.variance for each, weight in parts], axis=0)
        apart_d = np.sum([weight * (each.shift - shift_d) ** 2 for each, weight in parts], axis=0)
        if len(asked.agents) > 1:
            apart_d = _INTERACTION * shift_d**2
        verdict = max((each.applicability for each, _ in parts), key=list(Applicability).index)
        between = len(parts) > 1 and len(asked.agents) < 2
        verdict = max(verdict, Applicability.IN if between else Applicability.EDGE, key=list(Applicability).index)
        return Estimate(shift_d, variance_d + apart_d, None, verdict, RELATIVE)

    @staticmethod
    def _gathered(parts: Sequence[tuple[list[Piece], float]], asked: Perturbation) -> list[Piece]:
        """Pieces of several answers, each row once."""
        found: dict[tuple[str, str, str], Piece] = {}
        for pieces, share in parts:
            for each in pieces:
                row = each.detail and each.source != _MEAN
                part = _source(same=False, here=True, asked=str(asked), text=each.name) if row else each.source
                key = (part if part == "part" else each.source, each.name, each.detail)
                old = found.get(key) or Piece(*key, 0.0, np.zeros_like(each.shift))
                found[key] = Piece(*key, old.weight + share * each.weight, old.shift + share * each.shift)
        return list(found.values())

    def kind(self, asked: Perturbation, context: str) -> str:
        """Which kind of question this is (`hiding`)."""
        if str(asked) in self._away:
            if context not in self._known_contexts:
                return CONTEXT
            return FEW if context in self._few else PAIR
        return RELATIVE if asked.agents and set(asked.targets) <= self._targets else PERTURBATION

    def attribute(self, perturbation: Perturbation, context: str = "") -> list[Piece]:
        """What each measured row adds to the expected shift: its effect, weighted. They add up to it exactly."""
        asked = canonical(perturbation)
        if is_nothing(asked) or not len(self.tables.rows):
            return []
        kind = self.kind(asked, context)
        if (parts := self._made_of(asked, kind)) and self._read(asked, context) is None:
            return self._gathered([(self.attribute(Perturbation.parse(text), context), w) for text, w in parts], asked)
        posterior, question = self._posterior(kind), self._question(asked, context, None)
        if (read := self._read(asked, context)) is not None:
            rest = Piece(read.source, str(asked), "", 1.0, read.shift - read.level)
            return [Piece(_MEAN, context, "", 1.0, read.level), rest]
        rows, level_d = posterior.rows, posterior.level(context)
        pieces_rd, left_rd = posterior.pieces(question)
        found = [Piece(_MEAN, context, "", 1.0, level_d)] if level_d.any() else []
        if self.tables.columns is not None:
            level_d = self.tables.columns.level(context) - posterior.shift(question, mean=True)[0]
            found.append(Piece(_MEAN, context, "of all contexts", 1.0, level_d))
        size_r = np.maximum((left_rd**2).sum(axis=1), 1e-300)
        for row, (text, where) in enumerate(zip(rows.texts, rows.contexts, strict=True)):
            source = _source(same=text == str(asked), here=where == context, asked=str(asked), text=str(text))
            weight = float(pieces_rd[row] @ left_rd[row] / size_r[row])
            found.append(Piece(source, str(text), str(where), weight, pieces_rd[row]))
        return found

    def effects(
        self, perturbations: Sequence[Perturbation], contexts: Sequence[str]
    ) -> tuple[Float[np.ndarray, "p c d"], Float[np.ndarray, "p c d"]]:
        """Expected shifts of a whole library in some contexts, and their variances, in a few products.

        The variance is that of its kind of question on average, not of each question as `predict` states it.

        Args:
            perturbations: What to ask.
            contexts: Where.
        """
        asked = [canonical(each) for each in perturbations]
        shift_pcd, variance_pcd = np.zeros((2, len(asked), len(contexts), self.dim))
        for c, context in enumerate(contexts):
            kinds = np.array(
                ["" if is_nothing(each) or not len(self.tables.rows) else self.kind(each, context) for each in asked]
            )
            for i in range(len(asked)):
                if self.tables.few or (kinds[i] and self._made_of(asked[i], kinds[i])):
                    found = self.predict(asked[i], context)
                    shift_pcd[i, c], variance_pcd[i, c] = found.shift, found.variance
                    kinds[i] = ""
            for kind in sorted(set(kinds) - {""}):
                rows = np.flatnonzero(kinds == kind)
                texts = np.array([str(asked[i]) for i in rows])
                question = self._questions(texts, context, None)
                shift_pcd[rows, c] = self._posterior(kind).many(question)
                variance_pcd[rows, c] = self.learned[kind].error
        return shift_pcd, variance_pcd

    def joint(self, perturbations: Sequence[Perturbation], context: str) -> Float[np.ndarray, "p p"] | None:
        """Covariance of the errors of answers, by the posterior of the kind of question that most of them are.

        Args:
            perturbations: ``p`` questions.
            context: Where.
        """
        if not len(self.tables.rows) or not perturbations:
            return None
        asked = [canonical(each) for each in perturbations]
        kind = Counter(self.kind(each, context) for each in asked).most_common(1)[0][0]
        return self._posterior(kind).joint(self._questions(np.array([str(each) for each in asked]), context, None))

    def _verdict(
        self, kind: str, asked: Perturbation, posterior: Posterior, question: Queries, total: float
    ) -> Applicability:
        if kind in (PAIR, FEW):
            return Applicability.IN
        if kind == RELATIVE and question.contexts[0] in self._known_contexts:
            return Applicability.IN if len(asked.agents) > 1 else Applicability.EDGE
        if kind != PERTURBATION:
            return Applicability.EDGE
        if posterior.large:
            return Applicability.EDGE if self._knows(asked) else Applicability.OUT
        key = (kind, str(question.contexts[0]))
        if key not in self._unrelated:
            self._unrelated[key] = float(posterior.variance(question, mean=True)[0])
        unrelated = self._unrelated[key]
        return Applicability.EDGE if total < (1 - _RELATED) * unrelated else Applicability.OUT

    def _total(self, kind: str, question: Queries) -> float:
        """Expected squared error, summed over features; of all that were measured at once where that is quicker."""
        posterior, text, context = self._posterior(kind), str(question.texts[0]), str(question.contexts[0])
        if posterior.large:
            return self.learned[kind].expected
        if text not in self._away or context not in self.controls.names or len(self._away) > _AT_ONCE:
            return float(posterior.variance(question)[0])
        if (kind, context) not in self._totals:
            every = np.array(list(self._away), dtype=str)
            total_p = posterior.variance(self._questions(every, context, None))
            self._totals[kind, context] = dict(zip(self._away, total_p.tolist(), strict=True))
        return self._totals[kind, context][text]

    @cached_property
    def _totals(self) -> dict[tuple[str, str], dict[str, float]]:
        return {}

    def _knows(self, asked: Perturbation) -> bool:
        return self.model.knowledge.knows(str(asked)) or bool(set(asked.targets) & self._targets)

    def _question(self, asked: Perturbation, context: str, control: np.ndarray | None) -> Queries:
        return self._questions(np.array([str(asked)]), context, control)

    def _questions(self, texts: np.ndarray, context: str, control: np.ndarray | None) -> Queries:
        known = dict(zip(self.controls.names, self.controls.profiles, strict=True))
        if context not in known:
            known[context] = self.controls.profiles.mean(axis=0) if control is None else control
        return Queries(texts, np.full(len(texts), context), known)

    def _posterior(self, kind: str) -> Posterior:
        made: dict[str, Posterior] = self._posteriors
        if kind not in made:
            made[kind] = self.model.posterior(self.learned[kind], kind)
        return made[kind]

    @cached_property
    def _posteriors(self) -> dict[str, Posterior]:
        return {}

    def _read(self, asked: Perturbation, context: str) -> Read | None:
        """What the models of tables of few readings say; what was measured here is what it is."""
        read = self.tables.predict(asked, context) if self.tables.few else None
        row = self._rows_of.get((str(asked), context)) if read is not None else None
        if read is None or row is None:
            return read
        return read._replace(shift=self.tables.rows.shifts[row], variance=np.zeros(self.dim))

    @cached_property
    def _rows_of(self) -> dict[tuple[str, str], int]:
        return {key: i for i, key in enumerate(zip(self.tables.rows.texts, self.tables.rows.contexts, strict=True))}

    @cached_property
    def _filled_means(self) -> dict[str, np.ndarray]:
        """Mean of the filled rows of each context, where `Effects.mean_effects` takes only what was measured."""
        rows = self.tables.rows
        return {str(c): rows.shifts[rows.contexts == c].mean(axis=0) for c in np.unique(rows.contexts)}

    @cached_property
    def _everywhere(self) -> np.ndarray:
        """Mean over contexts of that."""
        return np.asarray(np.mean(list(self._filled_means.values()), axis=0))

    @cached_property
    def _away(self) -> dict[str, np.ndarray]:
        """Each perturbation's own mean deviation from that, over the contexts it was measured in."""
        rows = self.tables.rows
        names, place_r = np.unique(rows.texts, return_inverse=True)
        total, count = np.zeros((len(names), self.dim)), np.bincount(place_r, minlength=len(names))
        for context, mean_d in self._filled_means.items():
            here = np.flatnonzero(rows.contexts == context)
            np.add.at(total, place_r[here], rows.shifts[here] - mean_d)
        return dict(zip(map(str, names), total / np.maximum(count, 1)[:, None], strict=True))

    @cached_property
    def _unrelated(self) -> dict[tuple[str, str], float]:
        """Variance of a perturbation that nothing is known of, by kind of question and context."""
        return {}

    @cached_property
    def _by_targets(self) -> dict[frozenset[str], list[str]]:
        """Texts measured, by their targets."""
        found: dict[frozenset[str], list[str]] = {}
        for text in self._away:
            found.setdefault(frozenset(Perturbation.parse(text).targets), []).append(text)
        return found

    @cached_property
    def _combined(self) -> bool:
        """Whether any combination was measured."""
        return any(len(Perturbation.parse(text).agents) > 1 for text in self._away)

    @cached_property
    def _known_contexts(self) -> frozenset[str]:
        return frozenset(self.tables.rows.contexts)

    @cached_property
    def _few(self) -> frozenset[str]:
        return frozenset(few_rows(self.model.rows)) if FEW in self.learned else frozenset()

    @cached_property
    def _targets(self) -> frozenset[str]:
        return frozenset(target for text in self._away for target in Perturbation.parse(text).targets)


def _source(*, same: bool, here: bool, asked: str, text: str) -> str:
    if same:
        return "measured" if here else "other context"
    targets = set(Perturbation.parse(asked).targets)
    if targets & set(Perturbation.parse(text).targets):
        return "part"
    return "relative" if here else "relative in other context"
