"""Images of any channels as tokens, a few rings of each channel; turning and mirroring change nothing."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import final

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Bool, Float
from torch import Tensor, nn

# Below this share of the mean, light is noise: logarithms begin here.
FLOOR = 0.02
_PATCH, _STRIDE = 8, 4


@final
@dataclass(frozen=True)
class ImageShape:
    """Sizes of a network.

    Attributes:
        width: Axes of a token; a multiple of the heads.
        layers: Attention blocks.
        heads: Heads of each.
        filters: Learned filters of each of two resolutions; each is applied turned and mirrored in eight ways.
        inner: Axes of a place of the image.
        queries: Tokens that ask; what they gather, side by side, is the embedding.
        side: Rows and columns that crops are brought to.
        rings: Tokens of a channel, from the middle outward.
    """

    width: int
    layers: int
    heads: int
    filters: int
    inner: int
    queries: int
    side: int = 64
    rings: int = 4


PRESETS = {
    "cpu-xs": ImageShape(32, 1, 2, 8, 16, 2, side=32),
    "cpu-s": ImageShape(64, 2, 4, 16, 32, 4),
    "gpu-s": ImageShape(256, 6, 8, 64, 128, 4, side=128, rings=8),
    "gpu-m": ImageShape(768, 12, 12, 128, 384, 8, side=256, rings=16),
}


def light_of(image: Float[Tensor, "b c y x"], side: int) -> tuple[Float[Tensor, "b c s s"], Float[Tensor, "b c"]]:
    """Logarithm of the light of each channel relative to its mean, and the logarithm of that mean.

    Args:
        image: Intensities.
        side: Rows and columns to bring it to.
    """
    if image.shape[-1] != side or image.shape[-2] != side:
        image = F.interpolate(image, size=(side, side), mode="bilinear", antialias=image.shape[-1] > side)
    mean_bc = image.mean(dim=(2, 3)).clamp_min(1e-6)
    return torch.log((image / mean_bc[..., None, None]).clamp_min(0) + FLOOR), torch.log(mean_bc)


@lru_cache(maxsize=32)
def rings_of(side: int, rings: int) -> Tensor:
    """``(side, side)`` which ring each place of a square lies in; the same for places that a turn or mirror swaps."""
    # Twice the offset from the middle: whole numbers, so that no rounding sets places of one distance apart.
    off = 2 * torch.arange(side) - (side - 1)
    radius = (off[:, None] ** 2 + off**2).double().sqrt() / side
    return (radius * rings).long().clamp_max(rings - 1)


@final
class _Places(nn.Module):
    """One resolution: filters in eight orientations, what all channels show at a place, and the mean over rings."""

    def __init__(self, shape: ImageShape, identity: int) -> None:
        super().__init__()
        self.rings = shape.rings
        self.filters = nn.Parameter(torch.randn(shape.filters, 1, _PATCH, _PATCH) / _PATCH)
        self.own = nn.Linear(2 * shape.filters + 1, shape.inner)
        self.others = nn.Linear(2 * shape.filters + 1, shape.inner, bias=False)
        self.who = nn.Linear(identity, shape.inner, bias=False)

    def forward(self, light: Tensor, identity_cd: Tensor, keep_bcr: Tensor) -> Tensor:
        b, c, side, _ = light.shape
        turned = [torch.rot90(self.filters, k, (2, 3)) for k in range(4)]
        bank = torch.cat([*turned, *(each.flip(3) for each in turned)])
        flat = light.reshape(b * c, 1, side, side)
        said = F.conv2d(flat, bank, stride=_STRIDE, padding=(_PATCH - _STRIDE) // 2)
        said = said.view(b * c, 8, -1, *said.shape[2:])
        level = F.avg_pool2d(F.pad(flat, [(_PATCH - _STRIDE) // 2] * 4), _PATCH, _STRIDE)
        # Over orientations: a mean of what each filter passes, and of its power.
        found = torch.cat([F.relu(said).mean(dim=1), torch.log1p((said**2).mean(dim=1)), level], dim=1)
        ring_p = rings_of(found.shape[-1], self.rings).flatten()
        h_bcpk = found.flatten(2).transpose(1, 2).reshape(b, c, len(ring_p), -1)
        keep_bcp = keep_bcr[:, :, ring_p].to(h_bcpk.dtype)
        mean_bpk = (h_bcpk * keep_bcp[..., None]).sum(dim=1) / keep_bcp.sum(dim=1).clamp_min(1)[..., None]
        mixed = self.own(h_bcpk) + self.others(mean_bpk)[:, None] + self.who(identity_cd)[None, :, None]
        u_bcpi = F.gelu(mixed)
        member_pr = F.one_hot(ring_p, self.rings).to(h_bcpk.dtype)
        member_pr = member_pr / member_pr.sum(dim=0).clamp_min(1)
        pooled = torch.cat([u_bcpi, u_bcpi**2], dim=-1)
        return torch.einsum("bcpi,pr->bcri", pooled, member_pr)


@final
class ImageNetwork(nn.Module):
    """Tokens of rings of channels, a transformer over those that are shown, and a reading of those that are not.

    A filter is applied in its eight orientations and averaged over them (Cohen and Welling 2016); places are known by
    their distance from the middle alone: a turn or a mirror swaps places and orientations, and every sum over them
    stays what it was. Tokens have no order, so channels may be any. The brightness of a channel is read relative to
    that of the others. Of masked rings nothing is read, and what their light is like is predicted from the embedding
    (the encoder and small decoder of He et al. 2022, without pixels: light is described by what no turn changes).

    Args:
        shape: Sizes.
        identity: Axes of the identity of a channel.
        targets: Numbers that describe a ring of a channel.
    """

    def __init__(self, shape: ImageShape, identity: int, targets: int) -> None:
        super().__init__()
        self.shape = shape
        width = shape.width
        self.fine, self.coarse = _Places(shape, identity), _Places(shape, identity)
        self.token = nn.Linear(4 * shape.inner + 1, width)
        self.who = nn.Linear(identity, width, bias=False)
        self.ring = nn.Parameter(torch.randn(shape.rings, width) / math.sqrt(width))
        self.query = nn.Parameter(torch.randn(shape.queries, width))
        block = nn.TransformerEncoderLayer(
            width, shape.heads, 2 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(block, shape.layers, enable_nested_tensor=False)
        self.reading = nn.Sequential(nn.Linear(shape.queries * width, 2 * width), nn.GELU())
        self.asked = nn.Linear(identity, 2 * width)
        self.asked_ring = nn.Parameter(torch.zeros(shape.rings, 2 * width))
        self.said = nn.Sequential(nn.GELU(), nn.Linear(2 * width, targets))

    def embed(
        self, image: Float[Tensor, "b c y x"], identity_cd: Float[Tensor, "c d"], hidden_bcr: Bool[Tensor, "b c r"]
    ) -> Float[Tensor, "b e"]:
        """What the shown rings say of each crop.

        Args:
            image: Intensities.
            identity_cd: Identity of each channel.
            hidden_bcr: Rings that are not read.
        """
        b, c = image.shape[:2]
        light, bright_bc = light_of(image, self.shape.side)
        keep_bcr = ~hidden_bcr
        places = [
            self.fine(light, identity_cd, keep_bcr),
            self.coarse(F.avg_pool2d(light, 2), identity_cd, keep_bcr),
        ]
        shown_bc = keep_bcr.any(dim=2).to(bright_bc.dtype)
        middle_b1 = (bright_bc * shown_bc).sum(dim=1, keepdim=True) / shown_bc.sum(dim=1, keepdim=True).clamp_min(1)
        relative = (bright_bc - middle_b1)[..., None, None].expand(b, c, self.shape.rings, 1)
        tokens = self.token(torch.cat([*places, relative], dim=-1)) + self.who(identity_cd)[:, None] + self.ring
        tokens = torch.cat([self.query.expand(b, -1, -1), tokens.flatten(1, 2)], dim=1)
        lost = torch.cat([hidden_bcr.new_zeros(b, self.shape.queries), hidden_bcr.flatten(1)], dim=1)
        return self.blocks(tokens, src_key_padding_mask=lost)[:, : self.shape.queries].flatten(1)

    def forward(
        self, image: Float[Tensor, "b c y x"], identity_cd: Float[Tensor, "c d"], hidden_bcr: Bool[Tensor, "b c r"]
    ) -> Float[Tensor, "b c r t"]:
        """What the light of every ring of every channel is like, hidden ones too."""
        z_bk = self.reading(self.embed(image, identity_cd, hidden_bcr))
        asked_crk = self.asked(identity_cd)[:, None] + self.asked_ring
        return self.said(z_bk[:, None, None] + asked_crk)


def described(image: Float[Tensor, "b c y x"], shape: ImageShape) -> Float[Tensor, "b c r t"]:
    """Numbers that describe the light of each ring of each channel, and that no turn or mirror changes.

    Mean and deviation of log light, of its edges and of its curvature; light of two sizes of detail; and how the
    channel goes with the mean of the others.

    Args:
        image: Intensities.
        shape: Of the network: side and rings.
    """
    light, _ = light_of(image, shape.side)
    flat = F.pad(light, (1, 1, 1, 1), mode="replicate")
    right, down = flat[..., 1:-1, 2:] - flat[..., 1:-1, :-2], flat[..., 2:, 1:-1] - flat[..., :-2, 1:-1]
    edge = torch.sqrt(right**2 + down**2 + 1e-6)
    around = flat[..., 1:-1, 2:] + flat[..., 1:-1, :-2] + flat[..., 2:, 1:-1] + flat[..., :-2, 1:-1]
    small, large = (F.avg_pool2d(light, k, 1, k // 2, count_include_pad=False) for k in (3, 9))
    count = max(light.shape[1] - 1, 1)
    others = (light.sum(dim=1, keepdim=True) - light) / count
    maps = torch.stack([light, light**2, edge, edge**2, (around - 4 * light).abs(), (light - small).abs(),
                        (small - large).abs(), others, others**2, light * others, light.exp()], dim=2)  # fmt: skip
    ring_p = rings_of(shape.side, shape.rings).flatten()
    member_pr = F.one_hot(ring_p, shape.rings).to(light.dtype)
    m = torch.einsum("bcmp,pr->bcrm", maps.flatten(3), member_pr / member_pr.sum(dim=0).clamp_min(1))
    mean, square, edge, edge2, bend, fine, middle, other, other2, both, share = m.unbind(dim=-1)
    sd, sd_edge, sd_other = ((high - low**2).clamp_min(1e-6).sqrt() for high, low in
                             ((square, mean), (edge2, edge), (other2, other)))  # fmt: skip
    together = (both - mean * other) / (sd * sd_other + 0.05)
    return torch.stack(
        [mean, sd.log(), edge.log(), sd_edge.log(), (bend + 1e-3).log(), (fine + 1e-3).log(), (middle + 1e-3).log(),
         together, (share + 1e-3).log()], dim=-1)  # fmt: skip


TARGETS = 9
