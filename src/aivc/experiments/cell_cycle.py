"""Where in its cycle is a cell? An angle from the genes of S phase and of G2 and M; no cell is put into a class."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import sparse

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


# Sets of other genes, as many and as much expressed, whose halves say what agreement is worth.
_SETS = 20
KEYS = ("cell_cycle_angle", "S_score", "G2M_score", "cell_cycle_activity")
ABOUT = "aivc_cell_cycle"


class CellCycle(NamedTuple):
    """Cells on the circle of the cycle.

    Attributes:
        angle: ``(n,)`` radians from 0 to 2π: about 0 where S genes alone are high, π/2 where both are, and on to G2
            and M; between π and 3π/2 where neither is.
        s: ``(n,)`` score of S phase: mean of its genes in standard units, beside the mean of all genes.
        g2m: ``(n,)`` score of G2 and M.
        activity: ``(n,)`` the larger of both, standardized: how surely a cell cycles at all.
        found: Number of genes of either set that were measured.
        agreement: Correlation over cells of one half of the S genes with the other, and of the G2/M genes.
        chance: The largest such correlation in random sets of other genes, as many and as much expressed, for each; NaN
            where there are too few other genes.
    """

    angle: Float[np.ndarray, " n"]
    s: Float[np.ndarray, " n"]
    g2m: Float[np.ndarray, " n"]
    activity: Float[np.ndarray, " n"]
    found: tuple[int, int]
    agreement: tuple[float, float]
    chance: tuple[float, float]

    @property
    def seen(self) -> bool:
        """Whether the genes of each set go together more than random sets do: otherwise the angle says nothing."""
        return all(own > chance for own, chance in zip(self.agreement, self.chance, strict=True))

    @property
    def note(self) -> str:
        """How far the angle can be trusted, in a sentence or two."""
        counts = f"Found {self.found[0]} S genes and {self.found[1]} G2/M genes."
        if not np.isfinite(self.chance).all():
            return f"{counts} There are too few other genes to say whether these cells cycle at all."
        beside = " and ".join(
            f"{own:.2f} ({name}; at most {chance:.2f} in {_SETS} random sets)"
            for name, own, chance in zip(("S", "G2/M"), self.agreement, self.chance, strict=True)
        )
        verdict = (
            "They go together, so the angle tells cells apart; of cells with low activity it says nothing."
            if self.seen
            else "They go together no more than random genes: the angle says nothing of these cells."
        )
        return f"{counts} Halves of each agree at r {beside}. {verdict}"

    def table(self, index: pd.Index) -> pd.DataFrame:
        """One row per cell: ``cell_cycle_angle``, ``S_score`` and ``G2M_score`` as scanpy calls them, and activity."""
        columns = (self.angle, self.s, self.g2m, self.activity)
        return pd.DataFrame(dict(zip(KEYS, columns, strict=True)), index=index)

    def about(self) -> dict[str, Any]:
        """What ``uns["aivc_cell_cycle"]`` says of the columns."""
        said = {"genes": self.found, "agreement": self.agreement, "chance": self.chance}
        return {**{key: np.array(value) for key, value in said.items()}, "seen": self.seen, "note": self.note}


def cell_cycle(cells: Measurement, *, seed: int = 0) -> CellCycle:
    """Read the phase of the cycle from expression.

    The angle is that of the two scores in their plane, which is a circle for cells that cycle; of cells that do not it
    says nothing, and ``activity`` is low. A null says whether these cells cycle at all: halves of each set of genes are
    compared with halves of random sets.

    Args:
        cells: Counts, or values in other units, which are taken as they are.
        seed: Draws the random sets.

    Raises:
        DataError: Fewer than three genes of a set were measured and vary.
    """
    x_nf = _values(cells)
    mean_f, spread_f = _moments(x_nf)
    names = np.char.upper(cells.features.astype(str))
    varying_f = spread_f > 1e-12
    # Mean over all genes in standard units, without making a dense matrix of them.
    weight_f = np.where(varying_f, 1 / np.where(varying_f, spread_f, 1), 0) / len(names)
    base_n = np.asarray(x_nf @ weight_f).ravel() - float(mean_f @ weight_f)
    of_cycle_f = np.isin(names, (*S_PHASE, *G2M_PHASE))
    others = np.flatnonzero(varying_f & ~of_cycle_f)
    others = others[np.argsort(mean_f[others], kind="stable")]
    rng = np.random.default_rng(seed)
    scores, found, agreement, chance = [], [], [], []
    for genes in (S_PHASE, G2M_PHASE):
        where = np.flatnonzero(np.isin(names, genes) & varying_f)
        if len(where) < _FEWEST:
            raise DataError(
                [
                    f"Only {len(where)} genes of the cell cycle's {'S' if genes is S_PHASE else 'G2/M'} set were "
                    f"measured and vary; {_FEWEST} are needed. Read all genes, named by symbol."
                ]
            )
        sets = [where, *_alike(where, others, mean_f, rng)]
        beside = [_standard(x_nf, one, mean_f, spread_f) - base_n[:, None] for one in sets]
        score_n = beside[0].mean(axis=1)
        scores.append((score_n - score_n.mean()) / max(float(score_n.std()), 1e-12))
        found.append(len(where))
        own, *null = map(_halves_agree, beside)
        agreement.append(own)
        chance.append(max(null, default=float("nan")))
    s_n, g2m_n = scores
    angle_n = np.mod(np.arctan2(g2m_n, s_n), 2 * np.pi)
    return CellCycle(
        angle_n, s_n, g2m_n, np.maximum(s_n, g2m_n), (found[0], found[1]), (agreement[0], agreement[1]),
        (chance[0], chance[1]),
    )  # fmt: skip


def _values(cells: Measurement) -> np.ndarray | sparse.csr_matrix:
    """Normalized values, sparse where they are."""
    made = cells if cells.units == "arbitrary" else normalize(cells, profile_units(cells))
    return made.block(0, len(made))


def _moments(x_nf: np.ndarray | sparse.csr_matrix) -> tuple[np.ndarray, np.ndarray]:
    """``(f,)`` mean and standard deviation of each gene."""
    if isinstance(x_nf, np.ndarray):
        return x_nf.mean(axis=0, dtype=np.float64), x_nf.std(axis=0, dtype=np.float64)
    wide = x_nf.astype(np.float64)
    mean_f = np.asarray(wide.mean(axis=0)).ravel()
    square_f = np.asarray(wide.multiply(wide).mean(axis=0)).ravel()
    return mean_f, np.sqrt(np.maximum(square_f - mean_f**2, 0.0))


def _standard(x_nf: np.ndarray | sparse.csr_matrix, genes: np.ndarray, mean_f: Any, spread_f: Any) -> np.ndarray:
    """``(n, g)`` some genes in standard units."""
    own = x_nf[:, genes]
    dense_ng = own if isinstance(own, np.ndarray) else own.toarray()
    return np.asarray((dense_ng - mean_f[genes]) / spread_f[genes])


def _halves_agree(z_ng: np.ndarray) -> float:
    """Correlation over cells of the mean of every other gene with that of the rest."""
    one_n, two_n = z_ng[:, ::2].mean(axis=1), z_ng[:, 1::2].mean(axis=1)
    size = float(one_n.std() * two_n.std())
    return float(np.mean((one_n - one_n.mean()) * (two_n - two_n.mean())) / size) if size > 0 else 0.0


def _alike(genes: np.ndarray, others: np.ndarray, mean_f: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Sets of other genes, each one of the 50 nearest in mean expression; none where there are too few others."""
    if len(others) < 2 * len(genes):
        return []
    place = np.searchsorted(mean_f[others], mean_f[genes])
    reach = min(25, len(others) // 2)
    low = np.clip(place - reach, 0, len(others) - 2 * reach)
    return [np.unique(others[low + rng.integers(2 * reach, size=len(genes))]) for _ in range(_SETS)]
