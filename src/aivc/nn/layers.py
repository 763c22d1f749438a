"""Attention that knows order but not absolute place, and the small blocks around it; padding changes nothing."""

from typing import final

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Bool, Float
from torch import Tensor, nn

_BASE = 10_000.0


def rotations(length: int, dim: int, device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """Cosines and sines of rotary positions, each ``(length, dim // 2)``.

    Args:
        length: Number of positions.
        dim: Axes of one attention head; even.
        device: Where they are wanted.
    """
    pace = _BASE ** (-torch.arange(0, dim, 2, device=device, dtype=torch.float32) / dim)
    angle = torch.arange(length, device=device, dtype=torch.float32)[:, None] * pace
    return angle.cos(), angle.sin()


def rotate(
    x: Float[Tensor, "b h l e"], cos: Float[Tensor, "l half"], sin: Float[Tensor, "l half"]
) -> Float[Tensor, "b h l e"]:
    """Turn each pair of axes by its position, so that products of two vectors depend on their distance alone."""
    first, second = x.chunk(2, dim=-1)
    cos, sin = cos.to(x.dtype), sin.to(x.dtype)
    return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)


@final
class Attention(nn.Module):
    """Scaled-dot-product self-attention with rotary positions; padded keys are never looked at."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.mix = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)

    def forward(
        self, x_bld: Float[Tensor, "b l d"], keep_bl: Bool[Tensor, "b l"], turn: tuple[Tensor, Tensor]
    ) -> Float[Tensor, "b l d"]:
        """Mix positions of the same row."""
        b, length, d = x_bld.shape
        q, k, v = self.mix(x_bld).view(b, length, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(
            rotate(q, *turn), rotate(k, *turn), v, attn_mask=keep_bl[:, None, None, :]
        )
        return self.out(mixed.transpose(1, 2).reshape(b, length, d))


@final
class GatedMLP(nn.Module):
    """Two layers, the first gated by a SiLU."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, 2 * hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Float[Tensor, "... d"]) -> Float[Tensor, "... d"]:
        """Transform each position by itself."""
        value, gate = self.up(x).chunk(2, dim=-1)
        return self.down(value * F.silu(gate))


@final
class Block(nn.Module):
    """Pre-norm attention, then a pre-norm gated MLP, each added to what came in."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = GatedMLP(width, hidden)

    def forward(
        self, x_bld: Float[Tensor, "b l d"], keep_bl: Bool[Tensor, "b l"], turn: tuple[Tensor, Tensor]
    ) -> Float[Tensor, "b l d"]:
        """Add what the neighbours say, then think it over."""
        x_bld = x_bld + self.attention(self.attention_norm(x_bld), keep_bl, turn)
        return x_bld + self.mlp(self.mlp_norm(x_bld))


@final
class ConvStem(nn.Module):
    """Convolutions that let each position see its nearest neighbours before attention looks further.

    Padded positions are set to zero before each convolution, which is what lies beyond the end of a row as well.
    """

    def __init__(self, width: int, kernel: int, layers: int = 2) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(layers))
        self.convolutions = nn.ModuleList(
            nn.Conv1d(width, width, kernel, padding=kernel // 2, bias=False) for _ in range(layers)
        )

    def forward(self, x_bld: Float[Tensor, "b l d"], keep_bl: Bool[Tensor, "b l"]) -> Float[Tensor, "b l d"]:
        """Add what the nearest neighbours say."""
        keep_bl1 = keep_bl[..., None]
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            seen_bdl = (norm(x_bld) * keep_bl1).transpose(1, 2)
            x_bld = x_bld + F.gelu(convolution(seen_bdl)).transpose(1, 2)
        return x_bld


@final
class Trunk(nn.Module):
    """A convolutional stem, attention blocks and a last norm: vectors in, vectors in context out.

    Args:
        width: Axes ``d``.
        layers: Attention blocks.
        heads: Heads of each; ``width / heads`` is even.
        hidden: Axes inside the MLPs.
        kernel: Odd number of positions that a convolution sees.
    """

    def __init__(self, width: int, layers: int, heads: int, hidden: int, kernel: int) -> None:
        super().__init__()
        self.turned = width // heads
        self.stem = ConvStem(width, kernel)
        self.blocks = nn.ModuleList(Block(width, heads, hidden) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, x_bld: Float[Tensor, "b l d"], keep_bl: Bool[Tensor, "b l"]) -> Float[Tensor, "b l d"]:
        """Put every position into its context; what stands at padded positions has no meaning."""
        turn = rotations(x_bld.shape[1], self.turned, x_bld.device)
        x_bld = self.stem(x_bld, keep_bl)
        for block in self.blocks:
            x_bld = block(x_bld, keep_bl, turn)
        return self.norm(x_bld)
