import dataclasses

import numpy as np
import pandas as pd
import pytest

from aivc.core.axes import Axes
from aivc.core.errors import DataError, SpaceError
from aivc.core.measurement import Measurement
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.units import ARBITRARY
from aivc.core.ur import UR
from aivc.data.tissue.graph import GraphRule, link
from aivc.data.tissue.rings import shell_means
from aivc.instruments.decoders.neighbour_blocks import shuffled_within
from aivc.instruments.decoders.tissue_expression import TissueExpression
from aivc.testing import check_decoder

GENES = np.array([f"G{i}" for i in range(6)], dtype=object)
SPACE = Space("full-space", Scale.CELLULAR, 6, "made-up")
AXES = Axes(GENES, np.zeros(6), np.zeros((6, 0)))


def tissue(n=900, seed=0, *, driven=0.0, spilled=0.0):
    """Six genes of three types at random places; G1 follows G0 of the first shell, and G2 leaks into its neighbours."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 3, n)
    entities = pd.DataFrame({"cell_type": [f"t{each}" for each in kind]}, [f"c{i}" for i in range(n)])
    values = rng.normal(0, 1.5, (3, 6))[kind] + rng.normal(0, 1, (n, 6))
    points = rng.uniform(0, 100, (n, 2))
    cells = link(Measurement(values, GENES, entities, ARBITRARY, coordinates=points), GraphRule.parse("nearest:5"))
    means, _ = shell_means(cells.links, values, 1)
    values = values.copy()
    values[:, 1] += driven * means[:, 0, 0]
    values[:, 2] += spilled * means[:, 0, 2]
    return cells.replace(values=values), UR(values, SPACE, entities, links=cells.links)


def r2(cells, ur, *, feature, shuffled=False, **settings):
    """Of the half that was not fitted."""
    train = np.arange(len(ur)) % 2 == 0
    source = shuffled_within(ur, seed=1) if shuffled else None
    seen = cells.replace(observed=np.broadcast_to(train[:, None], cells.values.shape).copy())
    fitted = TissueExpression.fit(ur, seen, axes=AXES, source=source, **settings)
    read, true = fitted.expect(ur, source)[0][~train, feature], cells.values[~train, feature]
    return 1 - ((true - read) ** 2).sum() / ((true - cells.values[train, feature].mean()) ** 2).sum()


def test_keeps_the_promises_of_a_decoder():
    cells, ur = tissue(200)
    check_decoder(TissueExpression, ur, measurement=cells)
    check_decoder(TissueExpression, ur, measurement=cells, axes=AXES, own="both")


def test_a_gene_driven_by_another_one_next_door_is_read_beyond_type_and_shuffle():
    cells, ur = tissue(driven=2.0)
    alone = r2(cells, ur, feature=1, own="type", neighbours="none")
    assert r2(cells, ur, feature=1, own="type") > alone + 0.15
    assert r2(cells, ur, feature=1, own="type", neighbours="others") > alone + 0.15
    # What neighbours say by their type alone survives the shuffle; the rest does not.
    assert r2(cells, ur, feature=1, own="type", shuffled=True) < r2(cells, ur, feature=1, own="type") - 0.15


def test_where_neighbours_say_nothing_nothing_is_gained():
    cells, ur = tissue()
    for feature in range(6):
        alone = r2(cells, ur, feature=feature, own="type", neighbours="none")
        assert abs(r2(cells, ur, feature=feature, own="type") - alone) < 0.02


def test_spill_over_is_found_in_the_same_gene_alone():
    cells, ur = tissue(spilled=1.5)
    alone = r2(cells, ur, feature=2, own="type", neighbours="none")
    gain = r2(cells, ur, feature=2, own="type") - alone
    assert gain > 0.1
    assert r2(cells, ur, feature=2, own="type", neighbours="same") - alone > 0.9 * gain
    # What the type of a neighbour tells of the gene that leaks is still there.
    assert r2(cells, ur, feature=2, own="type", neighbours="others") - alone < 0.7 * gain


@pytest.mark.parametrize("own", ["type", "state", "both", "nothing"])
def test_a_reading_never_enters_its_own_prediction(own):
    cells, ur = tissue(300, driven=1.0)
    fitted = TissueExpression.fit(ur, cells, axes=AXES, own=own)
    before = fitted.expect(ur)[0]
    values = ur.values.copy()
    values[7, 3] += 5.0
    after = fitted.expect(dataclasses.replace(ur, values=values))[0]
    assert after[7, 3] == pytest.approx(before[7, 3], abs=1e-9)
    neighbour = ur.links[7].indices[0]
    assert after[neighbour, 3] != pytest.approx(before[neighbour, 3], abs=1e-9)
    # A link of a cell to itself is no neighbour.
    looped = ur.links.tolil()
    looped.setdiag(1)
    again = fitted.expect(dataclasses.replace(ur, links=looped.tocsr()))[0]
    np.testing.assert_allclose(again, before)


def test_hidden_cells_are_nobodys_neighbours():
    cells, ur = tissue(300)
    fitted = TissueExpression.fit(ur, cells, axes=AXES, own="type")
    variance = np.zeros_like(ur.values)
    variance[:40] = np.inf
    hidden = dataclasses.replace(ur, variance=variance)
    values = ur.values.copy()
    values[:40] = 100.0
    np.testing.assert_allclose(fitted.expect(dataclasses.replace(hidden, values=values))[0], fitted.expect(hidden)[0])
    assert np.abs(fitted.expect(hidden)[0] - fitted.expect(ur)[0]).max() > 1e-3


def test_errors_are_as_large_as_they_are_said_to_be():
    cells, ur = tissue(1500, driven=1.0)
    train = np.arange(len(ur)) % 2 == 0
    seen = cells.replace(observed=np.broadcast_to(train[:, None], cells.values.shape).copy())
    read, deviation = TissueExpression.fit(ur, seen, axes=AXES, own="both").expect(ur)
    inside = np.abs(cells.values - read)[~train] <= 1.645 * deviation
    assert 0.86 < inside.mean() < 0.94


def test_a_curve_in_states_that_are_no_readings_is_found():
    rng = np.random.default_rng(0)
    at = rng.uniform(-2, 2, (400, 2))
    entities = pd.DataFrame(index=[f"c{i}" for i in range(400)])
    true = np.stack([np.sin(2 * at[:, 0]) * at[:, 1], np.cos(2 * at[:, 1])], 1)
    cells = Measurement(true + rng.normal(0, 0.1, true.shape), GENES[:2], entities, ARBITRARY)
    ur = UR(at, Space("position", Scale.CELLULAR, 2, "made-up"), entities)
    for groups in (None, np.arange(400) % 5):
        read = TissueExpression.fit(ur, cells, groups=groups).expect(ur)[0]
        assert 1 - ((read - true) ** 2).sum() / ((true - true.mean(0)) ** 2).sum() > 0.95
    line = TissueExpression.fit(ur, cells, landmarks=0).expect(ur)[0]
    assert 1 - ((line - true) ** 2).sum() / ((true - true.mean(0)) ** 2).sum() < 0.5


def test_what_cannot_be_fitted_is_refused():
    cells, ur = tissue(60)
    with pytest.raises(DataError, match="own is one of"):
        TissueExpression.fit(ur, cells, own="itself")
    with pytest.raises(DataError, match="Add it, or ask for own"):
        TissueExpression.fit(dataclasses.replace(ur, entities=ur.entities[[]]), cells, own="type")
    with pytest.raises(DataError, match="Encode with full-space"):
        TissueExpression.fit(ur, cells, neighbours="same")
    with pytest.raises(DataError, match="Select features"):
        TissueExpression.fit(ur, cells.replace(observed=np.zeros(cells.values.shape, dtype=bool)))
    with pytest.raises(DataError, match="Give other groups"):
        TissueExpression.fit(ur, cells, groups=np.zeros(60))
    fitted = TissueExpression.fit(ur, cells, own="type")
    with pytest.raises(DataError, match="Add it to the entities"):
        fitted.expect(dataclasses.replace(ur, entities=ur.entities[[]]))
    with pytest.raises(SpaceError):
        fitted.expect(dataclasses.replace(ur, space=dataclasses.replace(SPACE, fingerprint="another")))
