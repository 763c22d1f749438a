"""The network of the sequence language model: symbols of one molecule in, states and guesses out."""

from dataclasses import asdict, dataclass
from typing import Any, final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from aivc.core.errors import UnknownNameError
from aivc.nn.layers import Trunk
from aivc.representations.molecular.alphabet import KINDS, PAD, SYMBOLS


@final
@dataclass(frozen=True)
class Shape:
    """Sizes of a sequence model.

    Attributes:
        width: Axes of a state.
        layers: Attention blocks.
        heads: Heads of each.
        hidden: Axes inside the MLPs.
        kernel: Letters that one convolution of the stem sees.
        window: Letters read at once; longer sequences are read in windows.
        overlap: Letters that neighbouring windows share.
    """

    width: int
    layers: int
    heads: int
    hidden: int
    kernel: int = 5
    window: int = 256
    overlap: int = 64

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return asdict(self)


# About 1, 4, 29 and 178 million parameters.
PRESETS = {
    "xs": Shape(128, 5, 4, 256),
    "s": Shape(256, 5, 8, 512),
    "m": Shape(512, 10, 8, 1024, window=512, overlap=128),
    "l": Shape(1024, 16, 16, 2048, window=1024, overlap=256),
}


def shape_of(preset: str) -> Shape:
    """Sizes by name: xs, s, m or l.

    Raises:
        UnknownNameError: No such preset.
    """
    if preset not in PRESETS:
        raise UnknownNameError("size of the sequence model", preset, PRESETS)
    return PRESETS[preset]


@final
class SequenceNetwork(nn.Module):
    """One network for the three molecules: a letter is known by its symbol and by the kind of its molecule."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.symbols = nn.Embedding(len(SYMBOLS), shape.width)
        self.kinds = nn.Embedding(len(KINDS), shape.width)
        self.trunk = Trunk(shape.width, shape.layers, shape.heads, shape.hidden, shape.kernel)
        self.bias = nn.Parameter(torch.zeros(len(SYMBOLS)))
        for table in (self.symbols, self.kinds):
            nn.init.normal_(table.weight, std=shape.width**-0.5)

    def forward(
        self, symbols_bl: Int[Tensor, "b l"], kinds_b: Int[Tensor, " b"]
    ) -> tuple[Float[Tensor, "b l d"], Float[Tensor, "b l s"]]:
        """States in context, and for each position the logits of every symbol.

        Args:
            symbols_bl: Codes of `alphabet.SYMBOLS`, padded at the end with `PAD`.
            kinds_b: Place of each row's kind in `alphabet.KINDS`.
        """
        x_bld = self.symbols(symbols_bl) + self.kinds(kinds_b)[:, None]
        states_bld = self.trunk(x_bld, symbols_bl != PAD)
        # One table reads and writes: an amino acid guessed from a codon is the same vector as one that was read.
        return states_bld, states_bld @ self.symbols.weight.T + self.bias
