import numpy as np
import pandas as pd
import pytest
from integration_scores.embedding import explained

from aivc.core.measurement import Measurement
from aivc.representations.cellular.factor_analysis import FactorAnalysis
from aivc.representations.cellular.technical import FactorAnalysisBatches
from aivc.representations.cellular.technical_shifts import fit_shifts, mutual
from aivc.testing import check_encoder

GENES, DIM = 60, 8


def cells(shift=2.5, *, n=360, seed=0):
    """Types a and b in both batches, c in the first alone; the second batch is off along one axis of its own."""
    draw = np.random.default_rng(seed)
    kind = np.array(["a", "b", "c"])[draw.integers(0, 3, n)]
    batch = np.where((draw.random(n) < 0.5) & (kind != "c"), "two", "one")
    w_fd = draw.normal(size=(GENES, 5))
    z_nd = np.array([{"a": [4, 0, 0], "b": [-4, 0, 0], "c": [0, 6, 0]}[k] for k in kind]) + draw.normal(size=(n, 3))
    z_nd = np.column_stack([z_nd, draw.normal(size=n), np.where(batch == "two", shift, 0.0)])
    x_nf = z_nd @ w_fd.T + draw.normal(0, 0.5, (n, GENES))
    entities = pd.DataFrame({"batch": batch, "kind": kind}, index=[f"c{i}" for i in range(n)], dtype=object)
    return Measurement(x_nf, np.array([f"g{i}" for i in range(GENES)], dtype=object), entities, "arbitrary")


def column(measurement, name):
    return measurement.entities[name].to_numpy(dtype=str)


def apart(z_nd, measurement):
    """Share of variance between batches, among the types both batches hold."""
    shared = column(measurement, "kind") != "c"
    return explained(z_nd[shared], column(measurement, "batch")[shared])


def test_keeps_every_promise_of_an_encoder():
    check_encoder(FactorAnalysisBatches)


def test_takes_the_shift_of_a_batch_out_and_leaves_types_where_they_were():
    data = cells()
    plain, ours = FactorAnalysis.fit(data, dim=DIM).encode(data), FactorAnalysisBatches.fit(data, dim=DIM).encode(data)
    assert apart(plain.values, data) > 0.05
    assert apart(ours.values, data) < 0.2 * apart(plain.values, data)
    # Types lie along three axes: what they explain of the states does not shrink.
    assert explained(ours.values, column(data, "kind")) >= explained(plain.values, column(data, "kind"))


def test_a_type_of_one_batch_alone_is_not_mixed_into_others():
    data = cells()
    encoder = FactorAnalysisBatches.fit(data, dim=DIM)
    z_nd, kind = encoder.encode(data).values, column(data, "kind")
    far = [np.linalg.norm(z_nd[kind == "c"].mean(axis=0) - z_nd[kind == other].mean(axis=0)) for other in "ab"]
    within = np.sqrt(((z_nd[kind == "c"] - z_nd[kind == "c"].mean(axis=0)) ** 2).sum(axis=1).mean())
    # Bringing the means of both batches together would have moved c by as much as its share: it stays a cluster apart.
    assert min(far) > 2 * within


@pytest.mark.parametrize("change", ["one batch", "no column", "none given"])
def test_without_two_batches_it_is_exactly_factor_analysis(change):
    data = cells()
    batch = {"one batch": "one", "none given": None}.get(change)
    entities = data.entities.drop(columns="batch") if change == "no column" else data.entities.assign(batch=batch)
    alone = data.replace(entities=entities)
    plain, ours = (
        FactorAnalysis.fit(alone, dim=DIM).encode(alone),
        FactorAnalysisBatches.fit(alone, dim=DIM).encode(alone),
    )
    assert np.array_equal(plain.values, ours.values)
    assert np.array_equal(plain.variance, ours.variance)


def test_where_batches_do_not_differ_it_is_exactly_factor_analysis():
    data = cells(shift=0.0)
    assert np.array_equal(
        FactorAnalysis.fit(data, dim=DIM).encode(data).values,
        FactorAnalysisBatches.fit(data, dim=DIM).encode(data).values,
    )


def test_a_batch_never_seen_is_shrunk_less_sure_and_embedded_cell_by_cell():
    data = cells()
    encoder = FactorAnalysisBatches.fit(data, dim=DIM)
    assert 1 <= encoder.axes.shape[1] <= 8
    seen = encoder.encode(data)
    third = data.replace(entities=data.entities.assign(batch="three"))
    unseen = encoder.encode(third)
    assert (unseen.variance >= encoder.base.encode(data).variance - 1e-12).all()
    assert unseen.variance.sum() > seen.variance.sum()
    few = encoder.encode(third.take(np.arange(7)))
    np.testing.assert_allclose(few.values, unseen.values[:7], atol=1e-10)
    # It removes some of the shift all the same, without having been given which batch a cell is of.
    assert apart(unseen.values, data) < apart(encoder.base.encode(data).values, data)


def test_batches_too_small_count_as_never_seen():
    data = cells()
    batch = data.entities["batch"].to_numpy(dtype=object).copy()
    batch[:10] = "tiny"
    encoder = FactorAnalysisBatches.fit(data.replace(entities=data.entities.assign(batch=batch)), dim=DIM)
    assert list(encoder.batches) == ["one", "two"]


def test_mutual_neighbours_are_each_others_nearest_of_the_other_batch():
    y_nd = np.array([[0.0], [10.0], [0.1], [0.2], [30.0]])
    pairs = mutual(y_nd, np.array([0, 0, 1, 1, 1]), k=1)
    # Row 4 is nearest to row 1 but not the other way round; row 3 is nearest to row 0, whose nearest is row 2.
    assert {tuple(pair) for pair in pairs.tolist()} == {(0, 2)}


def test_shifts_of_three_batches_are_found():
    draw = np.random.default_rng(3)
    batch_n, group_n = draw.integers(0, 3, 600), draw.integers(0, 2, 600)
    shift_bd = np.array([[0, 0, 0, 0], [0, 0, 0, 1.5], [0, 0, 0, -1.5]])
    y_nd = draw.normal(size=(600, 4)) + np.array([[-6, 0, 0, 0], [6, 0, 0, 0]])[group_n] + shift_bd[batch_n]
    shifts = fit_shifts(y_nd, batch_n, 4, np.random.default_rng(0))
    found_bd = np.stack([shifts.along(y_nd[batch_n == b], b, np.ones(4))[0].mean(axis=0) for b in range(3)])
    np.testing.assert_allclose(found_bd - found_bd.mean(axis=0), shift_bd, atol=0.35)
