import dataclasses

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.data.priors.memberships import memberships
from aivc.data.tissue.graph import GraphRule, link
from aivc.instruments.decoders.neighbor_labels import NeighborLabels
from aivc.testing import check_decoder


def stripes(n=800, seed=0):
    """Three types in stripes, with a tenth of the cells anywhere."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, 90, (n, 2))
    kind = np.where(rng.uniform(size=n) < 0.1, rng.integers(0, 3, n), points[:, 0] // 30).astype(int)
    entities = pd.DataFrame({"cell_type": np.array(list("abc"), dtype=object)[kind]}, [f"c{i}" for i in range(n)])
    known = memberships(entities, "cell_type")
    cells = link(known.replace(coordinates=points), GraphRule.parse("nearest:5"))
    space = Space("memberships", Scale.CELLULAR, 3, "made-up")
    return known, UR(known.dense(), space, entities, links=cells.links)


def accuracy(known, ur, rows, fitted):
    return (fitted.probabilities(ur).argmax(1) == known.dense().argmax(1))[rows].mean()


def test_keeps_the_promises_of_a_decoder():
    known, ur = stripes(200)
    check_decoder(NeighborLabels, ur, measurement=known, members=1)


def test_a_masked_type_is_read_from_the_types_around_it():
    known, ur = stripes()
    train = np.arange(len(ur)) % 2 == 0
    seen = known.replace(values=known.dense() * train[:, None])
    assert accuracy(known, ur, ~train, NeighborLabels.fit(ur, seen, own="nothing")) > 0.85
    order = np.random.default_rng(0).permutation(len(ur))
    mixed = dataclasses.replace(ur, values=ur.values[order])
    assert accuracy(known, mixed, ~train, NeighborLabels.fit(mixed, seen, own="nothing")) < 0.6


def test_the_cell_itself_does_not_leak():
    known, ur = stripes(200)
    fitted = NeighborLabels.fit(ur, known, own="nothing", members=1)
    values = ur.values.copy()
    values[5] = np.roll(values[5], 1)
    changed = fitted.probabilities(dataclasses.replace(ur, values=values))
    np.testing.assert_allclose(changed[5], fitted.probabilities(ur)[5])
    assert not np.allclose(changed, fitted.probabilities(ur))


def test_what_cannot_be_fitted_is_refused():
    known, ur = stripes(60)
    with pytest.raises(DataError, match="own is one of"):
        NeighborLabels.fit(ur, known, own="type")
    with pytest.raises(DataError, match="two classes"):
        NeighborLabels.fit(ur, known.replace(values=known.dense() * [1, 0, 0]))
