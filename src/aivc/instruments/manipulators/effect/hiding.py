"""Hide rows as the questions will be: what is learned on one kind of question need not hold for another."""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from aivc.core.perturbation import Perturbation
from aivc.data.names.compound_names import family_of
from aivc.instruments.manipulators.effect.rows import EffectRows

# A perturbation measured in other contexts; in this one many others were measured, few of them, or none;
# one that is made of what was measured: a combination, another dose or time; and one of which nothing was measured.
KINDS = PAIR, FEW, CONTEXT, RELATIVE, PERTURBATION = ("pair", "few", "context", "relative", "perturbation")
_FOLDS, _CONTEXT_FOLDS, _MANY_FOLDS, _SMALL = 3, 4, 10, 150
# Rows that are practised on; a context that has less than half as many rows as is usual has few.
_MOST, _MANY, _MOST_CONTEXTS, _LITTLE = 480, 60, 12, 0.5


class Hiding(NamedTuple):
    """Positions of rows: what is given, and what is hidden."""

    given: np.ndarray
    hidden: np.ndarray


def drawn(rows: EffectRows, seed: int) -> np.ndarray:
    """Rows to practise on: all, or those of perturbations and contexts drawn at random."""
    if len(rows) <= _MOST:
        return np.arange(len(rows))
    rng = np.random.default_rng(seed)
    # Of many contexts some, so that each has rows enough to tell of itself.
    names = np.unique(rows.contexts)
    contexts = rng.permutation(names)[: len(names) if len(names) <= _MANY else _MOST_CONTEXTS]
    here = np.flatnonzero(np.isin(rows.contexts, contexts))
    _, code = np.unique(rows.texts[here], return_inverse=True)
    rank = rng.permutation(int(code.max()) + 1)[code]
    return np.sort(here[np.argsort(rank, kind="stable")][:_MOST])


def few_rows(rows: EffectRows) -> dict[str, int]:
    """Contexts with less than half as many rows as is usual, and how many they have."""
    names, count = np.unique(rows.contexts, return_counts=True)
    little = count < _LITTLE * np.median(count) if len(count) else count > 0
    return {str(name): int(number) for name, number in zip(names[little], count[little], strict=True)}


def hidings(kind: str, rows: EffectRows, seed: int, few: int = 0) -> list[Hiding]:
    """Ways to hide rows for a kind of question; none where these rows cannot show it.

    Args:
        kind: One of `KINDS`.
        rows: To practise on.
        seed: Draws them.
        few: How many rows a context with few has.
    """
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    found = []
    for hidden in _few(rows, rng, few) if kind == FEW else _WAYS[kind](rows, rng):
        given = np.setdiff1d(np.arange(len(rows)), hidden)
        hidden = hidden[_answerable(kind, rows, given, hidden)] if len(given) else hidden[:0]
        if len(hidden) and len(given) > 1:
            found.append(Hiding(given, hidden))
    return found


def _answerable(kind: str, rows: EffectRows, given: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    seen = np.isin(rows.texts[hidden], rows.texts[given])
    here = np.isin(rows.contexts[hidden], rows.contexts[given])
    if kind in (PAIR, FEW):
        return seen & here
    return seen if kind == CONTEXT else here


def _folds(count: int) -> int:
    return min(count, _MANY_FOLDS if count <= _SMALL else _FOLDS)


def _pairs(rows: EffectRows, rng: np.random.Generator) -> Iterator[np.ndarray]:
    if len(set(rows.contexts)) > 1:
        order = rng.permutation(len(rows))
        yield from (np.sort(order[i :: _folds(len(rows))]) for i in range(_folds(len(rows))))


def _contexts(rows: EffectRows, rng: np.random.Generator) -> Iterator[np.ndarray]:
    names = rng.permutation(np.unique(rows.contexts))
    folds = min(len(names), _CONTEXT_FOLDS)
    if len(names) > 1:
        yield from (np.flatnonzero(np.isin(rows.contexts, names[i::folds])) for i in range(folds))


def _few(rows: EffectRows, rng: np.random.Generator, few: int) -> Iterator[np.ndarray]:
    for inside in _contexts(rows, rng):
        order = inside[np.lexsort((rng.permutation(len(inside)), rows.contexts[inside]))]
        first = np.searchsorted(rows.contexts[order], rows.contexts[order])
        yield np.sort(order[np.arange(len(order)) - first >= few])


def _relatives(rows: EffectRows, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Texts all of whose targets other texts have too."""
    names, code_r = np.unique(rows.texts, return_inverse=True)
    targets = [frozenset(Perturbation.parse(str(name)).targets) for name in names]
    count: dict[str, int] = {}
    for each in targets:
        for target in each:
            count[target] = count.get(target, 0) + 1
    # Singles are what combinations are made of: only where doses or times are asked are they questions themselves.
    together = any(len(each) > 1 for each in targets)
    asked = [
        i
        for i, each in enumerate(targets)
        if each and all(count[target] > 1 for target in each) and (len(each) > 1 or not together)
    ]
    order = rng.permutation(np.array(asked, dtype=int))
    for i in range(_folds(len(order)) if len(order) > 1 else 0):
        hidden = order[i :: _folds(len(order))]
        kept = {t for j in range(len(names)) if j not in set(hidden.tolist()) for t in targets[j]}
        yield np.flatnonzero(np.isin(code_r, [j for j in hidden if targets[j] <= kept]))


def _families(rows: EffectRows, rng: np.random.Generator) -> Iterator[np.ndarray]:
    names, code_r = np.unique(rows.texts, return_inverse=True)
    family = np.array([family_of(Perturbation.parse(str(name))) for name in names], dtype=str)
    order = rng.permutation(np.unique(family))
    for i in range(_folds(len(order)) if len(order) > 2 else 0):
        yield np.flatnonzero(np.isin(family[code_r], order[i :: _folds(len(order))]))


_WAYS: Mapping[str, Callable[[EffectRows, np.random.Generator], Iterator[np.ndarray]]] = MappingProxyType(
    {PAIR: _pairs, CONTEXT: _contexts, RELATIVE: _relatives, PERTURBATION: _families}
)
