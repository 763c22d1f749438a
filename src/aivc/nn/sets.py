"""Cells that look at each other: a set of states in, a correction of each out, whatever the order they come in."""

from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from aivc.nn.layers import Block

_HEADS, _SILENT = 4, 0.3


@final
class SetNetwork(nn.Module):
    """What a perturbation does to each cell of a set beyond a shift alike for all; zero until trained.

    Each state is a token, to which is added what the perturbation is; tokens attend to all of their set, and know no
    positions, so that permuting states permutes answers (in the manner of Adduri et al. 2025).

    Args:
        dim: Axes ``d`` of a state.
        parts: Axes ``e`` of what is known of molecules.
        spread: ``(d,)`` standard deviation of controls on each axis.
        width: Axes of a token.
        layers: Attention blocks.
    """

    spread: Tensor

    def __init__(self, dim: int, parts: int, spread: Tensor, *, width: int = 128, layers: int = 2) -> None:
        super().__init__()
        self.register_buffer("spread", spread)
        self.state = nn.Linear(dim, width)
        self.shift = nn.Linear(dim, width, bias=False)
        self.part = nn.Linear(parts, width, bias=False) if parts else None
        self.blocks = nn.ModuleList(Block(width, _HEADS, 2 * width) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, dim)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        self.turned = width // _HEADS // 2

    def forward(
        self,
        y_bld: Float[Tensor, "b l d"],
        shift_bd: Float[Tensor, "b d"],
        part_be: Float[Tensor, "b e"],
        keep_bl: Bool[Tensor, "b l"] | None = None,
    ) -> Float[Tensor, "b l d"]:
        """Correction of each state, in the units of the states.

        Args:
            y_bld: Sets of states, measured from the mean of their controls.
            shift_bd: Expected shift of each set.
            part_be: What is known of the molecules that are perturbed; zeros where nothing is.
            keep_bl: Which places of a set are filled; all by default.
        """
        asked_bw = self.shift(shift_bd / self.spread)
        if self.part is not None:
            # Now and then nothing is said of the molecule, so that an unknown one is answered from its shift.
            heard_b1 = torch.rand(len(part_be), 1, device=part_be.device) >= _SILENT if self.training else 1.0
            asked_bw = asked_bw + self.part(part_be * heard_b1)
        x_blw = self.state(y_bld / self.spread) + asked_bw[:, None]
        length = y_bld.shape[1]
        if keep_bl is None:
            keep_bl = torch.ones(y_bld.shape[:2], dtype=torch.bool, device=y_bld.device)
        # A turn by nothing, which leaves no trace of positions.
        turn = x_blw.new_ones(length, self.turned), x_blw.new_zeros(length, self.turned)
        for block in self.blocks:
            x_blw = block(x_blw, keep_bl, turn)
        corrected: Tensor = self.out(self.norm(x_blw)) * self.spread
        return corrected


def energy_distance(x_bld: Float[Tensor, "b l d"], y_bmd: Float[Tensor, "b m d"]) -> Float[Tensor, " b"]:
    """Twice the mean distance between two sets, less the mean distance within each; pairs of a point with itself out.

    Without bias: expected to be zero for sets drawn from one distribution, and so now and then below it.

    >>> energy_distance(torch.tensor([[[0.0], [2.0]]]), torch.tensor([[[1.0], [1.0]]]))
    tensor([0.])
    """
    # Exact differences: the shorter way by products leaves noise at small distances, and noise in their gradients.
    between, of_x, of_y = (
        torch.cdist(*both, compute_mode="donot_use_mm_for_euclid_dist")
        for both in ((x_bld, y_bmd), (x_bld, x_bld), (y_bmd, y_bmd))
    )
    within = [each.sum((1, 2)) / max(each.shape[1] * (each.shape[1] - 1), 1) for each in (of_x, of_y)]
    return 2 * between.mean((1, 2)) - within[0] - within[1]
