import json

import numpy as np
import pytest

from aivc.core.errors import DataError, UnknownNameError
from aivc.data.priors.ligand_receptor import Pair
from aivc.data.synthetic_tissue import synthetic_tissue
from aivc.interpretation.neighbor_effects import neighbor_effects

PAIRS = [
    Pair("CXCL12-CXCR4", ("CXCL12",), ("CXCR4",), "Signaling by Chemokines"),
    Pair("G0001-CXCR4", ("G0001",), ("CXCR4",)),
    Pair("CXCL12-CXCR4+G0002", ("CXCL12",), ("CXCR4", "G0002")),
    Pair("CXCL12-ACKR3", ("CXCL12",), ("ACKR3",)),
]


@pytest.fixture(scope="module")
def tissue():
    return synthetic_tissue(cells=150, seed=3)[0]


@pytest.fixture(scope="module")
def found(tissue):
    return neighbor_effects(tissue, {"niche": "N1"}, pairs=PAIRS, shuffles=100, reach=2)


def test_a_niche_is_surrounded_by_its_own_type_at_every_step(found):
    types = found.types.set_index(["step", "cell_type"])
    assert types.loc[(1, "T1"), "z"] > 4
    assert types.loc[(1, "T1"), "q"] < 0.05
    assert types.loc[(1, "T1"), "observed"] > types.loc[(1, "T1"), "expected"]
    assert types.groupby("step")["observed"].sum().tolist() == pytest.approx([1, 1])
    shells = found.shells.set_index("step")
    assert shells["z"].min() > 3
    assert 8 < shells.loc[1, "distance"] < shells.loc[2, "distance"] < 30
    assert shells.loc[1, "neighbors"] < shells.loc[2, "neighbors"]


def test_the_pair_that_is_there_is_found_and_a_gene_that_everybody_has_is_not(found):
    first = found.pairs[found.pairs["step"] == 1].set_index("pair")
    assert first.loc["CXCL12-CXCR4", "q"] < 0.05
    assert first.loc["CXCL12-CXCR4", "z"] > 3
    assert abs(first.loc["G0001-CXCR4", "z"]) < abs(first.loc["CXCL12-CXCR4", "z"])
    assert first.loc["CXCL12-CXCR4", "family"] == "Signaling by Chemokines"


def test_a_complex_needs_all_its_subunits_and_the_panel_says_what_it_lacks(found):
    first = found.pairs[found.pairs["step"] == 1].set_index("pair")
    assert first.loc["CXCL12-CXCR4+G0002", "observed"] < first.loc["CXCL12-CXCR4", "observed"]
    assert found.missing == {"CXCL12-ACKR3": ("ACKR3",)}
    assert "3 of 4 pairs" in found.note
    assert json.loads(json.dumps(found.to_json()))["missing"] == {"CXCL12-ACKR3": ["ACKR3"]}


def test_in_a_shuffled_tissue_nothing_is_found(tissue):
    order = np.random.default_rng(0).permutation(150)
    order = np.concatenate([order, order + 150])
    mixed = tissue.replace(coordinates=tissue.coordinates[order])
    drawn = np.random.default_rng(1).random(len(tissue)) < 0.3
    found = neighbor_effects(mixed, drawn, pairs=PAIRS, shuffles=100, reach=2)
    assert found.types["q"].min() > 0.01
    assert found.pairs["q"].min() > 0.01
    assert found.shells["p"].min() > 0.02


def test_within_types_what_types_bring_is_taken_out(tissue):
    found = neighbor_effects(tissue, {"niche": "N1"}, pairs=PAIRS, shuffles=50, reach=1, within_type=True)
    assert found.types["z"].tolist() == pytest.approx([0, 0, 0])
    assert found.types["p"].tolist() == [1, 1, 1]
    whole = neighbor_effects(tissue, {"niche": "N1"}, pairs=PAIRS, shuffles=50, reach=1)
    pair = [each.pairs.set_index("pair").loc["CXCL12-CXCR4", "z"] for each in (found, whole)]
    assert abs(pair[0]) < abs(pair[1])


def test_one_cell_is_looked_at_by_its_position(tissue):
    found = neighbor_effects(tissue, np.array([7]), pairs=PAIRS, shuffles=20, reach=1)
    assert found.cells == 1
    assert found.shells["neighbors"].iloc[0] >= 8


def test_what_is_not_there_is_refused(tissue):
    with pytest.raises(UnknownNameError, match="niche"):
        neighbor_effects(tissue, {"nich": "N1"}, pairs=PAIRS)
    with pytest.raises(DataError, match="no such cells"):
        neighbor_effects(tissue, {"niche": "N9"}, pairs=PAIRS)
    with pytest.raises(DataError, match="20 shuffles"):
        neighbor_effects(tissue, {"niche": "N1"}, pairs=PAIRS, shuffles=3)


def test_a_panel_without_any_pair_says_so(tissue):
    found = neighbor_effects(tissue, {"niche": "N1"}, pairs=PAIRS[3:], shuffles=20, reach=1)
    assert len(found.pairs) == 0
    assert "0 of 1 pairs" in found.note
