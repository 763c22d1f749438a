"""Scores of a virtual screen as objects: one number for each perturbation from what a virtual cell answers."""

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from types import MappingProxyType
from typing import Any, Literal, final

import numpy as np
from jaxtyping import Float

from aivc.core.errors import DataError, UnknownNameError
from aivc.experiments.response import Response
from aivc.experiments.scores.answer import Answer
from aivc.experiments.scores.linear_effects import LinearEffects


class Score(ABC):
    """One number for each of ``n`` questions.

    Attributes:
        name: Its text, which `aivc.experiments.scores.score_text.parse_score` reads back.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """Its text."""

    @property
    def better(self) -> Literal["raise", "lower"]:
        """Which end of it is looked for, unless said otherwise."""
        return "raise"

    def unit(self, answer: Answer) -> str:
        """Unit of the score; empty where it has none, or mixes several."""
        return answer.units

    @property
    def contexts(self) -> frozenset[str]:
        """Contexts that the questions have to be asked in besides the one screened."""
        return frozenset()

    @property
    def decoders(self) -> frozenset[str]:
        """Decoders that have to read the answers besides the one screened with."""
        return frozenset()

    @property
    def here(self) -> bool:
        """Whether it reads answers in the context screened, and not those in contexts of its own alone."""
        return True

    @property
    def content(self) -> Any:
        """All that it depends on, as JSON can hold it: its text, and what that names without saying it."""
        return self.name

    @abstractmethod
    def of(self, answer: Answer) -> Float[np.ndarray, " n"]:
        """Scores of all questions.

        Raises:
            UnknownNameError: It reads a feature, context or decoder that the answer has not.
        """

    def linear(self, answer: Answer) -> LinearEffects | None:
        """The scores as weighted sums of effects; None where they are none, and have no interval."""
        del answer
        return None

    def __str__(self) -> str:
        return self.name


@final
@dataclass(frozen=True)
class ResponseScore(Score):
    """Weighted mean effect on features (`Response`): a gene, or a signature of what goes up and what goes down.

    As in `aivc.experiments.screen.screen`, a perturbation is not credited for what it does to its own target, unless
    that is all that is read.

    Attributes:
        response: Features with their weights; only their proportions matter.
    """

    response: Response

    @classmethod
    def signature(cls, up: tuple[str, ...], down: tuple[str, ...] = ()) -> "ResponseScore":
        """What goes up and what goes down, all with one weight.

        Raises:
            DataError: No feature, or one on both lists.
        """
        names = (*up, *down)
        if len(set(names)) < len(names):
            raise DataError(["A feature stands twice in a signature. Name each once, as up or as down."])
        return cls(Response({**dict.fromkeys(up, 1.0), **dict.fromkeys(down, -1.0)}))

    @property
    def name(self) -> str:
        """``gene:NAME`` or ``signature:A,-B``, in quotes where the names need them."""
        weights = list(self.response.weights.items())
        one = len(weights) == 1 and weights[0][1] == 1
        return f"gene:{quoted(weights[0][0])}" if one else f"signature:{quoted(str(self.response).replace(', ', ','))}"

    def of(self, answer: Answer) -> Float[np.ndarray, " n"]:
        """Weighted means, each without the perturbation's own targets."""
        return self.linear(answer).value()

    def linear(self, answer: Answer) -> LinearEffects:
        """Its weights."""
        return LinearEffects.of(self.response, answer)


@final
@dataclass(frozen=True)
class PathwayScore(Score):
    """Mean effect on the genes of a set that the cell reads.

    Attributes:
        source: Collection of gene sets, or a GMT file.
        pathway: Name of the set.
        genes: Its members.
    """

    source: str
    pathway: str
    genes: frozenset[str] = field(repr=False)

    @property
    def name(self) -> str:
        """``pathway:hallmark/NAME``."""
        return f"pathway:{quoted(f'{self.source}/{self.pathway}')}"

    @property
    def content(self) -> Any:
        """Its text and the members."""
        return [self.name, *sorted(self.genes)]

    def of(self, answer: Answer) -> Float[np.ndarray, " n"]:
        """Mean effects on the members, each without the perturbation's own targets.

        Raises:
            UnknownNameError: No member is read.
        """
        return self.linear(answer).value()

    def linear(self, answer: Answer) -> LinearEffects:
        """One weight for each member that is read.

        Raises:
            UnknownNameError: None is.
        """
        places = {place for gene in sorted(self.genes) for place in answer.columns.find(gene)}
        if not places:
            remedy = f"None of the {len(self.genes)} genes of {self.pathway} is read by this cell."
            raise UnknownNameError("feature", sorted(self.genes)[0], map(str, answer.features), remedy)
        return LinearEffects.of(Response.of([str(answer.features[i]) for i in sorted(places)], self.pathway), answer)


@final
@dataclass(frozen=True)
class GoalScore(Score):
    """Which fraction of the squared distance from control to a wanted state is closed: 1 arrives, 0 stays.

    Attributes:
        wanted: Change from control by feature, in the units of the cell, not all zero.
        label: What the goal is called: a file in the text form, or a population.
    """

    wanted: Mapping[str, float]
    label: str

    def __post_init__(self) -> None:
        values = np.array(list(self.wanted.values()), dtype=float)
        if not np.isfinite(values).all() or not values.any():
            raise DataError(["A goal is a change from control, in finite numbers that are not all zero. Say what to."])
        object.__setattr__(self, "wanted", MappingProxyType(dict(self.wanted)))

    def __hash__(self) -> int:
        return hash((self.label, tuple(self.wanted.items())))

    def __reduce__(self) -> tuple[Any, ...]:
        # A read-only mapping cannot be sent to another process.
        return GoalScore, (dict(self.wanted), self.label)

    @property
    def content(self) -> Any:
        """Its text and the wanted state."""
        return [self.name, sorted(self.wanted.items())]

    @property
    def name(self) -> str:
        """``goal:FILE``."""
        return f"goal:{quoted(self.label)}"

    def unit(self, answer: Answer) -> str:
        """None: it is a fraction."""
        return ""

    def of(self, answer: Answer) -> Float[np.ndarray, " n"]:
        """Fractions closed."""
        place = {str(feature): i for i, feature in enumerate(answer.features)}
        for feature in self.wanted:
            if feature not in place:
                raise UnknownNameError("feature", feature, place, "A goal is about features that the cell decodes.")
        wanted_g = np.array(list(self.wanted.values()), dtype=float)
        away_ng = wanted_g - answer.effect[:, [place[feature] for feature in self.wanted]]
        return 1 - (away_ng**2).sum(axis=1) / (wanted_g**2).sum()


@final
@dataclass(frozen=True)
class ReadoutScore(Score):
    """Change of one feature as another decoder of the cell reads it.

    Attributes:
        decoder: Its name in the cell.
        feature: One that it reads.
    """

    decoder: str
    feature: str

    @property
    def name(self) -> str:
        """``readout:DECODER/FEATURE``."""
        return f"readout:{quoted(f'{self.decoder}/{self.feature}')}"

    @property
    def decoders(self) -> frozenset[str]:
        """The one that reads it."""
        return frozenset({self.decoder})

    def unit(self, answer: Answer) -> str:
        """As that decoder states it."""
        return answer.by(self.decoder).units

    def of(self, answer: Answer) -> Float[np.ndarray, " n"]:
        """Changes of the feature."""
        return self.linear(answer).value()

    def linear(self, answer: Answer) -> LinearEffects:
        """The one effect."""
        return LinearEffects.of(Response.of([self.feature]), answer.by(self.decoder), own=True)


@final
@dataclass(frozen=True)
class ContextScore(Score):
    """A score in another context than the one screened.

    Attributes:
        context: Where the questions are asked.
        score: What is read there.
    """

    context: str
    score: Score

    @property
    def name(self) -> str:
        """``at(CONTEXT, score)``."""
        return f"at({quoted(self.context, always=True)}, {self.score})"

    @property
    def contexts(self) -> frozenset[str]:
        """That context, and what the score inside needs."""
        return frozenset({self.context}) | self.score.contexts

    @property
    def decoders(self) -> frozenset[str]:
        """What the score inside needs."""
        return self.score.decoders

    @property
    def here(self) -> bool:
        """No."""
        return False

    @property
    def content(self) -> Any:
        """The context, and that of the score inside."""
        return ["at", self.context, self.score.content]

    def unit(self, answer: Answer) -> str:
        """Of the score inside."""
        return self.score.unit(answer.within(self.context))

    def of(self, answer: Answer) -> Float[np.ndarray, " n"]:
        """Scores in that context."""
        return self.score.of(answer.within(self.context))

    def linear(self, answer: Answer) -> LinearEffects | None:
        """That of the score inside."""
        return self.score.linear(answer.within(self.context))


def selectivity(score: Score, here: str, there: str) -> "Combined":
    """How much more a score changes in one context than in another."""
    return Combined("-", (ContextScore(here, score), ContextScore(there, score)))


@final
@dataclass(frozen=True)
class Number(Score):
    """The same number for every question.

    Attributes:
        value: Finite.
    """

    value: float

    @property
    def name(self) -> str:
        """The shortest text of the number."""
        return f"{self.value!r}".removesuffix(".0")

    def unit(self, answer: Answer) -> str:
        """None."""
        return ""

    @property
    def here(self) -> bool:
        """No: it reads nothing."""
        return False

    def of(self, answer: Answer) -> Float[np.ndarray, " n"]:
        """The number, ``n`` times."""
        return self.linear(answer).value()

    def linear(self, answer: Answer) -> LinearEffects:
        """No effect, and the number."""
        return LinearEffects.number(self.value, len(answer))


SIGNS: Mapping[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = MappingProxyType(
    {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}
)
FUNCTIONS: Mapping[str, Callable[..., np.ndarray]] = MappingProxyType(
    {"abs": np.abs, "min": np.minimum, "max": np.maximum}
)


@final
@dataclass(frozen=True)
class Combined(Score):
    """Scores joined by a sign, or given to a function.

    Attributes:
        by: ``+``, ``-``, ``*`` or ``/`` of two; ``abs`` of one; ``min`` or ``max`` of two or more.
        scores: What it joins.

    Raises:
        DataError: Another number of scores.
    """

    by: str
    scores: tuple[Score, ...]

    def __post_init__(self) -> None:
        count = len(self.scores)
        if self.by not in (*SIGNS, *FUNCTIONS):
            raise UnknownNameError("way to join scores", self.by, [*SIGNS, *FUNCTIONS])
        if not (count == 2 if self.by in SIGNS else count == 1 if self.by == "abs" else count >= 2):
            raise DataError([f"abs takes one score, + - * / take two, min and max two or more; {self.by} got {count}."])

    @property
    def name(self) -> str:
        """The scores with the sign between them, in brackets where they need them; or the function of them."""
        if self.by in FUNCTIONS:
            return f"{self.by}({', '.join(map(str, self.scores))})"
        left, right = self.scores
        tight = self.by in "*/"
        one = f"({left})" if tight and _loose(left) else str(left)
        other = f"({right})" if _loose(right) or (tight and _joined(right)) else str(right)
        return f"{one} {self.by} {other}"

    @property
    def contexts(self) -> frozenset[str]:
        """What its scores need."""
        return frozenset().union(*(each.contexts for each in self.scores))

    @property
    def decoders(self) -> frozenset[str]:
        """What its scores need."""
        return frozenset().union(*(each.decoders for each in self.scores))

    @property
    def here(self) -> bool:
        """Whether one of its scores does."""
        return any(each.here for each in self.scores)

    @property
    def content(self) -> Any:
        """What joins them, and what its scores depend on."""
        return [self.by, *(each.content for each in self.scores)]

    def unit(self, answer: Answer) -> str:
        """That of its scores where all share one, or numbers multiply it; empty where they are mixed."""
        units = {each.unit(answer) for each in self.scores if not isinstance(each, Number)}
        scaled = len(self.scores) - sum(isinstance(each, Number) for each in self.scores) == 1
        return units.pop() if len(units) == 1 and (scaled or self.by not in "*/") else ""

    def of(self, answer: Answer) -> Float[np.ndarray, " n"]:
        """The joined numbers; what divides by zero is infinite, or NaN, and stands last in a ranking."""
        found = [each.of(answer) for each in self.scores]
        with np.errstate(divide="ignore", invalid="ignore"):
            if self.by == "abs":
                return np.abs(found[0])
            return reduce((SIGNS | FUNCTIONS)[self.by], found)  # type: ignore[operator]

    def linear(self, answer: Answer) -> LinearEffects | None:
        """Sums and differences of linear scores, and those that a number multiplies or divides."""
        found = [each.linear(answer) for each in self.scores] if self.by in SIGNS else [None, None]
        left, right = found[0], found[1]
        if left is None or right is None:
            return None
        if self.by in "+-":
            return left.plus(right, 1.0 if self.by == "+" else -1.0)
        if self.by == "/":
            return None if right.parts or not right.constant else left.times(1 / right.constant)
        number, rest = (left, right) if not left.parts else (right, left)
        return None if number.parts else rest.times(number.constant)


def _joined(score: Score) -> bool:
    return isinstance(score, Combined) and score.by in SIGNS


def _loose(score: Score) -> bool:
    return isinstance(score, Combined) and score.by in "+-"


def quoted(text: str, *, always: bool = False) -> str:
    """A name as it stands in the text of a score: in quotes where it holds what would end it."""
    plain = not always and text and not any(letter.isspace() or letter in '"()\\' for letter in text)
    plain = plain and not text.endswith(",")
    return text if plain else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
