import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError
from aivc.data.streaming.normalize import normalize
from aivc.data.synthetic_tissue import LIGAND, RESPONSE, synthetic_tissue
from aivc.data.tissue.graph import GraphRule, link, position_problems


def levels(tissue, gene):
    return normalize(tissue, "log1p_cp1k").select([gene]).dense()[:, 0]


def follows(tissue, truth):
    """How far the response of the receivers follows the ligand that was measured in their neighbors."""
    links = link(tissue, GraphRule.parse(truth.rule)).links
    near = (links @ levels(tissue, LIGAND)) / np.maximum(np.diff(links.indptr), 1)
    return float(np.corrcoef(near[truth.receivers], levels(tissue, RESPONSE)[truth.receivers])[0, 1])


def test_the_response_follows_the_ligand_of_the_neighbors_and_only_with_an_effect():
    assert follows(*synthetic_tissue(cells=300, seed=1)) > 0.35
    assert abs(follows(*synthetic_tissue(cells=300, effect=0.0, seed=1))) < 0.25


def test_niches_are_mixtures_of_types_that_lie_together():
    tissue, truth = synthetic_tissue(cells=300)
    share = pd.crosstab(tissue.entities["niche"], tissue.entities["cell_type"], normalize="index")
    assert np.abs(share.to_numpy() - truth.composition).max() < 0.12
    links = link(tissue, GraphRule("nearest", 6)).links.tocoo()
    niche = tissue.entities["niche"].to_numpy()
    assert (niche[links.row] == niche[links.col]).mean() > 0.7


def test_sections_belong_to_patients_and_positions_are_sound():
    tissue, _ = synthetic_tissue(patients=2, sections=2, cells=30)
    assert tissue.entities.groupby("section")["donor"].nunique().tolist() == [1] * 4
    assert tissue.entities["donor"].nunique() == 2
    assert list(position_problems(tissue)) == []
    assert tissue.provenance["coordinates"]["unit"] == "um"
    assert 5 < tissue.provenance["coordinates"]["nearest"] < 10


def test_a_seed_gives_the_same_tissue_and_another_one_another():
    first, again, other = (synthetic_tissue(cells=30, seed=seed)[0] for seed in (0, 0, 1))
    assert np.array_equal(first.dense(), again.dense())
    assert not np.array_equal(first.dense(), other.dense())


@pytest.mark.parametrize(
    ("asked", "said"),
    [({"features": 5}, "15 genes"), ({"types": 1}, "two types"), ({"cells": 3}, "20 cells")],
)
def test_what_cannot_be_simulated_is_refused(asked, said):
    with pytest.raises(DataError, match=said):
        synthetic_tissue(**asked)
