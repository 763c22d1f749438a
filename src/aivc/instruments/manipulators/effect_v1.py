"""Effects from all there is to know: what was measured here, elsewhere, of relatives, and of the parts of a pair."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple, final
from zlib import crc32

import numpy as np
from jaxtyping import Float, Int

from aivc.core.attribution import Piece
from aivc.core.contracts import Manipulator
from aivc.core.effects import effects
from aivc.core.errors import DataError
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Applicability, Prediction
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.instruments.manipulators.combined import fit_combined
from aivc.instruments.manipulators.context_means import context_means
from aivc.instruments.manipulators.effect_pieces import pieces
from aivc.instruments.manipulators.elsewhere import Elsewhere, fit_elsewhere
from aivc.instruments.manipulators.neighbors import Neighbors, neighbors
from aivc.instruments.manipulators.priors import index_of
from aivc.instruments.manipulators.relatives import KnowsRelatives, fit_relatives, related_share
from aivc.instruments.manipulators.series import Series

_DRAWS = 8


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


@final
@dataclass(frozen=True, eq=False)
class EffectV1(Manipulator):
    """Mean effect of the context, plus what the perturbation is expected to add, from the nearest evidence there is.

    A perturbation that was measured in the context is looked up. One measured in other contexts is carried over: its
    deviation from the mean effect is shrunk, and linear maps add what such deviations have meant here (`Elsewhere`).
    One never measured gets what its molecular relatives say (``kernel-priors``), or the mean effect where no priors are
    given. A drug measured at other doses has the effect of the nearest of them, scaled by a Hill curve, and what was
    measured for other hours that of its neighbors in time (`dose`). A combination never measured gets the sum of its
    parts, corrected as other combinations were (`Combined`).

    Every step away from the mean effect was chosen on perturbations left out, so what does not help there is not used;
    the variance of an answer is the squared error that its kind of evidence left there. Where something is known of a
    perturbation itself, part of the mean effect gives way to it, so that answers can be told apart (`mean_share`).

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

    name: ClassVar[str] = "effect.v1"
    uses_parts: ClassVar[bool] = True
    resampled: ClassVar[bool] = False
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

    @classmethod
    def fit(
        cls,
        ur: UR,
        *,
        parts: UR | None = None,
        seed: int = 0,
        relatives: str = "kernel-priors",
        share: float | None = None,
    ) -> "EffectV1":
        """Learn from every effect, and of each step whether it helps.

        Args:
            ur: Perturbed and control states.
            parts: Molecular UR of what can be perturbed, such as `aivc.data.knowledge.gene_priors`; without it, a
                perturbation never measured gets the mean effect.
            seed: Of the draws that express what is not known.
            relatives: Registered name of the manipulator that foretells from ``parts``.
            share: Of the mean effect to keep beside what is known of a perturbation, 0 to 1; 1 asks for the least
                squared error. None chooses it on perturbations left out, to be right and told apart (`mean_share`).

        Raises:
            ControlError: A context has no control.
            DataError: A share that is none.
        """
        if share is not None and not 0 <= share <= 1:
            raise DataError([f"share is the part of the mean effect to keep, 0 to 1 or None, got {share}."])
        seen = effects(ur)
        contexts = tuple(sorted(set(map(str, seen.contexts))))
        places_r = np.array([contexts.index(str(context)) for context in seen.contexts], dtype=int)
        codes_r = np.unique(seen.perturbations.astype(str), return_inverse=True)[1]
        defaults_cd = context_means(seen.shifts, codes_r, places_r, len(contexts))
        default_d = defaults_cd.mean(axis=0) if contexts else np.zeros(ur.space.dim)
        deviations_rd = seen.shifts - defaults_cd[places_r] if contexts else seen.shifts
        texts = tuple(map(str, seen.perturbations))
        asked = [Perturbation.parse(text) for text in texts]
        families = [each.family for each in asked]
        spread_d = _spread(seen.shifts, deviations_rd, len(contexts))
        found = fit_elsewhere(deviations_rd, seen.cells, texts, families, places_r, spread_d, defaults_cd, share)
        sums = fit_combined(seen, seed)
        known = fit_relatives(ur, parts, asked, relatives, seed)
        return cls(
            ur.space,
            contexts,
            defaults_cd,
            default_d,
            texts,
            places_r,
            deviations_rd,
            seen.cells,
            (found.scale, found.patience, found.mean_share, found.error),
            found.shared,
            found.own,
            found.variance,
            spread_d,
            _between(defaults_cd),
            known,
            related_share(known, texts, places_r, defaults_cd, seen.shifts) if share is None else share,
            sums.agents,
            sums.vectors,
            sums.weights,
            sums.variance if sums.agents else spread_d,
            seed,
        )

    def manipulate(self, ur: UR, perturbation: Perturbation) -> Prediction[UR]:
        """Shift every state; what is measured is one draw, what is foretold eight, whose spread is ignorance."""
        self.reads.require(ur.space, self.name)
        if perturbation.is_control:
            return Prediction((ur,), (self.name,), Applicability.IN)
        here, code_n = np.unique(ur.contexts.astype(str), return_inverse=True)
        told = [self.tell(perturbation, str(context)) for context in here]
        shift_nd = np.array([each.shift for each in told]).reshape(len(told), self.reads.dim)[code_n]
        size_nd = np.sqrt(np.array([each.variance for each in told]).reshape(len(told), self.reads.dim))[code_n]
        verdict = max((each.applicability for each in told), key=list(Applicability).index, default=Applicability.IN)
        text = str(perturbation)
        if not size_nd.any():
            return Prediction((ur.moved(shift_nd, text),), (self.name,), verdict)
        half_kd = np.random.default_rng([self.seed, crc32(text.encode())]).standard_normal(
            (_DRAWS // 2, self.reads.dim)
        )
        # Drawn in pairs of opposite sign, so that the mean of the draws is what is expected.
        draws = tuple(ur.moved(shift_nd + noise_d * size_nd, text) for noise_d in np.concatenate([half_kd, -half_kd]))
        return Prediction(draws, (self.name,), verdict)

    def tell(self, perturbation: Perturbation, context: str = "") -> Told:
        """Say what a perturbation is expected to do in a context, and from which evidence."""
        told = self.expect(perturbation, context)
        if context in self.contexts or told.evidence == "nothing":
            return told
        # Where nothing was perturbed, the mean effect of other contexts is a guess of its own.
        return told._replace(variance=told.variance + self.between)

    def expect(self, perturbation: Perturbation, context: str) -> Told:
        """As `tell`, the mean effect of a context that was never seen perturbed taken for sure."""
        text, nothing_d = str(perturbation), np.zeros_like(self.spread)
        if perturbation.is_control or (len(perturbation.agents) == 1 and perturbation.agents[0].dose == 0):
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

    def attribute(self, perturbation: Perturbation, context: str = "") -> list[Piece]:
        """What `tell` adds up, piece by piece."""
        return pieces(self, perturbation, context)

    def effects(
        self, perturbations: Sequence[Perturbation], contexts: Sequence[str]
    ) -> tuple[Float[np.ndarray, "p c d"], Float[np.ndarray, "p c d"]]:
        """Expected shifts of a whole library in some contexts, and their variances, in a few products.

        Args:
            perturbations: What to ask.
            contexts: Where.
        """
        shift_pcd, variance_pcd = np.empty((2, len(perturbations), len(contexts), self.reads.dim))
        texts = [str(each) for each in perturbations]
        unseen = [i for i, each in enumerate(perturbations) if texts[i] not in self.rows and self._strange(each)]
        carried = np.array([i for i in range(len(texts)) if texts[i] in self.rows], dtype=int)
        rest = sorted(set(range(len(texts))) - set(unseen) - set(carried.tolist()))
        mean_pd, count_p, measured = self._library([texts[i] for i in carried])
        related_pd, doubt_pd, share_p1 = self._unseen([perturbations[i] for i in unseen])
        for c, context in enumerate(contexts):
            place = self.contexts.index(context) if context in self.contexts else -1
            default_d = self.defaults[place] if place >= 0 else self.default
            guess_d = self.between if place < 0 else np.zeros_like(self.between)
            if len(carried):
                shift_pcd[carried, c] = self.elsewhere.mean_share * default_d + self.elsewhere.say(
                    mean_pd, count_p, place
                )
                variance_pcd[carried, c] = self.doubt[place] + guess_d
                own = measured.get(place, np.zeros((0, 2), dtype=int))
                shift_pcd[carried[own[:, 0]], c] = default_d + self.deviations[own[:, 1]]
                variance_pcd[carried[own[:, 0]], c] = 0.0
            shift_pcd[unseen, c] = share_p1 * default_d + related_pd
            variance_pcd[unseen, c] = doubt_pd + ((1 - share_p1) * default_d) ** 2 + guess_d
            for i in rest:
                told = self.tell(perturbations[i], context)
                shift_pcd[i, c], variance_pcd[i, c] = told.shift, told.variance
        return shift_pcd, variance_pcd

    def _library(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray, Mapping[int, np.ndarray]]:
        """Mean deviations of measured perturbations, how many each is of, and by context which rows were measured."""
        mean_pd, count_p = np.zeros((len(texts), self.reads.dim)), np.zeros(len(texts))
        measured: dict[int, list[tuple[int, int]]] = {}
        for i, text in enumerate(texts):
            rows = self.rows[text]
            mean_pd[i] = np.average(self.deviations[rows], axis=0, weights=self.cells[rows])
            count_p[i] = len(rows)
            for row in rows:
                measured.setdefault(int(self.places[row]), []).append((i, int(row)))
        return mean_pd, count_p, {place: np.array(pairs) for place, pairs in measured.items()}

    def _unseen(self, perturbations: Sequence[Perturbation]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Deviations, their variances, and the share ``(p, 1)`` of the mean effect to keep beside them."""
        deviation_pd, share_p1 = np.zeros((len(perturbations), self.reads.dim)), np.ones((len(perturbations), 1))
        variance_pd = np.broadcast_to(self.spread, deviation_pd.shape)
        for relatives in self.relatives:
            assert isinstance(relatives, KnowsRelatives)
            deviation_pd, variance_pd, informed_p = relatives.library(perturbations)
            related = np.array([relatives.related(float(each)) for each in informed_p], dtype=bool)
            share_p1 = np.where(related, self.related_share, 1.0)[:, None]
        return deviation_pd, variance_pd, share_p1

    def _strange(self, perturbation: Perturbation) -> bool:
        """Whether neither parts nor other doses or times can say anything of it."""
        return (
            len(perturbation.agents) == 1
            and perturbation.agents[0].dose != 0
            and not self._series.measured(perturbation)
            and not self._series.other_hours(perturbation)
        )

    def neighbors(self, perturbation: Perturbation, context: str) -> Neighbors | None:
        """Doses of its agent that were measured for as long, or times at which it was measured; None without any."""
        return neighbors(self._series, perturbation, lambda part: self.expect(part, context).shift)

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
    def _series(self) -> Series:
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


def _spread(shifts_rd: np.ndarray, deviations_rd: np.ndarray, contexts: int) -> np.ndarray:
    """``(d,)`` expected squared deviation of one more perturbation from the mean effect of those seen."""
    rows = len(shifts_rd)
    if rows <= contexts:
        # One perturbation in each context says nothing of others: take their effects themselves for the spread.
        return np.asarray((shifts_rd**2).mean(axis=0)) if rows else np.zeros(shifts_rd.shape[1])
    return np.asarray((deviations_rd**2).sum(axis=0) / (rows - contexts) * (1 + contexts / rows))


def _between(defaults_cd: np.ndarray) -> np.ndarray:
    """``(d,)`` expected squared distance of one more context's mean effect from the mean of those seen."""
    contexts = len(defaults_cd)
    if contexts < 2:
        return np.asarray((defaults_cd**2).sum(axis=0))
    return np.asarray(defaults_cd.var(axis=0, ddof=1) * (1 + 1 / contexts))
