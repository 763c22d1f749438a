"""Norman 2019: where single and double gene activations lie, seen from every single activation."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from aivc.core.measurement import Measurement
from aivc.core.perturbation import Agent
from aivc.data.datasets.record import Dataset, File

_TABLE, _CONTROL = "edist__NormanWeissman2019_filtered", "control"


def convert(files: Mapping[str, Path]) -> Measurement:
    """Turn distances between perturbations into effects: how much nearer to each single than control is."""
    with np.load(files["distances"], allow_pickle=False) as table:
        distance_pp = table[_TABLE].astype(np.float64)
        labels = [str(label) for label in table[f"{_TABLE}__labels"]]
    genes = [label.split("_") for label in labels]
    singles = [i for i, names in enumerate(genes) if len(names) == 1 and labels[i] != _CONTROL]
    rows = [i for i, label in enumerate(labels) if label != _CONTROL]
    effect_pf = distance_pp[np.ix_(rows, singles)] - distance_pp[labels.index(_CONTROL), singles]
    texts = [" + ".join(sorted(str(Agent("crispra", name)) for name in genes[i])) for i in rows]
    entities = pd.DataFrame({"perturbation": texts, "context": "K562"}, index=texts)
    features = np.array([labels[i] for i in singles], dtype=object)
    return Measurement(effect_pf.astype(np.float32), features, entities, "score", modality="effect")


NORMAN = Dataset(
    name="norman2019-distances",
    title="Norman 2019, distances of single and double gene activations",
    what="E-distances of 105 single and 79 double CRISPR activations in K562 to each of the 105 singles, less those "
    "of control.",
    species="human",
    files=(
        File(
            "distances",
            "A/scperturb_pairwise_distance_matrices.npz",
            2848166,
            "3d888acf13faa38a9f85691d7f6b45e8a491fb6c0c8e630bbd958fda423794ac",
        ),
    ),
    source="repository sanderlab/scPerturb, tables of its revision, commits 84c1d798 and 8f2b357a; originally GEO "
    "GSE133344",
    licence="repository MIT; data GEO GSE133344, terms not stated",
    citation="Norman et al. 2019, Science 365:786; distances: Peidli et al. 2024, Nature Methods 21:531",
    notes=(
        "A feature is not a gene's expression but the E-distance to the cells in which that gene was activated, less "
        "the distance that control has to them: below zero is nearer than control.",
        "Distances to one single share its cells, so the noise of a feature is shared by all rows.",
    ),
    converter=convert,
)
