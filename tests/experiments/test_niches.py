import dataclasses

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError, SpaceError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.units import ARBITRARY
from aivc.core.ur import UR
from aivc.data.tissue.clusters import adjusted_rand
from aivc.data.tissue.graph import GraphRule, link
from aivc.experiments.niches import abundance, enrichment, find_niches, niche_names, surroundings

SIDE = 16


def tissue(seed=0, *, donors=2):
    """Three stripes in each section; a cell's type says little of its stripe, its neighbours say all."""
    rng = np.random.default_rng(seed)
    place = np.stack(np.meshgrid(np.arange(3 * SIDE), np.arange(SIDE)), axis=-1).reshape(-1, 2).astype(float)
    stripe = np.tile((place[:, 0] // SIDE).astype(int), donors)
    kind = np.where(rng.random(len(stripe)) < 0.6, stripe, rng.integers(0, 3, len(stripe)))
    name = np.repeat([f"d{i}" for i in range(donors)], len(place))
    entities = pd.DataFrame(
        {"section": name, "donor": name, "cell_type": np.array(["alpha", "beta", "duct"])[kind], "stripe": stripe},
        [f"c{i}" for i in range(len(stripe))],
    )
    values, names = np.eye(3)[kind] + rng.normal(0, 0.3, (len(kind), 3)), np.array(list("abc"), dtype=object)
    cells = Measurement(values, names, entities, ARBITRARY, coordinates=np.tile(place, (donors, 1)))
    linked = link(cells, GraphRule.parse("radius:1.5"))
    return UR(values, Space("made-up", Scale.CELLULAR, 3, "made-up"), entities, links=linked.links)


def test_the_number_of_niches_and_the_niches_are_found():
    ur = tissue()
    niches = find_niches(ur, reach=0, numbers=(2, 3, 4, 5), runs=5)
    assert len(niches.centers) == 3
    assert adjusted_rand(niches.labels, ur.entities["stripe"].to_numpy()) > 0.8
    assert adjusted_rand(niches.assign(tissue(1)), tissue(1).entities["stripe"].to_numpy()) > 0.8
    best = niches.stability.loc[niches.stability["agreement"].idxmax()]
    assert (best["number"], best["rounds"]) == (3, niches.rounds)


def test_without_neighbors_a_niche_is_a_type():
    ur = tissue()
    alone = find_niches(ur, reach=0, numbers=(3,), rounds=(0,), runs=3)
    assert adjusted_rand(alone.labels, ur.entities["cell_type"].to_numpy()) > 0.7
    assert adjusted_rand(alone.labels, ur.entities["stripe"].to_numpy()) < 0.4


def test_surroundings_are_means_over_the_cell_and_its_neighbors():
    ur = tissue(donors=1)
    at = 5 * 3 * SIDE + 7
    near = np.r_[at, ur.links[at].indices]
    assert len(near) == 9
    np.testing.assert_allclose(surroundings(ur, reach=0)[at], ur.values[near].mean(axis=0))


def test_niches_are_named_by_what_is_enriched_in_them():
    ur = tissue()
    table = enrichment(ur.entities["stripe"].to_numpy(), ur.entities, "cell_type")
    assert niche_names(table, most=1) == {0: "alpha", 1: "beta", 2: "duct"}
    mixed = np.random.default_rng(0).integers(0, 3, len(ur))
    chance = enrichment(mixed, ur.entities, "cell_type")
    assert set(niche_names(chance).values()) == {"mixed"}
    assert (chance["p"] > 0.01).all()


def test_expected_numbers_are_those_of_shuffles_within_sections():
    ur, rng = tissue(), np.random.default_rng(0)
    skewed = np.where(ur.entities["donor"] == "d0", "alpha", ur.entities["cell_type"])
    entities, niche = ur.entities.assign(cell_type=skewed), ur.entities["stripe"].to_numpy()
    table = enrichment(niche, entities, "cell_type").set_index(["niche", "type"]).loc[(0, "beta")]
    drawn = []
    for _ in range(400):
        kinds = skewed.copy()
        for name in ("d0", "d1"):
            inside = np.flatnonzero(entities["donor"] == name)
            kinds[inside] = skewed[rng.permutation(inside)]
        drawn.append(((kinds == "beta") & (niche == 0)).sum())
    assert abs(table["expected"] - np.mean(drawn)) < 1
    assert abs((table["cells"] - table["expected"]) / table["z"] / np.std(drawn) - 1) < 0.15


def test_patients_not_cells_are_compared():
    rng = np.random.default_rng(0)
    donor = np.repeat(np.arange(8), 300)
    sick = donor >= 4
    entities = pd.DataFrame({"donor": donor.astype(str), "state": np.where(sick, "sick", "well")})
    more = abundance((rng.random(2400) < np.where(sick, 0.6, 0.3)).astype(int), entities, "state")
    assert (more["p"] < 0.05).all()
    assert abs(more["difference"][0] - 0.3) < 0.1
    # Every patient differs from every other, whatever the state: thousands of cells do not make that a finding.
    own = rng.permutation(np.linspace(0.1, 0.9, 8))
    assert (abundance((rng.random(2400) < own[donor]).astype(int), entities, "state")["p"] > 0.05).all()


def test_frequencies_of_sections_add_up_to_one():
    ur = tissue()
    niches = find_niches(ur, reach=0, numbers=(3,), rounds=(2,), runs=2)
    found = niches.frequencies(ur)
    assert found.index.tolist() == ["d0", "d1"]
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_what_makes_no_sense_is_refused():
    ur = tissue()
    with pytest.raises(DataError, match="Encode with shells"):
        find_niches(dataclasses.replace(ur, links=None), reach=0)
    with pytest.raises(DataError, match="Give reach="):
        find_niches(ur, reach=1)
    with pytest.raises(DataError, match="between 2 and"):
        find_niches(ur, reach=0, numbers=(1,))
    niches = find_niches(ur, reach=0, numbers=(3,), rounds=(1,), runs=2)
    with pytest.raises(SpaceError):
        niches.assign(dataclasses.replace(ur, space=dataclasses.replace(ur.space, fingerprint="other")))
    with pytest.raises(UnknownNameError):
        niches.frequencies(ur, "slide")
    with pytest.raises(DataError, match="is one case"):
        abundance(niches.labels, ur.entities, "cell_type")
