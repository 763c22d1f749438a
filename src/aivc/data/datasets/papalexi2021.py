"""Papalexi 2021: which genes steer PD-L1 in stimulated THP-1 cells, one knock-out per cell."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from aivc.core.measurement import CONTROL, Measurement
from aivc.core.perturbation import Agent
from aivc.core.units import COUNTS
from aivc.data.datasets.r_files import read_r
from aivc.data.datasets.record import Dataset, File

_NON_TARGETING = "non-targeting"


def convert(files: Mapping[str, Path]) -> Measurement:
    """Give each cell the guide it holds most of."""
    screen = read_r(files["screen"])["lowmoi_example_data"]
    expression, guides = screen["response_matrix"], screen["grna_matrix"]
    counts_ng = guides.values.toarray()
    guide = np.asarray(guides.rows, dtype=object)[counts_ng.argmax(axis=1)]
    of = screen["grna_target_data_frame"].astype(str).set_index("grna_id")["grna_target"]
    texts = {target: CONTROL if target == _NON_TARGETING else str(Agent("ko", target)) for target in of.unique()}
    umis = counts_ng.sum(axis=1)
    entities = pd.DataFrame(
        {
            "perturbation": of.loc[guide].map(texts).to_numpy(dtype=object),
            "context": "THP-1",
            "batch": screen["extra_covariates"]["bio_rep"].astype(str).to_numpy(dtype=object),
            "guide": guide,
            "guide_fraction": counts_ng.max(axis=1) / umis,
            "guide_umis": umis.astype(np.int64),
        },
        index=[f"c{i + 1}" for i in range(len(guide))],
    )
    return Measurement(expression.values, np.asarray(expression.rows, dtype=object), entities, COUNTS)


PAPALEXI = Dataset(
    name="papalexi2021",
    title="Papalexi 2021, THP-1 ECCITE-seq, CRISPR knock-outs",
    what="RNA counts of 299 genes in 20,729 stimulated THP-1 cells, each with one of 25 genes knocked out or none.",
    species="human",
    files=(
        File(
            "screen",
            "original/papalexi2021_lowmoi_example_data.rda",
            1358267,
            "e3f8ad09bb4b1d0deeeec2850a2d96f8f5062fef31a9ab1cc080e60560421b6a",
            "https://raw.githubusercontent.com/Katsevich-Lab/sceptredata/"
            "ec722d5df90dfd34ace6cc9a5745ab6a5c2a6731/data/lowmoi_example_data.rda",
        ),
    ),
    source="R package sceptredata by the Katsevich Lab; originally GEO GSE153056",
    licence="repository MIT; data GEO GSE153056, terms not stated",
    citation="Papalexi et al. 2021, Nature Genetics 53:322",
    notes=(
        "299 genes were drawn from the transcriptome by the repository; totals per cell are totals over these.",
        "The guide of a cell is the one with most counts; guide_fraction says how clearly (median 0.94). No cell has a "
        "guide against CD274 as its main one, although there are three.",
        "Effects differ greatly in how well they can be measured: split-half correlation 0.98 for JAK2, IFNGR1, IFNGR2 "
        "and STAT1, below 0.35 for most others.",
    ),
    redistribute=True,
    converter=convert,
)
