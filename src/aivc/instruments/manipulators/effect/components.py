"""What may carry an effect from one row to another: products of a likeness of contexts and one of perturbations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, final

import numpy as np
from jaxtyping import Float

from aivc.core.perturbation import Perturbation
from aivc.instruments.manipulators.effect.agents import Knowledge, agents_in_common, combined
from aivc.instruments.manipulators.effect.likeness import MOST, Likeness


class Component(NamedTuple):
    """One product.

    Attributes:
        contexts: Likeness of contexts: ``all`` alike, the ``same``, by ``controls``, ``offsets`` or ``residuals``.
        perturbations: Likeness of perturbations: ``all`` alike, the ``same``, by ``agents``, both ``combined``,
            by ``effects``, ``responses`` or ``knowledge``.
    """

    contexts: str
    perturbations: str


# In the order of Henderson's mixed model: mean effect, of contexts, of perturbations, and interactions.
_EVERY = (
    Component("all", "all"),
    Component("same", "all"),
    Component("offsets", "all"),
    Component("controls", "all"),
    Component("all", "same"),
    Component("all", "agents"),
    Component("all", "combined"),
    Component("all", "effects"),
    Component("all", "knowledge"),
    Component("same", "agents"),
    Component("same", "effects"),
    Component("same", "knowledge"),
    Component("same", "responses"),
    Component("residuals", "same"),
    Component("residuals", "effects"),
    Component("residuals", "responses"),
    Component("controls", "effects"),
)
# In fewer contexts than these, what perturbations do there beside their mean does not tell which are alike.
_CONTEXTS_TO_COMPARE = 8


def components(
    texts: Sequence[str], contexts: Sequence[str], dim: int, knowledge: Knowledge, controls: "Controls"
) -> tuple[Component, ...]:
    """Those that these rows can tell apart."""
    names, where = sorted(set(texts)), set(contexts)
    absent = set()
    if len(where) < 2:
        # In one context nothing tells what likeness by effects would add to the effects themselves.
        absent |= {"same", "offsets", "residuals", "controls"}
    if len(where) < 3:
        absent |= {"offsets", "residuals"}
    if not controls.differ:
        absent.add("controls")
    apart = set()
    if len(names) < 2:
        apart |= {"same", "agents", "effects", "knowledge"}
    if dim < 3:
        # One number has no direction.
        apart.add("effects")
        absent.add("offsets")
    apart |= {"responses"} if len(where) < _CONTEXTS_TO_COMPARE else set()
    apart |= {"effects", "responses"} if len(names) > MOST else set()
    if not _share_agents(names):
        apart.add("agents")
    if combined(names).sum() < 2:
        apart.add("combined")
    if not any(knowledge.knows(name) for name in names):
        apart.add("knowledge")
    return tuple(each for each in _EVERY if each.contexts not in absent and each.perturbations not in apart)


def _share_agents(names: Sequence[str]) -> bool:
    """Whether different perturbations share an agent: combinations, doses or times."""
    asked = [Perturbation.parse(name) for name in names]
    targets = [agent.target for each in asked for agent in each.agents]
    return any(len(each.agents) > 1 for each in asked) or len(set(targets)) < len(targets)


@final
@dataclass(frozen=True, eq=False)
class Controls:
    """Control profiles, by which contexts may be alike before anything was done to them.

    Attributes:
        names: ``c`` contexts.
        profiles: ``(c, d)`` mean control state of each.
    """

    names: tuple[str, ...]
    profiles: Float[np.ndarray, "c d"]

    @property
    def differ(self) -> bool:
        """Whether there are several, and they are not all the same."""
        return len(self.names) > 1 and bool(np.ptp(self.profiles, axis=0).any())

    def likeness(self, ours: Mapping[str, np.ndarray], theirs: Sequence[str]) -> Float[np.ndarray, "q c"]:
        """Gaussian kernel on the distance of control profiles, in units of the median distance between contexts.

        Args:
            ours: Control profile of each context asked about.
            theirs: Contexts among `names`.
        """
        place = {name: i for i, name in enumerate(self.names)}
        two = self.profiles[[place[name] for name in theirs]]
        one = np.array(list(ours.values())).reshape(len(ours), self.profiles.shape[1])
        squared = ((one[:, None] - two[None]) ** 2).sum(axis=2)
        return np.asarray(np.exp(-squared / (2 * self._scale)))

    @property
    def _scale(self) -> float:
        pairs = ((self.profiles[:, None] - self.profiles[None]) ** 2).sum(axis=2)
        return float(np.median(pairs[np.triu_indices(len(pairs), 1)])) / 4 or 1.0


@final
@dataclass(frozen=True, eq=False)
class Queries:
    """Perturbations in contexts, as rows or as questions.

    Attributes:
        texts: ``(q,)`` perturbations.
        contexts: ``(q,)`` contexts.
        controls: Control profile of each context, where the kernel of controls is used.
    """

    texts: np.ndarray
    contexts: np.ndarray
    controls: Mapping[str, np.ndarray]

    @cached_property
    def named(self) -> tuple[np.ndarray, np.ndarray]:
        """Sorted texts, and ``(q,)`` place of each."""
        return np.unique(self.texts, return_inverse=True)

    @cached_property
    def placed(self) -> tuple[np.ndarray, np.ndarray]:
        """Sorted contexts, and ``(q,)`` place of each."""
        return np.unique(self.contexts, return_inverse=True)

    def take(self, rows: np.ndarray) -> "Queries":
        """Keep some, by position."""
        return Queries(self.texts[rows], self.contexts[rows], self.controls)


@final
@dataclass(frozen=True, eq=False)
class Covariance:
    """The covariance that each component gives to pairs of rows, up to its variance.

    Attributes:
        parts: Components, in order.
        likeness: Of the rows that answers are made of.
        knowledge: Of molecules.
        controls: Of contexts.
        together: How much of the sum of what agents do alone combinations do.
    """

    parts: tuple[Component, ...]
    likeness: Likeness
    knowledge: Knowledge
    controls: Controls
    together: float = 1.0

    def between(self, ours: Queries, theirs: Queries) -> list[Float[np.ndarray, "p q"]]:
        """One matrix for each component."""
        pairs = self.tables(ours, theirs)
        (_, place_p), (_, place_q), (_, at_p), (_, at_q) = ours.named, theirs.named, ours.placed, theirs.placed
        found = {
            (kind, name): at(table, at_p, at_q) if kind == "c" else at(table, place_p, place_q)
            for (kind, name), table in pairs.items()
        }
        return [found["c", each.contexts] * found["p", each.perturbations] for each in self.parts]

    def tables(self, ours: Queries, theirs: Queries) -> dict[tuple[str, str], np.ndarray]:
        """Each likeness once, between sorted contexts (``c``) and between sorted texts (``p``)."""
        # A question is asked for its mean, its variance and its verdict, one after the other.
        kept = self._kept.get("tables")
        if kept is not None and kept[0] is ours and kept[1] is theirs:
            return kept[2]
        names, others, where, other_contexts = ours.named[0], theirs.named[0], ours.placed[0], theirs.placed[0]
        found: dict[tuple[str, str], np.ndarray] = {}
        for name in dict.fromkeys(each.contexts for each in self.parts):
            found["c", name] = self._contexts(name, where, other_contexts, ours, theirs)
        for name in dict.fromkeys(each.perturbations for each in self.parts):
            found["p", name] = self._perturbations(name, names, others)
        self._kept["tables"] = (ours, theirs, found)
        return found

    @cached_property
    def _kept(self) -> dict[str, Any]:
        return {}

    def total(self, ours: Queries, theirs: Queries, variance_k: np.ndarray) -> Float[np.ndarray, "p q"]:
        """All components, each with its variance, without a matrix for each of them."""
        pairs = self.tables(ours, theirs)
        (_, place_p), (_, place_q), (_, at_p), (_, at_q) = ours.named, theirs.named, ours.placed, theirs.placed
        found = np.zeros((len(ours.texts), len(theirs.texts)))
        for name, part in by_contexts(self.parts, variance_k, pairs).items():
            found += at(pairs["c", name], at_p, at_q) * at(part, place_p, place_q)
        return found

    def own(self, asked: Queries) -> Float[np.ndarray, "q k"]:
        """What each component gives to a question's own variance."""
        names, place_q = asked.named
        by_name = {
            "agents": np.array([max(len(Perturbation.parse(str(name)).agents), 1) for name in names], dtype=float),
            "combined": np.where(combined(list(names)), 1.5, 0.0),
        }
        # An unseen perturbation's effect is as large as others' are, only like none of them.
        ones = np.ones(len(names))
        return np.array([by_name.get(each.perturbations, ones)[place_q] for each in self.parts]).T

    def _contexts(self, name: str, ours: np.ndarray, theirs: np.ndarray, one: Queries, two: Queries) -> np.ndarray:
        match name:
            case "all":
                return np.ones((len(ours), len(theirs)))
            case "same":
                return (ours[:, None] == theirs).astype(float)
            case "controls":
                return self.controls.likeness({c: one.controls[c] for c in ours}, list(theirs))
            case _:
                known = self.likeness.contexts
                return _looked_up(getattr(self.likeness, name), known, ours, theirs)

    def _perturbations(self, name: str, ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
        match name:
            case "all":
                return np.ones((len(ours), len(theirs)))
            case "same":
                return (ours[:, None] == theirs).astype(float)
            case "agents":
                return agents_in_common(list(ours), list(theirs), self.together)
            case "combined":
                # What combinations add to the sum of their parts: some of it all of them do, some the same agents.
                both = np.outer(combined(list(ours)), combined(list(theirs)))
                return np.asarray(both * (1 + agents_in_common(list(ours), list(theirs))) / 2)
            case "knowledge":
                return self.knowledge.likeness(list(ours), list(theirs))
            case _:
                return _looked_up(getattr(self.likeness, name), self.likeness.perturbations, ours, theirs)


def at(table: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """``table[np.ix_(rows, columns)]``, copied by whole rows: several times as fast where both are long."""
    return np.asarray(table.take(columns, axis=1)[rows])


def by_contexts(
    parts: Sequence[Component], variance_k: np.ndarray, tables: Mapping[tuple[str, str], np.ndarray]
) -> dict[str, np.ndarray]:
    """For each likeness of contexts, the likenesses of perturbations it is multiplied with, weighted and summed."""
    found: dict[str, np.ndarray] = {}
    for each, variance in zip(parts, variance_k, strict=False):
        if variance:
            part = variance * tables["p", each.perturbations]
            found[each.contexts] = found[each.contexts] + part if each.contexts in found else part
    return found


def _looked_up(table: np.ndarray, known: Mapping[str, int], ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Rows and columns of a table by name; zero for unknown names."""
    one, two = (np.array([known.get(str(name), -1) for name in names], dtype=int) for names in (ours, theirs))
    found = at(table, np.maximum(one, 0), np.maximum(two, 0))
    return np.asarray(found * (one >= 0)[:, None] * (two >= 0))
