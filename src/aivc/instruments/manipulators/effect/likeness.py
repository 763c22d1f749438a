"""How alike perturbations and contexts are by their measured effects."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from aivc.instruments.manipulators.effect.rows import EffectRows

_ROUNDS = 3
# Of perturbations, more than so many are not compared with each other: the table would not fit.
MOST = 12_000


@final
@dataclass(frozen=True, eq=False)
class Likeness:
    """Cosines between perturbations, and between contexts; an unseen one is like none of them.

    Attributes:
        perturbations: Place of each text.
        contexts: Place of each context.
        effects: ``(p, p)`` cosine of the perturbations' mean deviations from the mean effect.
        responses: ``(p, p)`` cosine of what they add to that in each context, over the contexts both were measured in.
        offsets: ``(c, c)`` cosine of the contexts' mean effects, each less the mean over contexts.
        residuals: ``(c, c)`` cosine of what contexts add to the sum of mean effect and perturbation.
    """

    perturbations: dict[str, int]
    contexts: dict[str, int]
    effects: Float[np.ndarray, "p p"]
    responses: Float[np.ndarray, "p p"]
    offsets: Float[np.ndarray, "c c"]
    residuals: Float[np.ndarray, "c c"]

    @classmethod
    def of(cls, rows: EffectRows) -> "Likeness":
        """Measure it on these rows."""
        names, place_r = np.unique(rows.texts, return_inverse=True)
        where, context_r = np.unique(rows.contexts, return_inverse=True)
        away_pd, offset_cd = two_way(rows.shifts, place_r, context_r)
        left_rd = rows.shifts - away_pd[place_r] - offset_cd[context_r]
        few = len(names) <= MOST
        return cls(
            {str(name): i for i, name in enumerate(names)},
            {str(name): i for i, name in enumerate(where)},
            _cosine(away_pd @ away_pd.T) if few else np.zeros((0, 0)),
            _cosine(_within(left_rd, context_r, place_r)) if few else np.zeros((0, 0)),
            _cosine((centred := offset_cd - offset_cd.mean(axis=0)) @ centred.T),
            _cosine(_within(left_rd, place_r, context_r)),
        )


def two_way(
    shifts_rd: np.ndarray, place_r: np.ndarray, context_r: np.ndarray
) -> tuple[Float[np.ndarray, "p d"], Float[np.ndarray, "c d"]]:
    """Deviations of perturbations, which sum to zero, and mean effects of contexts, by turns.

    Contexts were not all asked the same perturbations, so that neither is a plain mean.
    """
    offset_cd = _means(shifts_rd, context_r)
    for _ in range(_ROUNDS):
        away_pd = _means(shifts_rd - offset_cd[context_r], place_r)
        away_pd -= away_pd.mean(axis=0)
        offset_cd = _means(shifts_rd - away_pd[place_r], context_r)
    return away_pd, offset_cd


def _means(values_rd: np.ndarray, code_r: np.ndarray) -> np.ndarray:
    """``(g, d)`` means of the groups."""
    order = np.argsort(code_r, kind="stable")
    starts = np.searchsorted(code_r[order], np.arange(int(code_r.max(initial=-1)) + 1))
    total = np.add.reduceat(values_rd[order], starts, axis=0)
    return np.asarray(total / np.bincount(code_r)[:, None])


def _within(left_rd: np.ndarray, group_r: np.ndarray, code_r: np.ndarray) -> np.ndarray:
    """``(g, g)`` inner products between codes, summed over the groups in which both have a row."""
    count = int(code_r.max(initial=-1)) + 1
    found = np.zeros((count, count))
    order = np.argsort(group_r, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(group_r[order])) + 1):
        if len(rows) > 1 and len(rows) < len(group_r):
            found[np.ix_(code_r[rows], code_r[rows])] += left_rd[rows] @ left_rd[rows].T
    return found


def _cosine(gram: np.ndarray) -> np.ndarray:
    length = np.sqrt(np.maximum(np.diag(gram), 0.0))
    safe = np.where(length > 1e-9 * max(float(length.max(initial=0.0)), 1e-300), length, np.inf)
    return np.asarray(gram / np.outer(safe, safe))
