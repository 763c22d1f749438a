import dataclasses
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from aivc.core.errors import DataError, IntegrityError, SpaceError, UnitsError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.state import State
from aivc.data.streaming.normalize import NormalizedRows
from aivc.data.streaming.shards import write_shards
from aivc.representations.cellular.count_vae import CountVAE, objective
from aivc.representations.cellular.ppca import PPCA
from aivc.testing.encoders import check_encoder
from aivc.testing.samples import sample_measurement
from aivc.training.checkpoint import Checkpoints
from aivc.training.loop import TrainingRecipe

SHORT = TrainingRecipe(30, rate=2e-3, warmup=5)
LONG = TrainingRecipe(200, rate=4e-3, warmup=20)
TYPES, GENES = 3, 40


def mixture(cells=360, seed=0):
    """Counts of three kinds of cells in two batches, of which the second reads the first ten genes six times over."""
    draw = np.random.default_rng(seed)
    kind_n, second_n = draw.integers(0, TYPES, cells), draw.random(cells) < 0.5
    share_kf = draw.dirichlet(np.full(GENES, 0.7), TYPES) + 0.003
    rate_nf = share_kf[kind_n] * np.where(second_n[:, None] & (np.arange(GENES) < 10), 6.0, 1.0)
    rate_nf *= 400 * draw.lognormal(0, 0.5, cells)[:, None] / rate_nf.sum(axis=1, keepdims=True)
    entities = pd.DataFrame({"batch": np.where(second_n, "deep", "plain"), "kind": kind_n.astype(str)}, dtype=object)
    entities.index = pd.Index([f"c{i}" for i in range(cells)])
    names = np.array([f"g{i}" for i in range(GENES)], dtype=object)
    return Measurement(draw.poisson(rate_nf).astype(np.float32), names, entities, "counts")


def between(z_nd, label_n):
    """Share of the variance that lies between labels."""
    total = z_nd.var(axis=0).sum()
    means = [((label_n == name).mean(), z_nd[label_n == name].mean(axis=0)) for name in np.unique(label_n)]
    return sum(weight * ((mean - z_nd.mean(axis=0)) ** 2).sum() for weight, mean in means) / total


@pytest.fixture(scope="module")
def mixed():
    return mixture()


@pytest.fixture(scope="module")
def fitted(mixed):
    return CountVAE.fit(mixed, dim=4, recipe=LONG)


@pytest.mark.slow
def test_it_keeps_every_promise_of_an_encoder():
    check_encoder(CountVAE, sample_measurement(), recipe=SHORT)


def test_states_tell_kinds_of_cells_apart_and_batches_less_than_those_of_a_linear_model(mixed, fitted):
    z_nd, plain_nd = fitted.encode(mixed).values, PPCA.fit(mixed, dim=4).encode(mixed).values
    kind_n, batch_n = (mixed.entities[name].to_numpy() for name in ("kind", "batch"))
    assert between(z_nd, kind_n) > 0.6
    assert between(z_nd, batch_n) < 0.5 * between(plain_nd, batch_n)


def test_training_lowers_the_bound(mixed, fitted):
    untrained = CountVAE.fit(mixed, dim=4, recipe=TrainingRecipe(0))
    batch = {
        "count": torch.from_numpy(mixed.values),
        "batch": torch.nn.functional.one_hot(
            torch.from_numpy((mixed.entities["batch"] == "plain").to_numpy() * 1)
        ).float(),
        "prior": torch.tensor(1.0),
    }
    bounds = []
    for encoder in (untrained, fitted):
        torch.manual_seed(0)
        with torch.no_grad():
            bounds.append(sum(float(total / weight) for total, weight in objective(encoder.network, batch).values()))
    assert bounds[1] < 0.8 * bounds[0]


def test_corrected_expression_is_that_of_the_batch_asked_for(mixed, fitted):
    ur, share_nf = fitted.encode(mixed), mixed.values / mixed.values.sum(axis=1, keepdims=True)
    for batch in ("deep", "plain"):
        swapped = fitted.corrected(ur, batch)
        said_nf = np.expm1(swapped.dense()) / 1e4
        np.testing.assert_allclose(said_nf.sum(axis=1), 1, atol=1e-3)
        assert swapped.units == "log1p_cp10k"
        assert swapped.entities.equals(mixed.entities)
        for kind in map(str, range(TYPES)):
            of_kind_n = (mixed.entities["kind"] == kind).to_numpy()
            there_n = of_kind_n & (mixed.entities["batch"] == batch).to_numpy()
            # Cells of the other batch as well: those that were never read there are said to look like those that were.
            measured_f, said_f = share_nf[there_n].mean(axis=0), said_nf[of_kind_n & ~there_n].mean(axis=0)
            assert np.abs(said_f - measured_f).sum() < 0.25


def test_corrected_expression_refuses_batches_and_states_of_others(mixed, fitted):
    ur = fitted.encode(mixed)
    with pytest.raises(UnknownNameError, match=r"Did you mean 'plain'.*fitted on"):
        fitted.corrected(ur, "plane")
    other = CountVAE.fit(mixed, dim=4, recipe=SHORT)
    with pytest.raises(SpaceError):
        other.corrected(ur, "plain")


def test_without_batches_there_is_one_for_all(mixed):
    encoder = CountVAE.fit(mixed.replace(entities=mixed.entities[["kind"]]), dim=3, recipe=SHORT)
    assert encoder.batches == ("all",)
    assert encoder.corrected(encoder.encode(mixed), "all").values.shape == mixed.values.shape


def test_a_cell_of_no_known_batch_is_refused(mixed):
    batches = mixed.entities["batch"].mask(np.arange(len(mixed)) == 4)
    with pytest.raises(DataError, match="batch"):
        CountVAE.fit(mixed.replace(entities=mixed.entities.assign(batch=batches)), recipe=SHORT)


def test_an_interrupted_fit_goes_on_to_the_same_weights(mixed, tmp_path):
    recipe = TrainingRecipe(40, warmup=5)
    whole = CountVAE.fit(mixed, dim=3, seed=5, recipe=recipe)
    kept = Checkpoints(tmp_path, every=15, keep=9)
    CountVAE.fit(mixed, dim=3, seed=5, recipe=recipe, checkpoints=kept)
    for late in ("step-000000040", "step-000000030"):
        shutil.rmtree(tmp_path / late)
    resumed = CountVAE.fit(mixed, dim=3, seed=5, recipe=recipe, checkpoints=kept)
    assert resumed.state().digest() == whole.state().digest()


def test_shards_on_disk_are_fitted_and_read_as_they_lie(mixed, tmp_path):
    disk = write_shards(mixed, tmp_path / "shards", rows=100).measurement()
    encoder = CountVAE.fit(disk, dim=4, recipe=TrainingRecipe(80, rate=4e-3, warmup=10))
    z_nd = encoder.encode(disk).values
    np.testing.assert_allclose(z_nd, encoder.encode(mixed).values, atol=1e-5)
    assert between(z_nd, mixed.entities["kind"].to_numpy()) > 0.4


def test_other_values_on_disk_are_to_be_written_as_shards_first(mixed, tmp_path):
    shards = write_shards(mixed, tmp_path / "shards")
    with pytest.raises(DataError, match="write_shards"):
        CountVAE.fit(mixed.replace(values=NormalizedRows(shards, None)), recipe=SHORT)


def test_only_counts_are_taken(mixed, fitted):
    logged = mixed.replace(values=np.log1p(mixed.values), units="log1p_cp10k")
    for asked in (lambda: CountVAE.fit(logged, recipe=SHORT), lambda: fitted.encode(logged)):
        with pytest.raises(UnitsError, match="or use ppca"):
            asked()
    with pytest.raises(UnitsError, match="or use ppca"):
        CountVAE.fit(mixed, units="log1p_cp10k", recipe=SHORT)


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_values_that_are_no_counts_are_refused(mixed, fitted, bad):
    values = mixed.values.copy()
    values[3, 2] = bad
    for asked in (lambda cells: CountVAE.fit(cells, recipe=SHORT), fitted.encode):
        with pytest.raises(DataError, match="1 values are negative, infinite or NaN"):
            asked(mixed.replace(values=values))


def test_empty_cells_are_refused(mixed, fitted):
    values = mixed.values.copy()
    values[:2] = 0
    for asked in (lambda cells: CountVAE.fit(cells, recipe=SHORT), fitted.encode):
        with pytest.raises(DataError, match="2 cells have no counts"):
            asked(mixed.replace(values=values))


def test_a_smaller_panel_is_refused_not_filled_with_zeros(mixed, fitted):
    with pytest.raises(UnknownNameError, match=r"1 features are missing.*ppca takes any panel"):
        fitted.encode(mixed.select(mixed.features[1:]))
    seen_nf = np.ones(mixed.values.shape, dtype=bool)
    seen_nf[0, 0] = False
    with pytest.raises(UnknownNameError, match="ppca takes any panel"):
        fitted.encode(mixed.replace(observed=seen_nf))
    with pytest.raises(DataError, match="1 features were not observed everywhere"):
        CountVAE.fit(mixed.replace(observed=seen_nf), recipe=SHORT)


def test_weights_of_another_size_are_refused(fitted):
    with pytest.raises(IntegrityError, match="another model"):
        CountVAE.from_state(dataclasses.replace(fitted, axes=5).state())
    state = fitted.state()
    lacking = {name: array for name, array in state.arrays.items() if not name.endswith("log_dispersion")}
    with pytest.raises(IntegrityError, match="another model"):
        CountVAE.from_state(State(state.settings, lacking))


def test_the_callers_random_numbers_are_left_alone(mixed):
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    CountVAE.fit(mixed, dim=2, recipe=SHORT).encode(mixed)
    assert torch.equal(torch.random.get_rng_state(), before)
