"""Scores as text, such as ``gene:IRF1 - 0.5 * pathway:hallmark/HALLMARK_HYPOXIA``: read, with errors that say where."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, final

from aivc.core.errors import DataError, UnknownNameError
from aivc.data.io.named_numbers import named_numbers
from aivc.data.priors.gene_sets import gene_sets
from aivc.experiments.response import Response
from aivc.experiments.scores.screen_score import (
    FUNCTIONS,
    Combined,
    ContextScore,
    GoalScore,
    Number,
    PathwayScore,
    ReadoutScore,
    ResponseScore,
    Score,
    selectivity,
)

_TEXT = r'"(?:[^"\\]|\\.)*"'
# In a name without quotes, a comma at the end is the one between what a function is given.
_TOKEN = re.compile(
    rf"\s*(?:(?P<leaf>[a-z]+:(?:{_TEXT}|[^\s()\"]*[^\s()\",]))|(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"
    rf"|(?P<call>[a-z]+)\s*\(|(?P<text>{_TEXT})|(?P<sign>[-+*/(),]))"
)
_DEEPEST = 50
_EXAMPLE = "gene:IRF1 - 0.5 * pathway:hallmark/HALLMARK_HYPOXIA"


def parse_score(text: str) -> Score:
    """Read a score, the inverse of ``str``.

    It joins, by ``+ - * /``, brackets, ``abs``, ``min`` and ``max``, with a space before each sign:

    - ``gene:IRF1``: effect on a gene;
    - ``signature:CD274,2*STAT1,-MYC``: weighted mean of effects, as `Response` reads it;
    - ``pathway:hallmark/NAME``: mean effect on a set of genes, of a collection (hallmark where it is not named) or a
      GMT file; names with spaces or brackets stand in quotes: ``pathway:"go-bp/name (GO:0006955)"``;
    - ``goal:FILE.csv``: fraction of the way closed to a state (columns ``feature`` and ``change``);
    - ``readout:DECODER/FEATURE``: change of a feature as another decoder reads it;
    - ``at("CONTEXT", score)``: a score in another context;
    - ``selectivity("CONTEXT", "OTHER", score)``: how much more it changes in the first.

    Raises:
        DataError: The text has another form.
        IntegrityError: A goal's file cannot be read.
        UnknownNameError: No such kind of score, collection or set.

    >>> str(parse_score("gene:IRF1 - 0.5*(gene:HLA-A + signature:CD274,-MYC)"))
    'gene:IRF1 - 0.5 * (gene:HLA-A + signature:CD274,-MYC)'
    """
    reader = _Reader(text, _tokens(text))
    found = reader.sum()
    if reader.next is not None:
        raise _refused(text, reader.next, "a sign with a space before it")
    return found


class _Token(NamedTuple):
    kind: str
    text: str
    place: int


def _tokens(text: str) -> list[_Token]:
    found, place, end = [], 0, len(text.rstrip())
    while place < end:
        match = _TOKEN.match(text, place)
        if match is None:
            rest = text[place:].strip()
            raise DataError([f"A score reads like {_EXAMPLE}; {rest[:60]!r} in it does not. Names need a kind: gene:"])
        assert match.lastgroup is not None
        found.append(_Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup)))
        place = match.end()
    return found


def _refused(text: str, token: _Token | None, wanted: str) -> DataError:
    came = "the end" if token is None else f"{token.text[:60]!r} (letter {token.place + 1})"
    return DataError([f"In the score {text[:120]!r}, {wanted} was wanted, and {came} came. It reads like {_EXAMPLE}."])


@final
@dataclass
class _Reader:
    """Reads sums of products of what cannot be divided further, by recursive descent."""

    whole: str
    tokens: list[_Token]
    at: int = 0
    depth: int = field(default=0)

    @property
    def next(self) -> _Token | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def sum(self) -> Score:
        return self._joined("+-", self._product)

    def _product(self) -> Score:
        return self._joined("*/", self._one)

    def _joined(self, signs: str, part: Callable[[], Score]) -> Score:
        found = part()
        while self.next is not None and self.next.kind == "sign" and self.next.text in signs:
            sign = self._pass().text
            found = Combined(sign, (found, part()))
        return found

    def _pass(self) -> _Token:
        token = self.next
        if token is None:
            raise _refused(self.whole, None, "a score")
        self.at += 1
        return token

    def _expect(self, sign: str) -> None:
        if self.next is None or self.next.text != sign:
            raise _refused(self.whole, self.next, repr(sign))
        self.at += 1

    def _one(self) -> Score:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise DataError([f"A score nests at most {_DEEPEST} deep. Write it with fewer brackets."])
        found = self._inner(self._pass())
        self.depth -= 1
        return found

    def _inner(self, token: _Token) -> Score:
        if token.kind == "number":
            return Number(_finite(token.text))
        if token.kind == "leaf":
            return _leaf(token.text)
        if token.kind == "call":
            return self._call(token)
        if token.text == "-":
            inner = self._one()
            return Number(-inner.value) if isinstance(inner, Number) else Combined("*", (Number(-1.0), inner))
        if token.text == "(":
            inner = self.sum()
            self._expect(")")
            return inner
        raise _refused(self.whole, token, "a score")

    def _call(self, token: _Token) -> Score:
        if token.text in FUNCTIONS:
            scores = [self.sum()]
            while self.next is not None and self.next.text == ",":
                self.at += 1
                scores.append(self.sum())
            self._expect(")")
            return Combined(token.text, tuple(scores))
        if token.text not in ("at", "selectivity"):
            raise UnknownNameError("function of scores", token.text, [*FUNCTIONS, "at", "selectivity"])
        contexts = [self._context() for _ in range(1 if token.text == "at" else 2)]
        inner = self.sum()
        self._expect(")")
        return ContextScore(contexts[0], inner) if len(contexts) == 1 else selectivity(inner, *contexts)

    def _context(self) -> str:
        token = self._pass()
        if token.kind != "text":
            raise _refused(self.whole, token, "a context in quotes")
        self._expect(",")
        return _bare(token.text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise DataError([f"A number in a score is finite, got {text[:60]}. Write a smaller one."])
    return value


def _bare(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL) if text.startswith('"') else text


def _leaf(text: str) -> Score:
    kind, _, rest = text.partition(":")
    if kind not in LEAVES:
        raise UnknownNameError("kind of score", kind, LEAVES, f"A score reads like {_EXAMPLE}.")
    return LEAVES[kind](_bare(rest))


def _pathway(text: str) -> Score:
    # A name of a set may hold a slash, as the path of a file may: the longest source that is one is meant.
    cuts = [i for i, letter in enumerate(text) if letter == "/"]
    for cut in reversed(cuts):
        source, name = text[:cut], text[cut + 1 :]
        if Path(source).is_file():
            return pathway_score(name, source)
    source, slash, name = text.partition("/")
    return pathway_score(name, source) if slash else pathway_score(text)


def pathway_score(pathway: str, source: str = "hallmark") -> PathwayScore:
    """Mean effect on a set of genes.

    Args:
        pathway: Name of the set.
        source: Collection (`aivc.data.priors.gene_sets.COLLECTIONS`), or a GMT file.

    Raises:
        UnavailableError: The collection is not here and cannot be fetched.
        UnknownNameError: No such collection, file or set.
    """
    sets = gene_sets(source)
    if pathway not in sets:
        raise UnknownNameError(f"set of genes in {source}", pathway, sets)
    return PathwayScore(source, pathway, sets[pathway])


def _readout(text: str) -> Score:
    decoder, slash, feature = text.partition("/")
    if not slash or not decoder or not feature:
        raise DataError([f"A readout reads readout:DECODER/FEATURE, got readout:{text[:60]}. Name both."])
    return ReadoutScore(decoder, feature)


LEAVES: Mapping[str, Callable[[str], Score]] = MappingProxyType(
    {
        "gene": lambda text: ResponseScore(Response({text: 1.0})),
        "signature": lambda text: ResponseScore(Response.parse(text)),
        "pathway": _pathway,
        "goal": lambda text: GoalScore(named_numbers(Path(text), "feature", "change", "goal"), text),
        "readout": _readout,
    }
)
