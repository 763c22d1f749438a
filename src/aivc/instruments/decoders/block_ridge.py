"""Ridge regression with one penalty for each block of columns, learned from the data themselves."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.linalg import cho_factor, cho_solve

_ROUNDS = 12
_LEAST, _MOST = 1e-6, 1e8
# Of the overall penalty of one target, in units of what all targets share.
_FACTORS = np.geomspace(0.03, 300.0, 15)


class BlockFit(NamedTuple):
    """A fitted regression of ``t`` targets on ``p`` columns.

    Attributes:
        center: ``(p,)`` mean of each column.
        slopes: ``(p, t)`` per unit of each column.
        intercepts: ``(t,)`` at the center.
        noise: ``(t,)`` variance of an error, with what the slopes themselves are unsure of on average.
    """

    center: Float[np.ndarray, " p"]
    slopes: Float[np.ndarray, "p t"]
    intercepts: Float[np.ndarray, " t"]
    noise: Float[np.ndarray, " t"]


def fit_blocks(x_np: np.ndarray, block_p: np.ndarray, y_nt: np.ndarray, group_n: np.ndarray | None = None) -> BlockFit:
    """Fit slopes whose prior variance is one number per block; the evidence chooses it (MacKay 1992, Neural Comput 4).

    Penalties are shared by all targets. Each of several targets then has an overall penalty of its own, averaged over
    a grid in proportion to its evidence, so that a target that nothing explains keeps its mean. Where groups are given,
    one overall penalty for all targets is the one with the least error on groups left out: the evidence takes rows for
    independent, which neighbours are not.

    Args:
        x_np: ``(n, p)`` columns.
        block_p: ``(p,)`` block of each column, counted from 0.
        y_nt: ``(n, t)`` targets.
        group_n: ``(n,)`` labels of what is left out together; None leaves nothing out.
    """
    # A block may be empty, such as that of types where there are none.
    center_p, size_b = x_np.mean(axis=0), np.maximum(np.bincount(block_p), 1)
    width_b = np.bincount(block_p, x_np.var(axis=0)) / size_b
    mean_t, width_t = y_nt.mean(axis=0), np.maximum(y_nt.std(axis=0), 1e-12)
    # Columns of a block keep their proportions: those of a kernel are the smaller, the less smooth they are.
    scale_p = np.sqrt(np.where(width_b > 1e-18, width_b, 1.0))[block_p]
    z_np, u_nt = (x_np - center_p) / scale_p, (y_nt - mean_t) / width_t
    gram_pp, cross_pt = z_np.T @ z_np, z_np.T @ u_nt
    penalty_p, slopes_pt, noise_t, free_t = _shared(gram_pp, cross_pt, block_p, len(x_np), (u_nt**2).sum(axis=0))
    if group_n is not None:
        factor = _least_error(z_np, u_nt, penalty_p, group_n)
        slopes_pt, noise_t, free_t = _overall(
            gram_pp, cross_pt, penalty_p, len(x_np), (u_nt**2).sum(axis=0), np.array([factor])
        )
    elif y_nt.shape[1] > 1:
        slopes_pt, noise_t, free_t = _overall(gram_pp, cross_pt, penalty_p, len(x_np), (u_nt**2).sum(axis=0), _FACTORS)
    noise_t = noise_t * (1 + free_t / len(x_np)) * width_t**2
    return BlockFit(center_p, slopes_pt / scale_p[:, None] * width_t, mean_t, noise_t)


def _shared(
    gram_pp: np.ndarray, cross_pt: np.ndarray, block_p: np.ndarray, n: int, square_t: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Penalties ``(p,)``, slopes, noise and free parameters of the targets, by MacKay's fixed point."""
    size_b = np.bincount(block_p).astype(np.float64)
    t, noise, strength_b = len(square_t), 0.8, 5.0 * np.maximum(size_b, 1.0)
    for _ in range(_ROUNDS):
        penalty_p = (noise * strength_b)[block_p]
        inverse_pp = cho_solve(cho_factor(gram_pp + np.diag(penalty_p)), np.eye(len(gram_pp)))
        slopes_pt = inverse_pp @ cross_pt
        left_b = np.bincount(block_p, noise * np.diag(inverse_pp), minlength=len(size_b)) * strength_b
        free_b = np.maximum(size_b - left_b, 1e-6)
        length_b = np.bincount(block_p, (slopes_pt**2).sum(axis=1), minlength=len(size_b))
        strength_b = np.clip(t * free_b / np.maximum(length_b, 1e-12), _LEAST, _MOST)
        error_t = square_t - 2 * (slopes_pt * cross_pt).sum(axis=0) + (slopes_pt * (gram_pp @ slopes_pt)).sum(axis=0)
        noise_t = np.maximum(error_t / max(n - free_b.sum(), 1.0), 1e-6)
        noise = float(noise_t.mean())
    return penalty_p, slopes_pt, noise_t, np.full(t, free_b.sum())


def _overall(
    gram_pp: np.ndarray, cross_pt: np.ndarray, penalty_p: np.ndarray, n: int, square_t: np.ndarray, factors: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Slopes, noise and free parameters with an overall penalty for each target, averaged by its evidence."""
    shrink_p = 1 / np.sqrt(penalty_p)
    power_r, axes_pr = np.linalg.eigh(gram_pp * shrink_p[:, None] * shrink_p)
    power_r = np.maximum(power_r, 0.0)
    along_rt = axes_pr.T @ (cross_pt * shrink_p[:, None])
    filter_gr = 1 / (power_r + factors[:, None])
    left_gt = np.maximum(square_t - filter_gr @ along_rt**2, 1e-9 * n)
    evidence_gt = -0.5 * (n * np.log(left_gt) + np.log1p(power_r / factors[:, None]).sum(axis=1)[:, None])
    weight_gt = np.exp(evidence_gt - evidence_gt.max(axis=0))
    weight_gt /= weight_gt.sum(axis=0)
    slopes_pt = shrink_p[:, None] * (axes_pr @ ((filter_gr.T @ weight_gt) * along_rt))
    free_t = (power_r * filter_gr).sum(axis=1) @ weight_gt
    error_t = square_t - 2 * (slopes_pt * cross_pt).sum(axis=0) + (slopes_pt * (gram_pp @ slopes_pt)).sum(axis=0)
    return slopes_pt, np.maximum(error_t / np.maximum(n - free_t, 1.0), 1e-6), free_t


def left_out_error(z_np: np.ndarray, u_nt: np.ndarray, group_n: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """``(g,)`` sum of squared errors on groups left out, of ridge with each overall penalty of a grid."""
    gram_pp, cross_pt = z_np.T @ z_np, z_np.T @ u_nt
    total_g = np.zeros(len(factors))
    for group in np.unique(group_n):
        out_mp, true_mt = z_np[group_n == group], u_nt[group_n == group]
        power_r, axes_pr = np.linalg.eigh(gram_pp - out_mp.T @ out_mp)
        along_rt, seen_mr = axes_pr.T @ (cross_pt - out_mp.T @ true_mt), out_mp @ axes_pr
        for g, factor in enumerate(factors):
            read_mt = seen_mr @ (along_rt / (np.maximum(power_r, 0.0) + factor)[:, None])
            total_g[g] += float(((true_mt - read_mt) ** 2).sum())
    return total_g


def _least_error(z_np: np.ndarray, u_nt: np.ndarray, penalty_p: np.ndarray, group_n: np.ndarray) -> float:
    return float(_FACTORS[left_out_error(z_np / np.sqrt(penalty_p), u_nt, group_n, _FACTORS).argmin()])


def evidence(x_np: np.ndarray, y_nt: np.ndarray) -> float:
    """Log evidence of one block of columns for all targets, up to a constant, with the best of a grid of penalties."""
    z_np, u_nt = x_np - x_np.mean(axis=0), y_nt - y_nt.mean(axis=0)
    u_nt = u_nt / np.maximum(u_nt.std(axis=0), 1e-12)
    power_r, axes_pr = np.linalg.eigh(z_np.T @ z_np)
    power_r = np.maximum(power_r, 0.0)
    square_rt = (axes_pr.T @ (z_np.T @ u_nt)) ** 2
    penalty_g = np.geomspace(1e-3, 1e3, 13)
    left_gt = np.maximum((u_nt**2).sum(axis=0) - (1 / (power_r + penalty_g[:, None])) @ square_rt, 1e-9 * len(z_np))
    size_g = np.log1p(power_r / penalty_g[:, None]).sum(axis=1)[:, None]
    return float((-0.5 * (len(z_np) * np.log(left_gt) + size_g)).max(axis=0).sum())
