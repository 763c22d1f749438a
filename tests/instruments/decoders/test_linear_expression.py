import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError, SpaceError
from aivc.core.measurement import CONTROL, Measurement
from aivc.core.prediction import Applicability, Prediction
from aivc.data.streaming.normalize import normalize
from aivc.data.synthetic import synthetic_screen
from aivc.instruments.decoders.linear_expression import LinearExpression
from aivc.representations.cellular.count_pca import CountPCA
from aivc.representations.cellular.ppca import PPCA


@pytest.fixture(scope="module")
def fitted():
    """Control cells, their states, the decoder, and what it reads from these states."""
    screen, _ = synthetic_screen(perturbations=4, features=80, cells=10, controls=800, seed=2)
    cells = screen.take(screen.perturbations == CONTROL)
    ur = CountPCA.fit(cells, dim=8).encode(cells)
    decoder = LinearExpression.fit(ur, cells)
    return cells, ur, decoder, decoder.decode(ur)


def test_decoded_controls_have_the_mean_profile_of_real_ones(fitted):
    cells, _, decoder, said = fitted
    real_nf, ours_nf = (normalize(m, decoder.units).dense() for m in (cells, said.draws[0]))
    error = np.sqrt(real_nf.var(axis=0) / len(cells))
    np.testing.assert_allclose(said.mean, real_nf.mean(axis=0), atol=1e-3)
    assert np.median(np.abs(ours_nf.mean(axis=0) - real_nf.mean(axis=0)) / error) < 2
    assert np.abs(ours_nf.mean(axis=0) - real_nf.mean(axis=0)).max() < 0.1


def test_they_vary_as_real_ones_do(fitted):
    cells, _, decoder, said = fitted
    real_f, ours_f = (normalize(m, decoder.units).dense().var(axis=0) for m in (cells, said.draws[0]))
    assert 0.7 < np.median(ours_f / real_f) < 1.4


def test_their_library_sizes_are_those_of_real_ones(fitted):
    cells, _, _, said = fitted
    real, ours = (np.quantile(m.dense().sum(axis=1), [0.1, 0.5, 0.9]) for m in (cells, said.draws[0]))
    np.testing.assert_allclose(ours, real, rtol=0.15)


def test_counts_are_whole_and_every_cell_is_another(fitted):
    values = fitted[3].draws[0].dense()
    assert (values == values.astype(int)).all()
    assert values.min() >= 0
    assert len(np.unique(values, axis=0)) == len(values)


def test_a_shift_of_the_states_is_read_as_the_shift_of_the_profile(fitted):
    _, ur, decoder, said = fitted
    shift = 0.5 * ur.values.std(axis=0)
    moved = decoder.decode(ur.moved(shift, "ko:G0001"))
    read = normalize(moved.draws[0], decoder.units).dense().mean(axis=0)
    before = normalize(said.draws[0], decoder.units).dense().mean(axis=0)
    wanted = moved.mean - said.mean
    assert np.corrcoef(read - before, wanted)[0, 1] > 0.95


def test_the_profile_is_known_without_drawing_cells(fitted):
    _, ur, decoder, said = fitted
    np.testing.assert_allclose(decoder.profile(ur), said.mean, rtol=1e-12)
    far = ur.moved(-50 * ur.values.std(axis=0), "ko:G0001")
    assert decoder.profile(far).min() < 0
    np.testing.assert_allclose(np.maximum(decoder.profile(far), 0.0), decoder.decode(far).mean, rtol=1e-12)


def test_a_mean_over_unsure_draws_is_not_raised_by_what_lies_below_zero(fitted):
    _, ur, decoder, _ = fitted
    shift = 3 * ur.values.std(axis=0)
    draws = tuple(ur.moved(sign * shift, "ko:G0001") for sign in (1.0, -1.0))
    said = Prediction(draws, ("test",), Applicability.OUT).then(decoder.decode)
    np.testing.assert_allclose(said.mean, decoder.decode(ur).mean, atol=1e-9)


def test_states_that_stand_for_many_cells_weigh_as_many(fitted):
    _, ur, decoder, _ = fitted
    two = ur.take(np.array([0, 1]))
    heavy = type(two)(two.values, two.space, two.entities, None, np.array([3.0, 1.0]))
    expected = decoder.center + decoder.loadings @ (0.75 * two.values[0] + 0.25 * two.values[1])
    np.testing.assert_allclose(decoder.profile(heavy), np.maximum(expected, 0))


def test_the_seed_decides_the_draw(fitted):
    cells, ur, decoder, said = fitted
    assert (decoder.decode(ur).draws[0].values != said.draws[0].values).nnz == 0
    other = LinearExpression.fit(ur, cells, seed=1).decode(ur)
    assert (other.draws[0].values != said.draws[0].values).nnz > 0
    np.testing.assert_allclose(other.mean, said.mean, atol=1e-9)


def test_states_of_another_space_are_refused(fitted):
    cells, _, decoder, _ = fitted
    other = CountPCA.fit(cells.take(np.arange(100)), dim=8).encode(cells)
    for ask in (decoder.decode, decoder.profile):
        with pytest.raises(SpaceError, match="refit the instrument on the new space"):
            ask(other)


def test_a_cell_without_counts_is_refused(fitted):
    cells, ur, _, _ = fitted
    values = cells.dense()
    values[3] = 0
    with pytest.raises(DataError, match="no counts at all"):
        LinearExpression.fit(ur, cells.replace(values=values))


def rows(x_nf, units, **further):
    names = np.array([f"g{i}" for i in range(x_nf.shape[1])], dtype=object)
    return Measurement(x_nf, names, pd.DataFrame(index=[f"r{i}" for i in range(len(x_nf))]), units, **further)


def test_effects_are_read_without_noise():
    x_nf = np.random.default_rng(0).normal(size=(30, 3)) @ np.random.default_rng(1).normal(size=(3, 12))
    table = rows(x_nf, "zscore")
    ur = CountPCA.fit(table, dim=3).encode(table)
    read = LinearExpression.fit(ur, table).decode(ur)
    np.testing.assert_allclose(read.draws[0].dense(), x_nf, atol=1e-5)
    assert read.profile_units == "zscore"


def test_other_readings_get_noise_of_the_size_of_the_residual():
    rng = np.random.default_rng(0)
    x_nf = rng.normal(size=(800, 2)) @ rng.normal(size=(2, 12)) + rng.normal(0, 0.5, (800, 12))
    table = rows(x_nf, "arbitrary")
    ur = CountPCA.fit(table, dim=2).encode(table)
    read = LinearExpression.fit(ur, table).decode(ur).draws[0].dense()
    np.testing.assert_allclose(read.var(axis=0), x_nf.var(axis=0), rtol=0.2)


def test_a_feature_is_learned_from_the_entities_it_was_observed_in():
    rng = np.random.default_rng(0)
    z_nd = rng.normal(size=(300, 2))
    x_nf = 1 + z_nd @ rng.normal(size=(2, 10))
    seen_nf = rng.random(x_nf.shape) > 0.3
    table = rows(np.where(seen_nf, x_nf, 77.0), "zscore", observed=seen_nf)
    whole = rows(x_nf, "zscore")
    # Two axes and the mean, which is one more where the origin is the control.
    ur = CountPCA.fit(whole, dim=3).encode(whole)
    decoder = LinearExpression.fit(ur, table)
    # One entity's worth of shrinkage among the 210 that each feature was observed in.
    np.testing.assert_allclose(decoder.decode(ur).draws[0].dense(), x_nf, atol=0.1)


def test_a_feature_observed_in_few_entities_does_not_blow_up():
    rng = np.random.default_rng(0)
    z_nd = rng.normal(size=(120, 20))
    x_nf = z_nd @ rng.normal(size=(20, 30)) + rng.normal(size=(120, 30))
    seen_nf = rng.random(x_nf.shape) > 0.8
    whole = rows(x_nf, "zscore")
    ur = CountPCA.fit(whole, dim=20).encode(whole)
    read = LinearExpression.fit(ur, rows(x_nf, "zscore", observed=seen_nf)).decode(ur).draws[0].dense()
    # No worse where it was not observed than answering zero.
    assert ((read - x_nf)[~seen_nf] ** 2).mean() < (x_nf[~seen_nf] ** 2).mean()


@pytest.mark.parametrize("part", [CountPCA, PPCA])
@pytest.mark.parametrize("missing", [False, True])
def test_the_mean_of_a_table_of_effects_survives_few_axes(part, missing):
    # The mean effect lies in none of the directions in which effects differ.
    rng = np.random.default_rng(0)
    x_nf = 3 * rng.normal(size=30) + rng.normal(size=(200, 2)) @ rng.normal(size=(2, 30))
    seen = rng.random(x_nf.shape) > 0.2 if missing and part is PPCA else None
    table = rows(x_nf, "zscore", observed=seen)
    encoder = part.fit(table, dim=3)
    states = encoder.encode(table)
    decoder = LinearExpression.fit(states, table)
    np.testing.assert_allclose(decoder.profile(states), x_nf.mean(axis=0), atol=0.15)
    nothing = encoder.encode(rows(np.zeros((1, 30)), "zscore"))
    np.testing.assert_allclose(decoder.profile(nothing), 0.0, atol=1e-6)
