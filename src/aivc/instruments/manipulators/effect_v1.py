"""Effects from all there is to know: what was measured here, elsewhere, of relatives, and of the parts of a pair."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, final
from zlib import crc32

import numpy as np
from jaxtyping import Float

from aivc.core.attribution import Piece
from aivc.core.effects import Effects, effects
from aivc.core.errors import DataError
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Applicability, Prediction
from aivc.core.ur import UR
from aivc.data.compounds import family_of
from aivc.instruments.manipulators.combined import fit_combined
from aivc.instruments.manipulators.context_means import context_means
from aivc.instruments.manipulators.effect_pieces import pieces
from aivc.instruments.manipulators.elsewhere import fit_elsewhere
from aivc.instruments.manipulators.evidence import Evidence, Told, is_nothing
from aivc.instruments.manipulators.relatives import KnowsRelatives, fit_relatives, related_share
from aivc.instruments.manipulators.series import canonical

_DRAWS = 8


@final
@dataclass(frozen=True, eq=False)
class EffectV1(Evidence):
    """Mean effect of the context, plus what the perturbation is expected to add, from the nearest evidence there is.

    A perturbation that was measured in the context is looked up. One measured in other contexts is carried over: its
    deviation from the mean effect is shrunk, and linear maps add what such deviations have meant here (`Elsewhere`).
    One never measured gets what its molecular relatives say (``kernel-priors``), or the mean effect where no priors are
    given. A drug measured at other doses has the effect of the nearest of them, scaled by a Hill curve, and what was
    measured for other hours that of its neighbors in time (`dose`). A combination never measured gets the sum of its
    parts, corrected as other combinations were (`Combined`).

    Every step away from the mean effect was chosen on perturbations left out, so what does not help there is not used;
    the variance of an answer is the squared error that its kind of evidence left there. Where something is known of a
    perturbation itself, part of the mean effect gives way to it, so that answers can be told apart (`mean_share`). Its
    attributes are those of `Evidence`.
    """

    name: ClassVar[str] = "effect.v1"
    uses_parts: ClassVar[bool] = True
    resampled: ClassVar[bool] = False

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
        seen = _tidy(effects(ur))
        contexts = tuple(sorted(set(map(str, seen.contexts))))
        places_r = np.array([contexts.index(str(context)) for context in seen.contexts], dtype=int)
        codes_r = np.unique(seen.perturbations.astype(str), return_inverse=True)[1]
        defaults_cd = context_means(seen.shifts, codes_r, places_r, len(contexts))
        default_d = defaults_cd.mean(axis=0) if contexts else np.zeros(ur.space.dim)
        deviations_rd = seen.shifts - defaults_cd[places_r] if contexts else seen.shifts
        texts = tuple(map(str, seen.perturbations))
        asked = [Perturbation.parse(text) for text in texts]
        families = [family_of(each) for each in asked]
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
        perturbations = [canonical(each) for each in perturbations]
        texts = [str(each) for each in perturbations]
        unseen = [i for i, each in enumerate(perturbations) if texts[i] not in self.rows and self._strange(each)]
        carried = np.array([i for i, text in enumerate(texts) if text in self.rows], dtype=int)
        rest = sorted(set(range(len(texts))) - set(unseen) - set(carried.tolist()))
        mean_pd, count_p, measured = self._library([texts[i] for i in carried])
        related_pd, doubt_pd, share_p1 = self._unseen([perturbations[i] for i in unseen])
        for c, context in enumerate(contexts):
            place, default_d = self.place(context), self.default_in(context)
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
            and not is_nothing(perturbation)
            and perturbation.hours != 0
            and not self.series.measured(perturbation)
            and not self.series.other_hours(perturbation)
        )


def _tidy(seen: Effects) -> Effects:
    """One row for each perturbation and context, however its dose is written; no dose is no perturbation."""
    asked = [canonical(Perturbation.parse(str(text))) for text in seen.perturbations]
    kept = np.array([not is_nothing(each) for each in asked], dtype=bool)
    keys = [f"{context} | {each}" for each, context in zip(asked, seen.contexts, strict=True)]
    texts = np.array([str(each) for each in asked], dtype=object)
    found = dataclasses.replace(seen, perturbations=texts).take(kept)
    names, code_r = np.unique(np.array(keys, dtype=str)[kept], return_inverse=True)
    tidy = found.grouped(code_r, len(names))
    return dataclasses.replace(tidy, shifts=tidy.filled())


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
