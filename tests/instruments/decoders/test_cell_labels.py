import dataclasses

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError, SpaceError, UnknownNameError
from aivc.core.prediction import Applicability
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.data.priors.memberships import memberships
from aivc.instruments.decoders.cell_labels import CellLabels
from aivc.testing import check_decoder

SPACE = Space("made-up", Scale.CELLULAR, 6, "made-up")
MIDDLES = np.random.default_rng(5).normal(0, 1.6, (4, 6))
NAMES = np.array(["B", "T4", "T8", "NK"], dtype=object)


def cells(n, seed, *, donors=8, classes=4, shift=0.0):
    rng = np.random.default_rng(seed)
    own = rng.integers(0, classes, n)
    donor = rng.integers(0, donors, n)
    values = MIDDLES[own] + rng.normal(0, 1, (n, 6)) + rng.normal(0, 0.3, (donors, 6))[donor] + shift
    entities = pd.DataFrame({"type": NAMES[own], "donor": [f"d{i}" for i in donor]}, [f"c{seed}-{i}" for i in range(n)])
    return UR(values, SPACE, entities)


def fitted(ur, **settings):
    return CellLabels.fit(ur, memberships(ur.entities, "type"), **settings)


def test_keeps_the_promises_of_a_decoder():
    check_decoder(CellLabels)
    ur = cells(200, 0)
    check_decoder(CellLabels, ur, measurement=memberships(ur.entities, "type"))


def test_sets_hold_what_they_promise_within_each_class():
    probe, asked = fitted(cells(3000, 0, donors=40)), cells(4000, 1, donors=40)
    assert probe.unit == "donor"
    own = asked.entities["type"].to_numpy()
    inside = probe.sets(asked, 0.9)
    for c, name in enumerate(probe.features):
        assert 0.86 < inside[own == name, c].mean() <= 1.0
    assert probe.sets(asked, 0.99).sum() > inside.sum()


def test_probabilities_are_calibrated():
    probe, asked = fitted(cells(3000, 0, donors=40)), cells(4000, 1, donors=40)
    answer = probe.labels(asked)
    right = (answer["best"] == asked.entities["type"]).to_numpy()
    assert abs(right.mean() - answer["confidence"].mean()) < 0.03


def test_states_unlike_anything_are_unknown():
    probe = fitted(cells(1500, 0))
    assert (probe.labels(cells(300, 2))["label"] == "unknown").mean() < 0.05
    foreign = cells(300, 3, shift=12.0)
    assert (probe.labels(foreign)["label"] == "unknown").mean() > 0.95
    assert probe.decode(foreign).applicability is Applicability.OUT
    assert probe.decode(cells(300, 2)).applicability is Applicability.IN


def test_labels_back_off_to_the_smallest_broader_class():
    ur = cells(1500, 0)
    close = dataclasses.replace(ur, values=ur.values.copy())
    t8 = (close.entities["type"] == "T8").to_numpy()
    close.values[t8] += MIDDLES[1] - MIDDLES[2]
    parents = {"T4": "T", "T8": "T", "T": "lymphocyte", "B": "lymphocyte", "NK": "lymphocyte"}
    probe = fitted(close, parents=parents)
    table, both = probe.labels(close), probe.sets(close, pooled=True)[:, [2, 3]].all(axis=1)
    assert probe.features[2:].tolist() == ["T4", "T8"]
    backed = table.loc[both & (probe.sets(close, pooled=True).sum(axis=1) == 2), "label"]
    assert len(backed) > 300
    assert set(backed) <= {"T", "unknown"}
    assert "undecided" in set(fitted(close).labels(close)["label"])


def test_a_label_is_right_for_its_share_of_all_cells_and_decides_more_than_the_set():
    probe, asked = fitted(cells(3000, 0, donors=40)), cells(4000, 1, donors=40)
    table, own = probe.labels(asked, level=0.95), asked.entities["type"]
    wrong = ~table["label"].isin(["undecided", "unknown"]) & (table["label"] != own)
    assert 0.01 < wrong.mean() < 0.06
    within, pooled = probe.sets(asked, 0.95), probe.sets(asked, 0.95, pooled=True)
    column = np.array([list(probe.features).index(name) for name in own])
    assert abs(pooled[np.arange(4000), column].mean() - 0.95) < 0.02
    assert pooled.sum() < within.sum()
    assert ((table["label"] == "undecided") == ((pooled.sum(axis=1) > 1) & (table["novelty"] > 0.01))).all()
    assert (table["set"].str.count(r"\|") + 1).tolist() == within.sum(axis=1).tolist()


def test_variance_of_a_state_pulls_its_label_towards_even_odds():
    probe, sure = fitted(cells(800, 0)), cells(100, 1)
    unsure = dataclasses.replace(sure, variance=np.full(sure.values.shape, 4.0))
    assert probe.probabilities(unsure).max(axis=1).mean() < probe.probabilities(sure).max(axis=1).mean() - 0.05
    assert (probe.sets(unsure, 0.99) >= probe.sets(sure, 0.99)).all()
    assert probe.sets(unsure, 0.99).sum() > probe.sets(sure, 0.99).sum()


def test_a_class_with_few_examples_is_neither_forgotten_nor_everywhere():
    ur, rare = cells(600, 0, classes=3), cells(800, 9)
    rare = rare.take((rare.entities["type"] == "NK").to_numpy())
    few, asked = rare.take(np.arange(6)), rare.take(np.arange(6, len(rare)))
    both = UR(np.concatenate([ur.values, few.values]), SPACE, pd.concat([ur.entities, few.entities]))
    probe = fitted(both)
    column = list(probe.features).index("NK")
    assert probe.sets(asked)[:, column].mean() > 0.7
    assert probe.sets(ur)[:, column].mean() < 0.3
    alone = fitted(UR(both.values, SPACE, pd.concat([ur.entities, few.entities.assign(donor="one")])))
    assert alone.sets(ur)[:, column].all()


def test_rows_without_a_label_are_left_aside():
    ur = cells(400, 0)
    ur.entities.loc[ur.entities.index[:200], "type"] = None
    known = memberships(ur.entities, "type")
    assert known.observed is not None
    np.testing.assert_allclose(
        CellLabels.fit(ur, known).means,
        CellLabels.fit(ur.take(np.arange(200, 400)), known.take(np.arange(200, 400))).means,
    )


def test_what_makes_no_sense_is_refused():
    ur = cells(100, 0)
    known = memberships(ur.entities, "type")
    with pytest.raises(DataError, match="Remove one of the links"):
        CellLabels.fit(ur, known, parents={"T": "cell", "cell": "T"})
    with pytest.raises(DataError, match="Give other groups"):
        CellLabels.fit(ur, known, groups=["one"] * 100)
    with pytest.raises(DataError, match="Align them"):
        CellLabels.fit(ur, known, groups=["one", "two"])
    with pytest.raises(DataError, match="never negative"):
        CellLabels.fit(ur, known.replace(values=known.values - 1))
    with pytest.raises(ValueError, match="between 0 and 1"):
        fitted(ur).sets(ur, 90.0)
    with pytest.raises(SpaceError, match="refit the instrument"):
        fitted(ur).labels(dataclasses.replace(ur, space=dataclasses.replace(SPACE, fingerprint="other")))
    with pytest.raises(UnknownNameError, match="Did you mean 'type'"):
        memberships(ur.entities, "typ")
    with pytest.raises(DataError, match="Add some"):
        memberships(ur.entities.assign(type="B"), "type")
