"""What is known of a perturbation in a context, from the nearest evidence there is."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from aivc.core.contracts import Manipulator
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Applicability
from aivc.core.space import Space
from aivc.instruments.manipulators.elsewhere import Elsewhere
from aivc.instruments.manipulators.neighbors import Neighbors, neighbors
from aivc.instruments.manipulators.priors import index_of
from aivc.instruments.manipulators.relatives import KnowsRelatives
from aivc.instruments.manipulators.series import Series, canonical


class Told(NamedTuple):
    """Expected shift of a state, and how far it can be trusted.

    Attributes:
        shift: ``(d,)`` displacement from control.
        variance: ``(d,)`` expected squared error.
        applicability: Whether the question lies where there is evidence.
        evidence: ``measured``, ``elsewhere``, ``dose``, ``time``, ``relatives``, ``parts``, ``mean``, or ``nothing``
            done.
    """

    shift: np.ndarray
    variance: np.ndarray
    applicability: Applicability
    evidence: str


@dataclass(frozen=True, eq=False)
class Evidence(Manipulator):
    """All that was measured, and what was learned of how to carry it over; ``effect.v1`` answers from it.

    Attributes:
        reads: Space it was fitted on.
        contexts: ``c`` contexts seen perturbed.
        defaults: ``(c, d)`` mean effect in each, as if all had been asked the same (`context_means`).
        default: ``(d,)`` mean effect over contexts, for others.
        texts: ``r`` perturbations measured, one for each context they were measured in.
        places: ``(r,)`` position of that context.
        deviations: ``(r, d)`` from the mean effect there.
        cells: ``(r,)`` cells each stands on.
        carried: Scale, patience, share of the mean effect, and error of `Elsewhere`.
        shared: ``(d, d)`` and
        own: ``(c, d, d)`` its maps, and
        doubt: ``(c + 1, d)`` its variance in each context, and in others.
        spread: ``(d,)`` variance of deviations, which a perturbation of which nothing is known has.
        between: ``(d,)`` variance of the mean effect of a context never seen perturbed.
        relatives: The manipulator of perturbations never measured; none without priors.
        related_share: Share of the mean effect that is kept beside what relatives tell.
        agents: ``a`` agents with a vector of their own, where combinations were seen.
        vectors: ``(a, d)`` these.
        combined: ``(d + 1, d)`` correction of their sum, and
        combined_doubt: ``(d,)`` its variance; that of deviations where no combination was seen.
        seed: Of the draws.
    """

    reads: Space
    contexts: tuple[str, ...]
    defaults: Float[np.ndarray, "c d"]
    default: Float[np.ndarray, " d"]
    texts: tuple[str, ...]
    places: Int[np.ndarray, " r"]
    deviations: Float[np.ndarray, "r d"]
    cells: Float[np.ndarray, " r"]
    carried: tuple[float, float, float, float]
    shared: Float[np.ndarray, "d d"]
    own: Float[np.ndarray, "c d d"]
    doubt: Float[np.ndarray, "v d"]
    spread: Float[np.ndarray, " d"]
    between: Float[np.ndarray, " d"]
    relatives: tuple[Manipulator, ...]
    related_share: float
    agents: tuple[str, ...]
    vectors: Float[np.ndarray, "a d"]
    combined: Float[np.ndarray, "e d"]
    combined_doubt: Float[np.ndarray, " d"]
    seed: int

    def expect(self, perturbation: Perturbation, context: str) -> Told:
        """As `tell`, the mean effect of a context that was never seen perturbed taken for sure."""
        perturbation = canonical(perturbation)
        text, nothing_d = str(perturbation), np.zeros_like(self.spread)
        if is_nothing(perturbation) or (perturbation.hours == 0 and text not in self.rows):
            return Told(nothing_d, nothing_d, Applicability.IN, "nothing")
        place, default_d = self.place(context), self.default_in(context)
        rows = self.rows.get(text, np.zeros(0, dtype=int))
        if len(own := rows[self.places[rows] == place]):
            return Told(default_d + self.deviations[own[0]], nothing_d, Applicability.IN, "measured")
        if len(rows):
            mean_d = np.average(self.deviations[rows], axis=0, weights=self.cells[rows])
            said_d = self.elsewhere.say(mean_d[None], np.array([float(len(rows))]), place)[0]
            verdict = Applicability.IN if place >= 0 else Applicability.EDGE
            return Told(self.elsewhere.mean_share * default_d + said_d, self.doubt[place], verdict, "elsewhere")
        if len(perturbation.agents) > 1:
            return self._sum(perturbation, context)
        if near := self.neighbors(perturbation, context):
            return self._between_neighbors(near, context)
        for relatives in self.relatives:
            assert isinstance(relatives, KnowsRelatives)
            deviation_pd, variance_pd, informed_p = relatives.library([perturbation])
            evidence = "relatives" if informed_p[0] > 0 else "mean"
            if not relatives.related(float(informed_p[0])):
                return Told(default_d + deviation_pd[0], variance_pd[0], Applicability.OUT, evidence)
            kept_d, lost_d = self.related_share * default_d, (1 - self.related_share) * default_d
            return Told(kept_d + deviation_pd[0], variance_pd[0] + lost_d**2, Applicability.EDGE, evidence)
        return Told(default_d, self.spread, Applicability.OUT, "mean")

    def place(self, context: str) -> int:
        """Position of a context among those seen perturbed; -1 for others."""
        return self.contexts.index(context) if context in self.contexts else -1

    def default_in(self, context: str) -> np.ndarray:
        """``(d,)`` mean effect in a context."""
        place = self.place(context)
        return self.defaults[place] if place >= 0 else self.default

    def neighbors(self, perturbation: Perturbation, context: str) -> Neighbors | None:
        """Doses of its agent that were measured for as long, or times at which it was measured; None without any."""
        return neighbors(self.series, perturbation, lambda part: self.expect(part, context).shift)

    def _between_neighbors(self, near: Neighbors, context: str) -> Told:
        told = [(self.expect(part, context), weight) for part, weight in near.weighted]
        least = Applicability.IN if near.inside else Applicability.EDGE
        verdict = max([least, *(each.applicability for each, _ in told)], key=list(Applicability).index)
        shift_d = np.sum([weight * each.shift for each, weight in told], axis=0)
        variance_d = near.scaled + np.sum([weight**2 * each.variance for each, weight in told], axis=0)
        return Told(shift_d, variance_d, verdict, near.evidence)

    def _sum(self, perturbation: Perturbation, context: str) -> Told:
        told = [self.expect(part, context) for part in perturbation.parts()]
        by_vector = self.by_vector(perturbation, context)
        asked = list(zip(perturbation.agents, told, by_vector, strict=True))
        vectors = [self.vectors[self.agent_rows[str(agent)]] if own else each.shift for agent, each, own in asked]
        sum_d, unknown = np.sum(vectors, axis=0), [each for _, each, own in asked if not own]
        variance_d = np.sum([each.variance for each in unknown], axis=0) if unknown else np.zeros_like(self.spread)
        alone = self.alone(perturbation, context)
        # A sum is a guess where no combination was seen to add up, here and for as long.
        least = Applicability.IN if alone else Applicability.EDGE
        verdict = max([least, *(each.applicability for each in unknown)], key=list(Applicability).index)
        said_d = sum_d + np.append(sum_d, 1.0) @ self.combined if alone else sum_d
        return Told(said_d, variance_d + self.combined_doubt, verdict, "parts")

    def alone(self, perturbation: Perturbation, context: str) -> bool:
        """Whether combinations were seen, and all that was seen was in this context and for as long."""
        here = len(self.contexts) == 1 and context in ("", *self.contexts)
        return here and bool(self.agents) and self._hours == {perturbation.hours}

    def by_vector(self, perturbation: Perturbation, context: str) -> list[bool]:
        """Which agents' vectors are added: those of combinations and singles together, unless contexts or hours differ.

        There a vector is a mean over them, and stands in only for an agent that was never measured alone.
        """
        alone = self.alone(perturbation, context)
        return [
            str(agent) in self.agent_rows and (alone or str(part) not in self.rows)
            for agent, part in zip(perturbation.agents, perturbation.parts(), strict=True)
        ]

    @cached_property
    def _hours(self) -> set[float | None]:
        return {Perturbation.parse(text).hours for text in self.texts}

    @cached_property
    def rows(self) -> Mapping[str, np.ndarray]:
        """Of each perturbation, its rows."""
        rows: dict[str, list[int]] = {}
        for row, text in enumerate(self.texts):
            rows.setdefault(text, []).append(row)
        return {text: np.array(each) for text, each in rows.items()}

    @cached_property
    def series(self) -> Series:
        """Doses and times measured of each agent."""
        return Series.of(self.texts)

    @cached_property
    def agent_rows(self) -> Mapping[str, int]:
        """Of each agent with a vector, its row."""
        return index_of(self.agents)

    @cached_property
    def elsewhere(self) -> Elsewhere:
        """How deviations are carried over."""
        scale, patience, share, error = self.carried
        return Elsewhere(scale, patience, share, self.shared, self.own, self.doubt, error)


def is_nothing(perturbation: Perturbation) -> bool:
    """Whether nothing is done: control, or a single agent of which nothing is given."""
    return perturbation.is_control or (len(perturbation.agents) == 1 and perturbation.agents[0].dose == 0)
