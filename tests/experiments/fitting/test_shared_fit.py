from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from aivc.core.effects import effects
from aivc.core.errors import ControlError, DataError, UnitsError, UnknownNameError
from aivc.core.measurement import CONTROL, Measurement
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import GUARANTEED, NOT_GUARANTEED
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.data.streaming import group_sums
from aivc.data.streaming.normalize import normalize
from aivc.data.synthetic import synthetic_screen
from aivc.experiments.fitting import shared_fit as module
from aivc.experiments.fitting.fit import fit
from aivc.experiments.fitting.own_target import without_own_target
from aivc.experiments.fitting.shared_fit import Recipe, restrict, shared_fit
from aivc.experiments.fitting.summary import summarize
from aivc.experiments.predict import predict
from aivc.representations.cellular import effect_axes

QUICK = Recipe(dim=4, members=0, inner_folds=3)


@pytest.fixture(scope="module")
def screen():
    return synthetic_screen(perturbations=7, features=30, cells=20, controls=60, contexts=2)[0]


@pytest.fixture(scope="module")
def ground(screen):
    return shared_fit(summarize(screen), replace(QUICK, unseen="perturbation"))


def test_each_perturbation_is_left_out_once_and_nothing_of_it_remains(ground, screen):
    keys = [key for _, part in ground.inner for key in part]
    lines, texts = ("line1", "line2"), set(screen.perturbations) - {CONTROL}
    assert sorted(keys) == sorted((line, text) for line in lines for text in texts)
    for inner, part in ground.inner:
        left_out = {text for _, text in part}
        assert not left_out & set(inner.profiles.perturbations)
        assert not left_out & set(inner.states.perturbations)
        assert inner.encoder.writes != ground.encoder.writes


def test_predictions_start_from_the_mean_of_all_controls_of_the_context(ground, screen):
    cells = screen.take((screen.perturbations == CONTROL) & (screen.contexts == "line1"))
    start = ground.start("line1")
    assert set(start.contexts) == {"line1"}
    np.testing.assert_allclose(start.mean, ground.encoder.encode(cells).mean, atol=1e-4)
    with pytest.raises(ControlError, match=r"'line9' has no control.*line1, line2"):
        ground.start("line9")


def test_the_variance_is_that_of_one_control_cell(ground, screen):
    x_nf = normalize(screen.take(screen.perturbations == CONTROL), ground.profiles.units)
    pooled = [x_nf.take(x_nf.contexts == c).dense().var(axis=0, ddof=1) for c in ("line1", "line2")]
    assert np.median(ground.variance / np.mean(pooled, axis=0)) == pytest.approx(1, abs=0.1)


def test_the_drop_of_the_target_itself_is_not_handed_on(screen):
    profiles = summarize(screen).profiles
    mended = without_own_target(profiles)
    row = int(np.flatnonzero(profiles.perturbations == "ko:G0003")[0])
    here = (profiles.contexts == profiles.contexts[row]) & (
        profiles.entities["batch"].to_numpy() == profiles.entities["batch"].iloc[row]
    )
    others = here & ~np.isin(profiles.perturbations, [CONTROL, "ko:G0003"])
    assert profiles.values[row, 2] < profiles.values[others, 2].mean()
    assert mended.values[row, 2] == pytest.approx(profiles.values[others, 2].mean())
    changed = mended.values != profiles.values
    assert changed[row].sum() == 1
    assert not changed[profiles.perturbations == CONTROL].any()


def test_without_other_perturbations_the_control_stands_in():
    screen, _ = synthetic_screen(perturbations=1, features=20, cells=20, controls=30, batches=1)
    profiles = summarize(screen).profiles
    mended = without_own_target(profiles)
    row, control = (int(np.flatnonzero(profiles.perturbations == text)[0]) for text in ("ko:G0001", CONTROL))
    assert mended.values[row, 0] == profiles.values[control, 0]


def test_calibration_can_be_left_out(screen):
    assert shared_fit(summarize(screen), Recipe(dim=4, inner_folds=0)).inner == ()


def test_controls_alone_teach_nothing(screen):
    summary = summarize(screen)
    only = restrict(summary, summary.profiles.perturbations == CONTROL, summary.sample.perturbations == CONTROL)
    with pytest.raises(ControlError, match="Add perturbed cells"):
        shared_fit(only, QUICK)


def test_doses_of_a_target_are_left_out_together():
    doses = synthetic_screen(perturbations=4, features=30, cells=10, controls=40, doses=(1.0, 10.0))[0]
    for inner, part in shared_fit(summarize(doses), QUICK).inner:
        kept = {Perturbation.parse(str(text)).family for text in inner.profiles.perturbations if text != CONTROL}
        assert not kept & {Perturbation.parse(text).family for _, text in part}


@pytest.mark.parametrize("unseen", ["context", "pair"])
def test_calibration_leaves_out_what_the_questions_will(screen, unseen):
    ground = shared_fit(summarize(screen), replace(QUICK, unseen=unseen))
    assert len(ground.inner) == {"context": 2, "pair": 3}[unseen]
    for inner, part in ground.inner:
        kept = set(zip(inner.profiles.contexts, inner.profiles.perturbations, strict=True))
        assert not kept & set(part)
        assert {text for _, text in part} <= {text for _, text in kept} or unseen == "pair"


def test_by_default_half_of_the_perturbations_are_left_out_whole_and_single_pairs_of_the_rest():
    screen = synthetic_screen(perturbations=12, features=30, cells=10, controls=40, contexts=3)[0]
    ground = shared_fit(summarize(screen), replace(QUICK, inner_folds=4))
    whole, single = set(), set()
    for inner, part in ground.inner:
        kept = set(zip(inner.profiles.contexts, inner.profiles.perturbations, strict=True))
        assert not kept & set(part)
        other_contexts = {text for _, text in kept}
        whole |= {key for key in part if key[1] not in other_contexts}
        single |= {key for key in part if key[1] in other_contexts}
        # Every fold has some of either kind.
        assert {text in other_contexts for _, text in part} == {True, False}
    assert len(whole | single) == 36
    assert len({text for _, text in whole}) == 6
    assert not {text for _, text in whole} & {text for _, text in single}


def test_what_was_measured_in_others_and_what_never_was_are_both_promised_an_interval_and_a_new_context_is_not():
    rng = np.random.default_rng(0)
    keys = [(f"line {line}", f"ko:G{p:02d}") for line in "ABCD" for p in range(30) if (line, p) != ("A", 0)]
    known_pf = rng.normal(size=(30, 15))
    values = np.array([known_pf[int(text[-2:])] for _, text in keys]) + 0.2 * rng.normal(size=(len(keys), 15))
    obs = pd.DataFrame(keys, columns=["context", "perturbation"], index=[" | ".join(key) for key in keys])
    features = np.array([f"X{i}" for i in range(15)], dtype=object)
    made = Measurement(values, features, obs, "normal_score", modality="effect")
    cell = fit(made, "transfer", recipe=Recipe(members=0, inner_folds=4))
    pair, unseen = cell.predict("line A", "ko:G00"), cell.predict("line A", "ko:NEVER")
    assert pair.coverage == unseen.coverage == GUARANTEED
    assert cell.predict("new line", "ko:G00").coverage == NOT_GUARANTEED
    sure, unsure = (np.mean(np.subtract(*each.interval(0.9)[::-1])) for each in (pair, unseen))
    assert unsure > 2 * sure
    only = fit(made, "transfer", recipe=Recipe(members=0, inner_folds=4, unseen="perturbation"))
    assert only.predict("line A", "ko:G00").coverage == NOT_GUARANTEED


def test_in_one_context_perturbations_are_left_out_whatever_is_asked():
    screen = synthetic_screen(perturbations=6, features=30, cells=10, controls=40)[0]
    laid = [shared_fit(summarize(screen), replace(QUICK, unseen=each)) for each in ("any", "perturbation", "context")]
    parts = [[part for _, part in ground.inner] for ground in laid]
    assert parts[0] == parts[1] == parts[2]


def test_an_unknown_kind_of_question_is_refused():
    with pytest.raises(UnknownNameError, match=r"named 'pairs'. Did you mean 'pair'"):
        Recipe(unseen="pairs")


def test_a_decoder_of_something_else_than_expression_is_refused(screen):
    with pytest.raises(UnitsError, match="Choose a decoder of expression"):
        shared_fit(summarize(screen), replace(QUICK, decoder="cell-labels"))


def test_wide_data_are_fitted_on_fewer_cells(screen, monkeypatch):
    summary = summarize(screen)
    monkeypatch.setattr(module, "_FEWEST", 50)
    monkeypatch.setattr(module, "_VALUES", 60 * len(screen.features))
    few = shared_fit(summary, replace(QUICK, inner_folds=0)).encoder
    monkeypatch.setattr(module, "_VALUES", 10**9)
    every = shared_fit(summary, replace(QUICK, inner_folds=0)).encoder
    # A mean over sixty cells is another than that over all of them.
    assert not np.allclose(few.center, every.center)
    np.testing.assert_allclose(few.center, every.center, atol=0.5)


def test_single_cells_have_the_mean_of_all_cells_and_are_not_encoded_before_they_are_asked_for(screen):
    ground = shared_fit(summarize(screen), QUICK)
    assert "population" not in vars(ground)
    cells = ground.population
    assert ground.population is cells
    assert set(cells.entities.index) == set(screen.entities.index)
    for text in (CONTROL, "ko:G0003"):
        ours, means = (ur.take((ur.perturbations == text) & (ur.contexts == "line2")) for ur in (cells, ground.states))
        batches = ours.entities["batch"].value_counts()
        per_batch = means.entities.reset_index(drop=True).groupby("batch").indices
        wanted = sum(count * means.take(per_batch[name]).mean for name, count in batches.items()) / len(ours)
        np.testing.assert_allclose(ours.mean, wanted, atol=1e-9)
        assert ours.values.std(axis=0).min() > 0


def test_single_cells_lack_the_drop_of_the_target_itself(screen):
    ground = shared_fit(summarize(screen), QUICK)
    row = ground.population.perturbations == "ko:G0003"
    raw = ground.encoder.encode(screen)
    moved = ground.population.take(row).mean - raw.take(raw.perturbations == "ko:G0003").mean
    control = ground.population.take(ground.population.perturbations == CONTROL).mean
    still = control - raw.take(raw.perturbations == CONTROL).mean
    assert np.linalg.norm(still) < 1e-4 < np.linalg.norm(moved)


def test_the_single_cells_of_an_inner_fold_hold_nothing_of_what_it_leaves_out(ground):
    for inner, part in ground.inner:
        assert not {text for _, text in part} & set(inner.population.perturbations)
        assert inner.population.space == inner.encoder.writes
        assert inner.sample is ground.sample


def test_a_table_of_effects_has_no_single_cells(screen):
    profiles = summarize(screen).profiles
    table = profiles.replace(values=profiles.dense() - 1.0, units="log2fc")
    ground = shared_fit(summarize(table.take(table.perturbations != CONTROL)), QUICK)
    with pytest.raises(DataError, match=r"effects in log2fc. Choose effect.v2, or another method of mean effects"):
        _ = ground.population


def table(missing=0.3, rows=24, features=12, seed=0):
    """A table of effects in two contexts; some entries were not measured, and hold what must not be read."""
    rng = np.random.default_rng(seed)
    entities = pd.DataFrame(
        {
            "perturbation": [f"ko:G{i // 2:04d}" for i in range(rows)],
            "context": ["A", "B"] * (rows // 2),
        },
        index=[f"r{i}" for i in range(rows)],
    )
    features_f = np.array([f"G{i:04d}" for i in range(features)], dtype=object)
    seen, values = rng.random((rows, features)) >= missing, rng.normal(size=(rows, features))
    made = Measurement(np.where(seen, values, np.nan), features_f, entities, "normal_score", modality="effect")
    return made.replace(observed=seen)


@pytest.mark.parametrize("filler", [np.nan, 0.0, 77.0])
def test_a_table_with_gaps_is_laid_in_the_space_of_all_its_features(filler):
    made = table()
    made = made.replace(values=np.where(made.observed, made.values, filler))
    ground = shared_fit(summarize(made), Recipe(members=0, inner_folds=0))
    assert ground.encoder.dim == 12
    rows = ground.states.perturbations != CONTROL
    assert (~rows).sum() == 2
    np.testing.assert_array_equal(np.isfinite(ground.states.variance[rows]), made.observed)
    assert not ground.states.variance[~rows].any()
    assert not ground.states.values[~rows].any()
    for start in ground.controls.values():
        assert not start.values.any()
        assert not ground.decoder.profile(start).any()


def test_the_own_reading_of_a_target_is_replaced_by_what_was_measured_of_others():
    made = summarize(table()).profiles
    mended = without_own_target(made)
    texts, own = made.perturbations.astype(str), 0
    for row, text in enumerate(texts):
        if text == CONTROL:
            continue
        gene = int(text[4:])
        if not made.observed[row, gene]:
            continue
        others = (made.contexts == made.contexts[row]) & (texts != text) & (texts != CONTROL) & made.observed[:, gene]
        if others.any():
            assert mended.values[row, gene] == pytest.approx(made.values[others, gene].mean())
            own += 1
    assert own > 5
    unchanged = (mended.values == made.values) | ~made.observed
    assert (~unchanged).sum() == own
    np.testing.assert_array_equal(mended.observed, made.observed)


def test_mean_states_carry_the_sampling_variance_of_their_cells(screen):
    ground = shared_fit(summarize(screen), Recipe(dim=6, members=0, inner_folds=0))
    assert ground.states.variance.shape == ground.states.values.shape
    cells = ground.encoder.encode(screen)
    keys = ["context", "perturbation", "batch"]
    found = cells.entities.assign(row=np.arange(len(cells))).groupby(keys).row.apply(list)
    answer, wanted = [], []
    for row, key in enumerate(zip(*(ground.states.entities[name] for name in keys), strict=True)):
        rows = found[key]
        answer.append(ground.states.variance[row])
        wanted.append(cells.values[rows].var(axis=0, ddof=1) / len(rows))
    # Readings of one cell go together, which the sum over features leaves out: right by and large, not axis by axis.
    ratio = np.sum(answer, axis=0) / np.sum(wanted, axis=0)
    assert np.median(ratio) == pytest.approx(1, abs=0.5)
    noise = effects(ground.states).noise
    assert (noise > 0).all()


@pytest.mark.parametrize(
    "method",
    [
        "mean-effect",
        "transfer",
        *(pytest.param(each, marks=pytest.mark.slow) for each in ("additive", "ridge-across-contexts")),
    ],
)
def test_a_virtual_cell_of_a_table_with_gaps_predicts_with_intervals(method):
    made = table()
    cell = fit(made, method, recipe=Recipe(members=3, inner_folds=3))
    said = predict(cell, cell.start("A"), Perturbation.parse("ko:G0003"))
    assert np.isfinite(said.effect).all()
    low, high = said.effect_interval(0.9)
    assert np.isfinite(low).all()
    assert (low < high).all()


def test_a_method_answers_with_all_of_a_measured_effect(screen):
    cell = fit(screen, "transfer", recipe=Recipe(dim=4, members=0, inner_folds=0))
    ground = shared_fit(summarize(screen), Recipe(dim=4, members=0, inner_folds=0))
    profiles = without_own_target(ground.profiles)
    space = Space("readings", ground.encoder.scale, len(profiles.features), "")
    wanted = effects(UR(profiles.dense(), space, profiles.entities, None, profiles.mass)).by_perturbation()
    for text, shift in zip(wanted.perturbations[:4], wanted.shifts, strict=False):
        said = predict(cell, cell.start("line1"), Perturbation.parse(str(text)))
        inside = said.mean > 0
        np.testing.assert_allclose(said.effect[inside], shift[inside], atol=1e-6)


def test_a_large_screen_held_sparse_and_in_blocks_is_fitted_alike(screen, monkeypatch):
    dense = fit(screen, "effect.v2", recipe=QUICK, parts=None)
    monkeypatch.setattr(group_sums, "_LARGE", 0)
    monkeypatch.setattr(group_sums, "_FULL", 2.0)
    monkeypatch.setattr(effect_axes, "_VALUES", 200)
    monkeypatch.setattr(effect_axes, "_DENSE", 200)
    monkeypatch.setattr(module, "_VALUES_AT_ONCE", 200)
    assert sparse.issparse(summarize(screen).profiles.values)
    held = fit(screen, "effect.v2", recipe=QUICK, parts=None)
    for text in ("ko:G0001", "ko:G0099"):
        ours, theirs = (predict(each, "line1", text, allow_unknown=True) for each in (held, dense))
        np.testing.assert_allclose(ours.effect, theirs.effect, rtol=0, atol=1e-11)
        np.testing.assert_allclose(ours.effect_interval(), theirs.effect_interval(), rtol=0, atol=1e-11)


def test_inner_fits_keep_no_values_of_profiles(ground):
    assert all(inner.profiles.values.size == 0 < len(inner.profiles) for inner, _ in ground.inner)


def test_a_sparse_table_loses_the_same_own_targets(screen):
    profiles = summarize(screen).profiles
    wanted = without_own_target(profiles)
    found = without_own_target(profiles.replace(values=sparse.csr_matrix(profiles.values)))
    assert not np.array_equal(wanted.values, profiles.values)
    np.testing.assert_array_equal(found.dense(), wanted.values)


def test_inner_fits_laid_one_by_one_are_those_laid_at_once(screen, ground):
    lazily = shared_fit(summarize(screen), ground.recipe, once=True)
    assert (len(lazily.inner), lazily.left_out) == (len(ground.inner), ground.left_out)
    for (one, keys), (other, wanted) in zip(lazily.inner, ground.inner, strict=True):
        assert keys == wanted
        np.testing.assert_array_equal(one.states.values, other.states.values)
        np.testing.assert_array_equal(one.states.variance, other.states.variance)
