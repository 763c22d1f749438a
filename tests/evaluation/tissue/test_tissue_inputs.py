import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import IntegrityError, SpaceError, UnknownNameError
from aivc.data.synthetic_tissue import synthetic_tissue
from aivc.data.tissue.graph import GraphRule, link, sections
from aivc.evaluation.tissue.tissue_inputs import (
    digits,
    far_from,
    fit_encoder,
    masked_states,
    require_known,
    shells_of,
    shuffled_links,
    shuffled_within,
    states_of,
    type_means,
)


@pytest.fixture(scope="module")
def cells():
    return link(synthetic_tissue(cells=60, seed=1)[0], GraphRule.parse("nearest:4"))


def test_rows_are_those_that_were_frozen():
    assert digits("0.2", 3).tolist() == [0, -1, 2]
    with pytest.raises(IntegrityError, match="2 rows"):
        digits("01", 3)


def test_nothing_near_a_tested_cell_trains():
    points = np.array([[0.0, 0], [1, 0], [3, 0]])
    assert far_from(points, np.array([True, False, False]), 2.0).tolist() == [False, False, True]
    assert far_from(points, np.array([True, False, False]), 0.0).tolist() == [False, True, True]


def test_methods_are_encoders_of_tissue_and_what_a_protocol_knows():
    require_known(["own", "shells:shuffled", "tissue-response.v1"], ["own"], ["tissue-response.v1"])
    with pytest.raises(UnknownNameError, match="encoder of tissue"):
        require_known(["moon"], ["own"])
    with pytest.raises(SpaceError, match="what surrounds"):
        require_known(["count-pca"], ["own"])
    with pytest.raises(UnknownNameError):
        require_known(["tissue-response.v1"], ["own"])


def test_neighbors_are_exchanged_within_sections_only(cells):
    mixed = shuffled_links(cells, 0)
    assert mixed.links.nnz == cells.links.nnz
    assert (mixed.links != cells.links).nnz > 0
    first, second = sections(cells)
    assert mixed.links[first][:, second].nnz == 0
    groups = cells.entities["cell_type"].to_numpy()
    order = shuffled_within(groups, 0)
    assert (groups[order] == groups).all()
    assert (order != np.arange(len(order))).any()


def test_a_masked_state_holds_nothing_of_the_cell(cells):
    rng = np.random.default_rng(0)
    parts = states_of(rng.normal(size=(len(cells), 5)), cells, "made-up")
    settings = {"rule": "nearest:4", "reach": 2, "by_section": False, "unheard": 1}
    encoder = fit_encoder("shells", cells, parts, 15, settings, 0)
    assert shells_of(encoder) == 2
    blank = type_means(parts.values, cells.entities["cell_type"].to_numpy(), np.arange(len(cells)) > 3)
    before = masked_states(encoder, cells, parts, blank)
    values = parts.values.copy()
    values[7] += 100
    after = masked_states(encoder, cells, states_of(values, cells, "made-up"), blank)
    np.testing.assert_allclose(before.values[7], after.values[7])
    beside = cells.links[7].indices[0]
    assert not np.allclose(before.values[beside], after.values[beside])


def test_a_type_without_seen_cells_has_the_mean_of_all():
    values, types = np.array([[1.0], [3.0], [9.0]]), pd.Series(["a", "a", "b"]).to_numpy()
    seen = np.array([True, True, False])
    assert type_means(values, types, seen).ravel().tolist() == [2, 2, 2]
