"""GDSC: how much of a drug halves the viability of a cancer cell line, one number per line and drug."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from aivc.core.measurement import Measurement
from aivc.core.perturbation import Agent
from aivc.data.datasets.record import Dataset, File

_COLUMNS = ["DATASET", "CELL_LINE_NAME", "TCGA_DESC", "DRUG_ID", "DRUG_NAME", "PUTATIVE_TARGET", "PATHWAY_NAME"]
FEATURE = "LN_IC50"


def convert(files: Mapping[str, Path]) -> Measurement:
    """One row per line and drug, of one assay per drug; rows without a value are left out."""
    table = pd.read_parquet(files["responses"], columns=[*_COLUMNS, FEATURE]).dropna(subset=[FEATURE])
    table[_COLUMNS] = table[_COLUMNS].astype(object)
    # A highest concentration behind the name is another assay of the drug, not another drug.
    table["drug"] = table["DRUG_NAME"].astype(str).str.replace(r"\s*\(\d+ uM\)$", "", regex=True).str.strip()
    table = _one_assay(table).sort_values(["CELL_LINE_NAME", "drug"])
    texts = {name: str(Agent("drug", name)) for name in table["drug"].unique()}
    entities = pd.DataFrame(
        {
            "perturbation": table["drug"].map(texts),
            "context": table["CELL_LINE_NAME"].astype(str),
            "tissue": table["TCGA_DESC"].fillna("").astype(str),
            "target": table["PUTATIVE_TARGET"].fillna("").astype(str),
            "pathway": table["PATHWAY_NAME"].fillna("").astype(str),
        },
        dtype=object,
    )
    entities.index = pd.Index(entities["context"] + " | " + entities["perturbation"])
    values_n1 = table[[FEATURE]].to_numpy(dtype=np.float32)
    return Measurement(values_n1, np.array([FEATURE], dtype=object), entities, "score", modality="effect")


def _one_assay(table: pd.DataFrame) -> pd.DataFrame:
    """Keep of each drug one assay, of the second screen before the first, then of most lines.

    Assays of one drug differ in range and thus in level: mixed, they would make lines look apart that are not.
    """
    found = table.groupby(["drug", "DATASET", "DRUG_ID"]).size().rename("lines").reset_index()
    found = found.sort_values(["drug", "DATASET", "lines", "DRUG_ID"], ascending=[True, False, False, True])
    kept = found.drop_duplicates("drug")[["drug", "DATASET", "DRUG_ID"]]
    return table.merge(kept, on=["drug", "DATASET", "DRUG_ID"]).drop_duplicates(["CELL_LINE_NAME", "drug"])


GDSC = Dataset(
    name="gdsc",
    title="GDSC, drug response of cancer cell lines",
    what="LN_IC50, the natural log of the concentration (uM) that halves viability, of 682 cancer cell lines under 245 "
    "drugs; 143,740 pairs measured.",
    species="human",
    files=(
        File(
            "responses",
            "B/gdsc_drug_response.parquet",
            3512031,
            "5dcd4b571ba5b860b33ecc4502d9697bf6c86bed815dc5a660ab75a702bad821",
        ),
    ),
    source="repository WangHYLab/scPharm, commit 60d7661a, data/gdscdata.rda; originally Genomics of Drug Sensitivity "
    "in Cancer, release GDSC2",
    licence="repository MIT; data under the terms of the Wellcome Sanger Institute (cancerrxgene.org), which limit "
    "commercial use: read them before any use that is not research",
    citation="Yang et al. 2013, Nucleic Acids Research 41:D955; Iorio et al. 2016, Cell 166:740",
    notes=(
        "Lower is more sensitive. The zero is 1 uM, not an untreated line: there is no control.",
        "Values far beyond the highest concentration given are extrapolated curves, not measurements; they are kept.",
        "Eight drugs were assayed twice, some in other ranges and at other levels: of each, the assay of most lines is "
        "kept (bleomycin up to 50 uM counts as bleomycin). Where a table holds both screens, GDSC2 goes before GDSC1.",
        "Target, pathway and tissue (TCGA code) are the source's own words.",
    ),
    converter=convert,
)
