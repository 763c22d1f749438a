"""Tokens from any panel, read through weights generated from what is known of each feature: programmes, or genes."""

from dataclasses import asdict, dataclass
from typing import final

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from aivc.core.errors import UnknownNameError
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
        genes: Tokens where each is a feature: this many at most, of those that were observed.
    """

    width: int
    layers: int
    heads: int
    programmes: int
    rank: int = 8
    unknown: float = 0.2
    genes: int = 256

    def to_json(self) -> dict[str, float]:
        """Return a JSON-ready dictionary."""
        return asdict(self)


PRESETS = {
    "cpu-xs": ProgrammeShape(64, 2, 4, 16, 4, genes=64),
    "cpu-s": ProgrammeShape(128, 3, 4, 32),
    "cpu-m": ProgrammeShape(192, 4, 6, 32),
    "gpu-s": ProgrammeShape(512, 8, 8, 64, genes=1024),
    "gpu-m": ProgrammeShape(1024, 16, 16, 128, genes=2048),
    "cluster": ProgrammeShape(2048, 24, 16, 256, genes=4096),
}
PROGRAMME, GENE = "programme", "gene"


class _Features(nn.Module):
    """What is known of each feature, as a vector: from its molecule, and from an identity of its own that starts at 0.

    Args:
        shape: Sizes.
        axes: Axes of an embedding of a feature.
        features: How many features have an identity of their own, from the first.
    """

    def __init__(self, shape: ProgrammeShape, axes: int, features: int) -> None:
        super().__init__()
        self.unknown = shape.unknown
        self.known = nn.Linear(axes, shape.width)
        self.identity = nn.Parameter(torch.zeros(features, shape.width))
        self.norm = nn.LayerNorm(shape.width)

    def vectors(self, embedding_fe: Float[Tensor, "f e"]) -> Float[Tensor, "f d"]:
        """One vector per feature; in training, some identities are left out."""
        own_gd: Tensor = self.identity
        if self.training:
            own_gd = own_gd * (torch.rand(len(own_gd), 1, device=own_gd.device) >= self.unknown)
        own_fd = F.pad(own_gd, (0, 0, 0, len(embedding_fe) - len(own_gd)))
        said: Tensor = self.norm(self.known(embedding_fe) + own_fd)
        return said


@final
class ProgrammeTokenizer(_Features):
    """Features of any panel → a fixed number of tokens, by sums over what was observed.

    Where a feature stands, and how many others there are, does not matter: each has its own weights. Sums are divided
    by the weight of what was observed, so that a zero and a feature that was not measured differ.
    """

    def __init__(self, shape: ProgrammeShape, axes: int, features: int) -> None:
        super().__init__(shape, axes, features)
        m, r, width = shape.programmes, shape.rank, shape.width
        self.keys = nn.Linear(width, m)
        self.values = nn.Linear(width, r)
        self.mix = nn.Parameter(torch.randn(m, 3 * r, width) / (3 * r) ** 0.5)
        self.bias = nn.Parameter(0.5 * torch.randn(m, width))

    def weights(self, embedding_fe: Float[Tensor, "f e"]) -> tuple[Float[Tensor, "f m"], Float[Tensor, "f r"]]:
        """How much each feature takes part in each programme, and what it says there."""
        x_fd = self.vectors(embedding_fe)
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
class GeneTokens(_Features):
    """Features of any panel → one token for each of the features that lie highest in a cell.

    What comes in is standardized, so these are the features furthest above what is usual of them, not those with the
    most counts. The others are cut off: they are known to the Gaussian posterior alone. Features that tie are taken
    by their rank, so neither their place in a panel nor the other cells of a batch matter.
    """

    def __init__(self, shape: ProgrammeShape, axes: int, features: int) -> None:
        super().__init__(shape, axes, features)
        self.most = shape.genes
        self.value = nn.Linear(shape.width, shape.width, bias=False)
        self.high = nn.Linear(shape.width, shape.width, bias=False)
        self.seen = nn.Linear(shape.width, shape.width)

    def highest(
        self, x_bf: Float[Tensor, "b f"], seen_bf: Float[Tensor, "b f"], rank_f: Int[Tensor, " f"] | None = None
    ) -> tuple[Int[Tensor, "b g"], Bool[Tensor, "b g"]]:
        """Places of the highest features of each cell, and which of these were observed; the others are padding."""
        by_rank_f = torch.arange(x_bf.shape[1], device=x_bf.device) if rank_f is None else rank_f.argsort()
        value_bf = x_bf.masked_fill(seen_bf == 0, -torch.inf)[:, by_rank_f]
        order_bf = value_bf.argsort(dim=1, descending=True, stable=True)[:, : self.most]
        place_bg = by_rank_f[order_bf]
        return place_bg, seen_bf.gather(1, place_bg) > 0

    def forward(
        self,
        embedding_fe: Float[Tensor, "f e"],
        x_bf: Float[Tensor, "b f"],
        seen_bf: Float[Tensor, "b f"],
        rank_f: Int[Tensor, " f"] | None = None,
    ) -> tuple[Float[Tensor, "b g d"], Bool[Tensor, "b g"]]:
        """Tokens of each cell, and which of them are features rather than padding.

        Args:
            embedding_fe: What is known of each feature; those with an identity of their own come first.
            x_bf: Standardized values.
            seen_bf: 1 where observed, else 0.
            rank_f: Whose turn comes first among equals; None means in their order.
        """
        place_bg, keep_bg = self.highest(x_bf, seen_bf, rank_f)
        vector_fd = self.vectors(embedding_fe)
        x_bg1 = x_bf.clamp(-_CLIP, _CLIP).gather(1, place_bg)[..., None]
        # Generated per feature, then looked up: fewer products than tokens where cells share features.
        value_fd, high_fd, seen_fd = self.value(vector_fd), self.high(vector_fd), self.seen(vector_fd)
        said_bgd = seen_fd[place_bg] + x_bg1 * value_fd[place_bg] + (x_bg1 > 0) * high_fd[place_bg]
        return said_bgd * keep_bg[..., None], keep_bg


@final
class ProgrammeNetwork(nn.Module):
    """A correction of a Gaussian posterior, zero until trained.

    Args:
        shape: Sizes.
        axes: Axes of an embedding of a feature.
        features: How many features have an identity of their own.
        dim: Axes of a state.
        tokenizer: What a token is: ``programme`` or ``gene``.

    Raises:
        UnknownNameError: No such tokenizer.
    """

    def __init__(self, shape: ProgrammeShape, axes: int, features: int, dim: int, tokenizer: str = PROGRAMME) -> None:
        super().__init__()
        kinds: dict[str, type[ProgrammeTokenizer] | type[GeneTokens]] = {
            PROGRAMME: ProgrammeTokenizer,
            GENE: GeneTokens,
        }
        if tokenizer not in kinds:
            raise UnknownNameError("tokenizer", tokenizer, kinds)
        self.tokens = kinds[tokenizer](shape, axes, features)
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
        rank_f: Int[Tensor, " f"] | None = None,
    ) -> tuple[Float[Tensor, "b d"], Float[Tensor, "b d"]]:
        """Corrected mean and variance of the states.

        Steps are in units of the standard deviation: what the panel settled moves little, what it left open can move.

        Args:
            embedding_fe: What is known of each feature.
            x_bf: Standardized values.
            seen_bf: 1 where observed, else 0.
            mean_bd: Of the Gaussian posterior.
            variance_bd: Of it.
            rank_f: Whose turn comes first where features are tokens and tie; None means in their order.
        """
        stem_bd = self.stem(torch.cat([mean_bd, variance_bd.log()], dim=-1))
        said_bmd, said_bm = self._tokens(embedding_fe, x_bf, seen_bf, rank_f)
        x_bld, keep_bl = torch.cat([stem_bd[:, None], said_bmd], dim=1), F.pad(said_bm, (1, 0), value=True)
        # Tokens have no order: every token is turned by nothing.
        still = torch.ones(x_bld.shape[1], self.turned, device=x_bld.device)
        for block in self.blocks:
            x_bld = block(x_bld, keep_bl, (still, torch.zeros_like(still)))
        step_bd, wider_bd = self.head(self.norm(x_bld[:, 0])).chunk(2, dim=-1)
        return mean_bd + variance_bd.sqrt() * step_bd, variance_bd * (2 * torch.tanh(wider_bd / 2)).exp()

    def _tokens(
        self, embedding_fe: Tensor, x_bf: Tensor, seen_bf: Tensor, rank_f: Tensor | None
    ) -> tuple[Float[Tensor, "b m d"], Bool[Tensor, "b m"]]:
        if isinstance(self.tokens, GeneTokens):
            said_bmd, keep_bm = self.tokens(embedding_fe, x_bf, seen_bf, rank_f)
            return said_bmd, keep_bm
        said_bmd = self.tokens(embedding_fe, x_bf, seen_bf)
        return said_bmd, torch.ones(said_bmd.shape[:2], dtype=torch.bool, device=said_bmd.device)
