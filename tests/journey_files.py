"""The three files that the pages of journeys start from: small, as laboratories have them, with known effects."""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

GENES = (
    *(
        "STAT1",
        "IRF1",
        "CD274",
        "GBP1",
        "PSMB9",
        "B2M",
        "HLA-A",
        "CXCL10",
        "MYC",
        "CDKN1A",
        "MDM2",
        "BAX",
        "FOS",
        "JUN",
    ),
    *("EGR1", "DUSP6", "SPRY4", "CCND1", "HMGCR", "LDLR", "HSPA1A", "DNAJB1", "ATF3", "DDIT3", "ACTB", "GAPDH", "TUBB"),
    *("RPL3", "RPS6", "EEF1A1", "VIM", "LGALS1", "TMSB4X", "FTL", "FTH1", "S100A6", "MT2A", "HMGB1", "NPM1", "PTMA"),
)
INTERFERON = ("STAT1", "IRF1", "CD274", "GBP1", "PSMB9", "B2M", "HLA-A", "CXCL10")
P53 = ("CDKN1A", "MDM2", "BAX")
MAPK = ("FOS", "JUN", "EGR1", "DUSP6", "SPRY4", "CCND1")
# What each knockout does, as changes of the logs of whole programmes.
KNOCKOUTS = {
    "STAT1": {INTERFERON: -1.2},
    "JAK2": {INTERFERON: -1.0},
    "IFNGR1": {INTERFERON: -1.1},
    "TP53": {P53: -1.2},
    "MDM2": {P53: 1.0},
    "BRAF": {MAPK: -1.0},
    "KRAS": {MAPK: -1.2},
    "CUL3": {INTERFERON: 0.5},
}
DRUGS = {"Imatinib": {MAPK: -0.5}, "Trametinib": {MAPK: -1.2}, "JQ1": {("MYC",): -1.5}, "Nutlin-3a": {P53: 1.3}}
DRUGS |= {"Ruxolitinib": {INTERFERON: -1.1}}
DOSES = ((0.5, 0.4), (2.0, 0.8), (10.0, 1.0))
LINES = ("A-375", "K-562", "HCT 116")


def counts_of(shift_ng: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw counts: genes differ in their level, cells in their depth, and ``shift_ng`` moves the logs of means."""
    level_g = np.random.default_rng(7).uniform(0.8, 3.5, len(GENES))
    depth_n = rng.normal(0.0, 0.25, len(shift_ng))
    return rng.poisson(np.exp(level_g + shift_ng + depth_n[:, None])).astype(np.int64)


def moved(effect: dict[tuple[str, ...], float], scale: float = 1.0) -> np.ndarray:
    """Changes of logs, a gene each."""
    shift_g = np.zeros(len(GENES))
    for genes, size in effect.items():
        shift_g[[GENES.index(gene) for gene in genes]] += scale * size
    return shift_g


def normalized(counts: np.ndarray) -> np.ndarray:
    """``log1p`` of counts per ten thousand."""
    return np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e4).astype(np.float32)


def crispr_file(path: Path) -> None:
    """A CRISPR lab's h5ad: logs in X, counts in a layer, guides as labels, unassigned cells, two batches."""
    rng = np.random.default_rng(1)
    rows: list[tuple[str, str, str]] = []
    for lane in ("lane1", "lane2"):
        rows += [(f"NTC_{1 + i % 3}", "", lane) for i in range(30)]
        rows += [(f"{gene}_g{1 + i % 2}", gene, lane) for gene in KNOCKOUTS for i in range(10)]
        rows += [("unassigned", "", lane)] * 12
    shift = np.stack([moved(KNOCKOUTS.get(gene, {})) + (0.1 if lane == "lane2" else 0.0) for _, gene, lane in rows])
    counts = counts_of(shift, rng)
    obs = pd.DataFrame({"sgRNA": [row[0] for row in rows], "lane": [row[2] for row in rows]})
    obs["line"], obs["n_counts"] = "THP-1", counts.sum(axis=1)
    obs.index = [f"cell{i}-1" for i in range(len(obs))]
    made = anndata.AnnData(sparse.csr_matrix(normalized(counts)), obs=obs, var=pd.DataFrame(index=list(GENES)))
    made.layers["counts"] = sparse.csr_matrix(counts)
    made.write_h5ad(path)


def drug_file(path: Path) -> None:
    """A drug screen: the dose stands in the label, in two ways; three cell lines; 6 and 24 hours; vehicle DMSO."""
    rng = np.random.default_rng(2)
    rows: list[tuple[str, dict, float, str, int]] = []
    for line in LINES:
        for hours in (6, 24):
            rows += [("DMSO", {}, 0.0, line, hours)] * 16
            for drug, effect in DRUGS.items():
                for dose, scale in DOSES:
                    label = f"{dose:g} uM JQ1" if drug == "JQ1" else f"{drug}_{dose:g}"
                    rows += [(label, effect, scale * (0.6 if hours == 6 else 1.0), line, hours)] * 5
    shift = np.stack([moved(effect, scale) for _, effect, scale, _, _ in rows])
    shift += 0.3 * np.stack([np.random.default_rng(LINES.index(row[3])).normal(size=len(GENES)) for row in rows])
    counts = counts_of(shift, rng)
    obs = pd.DataFrame({"condition": [row[0] for row in rows], "cell_line": [row[3] for row in rows]})
    obs["hours"] = [row[4] for row in rows]
    obs.index = [f"well{i}" for i in range(len(obs))]
    anndata.AnnData(sparse.csr_matrix(counts), obs=obs, var=pd.DataFrame(index=list(GENES))).write_h5ad(path)


def raw_file(path: Path) -> None:
    """Counts of a CRISPR screen before any step of scanpy, a gene a label."""
    rng = np.random.default_rng(3)
    rows = ["non-targeting"] * 60 + [gene for gene in KNOCKOUTS for _ in range(16)]
    counts = counts_of(np.stack([moved(KNOCKOUTS.get(gene, {})) for gene in rows]), rng)
    obs = pd.DataFrame({"gene": rows}, index=[f"cell{i}" for i in range(len(rows))])
    anndata.AnnData(sparse.csr_matrix(counts), obs=obs, var=pd.DataFrame(index=list(GENES))).write_h5ad(path)


def usual_steps(adata: anndata.AnnData) -> None:
    """What the first block of the page on scanpy does, where scanpy is not installed: counts kept, then logs in X."""
    adata.layers["counts"] = adata.X.copy()
    counts = adata.X.toarray().astype(np.float64)
    totals = counts.sum(axis=1, keepdims=True)
    adata.X = sparse.csr_matrix(np.log1p(counts / totals * np.median(totals)).astype(np.float32))
