"""A velocity and a growth rate at every state and time, and the way along them by steps of equal length."""

from typing import NamedTuple, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from aivc.nn.layers import GatedMLP

_WIDTH, _LAYERS, _SILENT = 96, 2, 0.3


class Drift(NamedTuple):
    """What happens to a state.

    Attributes:
        velocity: ``(n, d)`` in units of the spread of states, over the whole range of times.
        growth: ``(n,)`` net growth over the whole range of times.
    """

    velocity: Tensor
    growth: Tensor


@final
class DriftNetwork(nn.Module):
    """Velocity and growth of states in units of their spread, at times from 0 to 1, under a condition.

    Args:
        dim: Axes ``d`` of a state.
        conditions: Numbers ``c`` that say the context and what was done; zeros where nothing is said.
    """

    def __init__(self, dim: int, conditions: int) -> None:
        super().__init__()
        self.into = nn.Linear(dim + 1 + conditions, _WIDTH)
        self.norms = nn.ModuleList(nn.LayerNorm(_WIDTH) for _ in range(_LAYERS))
        self.layers = nn.ModuleList(GatedMLP(_WIDTH, _WIDTH) for _ in range(_LAYERS))
        self.out = nn.Linear(_WIDTH, dim + 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(
        self, y_nd: Float[Tensor, "n d"], t_n: Float[Tensor, " n"], condition_nc: Float[Tensor, "n c"]
    ) -> Drift:
        """What happens to states at their times."""
        if self.training:
            # Now and then nothing is said, so that what contexts share is learned too.
            heard_n = (torch.rand(len(y_nd), device=y_nd.device) >= _SILENT).to(y_nd.dtype)
            condition_nc = condition_nc * heard_n[:, None]
        x = self.into(torch.cat([y_nd, 2 * t_n[:, None] - 1, condition_nc], dim=1))
        for norm, layer in zip(self.norms, self.layers, strict=True):
            x = x + layer(norm(x))
        out = self.out(x)
        return Drift(out[:, :-1], out[:, -1])


@torch.no_grad()
def integrated(
    network: nn.Module,
    y_nd: Float[Tensor, "n d"],
    condition_nc: Float[Tensor, "n c"],
    times: tuple[float, float],
    steps: int,
) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
    """Where states come to, and the logarithm of what each has become, by Runge-Kutta steps of fourth order.

    Args:
        network: A `DriftNetwork`, or what answers as one, in evaluation mode.
        y_nd: In units of their spread.
        condition_nc: Of each.
        times: From and to, in shares of the whole range.
        steps: How many.
    """
    start, end = times
    size, mass_n = (end - start) / steps, torch.zeros_like(y_nd[:, 0])

    def drift(at_nd: Tensor, t: float) -> Drift:
        found: Drift = network(at_nd, torch.full_like(at_nd[:, 0], t), condition_nc)
        return found

    for step in range(steps):
        t = start + step * size
        one = drift(y_nd, t)
        two = drift(y_nd + one.velocity * size / 2, t + size / 2)
        three = drift(y_nd + two.velocity * size / 2, t + size / 2)
        four = drift(y_nd + three.velocity * size, t + size)
        y_nd = y_nd + (one.velocity + 2 * two.velocity + 2 * three.velocity + four.velocity) * size / 6
        mass_n = mass_n + (one.growth + 2 * two.growth + 2 * three.growth + four.growth) * size / 6
    return y_nd, mass_n
