"""Programme tokens: a whole panel read through weights that are generated from what is known of each feature."""

from dataclasses import asdict, dataclass
from typing import final

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float
from torch import Tensor, nn

from aivc.nn.layers import Block

_CLIP, _BOUND = 10.0, 4.0


@final
@dataclass(frozen=True)
class ProgrammeShape:
    """Sizes of a network.

    Attributes:
        width: Axes of a token; a multiple of twice the heads.
        layers: Attention blocks.
        heads: Heads of each.
        programmes: Tokens.
        rank: Values that a feature adds to each token.
        unknown: Share of features whose identity is left out at a training step, so that a new one is nothing new.
    """

    width: int
    layers: int
    heads: int
    programmes: int
    rank: int = 8
    unknown: float = 0.2

    def to_json(self) -> dict[str, float]:
        """Return a JSON-ready dictionary."""
        return asdict(self)


PRESETS = {
    "cpu-xs": ProgrammeShape(64, 2, 4, 16, 4),
    "cpu-s": ProgrammeShape(128, 3, 4, 32),
    "cpu-m": ProgrammeShape(192, 4, 6, 32),
}


@final
class ProgrammeTokens(nn.Module):
    """Features of any panel → a fixed number of tokens, by sums over what was observed.

    Where a feature stands, and how many others there are, does not matter: each has its own weights. Sums are divided
    by the weight of what was observed, so that a zero and a feature that was not measured differ.

    Args:
        shape: Sizes.
        axes: Axes of an embedding of a feature.
        features: How many features have an identity of their own, from the first.
    """

    def __init__(self, shape: ProgrammeShape, axes: int, features: int) -> None:
        super().__init__()
        m, r, width = shape.programmes, shape.rank, shape.width
        self.unknown = shape.unknown
        self.known = nn.Linear(axes, width)
        self.identity = nn.Parameter(torch.zeros(features, width))
        self.norm = nn.LayerNorm(width)
        self.keys = nn.Linear(width, m)
        self.values = nn.Linear(width, r)
        self.mix = nn.Parameter(torch.randn(m, 3 * r, width) / (3 * r) ** 0.5)
        self.bias = nn.Parameter(0.5 * torch.randn(m, width))

    def weights(self, embedding_fe: Float[Tensor, "f e"]) -> tuple[Float[Tensor, "f m"], Float[Tensor, "f r"]]:
        """How much each feature takes part in each programme, and what it says there."""
        own_gd: Tensor = self.identity
        if self.training:
            own_gd = own_gd * (torch.rand(len(own_gd), 1, device=own_gd.device) >= self.unknown)
        own_fd = F.pad(own_gd, (0, 0, 0, len(embedding_fe) - len(own_gd)))
        x_fd = self.norm(self.known(embedding_fe) + own_fd)
        return (_BOUND * torch.tanh(self.keys(x_fd) / _BOUND)).exp(), self.values(x_fd)

    def forward(
        self, embedding_fe: Float[Tensor, "f e"], x_bf: Float[Tensor, "b f"], seen_bf: Float[Tensor, "b f"]
    ) -> Float[Tensor, "b m d"]:
        """Sum a panel up.

        Args:
            embedding_fe: What is known of each feature; those with an identity of their own come first.
            x_bf: Standardized values.
            seen_bf: 1 where observed, else 0.
        """
        part_fm, value_fr = self.weights(embedding_fe)
        own_fm = part_fm[: len(self.identity)]
        # A mean over many features is small: bring it to the size of one, by how many take part in each programme.
        many_m = (own_fm.sum(dim=0) ** 2 / (own_fm**2).sum(dim=0)).sqrt()
        weight_fmr = part_fm[:, :, None] * value_fr[:, None, :]
        x_bf = x_bf.clamp(-_CLIP, _CLIP) * seen_bf
        mass_bm1 = (seen_bf @ part_fm).clamp_min(1e-6)[..., None]
        flat = weight_fmr.flatten(1)
        shape = (len(x_bf), *weight_fmr.shape[1:])
        value_bmr = (x_bf @ flat).view(shape) / mass_bm1 * many_m[:, None]
        high_bmr = ((x_bf > 0).float() @ flat).view(shape) / mass_bm1
        seen_bmr = (seen_bf @ flat).view(shape) / mass_bm1
        said_bms = torch.cat([value_bmr, high_bmr, seen_bmr], dim=-1)
        return torch.einsum("bms,msd->bmd", said_bms, self.mix) + self.bias


@final
class ProgrammeNetwork(nn.Module):
    """A correction of a Gaussian posterior, zero until trained.

    Args:
        shape: Sizes.
        axes: Axes of an embedding of a feature.
        features: How many features have an identity of their own.
        dim: Axes of a state.
    """

    def __init__(self, shape: ProgrammeShape, axes: int, features: int, dim: int) -> None:
        super().__init__()
        self.tokens = ProgrammeTokens(shape, axes, features)
        self.stem = nn.Linear(2 * dim, shape.width)
        self.blocks = nn.ModuleList(Block(shape.width, shape.heads, 2 * shape.width) for _ in range(shape.layers))
        self.norm = nn.LayerNorm(shape.width)
        self.head = nn.Linear(shape.width, 2 * dim)
        self.turned = shape.width // shape.heads // 2
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(
        self,
        embedding_fe: Float[Tensor, "f e"],
        x_bf: Float[Tensor, "b f"],
        seen_bf: Float[Tensor, "b f"],
        mean_bd: Float[Tensor, "b d"],
        variance_bd: Float[Tensor, "b d"],
    ) -> tuple[Float[Tensor, "b d"], Float[Tensor, "b d"]]:
        """Corrected mean and variance of the states.

        Steps are in units of the standard deviation: what the panel settled moves little, what it left open can move.

        Args:
            embedding_fe: What is known of each feature.
            x_bf: Standardized values.
            seen_bf: 1 where observed, else 0.
            mean_bd: Of the Gaussian posterior.
            variance_bd: Of it.
        """
        stem_bd = self.stem(torch.cat([mean_bd, variance_bd.log()], dim=-1))
        x_bld = torch.cat([stem_bd[:, None], self.tokens(embedding_fe, x_bf, seen_bf)], dim=1)
        keep_bl = torch.ones(x_bld.shape[:2], dtype=torch.bool, device=x_bld.device)
        # Programmes have no order: every token is turned by nothing.
        still = torch.ones(x_bld.shape[1], self.turned, device=x_bld.device)
        for block in self.blocks:
            x_bld = block(x_bld, keep_bl, (still, torch.zeros_like(still)))
        step_bd, wider_bd = self.head(self.norm(x_bld[:, 0])).chunk(2, dim=-1)
        return mean_bd + variance_bd.sqrt() * step_bd, variance_bd * (2 * torch.tanh(wider_bd / 2)).exp()
