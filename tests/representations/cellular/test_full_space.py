"""What was measured is encoded and read out again without loss."""

import numpy as np
import pandas as pd
import pytest

from aivc.core.effects import effects
from aivc.core.errors import DataError, UnknownNameError
from aivc.core.measurement import CONTROL, Measurement
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.data.streaming.normalize import normalize, profile_units
from aivc.data.streaming.stream import pseudobulk
from aivc.data.synthetic import synthetic_screen
from aivc.instruments.decoders.linear_expression import LinearExpression
from aivc.representations.cellular import effect_axes as axes_of
from aivc.representations.cellular import full_space
from aivc.representations.cellular.count_pca import CountPCA
from aivc.representations.cellular.effect_axes import effect_axes
from aivc.representations.cellular.full_space import FullSpace
from aivc.testing import check_encoder


def effect_table(rows=5, features=7, seed=0):
    values = np.random.default_rng(seed).normal(size=(rows, features))
    entities = pd.DataFrame({"perturbation": [f"ko:G{i}" for i in range(rows)]}, index=[f"r{i}" for i in range(rows)])
    return Measurement(values, np.array([f"F{i}" for i in range(features)]), entities, "score", modality="effect")


@pytest.fixture(scope="module")
def screen():
    return synthetic_screen(perturbations=9, features=60, cells=15, controls=40, contexts=2, batches=2)[0]


@pytest.fixture(scope="module")
def profiles(screen):
    return pseudobulk(screen, ["context", "perturbation", "batch"], units=profile_units(screen))


@pytest.fixture(scope="module")
def encoder(screen, profiles):
    return FullSpace.fit(screen, dim=4, profiles=profiles)


def test_the_state_of_a_row_of_a_table_is_the_row():
    table = effect_table()
    encoder = FullSpace.fit(table)
    ur = encoder.encode(table)
    np.testing.assert_array_equal(ur.values, table.values)
    assert ur.variance is None
    assert encoder.dim == 7
    assert encoder.loadings.size == 0
    assert ur.entities.equals(table.entities)


def test_what_was_not_measured_is_zero_with_infinite_variance():
    table = effect_table()
    seen = np.ones(table.values.shape, dtype=bool)
    seen[0, 2] = seen[3] = False
    values = np.where(seen, table.values, 55.0)
    values[1, 1] = np.nan
    ur = FullSpace.fit(table).encode(table.replace(values=values, observed=seen))
    unknown = ~seen
    unknown[1, 1] = True
    np.testing.assert_array_equal(ur.variance, np.where(unknown, np.inf, 0.0))
    np.testing.assert_array_equal(ur.values, np.where(unknown, 0.0, table.values))


def test_features_of_a_table_are_found_by_name_and_those_missing_were_not_measured():
    table = effect_table()
    encoder, order = FullSpace.fit(table), np.array([5, 1, 3])
    ur = encoder.encode(table.select(table.features[order]))
    here = np.isin(np.arange(7), order)
    np.testing.assert_array_equal(ur.values, np.where(here, table.values, 0.0))
    np.testing.assert_array_equal(ur.variance, np.where(here, 0.0, np.inf) * np.ones((5, 1)))
    others = table.replace(features=np.array([f"X{i}" for i in range(7)]))
    with pytest.raises(UnknownNameError, match="share a feature"):
        encoder.encode(others)


def test_a_feature_that_one_row_alone_was_measured_on_is_kept():
    table = effect_table()
    seen = np.zeros(table.values.shape, dtype=bool)
    seen[:, :3], seen[2, 6] = True, True
    ur = FullSpace.fit(table.replace(observed=seen)).encode(table.replace(observed=seen))
    assert ur.space.dim == 7
    assert ur.values[2, 6] == table.values[2, 6]


def test_a_table_of_thousands_of_features_makes_no_square_of_them():
    table = effect_table(rows=50, features=6000)
    encoder = FullSpace.fit(table)
    ur = encoder.encode(table)
    decoder = LinearExpression.fit(ur, table, axes=encoder.projection)
    assert sum(array.size for array in (*encoder.state().arrays.values(), *decoder.state().arrays.values())) < 30_000
    np.testing.assert_array_equal(decoder.decode(ur).draws[0].dense(), table.values)


@pytest.mark.parametrize("missing", [False, True])
def test_a_table_is_read_out_as_it_was_after_saving_too(missing, tmp_path):
    table = effect_table()
    table = table.replace(observed=np.arange(35).reshape(5, 7) % 3 > 0) if missing else table
    encoder = FullSpace.fit(table)
    ur = encoder.encode(table)
    encoder.state().save(tmp_path / "e")
    decoder = LinearExpression.fit(ur, table, axes=encoder.projection)
    decoder.state().save(tmp_path / "d")
    from aivc.core.state import State

    again = FullSpace.from_state(State.load(tmp_path / "e"))
    assert again.writes == encoder.writes
    read = LinearExpression.from_state(State.load(tmp_path / "d"))
    np.testing.assert_array_equal(read.decode(again.encode(table)).draws[0].dense(), ur.values)
    np.testing.assert_allclose(read.profile(ur), ur.mean)


def test_principal_axes_come_first_and_are_those_of_count_pca(screen, encoder):
    pca = CountPCA.fit(screen, dim=4)
    np.testing.assert_array_equal(encoder.loadings[:, :4], pca.loadings)
    np.testing.assert_array_equal(encoder.center, pca.center)
    assert encoder.principal == 4
    np.testing.assert_allclose(encoder.encode(screen).values[:, :4], pca.encode(screen).values, atol=1e-9)


def test_axes_are_orthonormal_and_as_many_as_effects_and_contexts(encoder):
    # Nine effects in each of two contexts, and two control means.
    assert encoder.dim == 4 + 2 * 9 + 2
    np.testing.assert_allclose(encoder.loadings.T @ encoder.loadings, np.eye(encoder.dim), atol=1e-9)


def measured_effects(profiles):
    space = Space("readings", Scale.CELLULAR, len(profiles.features), "")
    return effects(UR(profiles.dense(), space, profiles.entities, None, profiles.mass)).shifts


def test_every_combination_of_effects_survives_the_way_there_and_back(profiles, encoder):
    shifts_pf = measured_effects(profiles)
    answer = effects(encoder.encode(profiles)).shifts
    np.testing.assert_allclose(answer @ encoder.loadings.T, shifts_pf, atol=1e-6)
    mixed = np.random.default_rng(0).normal(size=(3, len(shifts_pf))) @ shifts_pf
    np.testing.assert_allclose(mixed @ encoder.loadings @ encoder.loadings.T, mixed, atol=1e-6)


def test_count_pca_loses_part_of_the_effects_that_full_space_keeps(screen, profiles, encoder):
    shifts_pf = measured_effects(profiles)
    pca = CountPCA.fit(screen, dim=4).loadings
    lost = [
        np.linalg.norm(shifts_pf - shifts_pf @ w @ w.T) / np.linalg.norm(shifts_pf) for w in (pca, encoder.loadings)
    ]
    assert lost[0] > 0.1
    assert lost[1] < 1e-9


def test_a_control_mean_is_read_out_exactly(screen, profiles, encoder):
    states = encoder.encode(screen)
    decoder = LinearExpression.fit(states, screen, axes=encoder.projection)
    for context in ("line1", "line2"):
        rows = (profiles.perturbations == CONTROL) & (profiles.contexts == context)
        wanted = np.average(profiles.dense()[rows], axis=0, weights=profiles.mass[rows])
        np.testing.assert_allclose(decoder.profile(encoder.encode(profiles.take(rows))), wanted, atol=1e-6)


def test_a_population_moved_by_an_effect_is_read_out_with_all_of_it(screen, profiles, encoder):
    decoder = LinearExpression.fit(encoder.encode(screen), screen, axes=encoder.projection)
    control = encoder.encode(screen.take((screen.perturbations == CONTROL) & (screen.contexts == "line1")))
    answer, shift_pf = effects(encoder.encode(profiles)), measured_effects(profiles)
    for row in np.flatnonzero(answer.contexts == "line1")[:4]:
        moved = control.moved(answer.shifts[row], str(answer.perturbations[row]))
        said = decoder.profile(moved) - decoder.profile(control)
        inside = decoder.profile(moved) > 0
        np.testing.assert_allclose(said[inside], shift_pf[row][inside], atol=1e-6)
        assert inside.mean() > 0.9


def test_profiles_of_the_cells_serve_where_none_are_given(screen, profiles):
    own, given = FullSpace.fit(screen, dim=4), FullSpace.fit(screen, dim=4, profiles=profiles)
    np.testing.assert_allclose(own.loadings, given.loadings, atol=1e-6)


def test_cells_without_labels_or_controls_have_principal_axes_alone(screen):
    plain = screen.replace(entities=screen.entities[[]])
    assert FullSpace.fit(plain, dim=4).dim <= 5
    perturbed = screen.take(screen.perturbations != CONTROL)
    assert FullSpace.fit(perturbed, dim=4).dim == 4


def test_a_panel_of_cells_that_lacks_a_feature_is_refused(screen, encoder):
    with pytest.raises(UnknownNameError, match=r"full-space needs every feature.*ppca takes any panel"):
        encoder.encode(screen.select(screen.features[1:]))
    observed = np.ones((len(screen), 60), dtype=bool)
    observed[::2, :5] = False
    with pytest.raises(DataError, match=r"5 features were observed in some entities only.*full-space needs"):
        FullSpace.fit(screen.replace(observed=observed), dim=4)


def test_features_observed_nowhere_are_left_out(screen):
    observed = np.arange(60) < 40
    garbage = np.where(observed, screen.dense(), 99.0)
    masked = FullSpace.fit(screen.replace(values=garbage, observed=observed), dim=4)
    absent = FullSpace.fit(screen.select(screen.features[:40]), dim=4)
    assert list(masked.features) == list(absent.features)
    np.testing.assert_allclose(np.abs(masked.loadings), np.abs(absent.loadings), atol=1e-3)


def test_beyond_the_limit_the_strongest_axes_are_kept(screen, profiles, monkeypatch):
    monkeypatch.setattr(full_space, "_MOST", 3)
    encoder = FullSpace.fit(screen, dim=4, profiles=profiles)
    assert encoder.dim == 7
    rest = measured_effects(profiles) @ (np.eye(60) - encoder.loadings[:, :4] @ encoder.loadings[:, :4].T)
    kept = np.linalg.norm(rest @ encoder.loadings[:, 4:]) ** 2
    best = (np.linalg.svd(rest, compute_uv=False)[:3] ** 2).sum()
    assert kept > 0.9 * best


def test_axes_found_by_iteration_are_those_of_a_decomposition(profiles, monkeypatch):
    center, none = profiles.dense().mean(axis=0), np.zeros((60, 0))
    exact = effect_axes(profiles, center, none, most=4, seed=0)
    monkeypatch.setattr(axes_of, "_EXACT", 1)
    found = effect_axes(profiles, center, none, most=4, seed=0)
    np.testing.assert_allclose(found, exact, atol=1e-6)


def test_where_principal_axes_hold_everything_no_other_is_added(screen):
    few = screen.select(screen.features[:6])
    few = few.take(np.asarray(few.values.sum(axis=1)).ravel() > 0)
    encoder = FullSpace.fit(few, dim=32)
    assert encoder.dim == encoder.principal == 6


def test_it_keeps_the_promises_of_an_encoder_for_tables_and_for_cells():
    check_encoder(FullSpace)
    check_encoder(FullSpace, dim=40)
    check_encoder(FullSpace, effect_table(rows=9))


def test_normalized_cells_and_counts_lie_in_the_same_place(screen, encoder):
    done = normalize(screen, encoder.units)
    np.testing.assert_allclose(encoder.encode(done).values, encoder.encode(screen).values, atol=1e-6)


def test_axes_of_products_of_rows_are_those_of_rows():
    rng = np.random.default_rng(0)
    rows_rf = (rng.standard_normal((60, 60)) * np.exp(-np.arange(60) / 10)) @ rng.standard_normal((60, 300))
    start = rng.standard_normal((300, 20))
    found, strength = axes_of._among_rows(rows_rf, start, 5)
    wanted, wanted_strength = axes_of._iterated(rows_rf, start)
    np.testing.assert_allclose(strength, wanted_strength[:5], rtol=1e-9)
    np.testing.assert_allclose(np.abs(found.T @ wanted[:, :5]), np.eye(5), atol=1e-8)


def test_rows_with_faint_axes_are_left_to_the_iteration():
    rng = np.random.default_rng(0)
    rows_rf = rng.standard_normal((60, 4)) @ rng.standard_normal((4, 300))
    assert axes_of._among_rows(rows_rf, rng.standard_normal((300, 20)), 5) is None
