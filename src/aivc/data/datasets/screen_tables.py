"""Screens that read one number per knock-out: genome-wide CRISPR screens, and pairs of genes."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from aivc.core.measurement import Measurement
from aivc.core.perturbation import Agent
from aivc.data.datasets.record import Dataset, File

# Where neither the table nor its repository says whether genes were lowered or raised, no direction is claimed.
_DIRECTIONS = {"IFNG": 0, "Carnevale22_Adenosine": -1, "Sanchez21": -1, "Sanchez21_down": -1}
_NEGATIVE = "negative"


def convert_screens(files: Mapping[str, Path]) -> Measurement:
    """One row per screen and gene; non-targeting guides are the zero of such scores and no rows."""
    table = pd.read_parquet(files["scores"])
    table = table[~table["gene"].str.startswith("NonTarget")]
    screens = table["screen"].astype(str).to_numpy(dtype=object)
    texts = np.empty(len(table), dtype=object)
    for screen in np.unique(screens.astype(str)):
        rows = np.flatnonzero(screens == screen)
        texts[rows] = [str(Agent("ko", gene, direction=_DIRECTIONS[screen])) for gene in table["gene"].iloc[rows]]
    names = pd.Index(screens + " | " + table["gene"])
    return _scores(table["score"], "phenotype", pd.DataFrame({"perturbation": texts, "context": screens}, index=names))


def convert_pairs(files: Mapping[str, Path]) -> Measurement:
    """One row per pair of genes lowered together; a gene paired with a negative control was lowered alone."""
    table = pd.read_parquet(files["scores"])
    agents = {gene: str(Agent("crispri", gene)) for gene in {*table["gene_a"], *table["gene_b"]} - {_NEGATIVE}}
    pairs = zip(table["gene_a"], table["gene_b"], strict=True)
    # Text rather than objects: it is the text form of a Perturbation, and there are seventy thousand.
    texts = [" + ".join(sorted(agents[gene] for gene in pair if gene != _NEGATIVE)) for pair in pairs]
    entities = pd.DataFrame({"perturbation": texts, "context": "K562 or Jurkat"}, index=texts)
    return _scores(table["score"], "interaction", entities)


def _scores(score: pd.Series, feature: str, entities: pd.DataFrame) -> Measurement:
    values_nf = score.to_numpy(dtype=np.float32)[:, None]
    return Measurement(values_nf, np.array([feature], dtype=object), entities, "score", modality="effect")


SCREENS = Dataset(
    name="crispr-screens",
    title="Genome-wide CRISPR screens of interferon gamma, adenosine response and tau",
    what="One score per gene in four genome-wide screens; the context is the screen.",
    species="human",
    files=(
        File(
            "scores",
            "A/crispr_screens.parquet",
            1117128,
            "434cf4b0ee14a48311bbf1ceadc476e7390294b2be9cb1dfcbbd9121ddfec495",
        ),
    ),
    source="repository snap-stanford/BioDiscoveryAgent, commit 19673c7371c5, datasets/*.csv",
    licence="repository MIT; data of the papers, terms not stated",
    citation="Schmidt 2022 (IFNG); Carnevale 2022 (adenosine); Sanchez 2021 (tau); collected by Roohani 2024, "
    "arXiv:2405.17631",
    notes=(
        "Scores of different screens are on different scales and signs: compare within a screen only.",
        "Whether genes were lowered or raised in the IFNG screen is not stated with the table: its perturbations read "
        "ko:GENE/any.",
        "Rows of non-targeting guides are left out: they are the zero of the score.",
    ),
    converter=convert_screens,
)

HORLBECK = Dataset(
    name="horlbeck2018",
    title="Horlbeck 2018, genetic interactions of gene pairs",
    what="One interaction score for each of 70,476 pairs of genes lowered together, and 320 genes lowered alone.",
    species="human",
    files=(
        File(
            "scores",
            "A/horlbeck2018_gi_pairs.parquet",
            960785,
            "625a9813d4a5eaff5de7052e8471541837f478754fafadf4de5b6aecfe5cbb38",
        ),
    ),
    source="repository snap-stanford/BioDiscoveryAgent, commit 19673c7371c5, ground_truth_Horlbeck.csv",
    licence="repository MIT; data of the paper, terms not stated",
    citation="Horlbeck et al. 2018, Cell 174:953",
    notes=("The repository does not say whether the line is K562 or Jurkat: the context reads 'K562 or Jurkat'.",),
    converter=convert_pairs,
)
