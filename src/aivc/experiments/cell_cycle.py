"""Where in its cycle is a cell? An angle from the genes of S phase and of G2 and M; no cell is put into a class."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from aivc.core.errors import DataError
from aivc.core.measurement import Measurement
from aivc.data.streaming.normalize import normalize, profile_units

# Genes whose expression is highest in S phase, and in G2 and M (Tirosh et al. 2016, Science 352:189), by name in human;
# mouse genes are matched whatever the case of their letters.
S_PHASE = (
    "MCM5", "PCNA", "TYMS", "FEN1", "MCM2", "MCM4", "RRM1", "UNG", "GINS2", "MCM6", "CDCA7", "DTL", "PRIM1", "UHRF1",
    "HELLS", "RFC2", "RPA2", "NASP", "RAD51AP1", "GMNN", "WDR76", "SLBP", "CCNE2", "UBR7", "POLD3", "MSH2", "ATAD2",
    "RAD51", "RRM2", "CDC45", "CDC6", "EXO1", "TIPIN", "DSCC1", "BLM", "CASP8AP2", "USP1", "CLSPN", "POLA1", "CHAF1B",
    "BRIP1", "E2F8",
)  # fmt: skip
G2M_PHASE = (
    "HMGB2", "CDK1", "NUSAP1", "UBE2C", "BIRC5", "TPX2", "TOP2A", "NDC80", "CKS2", "NUF2", "CKS1B", "MKI67", "TMPO",
    "CENPF", "TACC3", "SMC4", "CCNB2", "CKAP2L", "CKAP2", "AURKB", "BUB1", "KIF11", "ANP32E", "TUBB4B", "GTSE1",
    "KIF20B", "HJURP", "CDCA3", "CDC20", "TTK", "CDC25C", "KIF2C", "RANGAP1", "NCAPD2", "DLGAP5", "CDCA2", "CDCA8",
    "ECT2", "KIF23", "HMMR", "AURKA", "PSRC1", "ANLN", "LBR", "CKAP5", "CENPE", "CTCF", "NEK2", "G2E3", "GAS2L3",
    "CBX5", "CENPA",
)  # fmt: skip
_FEWEST = 3


class CellCycle(NamedTuple):
    """Cells on the circle of the cycle.

    Attributes:
        angle: ``(n,)`` radians from 0 to 2π: about 0 where S genes alone are high, π/2 where both are, and on to G2
            and M; between π and 3π/2 where neither is.
        s: ``(n,)`` score of S phase: mean of its genes in standard units, beside the mean of all genes.
        g2m: ``(n,)`` score of G2 and M.
        activity: ``(n,)`` the larger of both, standardized: how surely a cell cycles at all.
        found: Number of genes of either set that were measured.
    """

    angle: Float[np.ndarray, " n"]
    s: Float[np.ndarray, " n"]
    g2m: Float[np.ndarray, " n"]
    activity: Float[np.ndarray, " n"]
    found: tuple[int, int]


def cell_cycle(cells: Measurement) -> CellCycle:
    """Read the phase of the cycle from expression.

    The angle is that of the two scores in their plane, which is a circle for cells that cycle; of cells that do not it
    says nothing, and ``activity`` is low.

    Args:
        cells: Counts, or values in other units, which are taken as they are.

    Raises:
        DataError: Fewer than three genes of a set were measured and vary.
    """
    x_nf = cells.dense() if cells.units == "arbitrary" else normalize(cells, profile_units(cells)).dense()
    spread_f = x_nf.std(axis=0)
    z_nf = (x_nf - x_nf.mean(axis=0)) / np.where(spread_f > 1e-12, spread_f, np.inf)
    names = np.char.upper(cells.features.astype(str))
    scores, found = [], []
    for genes in (S_PHASE, G2M_PHASE):
        where = np.flatnonzero(np.isin(names, genes) & (spread_f > 1e-12))
        if len(where) < _FEWEST:
            raise DataError(
                [
                    f"Only {len(where)} genes of the cell cycle's {'S' if genes is S_PHASE else 'G2/M'} set were "
                    f"measured and vary; {_FEWEST} are needed. Read all genes, named by symbol."
                ]
            )
        score_n = z_nf[:, where].mean(axis=1) - z_nf.mean(axis=1)
        scores.append((score_n - score_n.mean()) / max(float(score_n.std()), 1e-12))
        found.append(len(where))
    s_n, g2m_n = scores
    angle_n = np.mod(np.arctan2(g2m_n, s_n), 2 * np.pi)
    return CellCycle(angle_n, s_n, g2m_n, np.maximum(s_n, g2m_n), (found[0], found[1]))
