"""Drug screens as ranks of genes: Tahoe-100M, OP3 and sci-Plex 3, one row per context and drug."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from aivc.core.measurement import Measurement
from aivc.core.perturbation import Agent
from aivc.data.datasets.record import Dataset, File

_NOTES = (
    "Genes are ordered by log2 fold change times -log10 p of a pseudobulk test and stored as normal scores, about +3 "
    "most up and -3 most down: they carry order, not size.",
    "Salt forms of a drug are near-duplicates: group them when splitting.",
)


def convert(files: Mapping[str, Path]) -> Measurement:
    """Flatten contexts by drugs by genes; what is hidden or was never tested is no row."""
    with np.load(files["scores"], allow_pickle=False) as table:
        score_cpf = table["score"].astype(np.float32)
        contexts, drugs = table["contexts"], table["perturbations"]
        features = table["genes"].astype(str).astype(object)
        shown_cp = np.isfinite(score_cpf).any(axis=2)
        if "visible" in table:
            shown_cp &= table["visible"]
        significant_cp = table.get("n_sig_up")
    context, drug = np.nonzero(shown_cp)
    texts = np.array([str(Agent("drug", str(name).strip())) for name in drugs], dtype=object)
    lines = contexts.astype(str).astype(object)
    entities = pd.DataFrame({"perturbation": texts[drug], "context": lines[context]})
    if significant_cp is not None:
        entities["significant_up"] = significant_cp[shown_cp].astype(np.int64)
    entities.index = pd.Index([f"{line} | {text}" for line, text in zip(lines[context], texts[drug], strict=True)])
    score_nf = score_cpf[shown_cp]
    observed_nf = np.isfinite(score_nf)
    values_nf = np.where(observed_nf, score_nf, np.float32(0))
    return Measurement(values_nf, features, entities, "normal_score", modality="effect", observed=observed_nf)


TAHOE = Dataset(
    name="tahoe100m",
    title="Tahoe-100M, ranks of 2,400 genes",
    what="Normal scores of 2,400 genes for 87 drugs in 35 cancer cell lines.",
    species="human",
    files=(
        File(
            "scores",
            "B/tahoe100m_rank_scores.npz",
            12325319,
            "6667fdd2e9f728a9260265f85936965fbb06452d2928fb7e34fa7912af750efc",
        ),
    ),
    source="repository montilab/sigrecon, commit b425117, data/tahoe.*.rda; originally Tahoe-100M",
    licence="repository MIT in its DESCRIPTION but GPL-3 in its LICENSE; data CC0",
    citation="Zhang et al. 2025, bioRxiv 2025.02.20.639398",
    notes=(*_NOTES, "Known leak: the genes were chosen on all lines, held-out ones included."),
    converter=convert,
)

OP3 = Dataset(
    name="op3",
    title="OpenProblems perturbation prediction (OP3), ranks of 6,349 genes",
    what="Normal scores of 6,349 genes for 135 drugs in B, myeloid, NK and T cells of blood; 310 of 540 pairs given.",
    species="human",
    files=(
        File(
            "scores",
            "B/neurips2023_op3_pbmc_rank_scores.npz",
            3675057,
            "a70ded7f687d09f8daa11d5d43fccad0707a9e52589090a19bbd4c3ec42e45f7",
        ),
    ),
    source="repository montilab/sigrecon, commit 112228f, data/neurips2023.*.rda; originally GEO GSE279945",
    licence="repository MIT in its DESCRIPTION but GPL-3 in its LICENSE; data GEO GSE279945, terms not stated",
    citation="Szałata et al. 2024, NeurIPS Datasets and Benchmarks",
    notes=_NOTES,
    converter=convert,
)

SCIPLEX = Dataset(
    name="sciplex3",
    title="sci-Plex 3, ranks of 6,000 genes",
    what="Normal scores of 6,000 genes (Ensembl) for 75 drugs in A549 and K562 cells; 100 pairs measured.",
    species="human",
    files=(
        File(
            "scores",
            "B/sciplex3_rank_scores.npz",
            911329,
            "95afdcb61d1cf772323e6921045f08af33f7cb6e973cbd7ecf653b770d895621",
        ),
    ),
    source="repository montilab/sigrecon, commit 717f728, data/sciplex.*.rda; originally GEO GSE139944",
    licence="repository MIT in its DESCRIPTION but GPL-3 in its LICENSE; data CC BY 4.0",
    citation="Srivatsan et al. 2020, Science 367:45",
    notes=_NOTES,
    converter=convert,
)
