import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from aivc.core.errors import IntegrityError, SpaceError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.state import State
from aivc.core.ur import UR
from aivc.nn.programme import PRESETS, ProgrammeNetwork
from aivc.representations.cellular.factor_analysis import FactorAnalysis
from aivc.representations.cellular.programme_features import from_relatives
from aivc.representations.cellular.programme_tokens import ProgrammeTokens
from aivc.representations.cellular.programme_training import HiddenFeatures, objective
from aivc.testing.encoders import check_encoder
from aivc.testing.samples import sample_measurement, sample_parts
from aivc.training.checkpoint import arrays_of
from aivc.training.loop import TrainingRecipe, train

SHORT = TrainingRecipe(20, rate=2e-3, warmup=5)
NONE = TrainingRecipe(0)


def stirred(encoder, seed=0):
    """The same encoder with a correction that was drawn, not trained: what it says must still be sound."""
    torch.manual_seed(seed)
    network = encoder._empty()
    with torch.no_grad():
        network.head.weight.normal_(0, 0.05)
    return dataclasses.replace(encoder, weights=arrays_of(network), verdict={"kept": True})


@pytest.fixture(scope="module")
def cells():
    return sample_measurement()


@pytest.fixture(scope="module")
def drawn(cells):
    return stirred(ProgrammeTokens.fit(cells, dim=4, preset="cpu-xs", recipe=NONE, parts=sample_parts()))


@pytest.mark.slow
def test_it_keeps_every_promise_of_an_encoder(cells):
    check_encoder(ProgrammeTokens, cells, preset="cpu-xs", recipe=SHORT)


def test_it_keeps_them_with_parts(cells):
    parts = sample_parts()
    check_encoder(ProgrammeTokens, cells, parts=parts, preset="cpu-xs", recipe=SHORT)


def test_untrained_it_is_factor_analysis(cells):
    encoder, plain = ProgrammeTokens.fit(cells, dim=5, recipe=NONE, preset="cpu-xs"), FactorAnalysis.fit(cells, dim=5)
    zero = dataclasses.replace(encoder, weights=arrays_of(encoder._empty()))
    assert zero.network is not None
    for panel in (cells, cells.select(cells.features[::3])):
        for each in (encoder, zero):
            np.testing.assert_allclose(each.encode(panel).values, plain.encode(panel).values, atol=1e-6)
            np.testing.assert_allclose(each.encode(panel).variance, plain.encode(panel).variance, atol=1e-6)


def test_a_correction_that_does_not_help_is_not_kept(cells):
    noise = np.random.default_rng(0).poisson(3.0, (len(cells), len(cells.features))).astype(float)
    encoder = ProgrammeTokens.fit(cells.replace(values=noise), dim=4, preset="cpu-xs", recipe=SHORT)
    assert encoder.verdict["kept"] is False
    assert encoder.verdict["corrected"] > encoder.verdict["stem"] - 2 * encoder.verdict["error"]
    assert not encoder.weights


def test_the_verdict_is_for_a_correction_that_knows_and_against_one_that_only_seems_sure(cells):
    look = HiddenFeatures(ProgrammeTokens.fit(cells, dim=3, preset="cpu-xs", recipe=NONE)._views(cells))

    assert look.verdict(Drawn(look, 1.0))["kept"] is True
    assert look.verdict(Drawn(look, 0.0, sure=100))["kept"] is False


def test_what_harms_small_panels_is_refused_whatever_it_does_for_large_ones(cells):
    look = HiddenFeatures(ProgrammeTokens.fit(cells, dim=3, preset="cpu-xs", recipe=NONE)._views(cells))
    for harmed in ("large", "medium", "small"):
        verdict = look.verdict(Drawn(look, 1.0, {harmed: -0.1}))
        assert verdict["corrected_distance"] < verdict["stem_distance"]
        assert verdict[f"corrected_distance_{harmed}"] > verdict[f"stem_distance_{harmed}"]
        assert verdict["kept"] is False


class Drawn(torch.nn.Linear):
    """Moves states by some share of the way to those of the whole panel, on all views or on those of one size."""

    def __init__(self, look, share, sizes=None, sure=1):
        super().__init__(1, 1)
        self.look, self.share, self.sizes, self.sure = look, share, sizes or {}, sure

    def forward(self, embedding, x, seen, mean, variance, rank):
        named = {"": self.look.batch, **self.look.sizes}
        name = next(name for name, batch in named.items() if batch["mean"] is mean)
        share = self.sizes.get(name, self.share)
        wide = named[name]["aim_variance"] if share == 1 else variance / self.sure
        return mean + share * (named[name]["aim"] - mean), wide


@pytest.mark.slow
def test_training_finds_clusters_that_a_gaussian_does_not_know():
    draw = np.random.default_rng(0)
    z_nd, w_fd = draw.normal(size=(1500, 2)), draw.normal(size=(30, 2))
    z_nd = 0.15 * z_nd + np.sign(draw.normal(size=(1500, 2)))
    x_nf = z_nd @ w_fd.T + draw.normal(0, 1.2, size=(1500, 30))
    names = np.array([f"g{i}" for i in range(30)], dtype=object)
    cells = Measurement(x_nf, names, pd.DataFrame(index=[f"c{i}" for i in range(1500)]), "arbitrary")
    encoder = ProgrammeTokens.fit(cells, dim=2, preset="cpu-xs", recipe=TrainingRecipe(400, rate=3e-3, warmup=20))
    assert encoder.verdict["corrected"] < encoder.verdict["stem"]


def test_batches_order_and_chunks_change_nothing(drawn, cells):
    whole = drawn.encode(cells)
    order = np.random.default_rng(1).permutation(len(cells))
    shuffled = drawn.encode(cells.take(order))
    np.testing.assert_allclose(shuffled.values[np.argsort(order)], whole.values, atol=1e-5)
    for start in (0, 7, 100):
        few = drawn.encode(cells.take(np.arange(start, start + 3)))
        np.testing.assert_allclose(few.values, whole.values[start : start + 3], atol=1e-5)
        np.testing.assert_allclose(few.variance, whole.variance[start : start + 3], atol=1e-5)


def test_zero_and_not_measured_differ(drawn, cells):
    hidden = np.arange(30) >= 10
    empty = np.where(hidden, cells.dense(), 0.0)
    zero, absent = drawn.encode(cells.replace(values=empty)), drawn.encode(cells.replace(observed=hidden))
    assert np.abs(zero.values - absent.values).max() > 0.1
    select = drawn.encode(cells.select(cells.features[hidden]))
    np.testing.assert_allclose(absent.values, select.values, atol=1e-5)


def test_a_gene_that_was_not_in_the_fit_is_read_through_its_molecule(cells):
    parts = sample_parts()
    few = cells.select(cells.features[:24])
    encoder = stirred(ProgrammeTokens.fit(few, dim=4, preset="cpu-xs", recipe=NONE, parts=parts))
    without, with_parts = encoder.encode(cells), encoder.encode(cells, parts)
    assert np.abs(with_parts.values - without.values).max() > 1e-3
    assert encoder.guest_noise > encoder.noise.mean()
    # One that was in the fit says more than one that is only guessed at.
    own = encoder.encode(cells.select(cells.features[18:24]), parts).variance.mean()
    new = encoder.encode(cells.select(cells.features[24:]), parts).variance.mean()
    assert own < new
    plain = dataclasses.replace(encoder, weights={}).encode(cells.select(cells.features[24:]), parts)
    assert (plain.variance <= 1.0001 * encoder.size**2).all()
    with pytest.raises(UnknownNameError, match="gene symbols"):
        encoder.encode(cells.select(cells.features[24:]))


def test_depth_does_not_hang_on_what_is_only_guessed(cells):
    parts, few = sample_parts(), cells.select(cells.features[:24])
    encoder = ProgrammeTokens.fit(few, dim=4, preset="cpu-xs", recipe=NONE, parts=parts)
    deaf = dataclasses.replace(encoder, guest_noise=1e9)
    loud = cells.dense()
    loud[:, 24:] *= np.random.default_rng(0).integers(1, 40, (len(cells), 6))
    np.testing.assert_allclose(
        deaf.encode(cells.replace(values=loud), parts).values, encoder.encode(few).values, atol=1e-3
    )
    new = cells.select(cells.features[24:])
    new = new.take(new.dense().sum(axis=1) > 0)
    assert np.abs(encoder.encode(new, parts).values).max() > 0.01


def test_parts_of_another_space_are_refused(drawn, cells):
    parts = sample_parts()
    other = UR(parts.values, Space("other", Scale.MOLECULAR, 3, "x"), parts.entities)
    with pytest.raises(SpaceError, match="reads"):
        drawn.encode(cells, other)


def test_parts_without_any_feature_and_unknown_presets_are_refused(cells):
    parts = sample_parts()
    others = UR(parts.values, parts.space, parts.entities.set_axis([f"h{i}" for i in range(30)], axis=0))
    with pytest.raises(UnknownNameError, match="rows by feature"):
        ProgrammeTokens.fit(cells, dim=4, preset="cpu-xs", parts=others)
    with pytest.raises(UnknownNameError, match="cpu-s"):
        ProgrammeTokens.fit(cells, dim=4, preset="huge")


def test_it_survives_a_trip_to_disk(drawn, cells, tmp_path):
    drawn.state().save(tmp_path)
    again = ProgrammeTokens.from_state(State.load(tmp_path))
    assert np.array_equal(again.encode(cells).values, drawn.encode(cells).values)
    assert again.writes == drawn.writes


def test_missing_entries_of_training_data_are_not_read(cells):
    seen_nf = np.random.default_rng(0).random((len(cells), 30)) > 0.3
    low, high = (
        ProgrammeTokens.fit(
            cells.replace(values=np.where(seen_nf, cells.dense(), filler), observed=seen_nf),
            dim=3,
            preset="cpu-xs",
            recipe=TrainingRecipe(3, warmup=1),
        )
        for filler in (0.0, 99.0)
    )
    assert low.verdict == high.verdict


def test_views_depend_on_the_step_alone_and_never_show_what_is_hidden(cells):
    encoder = ProgrammeTokens.fit(cells, dim=3, preset="cpu-xs", recipe=NONE)
    views = encoder._views(cells)
    one, two = views(5, 0, 1), views(5, 0, 1)
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["x"], views(6, 0, 1)["x"])
    assert not (one["hidden"].bool() & one["seen"].bool()).any()
    assert (one["x"] * (1 - one["seen"]) == 0).all()
    shares = torch.cat([views(step, 0, 1)["hidden"].mean(dim=1) for step in range(20)])
    assert shares.min() < 0.1
    assert shares.max() > 0.8


def test_the_untrained_network_scores_as_the_stem(cells):
    encoder = ProgrammeTokens.fit(cells, dim=3, preset="cpu-xs", recipe=NONE)
    look = HiddenFeatures(encoder._views(cells))
    network = ProgrammeNetwork(PRESETS["cpu-xs"], encoder.embedding.shape[1], 30, 3)
    assert look.verdict(network)["kept"] is False
    assert look.score(network.eval()) == pytest.approx(float(look.stem_b.mean()), abs=1e-6)


def test_relatives_say_what_a_feature_is_like():
    draw = np.random.default_rng(0)
    known_fe, weights_ek = draw.normal(size=(200, 5)), draw.normal(size=(5, 3))
    wanted_fk = known_fe @ weights_ek + 2 + draw.normal(0, 0.3, (200, 3))
    found, error_k = from_relatives(known_fe, wanted_fk)
    np.testing.assert_allclose(found[:-1], weights_ek, atol=0.1)
    np.testing.assert_allclose(found[-1], 2, atol=0.1)
    np.testing.assert_allclose(error_k, 0.09, rtol=0.35)


@pytest.fixture(scope="module")
def genes(cells):
    parts = sample_parts()
    few = cells.select(cells.features[:24])
    return stirred(ProgrammeTokens.fit(few, dim=4, preset="cpu-xs", recipe=NONE, parts=parts, tokenizer="gene"))


def test_with_genes_as_tokens_it_keeps_every_promise_of_an_encoder(cells):
    check_encoder(
        ProgrammeTokens, cells, preset="cpu-xs", recipe=TrainingRecipe(6, rate=2e-3, warmup=2), tokenizer="gene"
    )


def test_with_genes_as_tokens_it_starts_as_factor_analysis_too(cells):
    encoder = ProgrammeTokens.fit(cells, dim=5, recipe=NONE, preset="cpu-xs", tokenizer="gene")
    zero = dataclasses.replace(encoder, weights=arrays_of(encoder._empty()))
    plain = FactorAnalysis.fit(cells, dim=5)
    for panel in (cells, cells.select(cells.features[::3])):
        np.testing.assert_allclose(zero.encode(panel).values, plain.encode(panel).values, atol=1e-6)


def test_genes_as_tokens_depend_neither_on_the_panel_order_nor_on_chunks(genes, cells, monkeypatch):
    parts = sample_parts()
    uncut = genes.encode(cells, parts).values
    monkeypatch.setitem(PRESETS, "cpu-xs", dataclasses.replace(PRESETS["cpu-xs"], genes=5))
    fresh = dataclasses.replace(genes)
    whole = fresh.encode(cells, parts)
    order = np.random.default_rng(1).permutation(len(cells.features))
    shuffled = fresh.encode(cells.select(cells.features[order]), parts)
    np.testing.assert_allclose(shuffled.values, whole.values, atol=1e-5)
    for start in (0, 60, 170):
        few = fresh.encode(cells.take(np.arange(start, start + 3)), parts)
        np.testing.assert_allclose(few.values, whole.values[start : start + 3], atol=1e-5)
    assert np.abs(whole.values - uncut).max() > 1e-3


def test_genes_as_tokens_survive_a_trip_to_disk(genes, cells, tmp_path):
    genes.state().save(tmp_path)
    again = ProgrammeTokens.from_state(State.load(tmp_path))
    assert again.tokenizer == "gene"
    assert again.writes == genes.writes
    assert np.array_equal(again.encode(cells).values, genes.encode(cells).values)


def test_states_with_one_noise_for_all_features_and_unknown_tokenizers_are_refused(drawn, cells):
    state = drawn.state()
    arrays = {name: array for name, array in state.arrays.items() if name != "noise"}
    settings = {**state.settings, "noise": {"is": "value", "value": 0.4}}
    with pytest.raises(IntegrityError, match=r"noise for each feature.*fit the encoder again"):
        ProgrammeTokens.from_state(State(settings, arrays))
    with pytest.raises(UnknownNameError, match="'gene'"):
        ProgrammeTokens.fit(cells, dim=4, preset="cpu-xs", tokenizer="genes")


@pytest.mark.slow
def test_training_gene_tokens_lowers_their_loss_on_views_that_no_step_saw(cells):
    encoder = ProgrammeTokens.fit(cells, dim=3, preset="cpu-xs", recipe=NONE, tokenizer="gene")
    views, network = encoder._views(cells), encoder._empty()

    @torch.no_grad()
    def loss():
        terms = [term for step in range(900, 910) for term in objective(network.eval(), views(step, 0, 1)).values()]
        return sum(float(total / weight) for total, weight in terms) / 10

    before = loss()
    train(network, objective, views, TrainingRecipe(40, rate=2e-3, warmup=10))
    assert loss() < before - 0.02
