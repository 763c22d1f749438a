"""A velocity that starts as a plain shift and learns how a population changes shape on the way (Lipman et al. 2023)."""

import math
from typing import NamedTuple, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from aivc.nn.layers import GatedMLP

_WIDTH, _LAYERS, _ALONG_WIDTH, _ALONG_LAYERS, _WAVES = 128, 3, 48, 2, 3
_SILENT = 0.3


class Condition(NamedTuple):
    """What a population is asked to become, one row per state. States are in units of the spread of controls.

    Attributes:
        shift: ``(n, d)`` of its mean.
        way: ``(n, d)`` direction of the shift, of length one.
        scatter: ``(n,)`` standard deviation of controls in that direction.
        context: ``(n, d)`` where controls of the context lie among those of others.
        part: ``(n, e)`` what is known of the molecules that are perturbed; zeros where nothing is.
    """

    shift: Tensor
    way: Tensor
    scatter: Tensor
    context: Tensor
    part: Tensor

    def take(self, rows: Tensor) -> "Condition":
        """Keep some rows, or repeat them."""
        return Condition(*(each[rows] for each in self))


class Velocity(NamedTuple):
    """What is added to the shift.

    Attributes:
        along: ``(n, d)`` in the direction of the shift, computed from how far a state lies in that direction already: a
            rule that holds for any direction, so that few perturbations suffice to learn it.
        rest: ``(n, d)`` in any direction, computed from all inputs.
    """

    along: Tensor
    rest: Tensor


@final
class VelocityNetwork(nn.Module):
    """Velocity of each state on its way from control to perturbed, beyond the constant shift; zero until trained.

    Args:
        dim: Axes ``d`` of a state.
        parts: Axes ``e`` of what is known of molecules.
        spread: ``(d,)`` standard deviation of controls on each axis.
    """

    spread: Tensor

    def __init__(self, dim: int, parts: int, spread: Tensor) -> None:
        super().__init__()
        self.register_buffer("spread", spread)
        waves = 2 * _WAVES + 1
        self.along_in = nn.Linear(waves + 4, _ALONG_WIDTH)
        self.along = _Trunk(_ALONG_WIDTH, _ALONG_LAYERS, 1)
        self.rest_in = nn.Linear(waves + 4 + 3 * dim + parts, _WIDTH)
        self.rest = _Trunk(_WIDTH, _LAYERS, dim)

    def forward(
        self, y_nd: Float[Tensor, "n d"], t_n: Float[Tensor, " n"], given: Condition, *, rest: bool = True
    ) -> Velocity:
        """Velocity beyond the shift.

        Args:
            y_nd: States, measured from the mean of the controls of their context.
            t_n: How far on the way, 0 to 1.
            given: Where to.
            rest: Whether the second part is wanted; zeros otherwise.
        """
        far_n = (y_nd * given.way).sum(1) / given.scatter
        size_n = (given.shift * given.way).sum(1) / given.scatter
        frame = torch.stack([far_n, far_n - t_n * size_n, size_n, torch.log1p(size_n)], dim=1)
        common = torch.cat([_waves(t_n), frame], dim=1)
        # A shift that is small beside the scatter of cells can hardly change their shape.
        open_n1 = (size_n / (1 + size_n))[:, None]
        along_nd = self.along(self.along_in(common)) * given.scatter[:, None] * open_n1 * given.way
        if not rest:
            return Velocity(along_nd, torch.zeros_like(along_nd))
        context, part = given.context, given.part
        if self.training:
            # Now and then nothing is said of context and molecule, so that neither is leant on alone.
            heard_n2 = (torch.rand(len(y_nd), 2, device=y_nd.device) >= _SILENT).to(y_nd.dtype)
            context, part = context * heard_n2[:, :1], part * heard_n2[:, 1:]
        inputs = torch.cat([common, y_nd / self.spread, given.shift / self.spread, context, part], dim=1)
        return Velocity(along_nd, self.rest(self.rest_in(inputs)) * self.spread * open_n1)


@final
class _Trunk(nn.Module):
    """Pre-norm gated layers added to what came in, and an output that starts at zero."""

    def __init__(self, width: int, layers: int, out: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(layers))
        self.layers = nn.ModuleList(GatedMLP(width, width) for _ in range(layers))
        self.last = nn.LayerNorm(width)
        self.out = nn.Linear(width, out)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor) -> Tensor:
        for norm, layer in zip(self.norms, self.layers, strict=True):
            x = x + layer(norm(x))
        out: Tensor = self.out(self.last(x))
        return out


def _waves(t_n: Tensor) -> Tensor:
    pace = math.pi * torch.arange(1, _WAVES + 1, device=t_n.device, dtype=t_n.dtype)
    angle = t_n[:, None] * pace
    return torch.cat([t_n[:, None], angle.sin(), angle.cos()], dim=1)


@torch.no_grad()
def solve(
    network: VelocityNetwork, y_nd: Float[Tensor, "n d"], given: Condition, *, rest: bool, steps: int = 8
) -> Float[Tensor, "n d"]:
    """Where states end, by midpoint steps of equal length.

    Args:
        network: In evaluation mode.
        y_nd: States of controls, measured from their mean.
        given: Where to.
        rest: Whether the velocity in any direction counts, or that along the shift alone.
        steps: How many.
    """

    def velocity(at_nd: Tensor, t: float) -> Tensor:
        found: Velocity = network(at_nd, torch.full_like(at_nd[:, 0], t), given, rest=rest)
        return given.shift + found.along + found.rest

    for step in range(steps):
        half_nd = y_nd + velocity(y_nd, step / steps) / (2 * steps)
        y_nd = y_nd + velocity(half_nd, (step + 0.5) / steps) / steps
    return y_nd
