"""Messages between neighbouring cells that know nothing but states and distances: a correction of shell means."""

from typing import NamedTuple, final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

# Gaussians over distance, in units of a typical link: where they stand, and how wide they are.
CENTERS, WIDTH = (0.5, 1.0, 1.5, 2.5), 0.5


class Messages(NamedTuple):
    """Who sends to whom, ``e`` messages in all.

    Attributes:
        state: ``(e, w)`` of the sender.
        distance: ``(e,)`` between sender and receiver, in units of a typical link.
        ring: ``(e,)`` how many links lie between them, less one.
        receiver: ``(e,)`` row of the receiver.
        weight: ``(e,)`` 1; 0 for a sender that is hidden.
    """

    state: Float[Tensor, "e w"]
    distance: Float[Tensor, " e"]
    ring: Int[Tensor, " e"]
    receiver: Int[Tensor, " e"]
    weight: Float[Tensor, " e"]


@final
class NicheNetwork(nn.Module):
    """What shell means leave out of the surroundings of a cell; zero until trained.

    Senders are passed through a network one by one and averaged ring by ring (Zaheer et al. 2017, NeurIPS 30), so that
    their order does not matter; of their places the distance alone is read, so that turning and mirroring do not.
    The receiver's own state is not read: each cell is a masked one.

    Args:
        width: Axes ``w`` of a cell.
        reach: Shells of a state.
        near: Rings that messages come from.
        hidden: Axes of a message.
    """

    def __init__(self, width: int, reach: int, near: int, hidden: int = 32) -> None:
        super().__init__()
        self.near, self.hidden = near, hidden
        self.message = nn.Sequential(
            nn.Linear(width + len(CENTERS) + near, hidden), nn.GELU(), nn.Linear(hidden, hidden)
        )
        self.update = nn.Sequential(
            nn.Linear(near * (hidden + 1) + reach * width, 2 * hidden), nn.GELU(), nn.Linear(2 * hidden, hidden),
            nn.GELU(),
        )  # fmt: skip
        self.correction = nn.Linear(hidden, reach * width)
        self.readout = nn.Linear(reach * width, width)
        nn.init.zeros_(self.correction.weight)
        nn.init.zeros_(self.correction.bias)

    def forward(self, shells_bp: Float[Tensor, "b p"], given: Messages) -> Float[Tensor, "b p"]:
        """Correction of the shell means of each receiver, in their units.

        Args:
            shells_bp: Shell means, side by side.
            given: What their neighbours send.
        """
        b = len(shells_bp)
        middle = torch.tensor(CENTERS, dtype=shells_bp.dtype)
        radial_er = torch.exp(-0.5 * ((given.distance[:, None] - middle) / WIDTH) ** 2)
        ring_en = nn.functional.one_hot(given.ring, self.near).to(shells_bp.dtype)
        said_eh = self.message(torch.cat([given.state, radial_er, ring_en], dim=1)) * given.weight[:, None]
        place_e = given.receiver * self.near + given.ring
        total_kh = torch.zeros(b * self.near, self.hidden, dtype=shells_bp.dtype).index_add(0, place_e, said_eh)
        count_k = torch.zeros(b * self.near, dtype=shells_bp.dtype).index_add(0, place_e, given.weight)
        mean_bh = (total_kh / count_k.clamp(min=1)[:, None]).reshape(b, -1)
        crowd_bn = torch.log1p(count_k).reshape(b, -1)
        return self.correction(self.update(torch.cat([mean_bh, crowd_bn, shells_bp], dim=1)))
