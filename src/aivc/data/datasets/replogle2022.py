"""Replogle 2022: which genes rise when an essential gene is knocked down, in two cell lines."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from aivc.core.measurement import Measurement
from aivc.core.perturbation import Agent
from aivc.data.datasets.record import Dataset, File

_DEPTH = 1000


def convert(files: Mapping[str, Path]) -> Measurement:
    """Turn ranks, 1 first and 0 absent, into scores that grow with the rise: 1 for the first, 0 for absent."""
    with np.load(files["ranks"], allow_pickle=False) as table:
        shown = {"K562": np.ones(len(table["perturbations"]), dtype=bool), "RPE1": table["rpe1_visible"]}
        ranks = {"K562": table["rank_k562"], "RPE1": table["rank_rpe1"]}
        significant = dict(zip(ranks, table["n_sig_up_k562_rpe1"].T, strict=True))
        texts = np.array([str(Agent("crispri", str(gene))) for gene in table["perturbations"]], dtype=object)
        features = table["genes"].astype(str).astype(object)
    rank_nf = np.concatenate([ranks[line][shown[line]] for line in ranks]).astype(np.float32)
    entities = pd.DataFrame(
        {
            "perturbation": np.concatenate([texts[shown[line]] for line in ranks]),
            "context": np.repeat(np.array([*ranks], dtype=object), [shown[line].sum() for line in ranks]),
            "significant_up": np.concatenate([significant[line][shown[line]] for line in ranks]).astype(np.int64),
        }
    )
    entities.index = pd.Index(entities["context"] + " | " + entities["perturbation"])
    score_nf = np.where(rank_nf > 0, 1 - (rank_nf - 1) / _DEPTH, 0).astype(np.float32)
    return Measurement(score_nf, features, entities, "score", modality="effect")


REPLOGLE = Dataset(
    name="replogle2022",
    title="Replogle 2022, CRISPRi knock-downs in K562 and RPE1, up-regulated genes",
    what="For 585 knock-downs in K562 and 435 of them in RPE1, which of 7,225 genes rise most.",
    species="human",
    files=(
        File(
            "ranks",
            "A/replogle2022_k562_rpe1_top1000up_ranks.npz",
            2884060,
            "cd27e449863762a94bd67426b27575d373f360daabce9b30e7acd5ba447350b4",
        ),
    ),
    source="repository montilab/sigrecon, commit f466677, data/perturbseq.{k562,rpe1}.rda; originally figshare+",
    licence="repository MIT in its DESCRIPTION but GPL-3 in its LICENSE; data CC BY 4.0",
    citation="Replogle et al. 2022, Cell 185:2559",
    notes=(
        "The score is 1 - (rank - 1) / 1000 among the 1,000 most risen genes, 0 for all others: 0 means 'not among "
        "them', which includes genes that fell. Order, not size.",
        "significant_up says how many genes rose significantly; scores beyond that number are mostly noise.",
    ),
    converter=convert,
)
