"""What a perturbation did in other contexts, and what that says of this one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float, Int

from aivc.instruments.manipulators.contrast import UNTOLD_SHARE, mean_share
from aivc.instruments.manipulators.left_out import left_out_residuals, weighted_error

# Share of an effect that a new context is taken to share where no training context can tell: in four CRISPRi screens of
# one library, the effects common to the lines held 29 % of the variance, those of one line 24 % and noise 19 %.
UNTOLD_SCALE = 0.4
_PATIENCE = np.array([0.0, 0.3, 1.0, 2.0, 4.0, 8.0])
_PENALTIES = np.geomspace(0.03, 100, 9)
_SHARED = (0.5, 1.0)
_FEWEST, _WIDEST, _PSEUDO = 6, 3000, 10.0
# With more axes than these no maps are learned: a square of them would be.
_MOST_AXES = 256


@final
@dataclass(frozen=True, eq=False)
class Elsewhere:
    """From the mean deviation of a perturbation in other contexts to its deviation in one context.

    The deviation is shrunk by ``scale * k / (k + patience)``, ``k`` the number of other contexts, and a linear map adds
    what such deviations have meant in this context: one map that all contexts share, and one of each context's own.

    Attributes:
        scale: And
        patience: Say how much of the deviation is believed.
        mean_share: Share of the mean effect of the context that an answer keeps beside it (`mean_share`).
        shared: ``(d, d)`` map of all contexts; ``(0, 0)`` where there are too many axes for maps.
        own: ``(c, d, d)`` what each context adds to it; ``(c, 0, 0)`` likewise.
        variance: ``(c + 1, d)`` mean squared error on perturbations left out in each context, and in all, for others.
        error: That over all axes, with the whole mean effect, over the error of the mean effect; 1 where nothing could
            be learned.
    """

    scale: float
    patience: float
    mean_share: float
    shared: Float[np.ndarray, "d d"]
    own: Float[np.ndarray, "c d d"]
    variance: Float[np.ndarray, "v d"]
    error: float

    def say(
        self, elsewhere_pd: Float[np.ndarray, "p d"], contexts_p: Float[np.ndarray, " p"], place: int
    ) -> Float[np.ndarray, "p d"]:
        """Expected deviations in one context.

        Args:
            elsewhere_pd: Mean deviations in others.
            contexts_p: How many others those are means of.
            place: Position of the context; negative for one that was never seen perturbed.
        """
        said_pd = believed(self.scale, self.patience, contexts_p)[:, None] * elsewhere_pd
        if not self.shared.size:
            return said_pd
        map_dd = self.shared + self.own[place] if place >= 0 else self.shared
        return said_pd + elsewhere_pd @ map_dd


def believed(scale: float, patience: float, contexts_p: np.ndarray) -> np.ndarray:
    """``(p,)`` share of a deviation that is believed, by how many contexts it is a mean of.

    >>> believed(1.0, 1.0, np.array([0.0, 1.0, 3.0])).tolist()
    [0.0, 0.5, 0.75]
    """
    return np.asarray(scale * contexts_p / np.maximum(contexts_p + patience, 1e-12))


def means_elsewhere(
    deviations_rd: np.ndarray, cells_r: np.ndarray, texts: Sequence[str]
) -> tuple[Float[np.ndarray, "r d"], Float[np.ndarray, " r"]]:
    """Mean deviation ``(r, d)`` of each row's perturbation in the other contexts, and in how many it was seen."""
    _, code_r = np.unique(np.asarray(texts, dtype=str), return_inverse=True)
    count = np.bincount(code_r).astype(float)
    cells = np.bincount(code_r, weights=cells_r)
    total = np.zeros((len(count), deviations_rd.shape[1]))
    np.add.at(total, code_r, deviations_rd * cells_r[:, None])
    others_r, left_r = count[code_r] - 1, cells[code_r] - cells_r
    mean_rd = (total[code_r] - deviations_rd * cells_r[:, None]) / np.where(others_r > 0, left_r, 1.0)[:, None]
    return np.where(others_r[:, None] > 0, mean_rd, 0.0), others_r


def fit_elsewhere(
    deviations_rd: Float[np.ndarray, "r d"],
    cells_r: Float[np.ndarray, " r"],
    texts: Sequence[str],
    families: Sequence[str],
    places_r: Int[np.ndarray, " r"],
    spread_d: Float[np.ndarray, " d"],
    defaults_cd: Float[np.ndarray, "c d"],
    share: float | None = None,
) -> Elsewhere:
    """Learn how deviations carry over, from perturbations that were seen in two contexts or more.

    How much is believed are two numbers with the smallest squared error; the penalty of the maps has the smallest error
    on families left out. Where fewer than six families were seen twice, `UNTOLD_SCALE` is believed.

    Args:
        deviations_rd: Of each perturbation in each context, from the mean effect there.
        cells_r: How many cells each stands on; a row weighs by them.
        texts: Perturbation of each.
        families: What is left out together.
        places_r: Position of the context of each.
        spread_d: Variance of deviations, which is all that can be said where no perturbation was seen twice.
        defaults_cd: Mean effect of each context.
        share: Of it to keep; None chooses on families left out.
    """
    dim, contexts = deviations_rd.shape[1], len(defaults_cd)
    wide = dim > _MOST_AXES
    nothing, none = np.zeros((0, 0) if wide else (dim, dim)), np.zeros((contexts, *((0, 0) if wide else (dim, dim))))
    mean_rd, others_r = means_elsewhere(deviations_rd, cells_r, texts)
    rows = np.flatnonzero(others_r > 0)
    known = [families[int(row)] for row in rows]
    if len(set(known)) < _FEWEST or not mean_rd[rows].any():
        untold = UNTOLD_SHARE if len(set(families)) >= _FEWEST else 1.0
        kept = untold if share is None else share
        every_vd = np.vstack([defaults_cd, defaults_cd.mean(axis=0)]) if contexts else np.zeros((1, dim))
        return Elsewhere(UNTOLD_SCALE, 0.0, kept, nothing, none, spread_d + ((1 - kept) * every_vd) ** 2, 1.0)
    true_rd, said_rd, weight_r = deviations_rd[rows], mean_rd[rows], cells_r[rows] / cells_r[rows].mean()
    scale, patience = _belief(true_rd, said_rd, others_r[rows], weight_r)
    left_rd = true_rd - believed(scale, patience, others_r[rows])[:, None] * said_rd
    shared, own, error_rd = nothing, none, left_rd
    if not wide:
        shared, own, error_rd = _maps(left_rd, said_rd, weight_r, known, places_r[rows], none)
    floor = max(weighted_error(true_rd, weight_r), 1e-300)
    mean_effect_rd = defaults_cd[places_r[rows]]
    if share is None:
        chosen = mean_share(mean_effect_rd, true_rd - error_rd, mean_effect_rd + true_rd, known)
        share = UNTOLD_SHARE if chosen is None else chosen
    variance = _by_context(error_rd + (1 - share) * mean_effect_rd, weight_r, places_r[rows], contexts)
    return Elsewhere(scale, patience, share, shared, own, variance, weighted_error(error_rd, weight_r) / floor)


def _by_context(error_rd: np.ndarray, weight_r: np.ndarray, places_r: np.ndarray, contexts: int) -> np.ndarray:
    """Mean square of each context's rows, drawn to that of all, which comes last, as if by ten rows more."""
    square_rd = weight_r[:, None] * error_rd**2
    total, every = np.zeros((contexts + 1, error_rd.shape[1])), np.zeros(contexts + 1)
    np.add.at(total, places_r, square_rd)
    np.add.at(every, places_r, weight_r)
    pooled_d = square_rd.sum(axis=0) / max(float(weight_r.sum()), 1e-300)
    return np.asarray((total + _PSEUDO * pooled_d) / (every + _PSEUDO)[:, None])


def _belief(
    true_rd: np.ndarray, said_rd: np.ndarray, others_r: np.ndarray, weight_r: np.ndarray
) -> tuple[float, float]:
    """Scale, never negative, and patience with the smallest squared error."""
    along_r, size_r = weight_r * (true_rd * said_rd).sum(axis=1), weight_r * (said_rd**2).sum(axis=1)
    best = (0.0, 0.0, 0.0)
    for patience in _PATIENCE:
        share_r = believed(1.0, patience, others_r)
        along, size = float(share_r @ along_r), float(share_r**2 @ size_r)
        if along > 0 and along**2 / size > best[0]:
            best = (along**2 / size, along / size, float(patience))
    return best[1], best[2]


def _maps(
    left_rd: np.ndarray,
    said_rd: np.ndarray,
    weight_r: np.ndarray,
    families: Sequence[str],
    places_r: np.ndarray,
    none: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The shared map, those of each context, and what they leave of the rows that were left out."""
    rows, dim = said_rd.shape
    size, root_r1 = float(np.sqrt((said_rd**2).sum(axis=1).mean())), np.sqrt(weight_r)[:, None]
    best = (weighted_error(left_rd, weight_r), np.zeros((dim, dim)), none, left_rd)
    for shared in _SHARED:
        apart = shared < 1
        if apart and (len(none) < 2 or dim * (len(none) + 1) > _WIDEST):
            continue
        design = np.zeros((rows, len(none) + 1, dim))
        design[:, 0] = np.sqrt(shared) * said_rd
        if apart:
            design[np.arange(rows), places_r + 1] = np.sqrt(1 - shared) * said_rd
        design_rm = design.reshape(rows, -1)[:, : None if apart else dim] * root_r1 / size
        left_rk, strength_k, right_km = np.linalg.svd(design_rm, full_matrices=False)
        wanted_rd = left_rd * root_r1
        inner_kd = left_rk.T @ wanted_rd
        for penalty in _PENALTIES:
            kept_k = strength_k**2 / (strength_k**2 + penalty)
            fitted_rd = left_rk @ (kept_k[:, None] * inner_kd)
            error_rd = left_out_residuals(left_rk, kept_k, wanted_rd - fitted_rd, families) / root_r1
            error = weighted_error(error_rd, weight_r)
            if error < best[0]:
                shrunk_k = strength_k / (strength_k**2 + penalty)
                maps = (right_km.T @ (shrunk_k[:, None] * inner_kd)).reshape(-1, dim, dim) / size
                own = np.sqrt(1 - shared) * maps[1:] if apart else none
                best = (error, np.sqrt(shared) * maps[0], own, error_rd)
    return best[1:]
