"""Two agents together do what each does, and what the table of all pairs says of this one."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float
from scipy import sparse

from aivc.core.contracts import Manipulator
from aivc.core.effects import Effects, effects
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Applicability, Prediction
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.instruments.manipulators.baselines.completion import complete
from aivc.instruments.manipulators.baselines.sums import fit_sums

# More features than these are a profile, whose pairs are too few to fill a table for each of them.
_FEW = 16
_RIDGE, _TINY = 1.0, 1e-6


@final
@dataclass(frozen=True, eq=False)
class PairCompletion(Manipulator):
    """Main effects of agents, and a low-rank table of what pairs add to them; one table per context and feature.

    The main effects are ridge regressions: each agent brings the offset of its context and a vector of its own, and
    agents given together bring what such combinations add on average. What they leave of the pairs fills a symmetric
    table (`complete`). With more than 16 features, or in a context with few pairs, the main effects are all there is;
    where such profiles have gaps, they are those of ``additive``.

    Attributes:
        reads: Space it was fitted on.
        agents: ``a`` agents, as text.
        contexts: ``c`` contexts seen perturbed.
        offsets: ``(c + 1, 2, d)`` what an agent brings in each context, and what combining adds; in all, last.
        vectors: ``(a, d)`` of each agent, the same in all contexts.
        own: ``(c, a, e)`` what each context adds to that; ``e`` is ``d`` where there are few features, else 0.
        directions: ``(c, e, a, r)`` vectors of the tables, and
        weights: ``(c, e, r)`` their weights.
        measured: ``context | perturbation`` of all that was.
    """

    name: ClassVar[str] = "pair-completion"
    resampled: ClassVar[bool] = False
    reads: Space
    agents: tuple[str, ...]
    contexts: tuple[str, ...]
    offsets: Float[np.ndarray, "v 2 d"]
    vectors: Float[np.ndarray, "a d"]
    own: Float[np.ndarray, "c a e"]
    directions: Float[np.ndarray, "c e a r"]
    weights: Float[np.ndarray, "c e r"]
    measured: tuple[str, ...]

    @classmethod
    def fit(cls, ur: UR, *, parts: UR | None = None, seed: int = 0) -> "PairCompletion":
        """Solve for main effects, then fill the tables of what they leave.

        Args:
            ur: Perturbed and control states.
            parts: Not used.
            seed: Leaves out pairs, on which the rank is chosen.

        Raises:
            ControlError: A context has no control.
        """
        seen = effects(ur)
        seen = seen.take(np.array([bool(each.agents) for each in seen.parsed], bool))
        given = [list(map(str, each.agents)) for each in seen.parsed]
        agents = tuple(sorted({agent for each in given for agent in each}))
        contexts, _, _ = seen.mean_effects()
        design_ra = _members(given, agents)
        place_r = np.array([contexts.index(str(context)) for context in seen.contexts], dtype=int)
        offset_vd, vector_ad = _main_effects(seen, design_ra, place_r, len(contexts))
        left = _left(seen, design_ra, place_r, offset_vd, vector_ad)
        few = ur.space.dim if ur.space.dim <= _FEW else 0
        own = _own_vectors(left, design_ra, place_r, (len(contexts), len(agents), few))
        directions, weights = _tables(left, design_ra, place_r, own, seed)
        texts = zip(seen.contexts, seen.perturbations, strict=True)
        measured = tuple(_key(str(context), str(text)) for context, text in texts)
        return cls(ur.space, agents, contexts, offset_vd, vector_ad, own, directions, weights, measured)

    def manipulate(self, ur: UR, perturbation: Perturbation) -> Prediction[UR]:
        """Shift every state by the main effects of the agents and, for two, by what their pair adds."""
        self.reads.require(ur.space, self.name)
        if perturbation.is_control:
            return Prediction((ur,), (self.name,), Applicability.IN)
        texts = [str(agent) for agent in perturbation.agents]
        asked = ur.contexts.astype(str)
        shift = {context: self._shift(context, texts) for context in sorted(set(asked))}
        shift_nd = np.array([shift[context] for context in asked])
        answer = self._answer(set(asked), str(perturbation), [text in self._index for text in texts])
        return Prediction((ur.moved(shift_nd, str(perturbation)),), (self.name,), answer)

    def _answer(self, contexts: set[str], text: str, known: list[bool]) -> Applicability:
        if {_key(context, text) for context in contexts} <= self._measured:
            return Applicability.IN
        return Applicability.EDGE if any(known) else Applicability.OUT

    def _shift(self, context: str, texts: list[str]) -> np.ndarray:
        place = self.contexts.index(context) if context in self.contexts else -1
        count = len(texts)
        shift_d = count * self.offsets[place, 0] + (count > 1) * self.offsets[place, 1]
        rows = np.array([self._index[text] for text in texts if text in self._index], dtype=int)
        shift_d = shift_d + self.vectors[rows].sum(axis=0)
        if not self.own.size:
            return np.asarray(shift_d)
        # A context never seen perturbed is taken for the average of those that were.
        own_ce = self.own[:, rows].sum(axis=1)
        if count == len(rows) == 2:
            one, other = self.directions[:, :, rows[0]], self.directions[:, :, rows[1]]
            own_ce = own_ce + (one * self.weights * other).sum(axis=2)
        return np.asarray(shift_d + (own_ce[place] if place >= 0 else own_ce.mean(axis=0)))

    @cached_property
    def _index(self) -> dict[str, int]:
        return {agent: i for i, agent in enumerate(self.agents)}

    @cached_property
    def _measured(self) -> frozenset[str]:
        return frozenset(self.measured)


def _key(context: str, text: str) -> str:
    return f"{context} | {text}"


def _members(given: Sequence[Sequence[str]], agents: tuple[str, ...]) -> sparse.csr_matrix:
    """``(r, a)`` how often each agent is in each perturbation."""
    place = {agent: i for i, agent in enumerate(agents)}
    columns = [place[agent] for each in given for agent in each]
    rows = np.repeat(np.arange(len(given)), [len(each) for each in given])
    return sparse.csr_matrix((np.ones(len(columns)), (rows, columns)), shape=(len(given), len(agents)))


def _offsets(design_ra: sparse.csr_matrix, place_r: np.ndarray, contexts: int) -> sparse.csr_matrix:
    """``(r, 2 * contexts)`` how many agents there are, and whether several, in the columns of the row's context."""
    count_r = np.asarray(design_ra.sum(axis=1)).ravel()
    rows = np.repeat(np.arange(len(count_r)), 2)
    columns = (2 * place_r[:, None] + np.arange(2)).ravel()
    values = np.column_stack([count_r, count_r > 1]).astype(float).ravel()
    return sparse.csr_matrix((values, (rows, columns)), shape=(len(count_r), 2 * contexts))


def _main_effects(
    seen: Effects, design_ra: sparse.csr_matrix, place_r: np.ndarray, contexts: int
) -> tuple[np.ndarray, np.ndarray]:
    """Offsets ``(c + 1, 2, d)`` and vectors of agents ``(a, d)``, solved together."""
    if not seen.complete and seen.shifts.shape[1] > _FEW:
        sums = fit_sums(seen)
        offset_cd = np.stack([sums.offsets, np.zeros(sums.offsets.shape)], axis=1)
        return np.concatenate([offset_cd, offset_cd.mean(axis=0)[None]]), sums.vectors
    design = sparse.hstack([_offsets(design_ra, place_r, contexts), design_ra], format="csr")
    # Offsets are not shrunk; the trifle keeps apart what the data do not, as where all perturbations are pairs.
    ridge = np.concatenate([np.tile([_TINY, 10 * _TINY], contexts), np.full(design_ra.shape[1], _RIDGE)])
    solved = _ridge(design, seen, ridge)
    offset_cd = solved[: 2 * contexts].reshape(contexts, 2, seen.shifts.shape[1])
    mean = offset_cd.mean(axis=0) if contexts else np.zeros((2, seen.shifts.shape[1]))
    return np.concatenate([offset_cd, mean[None]]), solved[2 * contexts :]


def _ridge(design: sparse.csr_matrix, seen: Effects, ridge: np.ndarray) -> np.ndarray:
    """``(m, d)`` coefficients of the design, of each feature over what was measured."""
    if seen.complete:
        return np.linalg.solve((design.T @ design).toarray() + np.diag(ridge), design.T @ seen.shifts)
    columns = []
    for known_r, y_r in zip(seen.measured.T, seen.shifts.T, strict=True):
        part = design[known_r]
        columns.append(np.linalg.solve((part.T @ part).toarray() + np.diag(ridge), part.T @ y_r[known_r]))
    return np.array(columns).T


def _left(
    seen: Effects, design_ra: sparse.csr_matrix, place_r: np.ndarray, offset_vd: np.ndarray, vector_ad: np.ndarray
) -> Effects:
    """What the main effects leave of every row."""
    count_r = np.asarray(design_ra.sum(axis=1)).ravel()[:, None]
    said_rd = count_r * offset_vd[place_r, 0] + (count_r > 1) * offset_vd[place_r, 1] + design_ra @ vector_ad
    left_rd = np.where(seen.measured, seen.shifts - said_rd, 0.0)
    return Effects(left_rd, seen.perturbations, seen.contexts, seen.cells, seen.measured)


def _own_vectors(
    left: Effects, design_ra: sparse.csr_matrix, place_r: np.ndarray, shape: tuple[int, int, int]
) -> np.ndarray:
    """``(c, a, e)`` what the agents of each context do otherwise than in all."""
    own = np.zeros(shape)
    if shape[0] < 2 or not shape[2]:
        return own
    for context in range(shape[0]):
        rows = place_r == context
        own[context] = _ridge(design_ra[rows], left.take(rows), np.full(shape[1], _RIDGE))
    return own


def _tables(
    left: Effects, design_ra: sparse.csr_matrix, place_r: np.ndarray, own: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Vectors ``(c, e, a, r)`` and weights ``(c, e, r)`` of what pairs add in each context."""
    contexts, count, few = own.shape
    size_r = np.asarray(design_ra.sum(axis=1)).ravel()
    pairs = np.flatnonzero((size_r == 2) & (np.diff(design_ra.indptr) == 2))
    ends_k2 = design_ra[pairs].indices.reshape(-1, 2)
    found = {}
    for context in range(contexts):
        here = place_r[pairs] == context
        agents, ends = np.unique(ends_k2[here], return_inverse=True)
        for feature in range(few):
            known = left.measured[pairs[here], feature]
            value_k = left.shifts[pairs[here], feature] - own[context, ends_k2[here], feature].sum(axis=1)
            filled = _table(ends.reshape(-1, 2)[known], value_k[known], len(agents))
            found[context, feature] = agents, *complete(*filled, seed=seed)
    rank = max((len(w_r) for _, _, w_r in found.values()), default=0)
    directions, weights = np.zeros((contexts, few, count, rank)), np.zeros((contexts, few, rank))
    for (context, feature), (agents, v_ar, w_r) in found.items():
        directions[context, feature, agents, : len(w_r)] = v_ar
        weights[context, feature, : len(w_r)] = w_r
    return directions, weights


def _table(ends_k2: np.ndarray, value_k: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Symmetric table of the mean value of each pair, and where there is one."""
    total, times = np.zeros((2, count, count))
    for one, other in (ends_k2.T, ends_k2.T[::-1]):
        np.add.at(total, (one, other), value_k)
        np.add.at(times, (one, other), 1.0)
    return total / np.maximum(times, 1.0), times > 0
