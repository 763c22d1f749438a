"""The three physical scales of the universal representation."""

from enum import StrEnum


class Scale(StrEnum):
    """Molecules make cells, cells make tissue (Bunne et al. 2024, Figure 1)."""

    MOLECULAR = "molecular"
    CELLULAR = "cellular"
    MULTICELLULAR = "multicellular"
