"""An unseen gene or drug does what those most like it did: a Gaussian process on what is known of molecules."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, final
from zlib import crc32

import numpy as np
from jaxtyping import Bool, Float, Int

from aivc.core.attribution import Piece
from aivc.core.contracts import Manipulator
from aivc.core.effects import Effects, effects
from aivc.core.errors import DataError
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Applicability, Prediction
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.data.compounds import family_of
from aivc.instruments.manipulators.blocks import blocks_of, main_responses, places_of, targets_of
from aivc.instruments.manipulators.priors import index_of

# Lengths in one minus cosine, over which the kernel is averaged: twenty perturbations cannot choose among them.
_LENGTHS = (0.15, 0.3, 0.6, 1.2)
# Shares of the variance of effects that relatives may explain, and the one taken where perturbations cannot tell.
_SHARES, _USUAL = np.array([0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9]), 0.5
# The mean is estimated along with the rest: its prior is so wide that it does not bind.
_MEAN_VARIANCE = 1e3
_DRAWS, _RELATED, _MOST, _BLOCK = 8, 0.02, 4000, 4096


@final
@dataclass(frozen=True, eq=False)
class KernelPriors(Manipulator):
    """Gaussian process from molecular likeness to the deviation from the mean effect, in closed form.

    How like two perturbations are is, for each block of the molecular UR, the mean of ``exp((cosine - 1) / length)``
    over four lengths, and the mean of that over blocks, where a block that does not know one of the two adds nothing:
    effects are sums of what each block can tell, and little is expected of a gene of which little is known. The mean
    effect is estimated along with the rest by generalized least squares: perturbations that resemble each other share
    their say in it. The share of the variance of effects that relatives may explain has the smallest error on training
    perturbations left out with all their doses and kinds, and is the one nearest to a half among those that these
    cannot tell from it; where none helps, the answer is the mean effect. A perturbation of training is looked up.

    Attributes:
        reads: Space it was fitted on.
        names: ``g`` names with a prior.
        priors: ``(g, m)`` molecular states.
        covered: ``(g, b)`` which block knows which name.
        blocks: ``b`` names of blocks.
        ends: ``(b,)`` where the axes of each block end.
        perturbations: ``p`` texts seen in training.
        deviations: ``(p, d)`` their measured deviations from the mean effect of their contexts.
        learned: ``(q,)`` which of them relatives are sought among.
        places: ``(q, m)`` where these lie, each block of length one, and
        known: ``(q, b)`` which blocks know them.
        weights: ``(q, d)`` from likeness to deviation.
        inverse: ``(q, q)`` inverse covariance of their deviations, the prior variance being one.
        middle: ``(d,)`` what the estimated mean adds to the mean effect.
        share: Of the variance that relatives may explain; 0 where nothing was learned.
        variance: ``(d,)`` prior variance of a deviation.
        contexts: ``c`` contexts seen perturbed.
        defaults: ``(c, d)`` mean effect in each.
        default: ``(d,)`` mean effect over contexts, for others.
        error: Squared error on perturbations left out, over that of the mean effect.
        seed: Of the draws.
    """

    name: ClassVar[str] = "kernel-priors"
    needs_parts: ClassVar[bool] = True
    reads: Space
    names: tuple[str, ...]
    priors: Float[np.ndarray, "g m"]
    covered: Bool[np.ndarray, "g b"]
    blocks: tuple[str, ...]
    ends: Int[np.ndarray, " b"]
    perturbations: tuple[str, ...]
    deviations: Float[np.ndarray, "p d"]
    learned: Int[np.ndarray, " q"]
    places: Float[np.ndarray, "q m"]
    known: Bool[np.ndarray, "q b"]
    weights: Float[np.ndarray, "q d"]
    inverse: Float[np.ndarray, "q q"]
    middle: Float[np.ndarray, " d"]
    share: float
    variance: Float[np.ndarray, " d"]
    contexts: tuple[str, ...]
    defaults: Float[np.ndarray, "c d"]
    default: Float[np.ndarray, " d"]
    error: float
    seed: int

    @classmethod
    def fit(cls, ur: UR, *, parts: UR | None = None, seed: int = 0) -> "KernelPriors":
        """Choose the share on perturbations left out, then solve.

        Args:
            ur: Perturbed and control states.
            parts: Molecular UR of possible targets, such as `aivc.data.knowledge.gene_priors`.
            seed: Of the draws that express what is not known.

        Raises:
            ControlError: A context has no control.
            DataError: No priors, or none of the perturbations' targets is among them.
        """
        if parts is None:
            raise DataError(["kernel-priors needs priors: pass parts=gene_priors(), or choose mean-effect."])
        measured = effects(ur)
        contexts, defaults_cd, _ = measured.mean_effects()
        place_r = np.array([contexts.index(str(context)) for context in measured.contexts], dtype=int)
        shifts_rd = np.where(measured.measured, measured.shifts - defaults_cd[place_r], 0.0)
        seen = dataclasses.replace(measured, shifts=shifts_rd).by_perturbation()
        texts = tuple(map(str, seen.perturbations))
        asked = [Perturbation.parse(text) for text in texts]
        names = tuple(map(str, parts.entities.index.tolist()))
        index = index_of(names)
        if not any(target in index for each in asked for target in targets_of(each)):
            shown = ", ".join(texts[:5])
            raise DataError(
                [f"None of the perturbations ({shown}, …) is among the priors. Are their targets named as there?"]
            )
        axes, covered = blocks_of(parts)
        slices = list(axes.values())
        place_pm, known_pb = _unit_places(asked, index, parts.values, covered, slices)
        rows = np.sort(np.argsort(-seen.cells, kind="stable")[:_MOST])
        families = [family_of(asked[row]) for row in rows]
        found = _solve(place_pm[rows], known_pb[rows], slices, seen.take(rows), families)
        return cls(
            ur.space,
            names,
            np.asarray(parts.values, dtype=np.float64),
            covered,
            tuple(axes),
            np.array([where.stop for where in slices]),
            texts,
            seen.shifts,
            rows,
            place_pm[rows],
            known_pb[rows],
            *found[:4],
            _spread(measured.shifts, seen.shifts),
            contexts,
            defaults_cd,
            defaults_cd.mean(axis=0) if contexts else np.zeros(ur.space.dim),
            found[4],
            seed,
        )

    def manipulate(self, ur: UR, perturbation: Perturbation) -> Prediction[UR]:
        """Shift every state by what is known, or by draws of what relatives tell; their spread is ignorance."""
        self.reads.require(ur.space, self.name)
        if perturbation.is_control:
            return Prediction((ur,), (self.name,), Applicability.IN)
        table = dict(zip(self.contexts, self.defaults, strict=True))
        base_nd = np.array([table.get(str(context), self.default) for context in ur.contexts])
        text = str(perturbation)
        if text in self.perturbations:
            shift_d = self.deviations[self.perturbations.index(text)]
            return Prediction((ur.moved(base_nd + shift_d, text),), (self.name,), Applicability.IN)
        deviation_d, variance_d, informed = (each[0] for each in self.library([perturbation]))
        told = Applicability.EDGE if self.related(float(informed)) else Applicability.OUT
        half_kd = np.random.default_rng([self.seed, crc32(text.encode())]).standard_normal(
            (_DRAWS // 2, self.reads.dim)
        )
        # Drawn in pairs of opposite sign, so that the mean of the draws is what is expected.
        noise_kd = np.concatenate([half_kd, -half_kd]) * np.sqrt(variance_d)
        return Prediction(
            tuple(ur.moved(base_nd + deviation_d + noise_d, text) for noise_d in noise_kd), (self.name,), told
        )

    def library(
        self, perturbations: Sequence[Perturbation]
    ) -> tuple[Float[np.ndarray, "p d"], Float[np.ndarray, "p d"], Float[np.ndarray, " p"]]:
        """Expected deviations, their variances, and the shares of the prior variance that are explained."""
        if len(perturbations) > _BLOCK:
            # A whole library at once would need a row of likenesses for each of it.
            parts = [perturbations[i : i + _BLOCK] for i in range(0, len(perturbations), _BLOCK)]
            told = [np.concatenate(each) for each in zip(*map(self.library, parts), strict=True)]
            return told[0], told[1], told[2]
        like_pq = self.likeness(perturbations)
        explained_p = self.share**2 * np.einsum("pq,qr,pr->p", like_pq, self.inverse, like_pq, optimize=True)
        explained_p = np.clip(explained_p, 0.0, 1.0)
        agents_p = np.array([max(len(each.agents), 1) for each in perturbations], dtype=float)
        deviation_pd = self.middle + self.share * like_pq @ self.weights
        # The mean is estimated too, and the less surely the more a perturbation hangs on it.
        say_q = self.inverse.sum(axis=0)
        hangs_p = 1 - self.share * like_pq @ say_q
        unsure_p = hangs_p**2 / max(float(say_q.sum()), 1e-300) if self.share else np.zeros(len(like_pq))
        return deviation_pd, np.outer((1 - explained_p + unsure_p) * agents_p, self.variance), explained_p

    def left_out(self) -> dict[str, np.ndarray]:
        """Deviation ``(d,)`` foretold for each perturbation of training that has relatives, were its family not there.

        In closed form: with the mean estimated along, the inverse covariance loses one rank, and what a family leaves
        is its block solved for its weights.
        """
        asked = [Perturbation.parse(self.perturbations[row]) for row in self.learned]
        if not self.share:
            return {}
        say_q = self.inverse.sum(axis=0)
        inverse_qq = self.inverse - np.outer(say_q, say_q) / say_q.sum()
        said_qd, explained_q = np.array(self.deviations[self.learned]), np.diag(np.linalg.inv(self.inverse)).copy()
        for rows in _groups([family_of(each) for each in asked]):
            said_qd[rows] -= np.linalg.solve(inverse_qq[np.ix_(rows, rows)], self.weights[rows])
            explained_q[rows] -= np.diag(np.linalg.inv(self.inverse[np.ix_(rows, rows)]))
        told = zip(asked, said_qd, explained_q, strict=True)
        return {str(each): said_d for each, said_d, explained in told if self.related(float(explained))}

    def attribute(self, perturbation: Perturbation, context: str = "") -> list[Piece]:
        """The mean effect, and by block what each perturbation of training adds; of one that was seen, what it did."""
        table = dict(zip(self.contexts, self.defaults, strict=True))
        base = Piece("mean effect", context or "all contexts", "", 1.0, table.get(context, self.default))
        text = str(perturbation)
        if text in self.perturbations:
            return [base, Piece("measured", text, "", 1.0, self.deviations[self.perturbations.index(text)])]
        # The estimated mean belongs to all; every piece is a weight times how a perturbation differed from it.
        found = [base, Piece("mean effect", "relatives counted once", "", 1.0, self.middle)]
        place_pm, known_pb = _unit_places([perturbation], self._index, self.priors, self.covered, self._slices)
        left_qd = self.deviations[self.learned] - self.middle
        for block in range(len(self._slices)):
            only = np.arange(len(self._slices)) == block
            like_1q = _kernel(place_pm, known_pb & only, self.places, self.known, self._slices)
            weight_q = self.share * like_1q[0] @ self.inverse
            found += [
                Piece("relative", self.perturbations[row], self.blocks[block], float(weight), weight * left_d)
                for row, weight, left_d in zip(self.learned, weight_q, left_qd, strict=True)
                if weight
            ]
        return found

    def likeness(self, perturbations: Sequence[Perturbation]) -> Float[np.ndarray, "p q"]:
        """How like each is to those of training that relatives are sought among: 0 to 1."""
        place_pm, known_pb = _unit_places(perturbations, self._index, self.priors, self.covered, self._slices)
        return _kernel(place_pm, known_pb, self.places, self.known, self._slices)

    @staticmethod
    def related(informed: float) -> bool:
        """Whether so much of the prior variance is explained that the question lies at the edge, not outside."""
        return informed >= _RELATED

    @cached_property
    def _index(self) -> dict[str, int]:
        return index_of(self.names)

    @cached_property
    def _slices(self) -> list[slice]:
        return [slice(start, end) for start, end in zip([0, *self.ends[:-1]], self.ends, strict=True)]


def _spread(shifts_rd: np.ndarray, deviations_pd: np.ndarray) -> np.ndarray:
    """``(d,)`` expected squared deviation of one more perturbation from a mean of those seen."""
    count = len(deviations_pd)
    if count < 2:
        # One alone says nothing of others: take its effect itself for the spread.
        return np.asarray((shifts_rd**2).mean(axis=0))
    return np.asarray((deviations_pd**2).mean(axis=0) * (count + 1) / (count - 1))


def _unit_places(
    asked: Sequence[Perturbation],
    index: dict[str, int],
    values: np.ndarray,
    covered: np.ndarray,
    slices: Sequence[slice],
) -> tuple[np.ndarray, np.ndarray]:
    """Positions with each block of length one, zero where it knows nothing, and which blocks know something."""
    place_pm, known_pb = places_of(asked, index, np.asarray(values, dtype=np.float64), covered, slices)
    for block, where in enumerate(slices):
        length_p1 = np.linalg.norm(place_pm[:, where], axis=1, keepdims=True)
        known_pb[:, block] &= length_p1[:, 0] > 0
        place_pm[:, where] /= np.where(length_p1 > 0, length_p1, 1.0)
    return place_pm, known_pb


def _kernel(
    place_pm: np.ndarray,
    known_pb: np.ndarray,
    other_qm: np.ndarray,
    other_qb: np.ndarray,
    slices: Sequence[slice],
) -> Float[np.ndarray, "p q"]:
    total = np.zeros((len(place_pm), len(other_qm)))
    for block, where in enumerate(slices):
        cosine_pq = place_pm[:, where] @ other_qm[:, where].T
        like_pq = sum(np.exp((cosine_pq - 1) / length) for length in _LENGTHS)
        total += like_pq * np.outer(known_pb[:, block], other_qb[:, block])
    return total / (len(_LENGTHS) * max(len(slices), 1))


def _solve(
    place_pm: np.ndarray, known_pb: np.ndarray, slices: Sequence[slice], seen: Effects, families: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float, float]:
    """Weights, inverse covariance, mean, share and error; share 0 where none helps."""
    size = len(place_pm)
    nothing = (np.zeros(seen.shifts.shape), np.zeros((size, size)), np.zeros(seen.shifts.shape[1]), 0.0, 1.0)
    groups = _groups(families)
    if len(groups) < 3:
        return nothing
    noise_p = (1 / seen.cells) / (1 / seen.cells).mean()
    main_pc = main_responses(seen.shifts)
    floor = max(float((_left_out_of_mean(main_pc, groups) ** 2).sum()), 1e-300)
    like = _kernel(place_pm, known_pb, place_pm, known_pb, slices)
    errors = np.array(_errors(like, noise_p, main_pc, groups)) / floor
    if errors.min() >= 1:
        return nothing
    alike = np.flatnonzero(errors <= min(errors.min() * (1 + 1 / len(groups)), 1.0))
    pick = alike[np.abs(_SHARES[alike] - _USUAL).argmin()]
    share = float(_SHARES[pick])
    inverse = np.linalg.inv(share * like + (1 - share) * np.diag(noise_p))
    say_p = inverse.sum(axis=0)
    middle_d = say_p @ seen.shifts / say_p.sum()
    return inverse @ (seen.shifts - middle_d), inverse, middle_d, share, float(errors[pick])


def _errors(like: np.ndarray, noise_p: np.ndarray, main_pc: np.ndarray, groups: Sequence[np.ndarray]) -> list[float]:
    """Squared error of every share on families left out, with the mean estimated from the others, without refitting."""
    root_p1 = np.sqrt(noise_p)[:, None]
    # One decomposition serves all shares: in units of the noise, its covariance is the identity.
    value_k, vector = np.linalg.eigh(like / root_p1 / root_p1.T)
    vector_pk, mean_k = vector / root_p1, vector.T @ (1 / root_p1[:, 0])
    inner_kc = vector_pk.T @ main_pc
    found = []
    for share in _SHARES:
        scale_k = 1 / (share * np.maximum(value_k, 0.0) + 1 - share)
        # The inverse with a constant added to the covariance differs by a matrix of rank one.
        side_p = vector_pk @ (scale_k * mean_k)
        factor = _MEAN_VARIANCE / (1 + _MEAN_VARIANCE * float(scale_k @ mean_k**2))
        solved_pc = vector_pk @ (scale_k[:, None] * inner_kc)
        solved_pc -= factor * np.outer(side_p, side_p @ main_pc)
        error = 0.0
        for rows in groups:
            block = (vector_pk[rows] * scale_k) @ vector_pk[rows].T - factor * np.outer(side_p[rows], side_p[rows])
            error += float((np.linalg.solve(block, solved_pc[rows]) ** 2).sum())
        found.append(error)
    return found


def _groups(families: Sequence[str]) -> list[np.ndarray]:
    found: dict[str, list[int]] = {}
    for row, family in enumerate(families):
        found.setdefault(family, []).append(row)
    return [np.array(rows) for rows in found.values()]


def _left_out_of_mean(main_pc: np.ndarray, groups: Sequence[np.ndarray]) -> np.ndarray:
    """Main responses less the mean of the other families."""
    left, total = np.array(main_pc), main_pc.sum(axis=0)
    for rows in groups:
        left[rows] -= (total - main_pc[rows].sum(axis=0)) / max(len(main_pc) - len(rows), 1)
    return left
