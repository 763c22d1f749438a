"""Compounds of one mechanism find each other, doses of one compound do not count, and sets hold what they promise."""

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.experiments.mechanisms import mechanisms
from aivc.testing import sample_ur


def drawn(compounds=40, kinds=5, noise=0.5, dim=20, seed=0):
    draw = np.random.default_rng(seed)
    direction = draw.normal(size=(kinds, dim))
    rows, labels, known = [np.zeros(dim)] * 3, ["control"] * 3, {}
    for compound in range(compounds):
        own = direction[compound % kinds] + noise * draw.normal(size=dim)
        for dose in (1, 10):
            text = f"drug:C{compound}@{dose}uM"
            rows.append(own + 0.1 * draw.normal(size=dim))
            labels.append(text)
            known[text] = f"m{compound % kinds}"
    entities = pd.DataFrame({"perturbation": labels, "context": "A"}, index=[f"r{i}" for i in range(len(labels))])
    return UR(np.array(rows), Space("s", Scale.CELLULAR, dim, "f"), entities), known


def test_the_mechanism_is_that_of_another_compound():
    ur, known = drawn()
    asked = {text: name for text, name in known.items() if not text.startswith(("drug:C0@", "drug:C1@"))}
    found = mechanisms(ur, asked).set_index("perturbation")
    assert found["called"]["drug:C0@1uM"] == "m0"
    assert found["mechanism"]["drug:C1@10uM"] == ""
    assert not any(a.split("@")[0] == b.split("@")[0] for a, b in found["nearest"].items())
    assert found.loc["drug:C0@1uM", "likely"][0] == "m0"


def test_sets_hold_the_right_one_as_often_as_promised_and_chance_makes_them_wide():
    held, size = [], []
    for seed in range(6):
        ur, known = drawn(noise=1.2, seed=seed)
        found = mechanisms(ur, known, level=0.8)
        held += [row.mechanism in row.likely for row in found.itertuples()]
        size += [len(row.likely) for row in found.itertuples()]
    assert 0.72 < np.mean(held) < 0.95
    ur, known = drawn(noise=1.2)
    mixed = dict(zip(known, np.random.default_rng(0).permutation(list(known.values())), strict=True))
    assert np.mean([len(each) for each in mechanisms(ur, mixed, level=0.8)["likely"]]) > np.mean(size) + 0.5


def test_mechanisms_that_nobody_shares_are_refused():
    ur, known = drawn(compounds=3, kinds=3)
    with pytest.raises(DataError, match="No two compounds share"):
        mechanisms(ur, known)


def test_controls_alone_have_no_mechanism():
    states = sample_ur()
    with pytest.raises(DataError, match="All entities are controls"):
        mechanisms(states.take(states.perturbations == "control"), {})
