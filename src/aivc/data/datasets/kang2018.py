"""Kang 2018: blood cells with and without interferon beta."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from aivc.core.measurement import CONTROL, Measurement
from aivc.core.perturbation import Agent
from aivc.core.units import COUNTS
from aivc.data.datasets.r_files import read_r
from aivc.data.datasets.record import Dataset, File

_INTERFERON = str(Agent("ligand", "IFNB1"))
_CITATION = "Kang et al. 2018, Nature Biotechnology 36:89"


def convert(files: Mapping[str, Path]) -> Measurement:
    """Stack controls and stimulated cells; a suffix tells equal barcodes apart."""
    cells = read_r(files["cells"])
    control, stimulated = cells["pbmc.ctrl"], cells["pbmc.stim"]
    names = [*(f"{cell}-0" for cell in control.columns), *(f"{cell}-1" for cell in stimulated.columns)]
    texts = [CONTROL] * len(control.columns) + [_INTERFERON] * len(stimulated.columns)
    entities = pd.DataFrame({"perturbation": texts, "context": "PBMC"}, index=names)
    values = sparse.vstack([control.values, stimulated.values], format="csr")
    return Measurement(values, np.asarray(control.rows, dtype=object), entities, COUNTS)


def convert_labelled(files: Mapping[str, Path]) -> Measurement:
    """Take the same cells with the labels that could be transferred by barcode."""
    # Slow to import, and the catalog imports every dataset.
    import anndata

    cells = anndata.read_h5ad(files["cells"])
    entities = pd.DataFrame(
        {
            "perturbation": np.where(cells.obs["condition"] == "stim", _INTERFERON, CONTROL).astype(object),
            "context": cells.obs["cell_type"].astype(str).to_numpy(dtype=object),
            "donor": cells.obs["donor"].astype(str).to_numpy(dtype=object),
        },
        index=list(cells.obs_names),
    )
    values = sparse.csr_matrix(cells.X, dtype=np.float32)
    return Measurement(values, cells.var_names.to_numpy(dtype=object), entities, COUNTS)


KANG = Dataset(
    name="kang2018",
    title="Kang 2018, PBMC with and without interferon beta",
    what="RNA counts of 9,015 genes in 1,000 control and 1,000 interferon-beta-stimulated blood cells.",
    species="human",
    files=(
        File(
            "cells",
            "original/kang2018_pbmc_stim.RData",
            2550930,
            "d85a18ce8ec9dcb4ac86c8e195ed53ff893c5952a7d6bf70035a17856c9dc0ef",
            "https://raw.githubusercontent.com/immunogenomics/harmony/"
            "df19af23ae0639bd6ea2da63898f973f08c85862/data/pbmc_stim.RData",
        ),
    ),
    source="R package harmony; originally GEO GSE96583",
    licence="repository GPL-3; data GEO GSE96583, terms not stated",
    citation=_CITATION,
    notes=(
        "The file holds neither donors nor cell types: every cell's context is PBMC, a mixture. "
        "kang2018-labelled has the labels known for these cells.",
    ),
    converter=convert,
)

KANG_LABELLED = Dataset(
    name="kang2018-labelled",
    title="Kang 2018, PBMC with and without interferon beta, partly labelled",
    what="The cells of kang2018, with donor and cell type where they could be transferred by barcode.",
    species="human",
    files=(
        File(
            "cells",
            "B/kang2018_pbmc_ifnb_2000cells_9015genes.h5ad",
            1981948,
            "42f82514dc7c6f002255e9ac75a8ff7e833ca79dd675352bc07e6a692147fcc8",
        ),
    ),
    source="R package harmony, with labels from other copies of GEO GSE96583",
    licence="repository GPL-3; data GEO GSE96583, terms not stated",
    citation=_CITATION,
    notes=(
        "Labels are known for 95 % of control and 6 % of stimulated cells; the others have donor and context "
        "'unknown', which is not one cell type.",
    ),
    converter=convert_labelled,
)
