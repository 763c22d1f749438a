"""Combinations worth asking about, grown agent by agent from answers at hand; all of them are never laid out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import final

import numpy as np

from aivc.core.perturbation import Perturbation
from aivc.experiments.goal import Goal

# Single agents whose effects are held, the best by score: of 20,000 features these take 160 MB.
_HELD = 2_000


@final
@dataclass(eq=False)
class Beam:
    """Effects of what was asked, and what to add to the best of it.

    If effects add up, the sum of two weighed effects scores as the pair does (`Goal.weighed`). So each of the ``width``
    best answers is extended by the ``width`` agents with which it would score best, among the 2,000 best single agents.
    Where effects do add up, the best extension of each is therefore among those asked about, and with a width of as
    many as there are single agents the search of pairs is exact. Where they do not, nothing is guaranteed.

    Attributes:
        goal: To be reached.
        width: How many answers are extended, each by how many agents.
    """

    goal: Goal
    width: int
    _found: dict[str, tuple[float, np.ndarray]] = field(default_factory=dict)
    _singles: Mapping[str, tuple[float, np.ndarray]] | None = None

    def add(self, perturbation: Perturbation, effect_f: np.ndarray) -> None:
        """Hold an answer."""
        self._found[str(perturbation)] = self.goal.score(effect_f), self.goal.weighed(effect_f).astype(np.float32)
        if len(self._found) > 2 * _HELD:
            self._found = dict(self._best(self._found, _HELD))

    def grow(self) -> list[Perturbation]:
        """What to ask about next: what was added since the last call, with one agent more."""
        found, self._found = dict(self._best(self._found, _HELD)), {}
        if self._singles is None:
            self._singles = {text: each for text, each in found.items() if len(Perturbation.parse(text).agents) == 1}
            found = dict(self._singles)
        if not self._singles or not found:
            return []
        texts = list(self._singles)
        parsed = [Perturbation.parse(text) for text in texts]
        effect_mg = np.array([self._singles[text][1] for text in texts])
        own_m = 2 * effect_mg @ self.goal.aimed - np.einsum("mg,mg->m", effect_mg, effect_mg)
        made: dict[frozenset[str], Perturbation] = {}
        for text, (_, effect_g) in self._best(found, self.width):
            # What the sum scores beyond the one at hand: the other's own score, less twice what they share.
            gain_m = own_m - 2 * effect_mg @ effect_g
            for both in self._extended(Perturbation.parse(text), parsed, gain_m):
                made.setdefault(frozenset(map(str, both.agents)), both)
        return list(made.values())

    def _extended(self, one: Perturbation, singles: list[Perturbation], gain_m: np.ndarray) -> Iterator[Perturbation]:
        """With agents that can be given at once: other targets, for the same hours."""
        given = 0
        for i in np.argsort(-gain_m, kind="stable"):
            other = singles[i]
            if given == self.width:
                return
            if one.hours == other.hours and not set(one.targets) & set(other.targets):
                given += 1
                yield Perturbation(one.agents + other.agents, one.hours)

    @staticmethod
    def _best(found: Mapping[str, tuple[float, np.ndarray]], n: int) -> list[tuple[str, tuple[float, np.ndarray]]]:
        return sorted(found.items(), key=lambda each: (-each[1][0], each[0]))[:n]
