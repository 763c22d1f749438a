"""Plans between many small clouds at once, as whole matrices in the log domain, for batches of a training step."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor


def squared_distances(x_nd: Float[Tensor, "*b n d"], y_md: Float[Tensor, "*b m d"]) -> Float[Tensor, "*b n m"]:
    """Squared Euclidean distance of every pair."""
    cost = (x_nd**2).sum(-1)[..., :, None] + (y_md**2).sum(-1)[..., None, :] - 2 * x_nd @ y_md.mT
    return cost.clamp_min(0.0)


def sinkhorn(
    cost_nm: Float[Tensor, "*b n m"],
    *,
    weight_n: Float[Tensor, "*b n"] | None = None,
    weight_m: Float[Tensor, "*b m"] | None = None,
    epsilon: float = 0.05,
    reach: float | None = None,
    rounds: int = 100,
    tolerance: float = 1e-4,
) -> Float[Tensor, "*b n m"]:
    """Plan with the least mean cost plus ``epsilon`` times its relative entropy (Cuturi 2013), in the log domain.

    The cost is divided by its mean first, so that ``epsilon`` and ``reach`` mean the same for any units.

    Args:
        cost_nm: Of moving one unit of weight.
        weight_n: Of the points moved, positive; alike by default. They are made to add up to one.
        weight_m: Of the points reached.
        epsilon: How blurred the plan is; towards 0 it becomes the exact one, and takes more rounds.
        reach: Penalty, in mean costs, on the divergence of the plan's sums from the weights (Chizat et al. 2018), so
            that points without counterpart may stay out of it; None keeps the sums exactly.
        rounds: Most rounds of scaling.
        tolerance: Largest total error of the sums at which it stops earlier.

    Returns:
        Weight moved between each pair. Its sums over ``n`` are exact where ``reach`` is None.
    """
    scaled = cost_nm / cost_nm.mean((-2, -1), keepdim=True).clamp_min(1e-30) / epsilon
    log_n, log_m = _log_weights(weight_n, cost_nm.sum(-1)), _log_weights(weight_m, cost_nm.sum(-2))
    damp = 1.0 if reach is None else reach / (reach + epsilon)
    f_n, g_m = torch.zeros_like(log_n), torch.zeros_like(log_m)
    for _ in range(rounds):
        last_n = f_n
        f_n = -damp * torch.logsumexp(g_m[..., None, :] - scaled + log_m[..., None, :], dim=-1)
        g_m = -damp * torch.logsumexp(f_n[..., :, None] - scaled + log_n[..., :, None], dim=-2)
        # How far a potential still moves, in shares of its weight, is the error of the sums.
        if float(((f_n - last_n).abs() * log_n.exp()).sum(-1).max()) < tolerance * damp:
            break
    return (f_n[..., :, None] + g_m[..., None, :] - scaled + log_n[..., :, None] + log_m[..., None, :]).exp()


def _log_weights(weight: Tensor | None, like: Tensor) -> Tensor:
    if weight is None:
        return torch.full_like(like, -math.log(like.shape[-1]))
    return (weight / weight.sum(-1, keepdim=True)).log()


def pair(
    x_nd: Float[Tensor, "*b n d"],
    y_md: Float[Tensor, "*b m d"],
    count: int,
    *,
    generator: torch.Generator | None = None,
    epsilon: float = 0.05,
    reach: float | None = None,
    rounds: int = 100,
) -> tuple[Int[Tensor, "*b k"], Int[Tensor, "*b k"]]:
    """Draw pairs of points, one of each cloud, from the plan between them.

    Args:
        x_nd: Where they may start.
        y_md: Where they may end.
        count: How many pairs ``k`` of each two clouds.
        generator: Draws them; that of torch by default.
        epsilon: And
        reach: And
        rounds: As in `sinkhorn`.
    """
    plan_nm = sinkhorn(squared_distances(x_nd, y_md), epsilon=epsilon, reach=reach, rounds=rounds)
    flat = plan_nm.reshape(-1, plan_nm.shape[-2] * plan_nm.shape[-1])
    drawn = torch.multinomial(flat, count, replacement=True, generator=generator).reshape(*plan_nm.shape[:-2], count)
    return drawn // plan_nm.shape[-1], drawn % plan_nm.shape[-1]
