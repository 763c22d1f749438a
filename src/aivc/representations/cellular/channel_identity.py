"""What a channel of an image shows, from its name: a protein, DNA, RNA, or something known by its name alone."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from aivc.core.molecule import Molecule
from aivc.core.provider import Provider
from aivc.representations.cellular.programme_features import name_axes

DNA, RNA, PROTEIN, NAMED = KINDS = ("dna", "rna", "protein", "named")
AXES = 32
# Genes of the proteins that stains and antibodies of the common panels mark, by what channels are called. A stain of a
# compartment stands for a protein that marks the same compartment.
_PROTEINS = {
    "tubulin": "TUBB", "alphatubulin": "TUBA1A", "betatubulin": "TUBB", "microtubules": "TUBB",
    "actin": "ACTB", "factin": "ACTB", "betaactin": "ACTB", "phalloidin": "ACTB", "agp": "ACTB",
    "er": "CANX", "concanavalina": "CANX", "cona": "CANX", "calnexin": "CANX",
    "golgi": "GOLGA2", "wga": "GOLGA2", "gm130": "GOLGA2",
    "mito": "TOMM20", "mitochondria": "TOMM20", "mitotracker": "TOMM20", "tom20": "TOMM20",
    "lamin": "LMNA", "nucleolin": "NCL", "lysosome": "LAMP1", "lysotracker": "LAMP1",
}  # fmt: skip
_DNA = ("dapi", "hoechst", "hoechst33342", "dna", "draq5", "h33342", "nucleus", "propidiumiodide")
_RNA = ("rna", "syto14", "sytorna")
STAINED = tuple(sorted(set(_PROTEINS.values())))


@final
@dataclass(frozen=True)
class ChannelIdentity:
    """What one channel shows.

    Attributes:
        kind: ``dna``, ``rna``, ``protein``, or ``named`` where nothing but the name is known.
        key: Gene symbol of a protein; the kind of DNA and RNA; the name, of a channel known by it alone.
    """

    kind: str
    key: str

    @classmethod
    def of(cls, channel: str, genes: Sequence[str] = STAINED) -> "ChannelIdentity":
        """Read a name.

        Args:
            channel: As the image calls it.
            genes: Symbols that are known to be genes; names that look otherwise are no genes.

        >>> ChannelIdentity.of("Hoechst 33342") == ChannelIdentity.of("DAPI")
        True
        >>> ChannelIdentity.of("F-actin").key, ChannelIdentity.of("GFP").kind
        ('ACTB', 'named')
        """
        bare = re.sub(r"[^a-z0-9]", "", channel.lower())
        if bare in _DNA:
            return cls(DNA, DNA)
        if bare in _RNA:
            return cls(RNA, RNA)
        if bare in _PROTEINS:
            return cls(PROTEIN, _PROTEINS[bare])
        symbol = channel.strip().upper()
        return cls(PROTEIN, symbol) if symbol in genes else cls(NAMED, channel)


def gene_axes(symbols: Sequence[str], provider: Provider | None) -> Float[np.ndarray, "g e"]:
    """``(g, 32)`` what a provider knows of genes, on directions drawn once; of others, and without one, their names.

    Args:
        symbols: Gene symbols.
        provider: Of vectors for genes; None takes names.
    """
    axes_ge = name_axes(list(symbols), 0)
    if provider is None or not symbols:
        return axes_ge
    kind = "gene" if "gene" in provider.kinds else "protein"
    found = provider.embed([Molecule(kind, symbol, "human") for symbol in symbols])
    values_gd = np.asarray(found.values, dtype=np.float64)
    # Johnson and Lindenstrauss: few drawn directions keep distances, and do not depend on which genes are asked for.
    turn_de = np.random.default_rng(values_gd.shape[1]).standard_normal((values_gd.shape[1], AXES))
    size_g1 = np.maximum(np.linalg.norm(values_gd, axis=1, keepdims=True), 1e-12)
    return np.where(found.known[:, None], values_gd / size_g1 @ turn_de, axes_ge)


def identity_axes(
    identities: Sequence[ChannelIdentity], genes: Sequence[str], axes_ge: Float[np.ndarray, "g e"]
) -> Float[np.ndarray, "c i"]:
    """``(c, 4 + 32)`` the kind of each channel, and the axes of its gene or of its name; DNA and RNA are a kind alone.

    Args:
        identities: Of channels.
        genes: Symbols with axes.
        axes_ge: Their axes.
    """
    row = {symbol: i for i, symbol in enumerate(genes)}
    made = np.zeros((len(identities), len(KINDS) + AXES))
    for c, each in enumerate(identities):
        made[c, KINDS.index(each.kind)] = 1.0
        if each.kind in (PROTEIN, NAMED):
            known = each.kind == PROTEIN and each.key in row
            made[c, len(KINDS) :] = axes_ge[row[each.key]] if known else name_axes([each.key], 0)[0]
    # Kinds weigh as much as all axes together.
    made[:, len(KINDS) :] /= np.sqrt(AXES)
    return made
