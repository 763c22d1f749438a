"""Zhao 2021: slices of glioblastoma from four patients, with and without panobinostat."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from aivc.core.measurement import CONTROL, Measurement
from aivc.core.perturbation import Agent
from aivc.core.units import COUNTS
from aivc.data.datasets.record import Dataset, File

_PANOBINOSTAT = str(Agent("drug", "panobinostat", 0.2, "uM"))


def convert(files: Mapping[str, Path]) -> Measurement:
    """Take every patient as a donor; cells of a tumour are of many types, none of them named."""
    # Slow to import, and the catalog imports every dataset.
    import anndata

    cells = anndata.read_h5ad(files["cells"])
    treated = (cells.obs["condition"] == "panobinostat").to_numpy()
    donors = cells.obs["patient_id"].astype(str).to_numpy(dtype=object)
    entities = pd.DataFrame(
        {
            "perturbation": np.where(treated, _PANOBINOSTAT, CONTROL).astype(object),
            "context": np.full(len(donors), "glioblastoma", dtype=object),
            "donor": donors,
            "batch": donors,
            "sample": cells.obs["sample_id"].astype(str).to_numpy(dtype=object),
        },
        index=[f"{donor}_{cell}" for donor, cell in zip(donors, cells.obs_names, strict=True)],
    )
    values = sparse.csr_matrix(cells.X, dtype=np.float32)
    return Measurement(values, cells.var["symbol"].astype(str).to_numpy(dtype=object), entities, COUNTS)


ZHAO = Dataset(
    name="zhao2021",
    title="Zhao 2021, glioblastoma slices with and without panobinostat",
    what="RNA counts of 300 genes in 4,000 cells of four patients' tumour slices, half of each treated.",
    species="human",
    files=(
        File(
            "cells",
            "B/zhao2021_glioblastoma_panobinostat.h5ad",
            1110703,
            "450ec5f0daf6c44bc598f35de1ff389b6746394158767fd7282e7b7fa317fd90",
        ),
    ),
    source="repository const-ae/lemur, commit 95be4f93, data/glioblastoma_example_data.rda; originally GEO GSE148842",
    licence="repository MIT; data GEO GSE148842, terms not stated",
    citation="Zhao et al. 2021, Genome Medicine 13:82",
    notes=(
        "The repository chose the 300 most variable genes on all patients; totals per cell are totals over these.",
        "Cells have no types: the context is the tumour, a mixture of malignant cells, myeloid cells and others whose "
        "shares differ between patients.",
        "Treated and control cells of a patient are one slice each, so what differs between slices passes for effect. "
        "The batch is the patient.",
    ),
    converter=convert,
)
