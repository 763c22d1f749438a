"""Several sources, each sure or unsure, and a prior: Gaussian experts in closed form, and their product.

An expert is a Gaussian process with a linear kernel on its own vectors. It says of a deviation from the prior how large
it should be, and which share of the prior variance it explains there. The product of the experts with the prior
(Tresp 2000, Neural Computation; weighted as by Deisenroth and Ng 2015, ICML) has the precision of the prior plus, for
each expert that knows the thing asked about, a term that is never negative: to know less never gives a narrower answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import minimize

# Shares of the variance that a source may explain.
_SHARES = np.array([0.02, 0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 0.75, 0.9])
# The mean is estimated along with the rest when one is left out: its prior is so wide that it does not bind.
_MEAN_VARIANCE = 1e3
# Share of the variance that an expert may claim to explain.
MOST = 0.98
_WEIGHT_FOLDS = 5
# Of a weight's squared distance from an equal share, per family that could tell sources apart.
_COST = 1.0


@final
@dataclass(frozen=True, eq=False)
class Expert:
    """What one source makes of the training perturbations.

    Attributes:
        share: Of the variance that its kernel explains; 0 where no share foretells better than the prior.
        weights: ``(m, d)`` from its vector to the expected deviation.
        informed: ``(m, p)`` from its vector to the root of the explained share, whose squares add up.
        left_out: ``(p, c)`` expected main responses of each perturbation, with its family left out.
        explained: ``(p,)`` explained share of each, likewise; 0 where the source does not know it.
        error: Mean squared error of ``left_out`` where it knows, over that of the prior there.
    """

    share: float
    weights: Float[np.ndarray, "m d"]
    informed: Float[np.ndarray, "m p"]
    left_out: Float[np.ndarray, "p c"]
    explained: Float[np.ndarray, " p"]
    error: float


@final
@dataclass(frozen=True, eq=False)
class Training:
    """What experts learn from.

    Attributes:
        deviations: ``(p, d)`` from the prior mean.
        main: ``(p, c)`` the same on the few directions that hold most of it, to choose settings on.
        noise: ``(p,)`` how noisy each is, 1 on average.
        agents: ``(p,)`` how many agents each has, which its variance grows with.
        families: What is left out together.
    """

    deviations: Float[np.ndarray, "p d"]
    main: Float[np.ndarray, "p c"]
    noise: Float[np.ndarray, " p"]
    agents: Float[np.ndarray, " p"]
    families: Sequence[str]

    def take(self, rows: np.ndarray) -> "Training":
        """Keep some perturbations, by position."""
        families = [self.families[i] for i in rows]
        return Training(self.deviations[rows], self.main[rows], self.noise[rows], self.agents[rows], families)

    def prior_left_out(self) -> Float[np.ndarray, "p c"]:
        """Main responses as deviations from the mean of the other families."""
        left, total = np.array(self.main), self.main.sum(axis=0)
        for rows in members(self.families):
            others = len(self.main) - len(rows)
            left[rows] -= (total - self.main[rows].sum(axis=0)) / max(others, 1)
        return left


def members(families: Sequence[str]) -> list[np.ndarray]:
    """Positions of each family's members."""
    found: dict[str, list[int]] = {}
    for row, family in enumerate(families):
        found.setdefault(family, []).append(row)
    return [np.array(rows) for rows in found.values()]


def fit_expert(features_pm: np.ndarray, known_p: np.ndarray, training: Training) -> Expert:
    """Fit one source where it knows the perturbations; it says nothing of the others.

    Args:
        features_pm: Vectors of all training perturbations.
        known_p: True where the source knows them.
        training: What they did.
    """
    rows = np.flatnonzero(known_p)
    total, dim = training.main.shape[1], training.deviations.shape[1]
    silent = Expert(
        0.0,
        np.zeros((features_pm.shape[1], dim)),
        np.zeros((features_pm.shape[1], len(known_p))),
        np.zeros((len(known_p), total)),
        np.zeros(len(known_p)),
        1.0,
    )
    known = training.take(rows)
    if len(set(known.families)) < 3:
        return silent
    x_km = features_pm[rows]
    kernel_kk = x_km @ x_km.T
    prior_kc = training.prior_left_out()[rows]
    floor = float((prior_kc**2).sum())
    tried = [(_leave_out(kernel_kk, share, known, prior_kc), share) for share in _SHARES]
    (said_kc, q_k), share = min(tried, key=lambda each: float(((prior_kc - each[0][0]) ** 2).sum()))
    error = float(((prior_kc - said_kc) ** 2).sum()) / max(floor, 1e-300)
    if error >= 1:
        return silent
    root_kk = _root(share * kernel_kk + (1 - share) * np.diag(known.noise * known.agents))
    weights_md = share * x_km.T @ (root_kk @ (root_kk.T @ known.deviations))
    informed_mp = np.zeros(silent.informed.shape)
    informed_mp[:, rows] = share * x_km.T @ root_kk
    left_out_pc, explained_p = np.array(silent.left_out), np.array(silent.explained)
    left_out_pc[rows], explained_p[rows] = said_kc, q_k
    return Expert(share, weights_md, informed_mp, left_out_pc, explained_p, error)


def _leave_out(
    kernel_kk: np.ndarray, share: float, known: Training, prior_kc: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Expected main responses and explained shares with each family left out, without refitting."""
    own_k = (1 - share) * known.noise * known.agents
    covariance_kk = share * kernel_kk + np.diag(own_k)
    with_mean = np.linalg.inv(covariance_kk + _MEAN_VARIANCE)
    inverse_kk = np.linalg.inv(covariance_kk)
    solved_kc = with_mean @ known.main
    error_kc, q_k = np.zeros_like(solved_kc), np.zeros(len(own_k))
    for rows in members(known.families):
        inside = np.ix_(rows, rows)
        error_kc[rows] = np.linalg.solve(with_mean[inside], solved_kc[rows])
        left = np.diag(np.linalg.inv(inverse_kk[inside]))
        q_k[rows] = (np.diag(covariance_kk)[rows] - left) / known.agents[rows]
    # What was expected of each, as a deviation from the mean of the others.
    return prior_kc - error_kc, np.clip(q_k, 0, MOST)


def _root(matrix: np.ndarray) -> np.ndarray:
    """A root of the inverse: ``root @ root.T``."""
    lower = np.linalg.cholesky(matrix)
    return np.asarray(np.linalg.inv(lower).T)


def product(
    said_bpd: np.ndarray, explained_bp: np.ndarray, weights_b: np.ndarray
) -> tuple[Float[np.ndarray, "p d"], Float[np.ndarray, " p"]]:
    """Deviations that the product of the experts and the prior expects, and its variance as a share of the prior's.

    >>> said, left = product(np.array([[[1.0]]]), np.array([[0.5]]), np.array([1.0]))
    >>> said.tolist(), left.tolist()
    ([[1.0]], [0.5])
    >>> product(np.array([[[1.0]]]), np.array([[0.0]]), np.array([1.0]))[1].tolist()
    [1.0]
    """
    # An expert that explains nothing at this place has said nothing, whatever its mean.
    ratio_bp = weights_b[:, None] / (1 - explained_bp) * (explained_bp > 0)
    precision_p = 1 + (ratio_bp * explained_bp).sum(axis=0)
    return np.asarray(np.einsum("bp,bpd->pd", ratio_bp, said_bpd) / precision_p[:, None]), 1 / precision_p


def weigh(experts: Sequence[Expert], training: Training) -> Float[np.ndarray, " b"]:
    """Weights between 0 and 1 with the smallest error on perturbations left out, so that nothing is counted twice.

    They are drawn towards equal shares, the more so the fewer perturbations there are to tell sources apart. Where the
    product is no better than the prior on families that its weights were not chosen on, nobody is trusted.
    """
    useful = np.array([expert.share > 0 for expert in experts], dtype=bool)
    weights_b = np.zeros(len(experts))
    if useful.any() and _error(fused_left_out(experts, training), training) < 1:
        chosen = [expert for expert, use in zip(experts, useful, strict=True) if use]
        weights_b[useful] = _solve(chosen, training, np.ones(len(training.main), dtype=bool))
    return weights_b


def fused(experts: Sequence[Expert], weights_b: np.ndarray, training: Training) -> Float[np.ndarray, "p c"]:
    """What the product expects of each training perturbation, its family left out of every expert."""
    explained_bp = np.array([expert.explained for expert in experts])
    return product(np.array([expert.left_out for expert in experts]), explained_bp, weights_b)[0]


def fused_left_out(experts: Sequence[Expert], training: Training) -> Float[np.ndarray, "p c"]:
    """The same with weights that were chosen without the family too."""
    chosen = [expert for expert in experts if expert.share > 0]
    said_pc = np.zeros(training.main.shape)
    groups = members(training.families)
    folds = min(_WEIGHT_FOLDS, len(groups))
    if not chosen or folds < 2:
        return said_pc
    for fold in range(folds):
        out = np.zeros(len(said_pc), dtype=bool)
        out[np.concatenate(groups[fold::folds])] = True
        said_pc[out] = fused(chosen, _solve(chosen, training, ~out), training)[out]
    return said_pc


def _error(said_pc: np.ndarray, training: Training) -> float:
    """Squared error, over that of the prior."""
    prior_pc = training.prior_left_out()
    return float(((prior_pc - said_pc) ** 2).sum()) / max(float((prior_pc**2).sum()), 1e-300)


def _solve(chosen: Sequence[Expert], training: Training, rows_p: Bool[np.ndarray, " p"]) -> np.ndarray:
    q_bp = np.array([expert.explained for expert in chosen])[:, rows_p]
    ratio_bp = (q_bp > 0) / (1 - q_bp)
    given_bpc = ratio_bp[:, :, None] * np.array([expert.left_out for expert in chosen])[:, rows_p]
    prior_pc = training.prior_left_out()[rows_p]
    scale = max(float((prior_pc**2).sum()), 1e-300)
    start = np.full(len(chosen), 1 / len(chosen))
    families = len({family for family, use in zip(training.families, rows_p, strict=True) if use})
    cost = _COST / max(families, 1)

    def loss(weights_b: np.ndarray) -> tuple[float, np.ndarray]:
        precision_p = 1 + weights_b @ (ratio_bp * q_bp)
        said_pc = np.tensordot(weights_b, given_bpc, axes=1) / precision_p[:, None]
        error_pc = said_pc - prior_pc
        along_bp = np.einsum("pc,bpc->bp", error_pc, given_bpc)
        along_bp -= (error_pc * said_pc).sum(axis=1) * ratio_bp * q_bp
        slope_b = 2 * (along_bp / precision_p).sum(axis=1) / scale
        away_b = weights_b - start
        return float((error_pc**2).sum() / scale + cost * (away_b**2).sum()), slope_b + 2 * cost * away_b

    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0.0, 1.0)] * len(chosen))
    return np.asarray(found.x)
