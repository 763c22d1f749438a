"""The whole examination on screens whose truth is known."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, entry_points
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

from aivc.core.contracts import Decoder, Manipulator
from aivc.core.errors import DataError, ScoreError, SplitError, UnknownNameError
from aivc.core.measurement import CONTROL, Measurement
from aivc.core.registry import GROUPS
from aivc.core.space import Space
from aivc.data.splits.folds import unseen_context, unseen_donor, unseen_pair, unseen_perturbation
from aivc.data.streaming.normalize import normalize
from aivc.data.synthetic import synthetic_screen
from aivc.evaluation.protocol.evaluate import evaluate, require_methods
from aivc.experiments.fitting.shared_fit import Recipe
from aivc.instruments.decoders.linear_expression import LinearExpression
from aivc.instruments.manipulators.baselines.mean_effect import MeanEffect
from aivc.instruments.manipulators.baselines.transfer import Transfer

QUICK = Recipe(dim=6, members=2, inner_folds=2)
# Where neither intervals nor members matter.
BARE = replace(QUICK, members=0, inner_folds=0)


@pytest.fixture(scope="module")
def screen():
    return synthetic_screen(perturbations=20, features=50, cells=40, controls=150, seed=3)


@pytest.fixture(scope="module")
def split(screen):
    return unseen_perturbation(screen[0], folds=2)


@pytest.fixture(scope="module")
def small():
    return synthetic_screen(perturbations=6, features=20, cells=20, controls=60, seed=3)


@pytest.fixture(scope="module")
def halves(small):
    return unseen_perturbation(small[0], folds=2)


@pytest.fixture(scope="module")
def scored(small, halves):
    given = {"parts": small[1].priors, "recipe": QUICK, "cells": 10}
    return evaluate(small[0], halves, ["nearest"], usage=["perturbation"], **given)


@pytest.fixture(scope="module")
def populations():
    return {}


@pytest.fixture(scope="module")
def result(screen, split, populations):
    cells, truth = screen
    return evaluate(
        cells,
        split,
        ["ridge-on-priors", "ridge-on-priors:shuffled", "ridge-on-priors:shuffled-priors", "nearest"],
        parts=truth.priors,
        recipe=QUICK,
        cells=30,
        sink=lambda method, question, cells: populations.update({(method, question.perturbation): cells}),
    )


def anchored(result, method, metric="pearson-delta"):
    return result.scores[method][metric]["anchored"]


def values(result, method):
    return {metric: result.value(method, metric) for metric in result.scores[method]}


def test_every_method_answers_every_question(result, screen):
    counts = result.table.groupby("method").size()
    assert set(counts) == {20}
    assert list(counts.index) == sorted(
        [
            "no-change",
            "mean-effect",
            "ridge-on-priors",
            "ridge-on-priors:shuffled",
            "ridge-on-priors:shuffled-priors",
            "nearest",
            "replicate",
        ]
    )
    assert set(result.table["perturbation"]) == set(screen[1].perturbations)


def test_what_priors_tell_is_found(result):
    assert anchored(result, "ridge-on-priors") > 0.4
    assert anchored(result, "nearest") > 0.4
    assert result.value("ridge-on-priors", "pds-cosine") > 0.7


def test_shuffled_labels_fall_to_the_floor(result):
    assert anchored(result, "ridge-on-priors:shuffled") <= 0.1
    assert result.value("ridge-on-priors:shuffled", "pds-cosine") < 0.65


def test_baseline_and_ceiling_are_where_they_belong(result):
    for metric in ("pearson-delta", "mse-unbiased", "energy-distance"):
        assert anchored(result, "mean-effect", metric) == pytest.approx(0.0)
        assert anchored(result, "replicate", metric) == pytest.approx(1.0)
    assert result.value("no-change", "pearson-delta") == 0.0
    assert result.value("no-change", "pds-cosine") == pytest.approx(0.5)


def test_nothing_beats_the_replicate(result):
    for metric, best in (("pearson-delta", max), ("energy-distance", min), ("mse-unbiased", min)):
        assert best(result.scores, key=lambda method, m=metric: result.value(method, m)) == "replicate"
    assert abs(result.value("replicate", "mse-unbiased")) < 0.1 * result.value("no-change", "mse-unbiased")


def test_bootstrap_intervals_hold_the_mean(result):
    for scores in result.scores.values():
        for answer in scores.values():
            assert answer["value"] is None or answer["low"] <= answer["value"] <= answer["high"]


def test_populations_are_cells_of_the_right_kind(result, populations):
    assert result.value("nearest", "pds-cosine") >= 0
    assert len(populations) == 6 * 20
    one = populations["nearest", "ko:G0001"]
    assert one.units == "counts"
    assert set(one.perturbations) == {"ko:G0001"}
    assert 2 <= len(one) <= 30
    assert len(np.unique(one.dense(), axis=0)) == len(one)


def test_the_order_of_the_cells_does_not_matter(scored, small, halves):
    cells, truth = small
    shuffled = cells.take(np.random.default_rng(0).permutation(len(cells)))
    again = evaluate(shuffled, halves, ["nearest"], parts=truth.priors, recipe=QUICK, cells=10)
    for method in ("mean-effect", "nearest", "replicate"):
        assert values(again, method) == pytest.approx(values(scored, method), rel=1e-4, abs=1e-6, nan_ok=True)


class OnDisk:
    """Rows that are returned in blocks, as a file does."""

    def __init__(self, values):
        self.values, self.shape = values, values.shape

    def rows(self, start, stop):
        return self.values[start:stop]


def test_cells_on_disk_score_as_cells_in_memory(scored, small, halves):
    cells, truth = small
    backed = cells.replace(values=OnDisk(cells.values))
    again = evaluate(backed, halves, ["nearest"], parts=truth.priors, recipe=QUICK, cells=10)
    assert values(again, "nearest") == pytest.approx(values(scored, "nearest"), rel=1e-9)


def test_unseen_donors_start_from_their_own_controls():
    cells, truth = synthetic_screen(perturbations=6, features=40, cells=45, controls=120, donors=3)
    found = evaluate(cells, unseen_donor(cells), ["transfer"], parts=truth.priors, recipe=BARE, cells=20)
    assert set(found.table["donor"]) == {"donor1", "donor2", "donor3"}
    assert anchored(found, "transfer") > 0.5


@pytest.mark.slow
def test_unseen_batches_are_asked_batch_by_batch():
    cells, truth = synthetic_screen(perturbations=5, features=40, cells=60, controls=120, batches=3)
    found = evaluate(
        cells, unseen_donor(cells, column="batch"), ["transfer"], parts=truth.priors, recipe=QUICK, cells=20
    )
    assert len(set(found.table["batch"])) == 3
    assert anchored(found, "transfer") > 0.5


def test_a_donor_whose_controls_nobody_may_see_is_refused():
    cells, _ = synthetic_screen(perturbations=4, features=30, cells=24, controls=60, donors=3)
    part = unseen_donor(cells)
    names = cells.entities.index[cells.perturbations == CONTROL]
    donors = cells.entities["donor"].to_numpy()[cells.perturbations == CONTROL]
    ours, others = names[donors == "donor1"], names[donors != "donor1"]
    pools = {"train": tuple(others[::2]), "score": (*ours, *others[1::2])}
    with pytest.raises((ScoreError, SplitError), match="control"):
        evaluate(cells, replace(part, controls=pools), ["transfer"], recipe=QUICK, cells=20)


def effect_table(missing=0.1, seed=0):
    """Mean effects of 9 perturbations in 4 contexts, some of them not measured."""
    _, truth = synthetic_screen(perturbations=9, features=40, cells=2, controls=4, seed=seed)
    rng = np.random.default_rng(seed)
    rows = pd.DataFrame(
        [(text, f"line{i}") for i in range(4) for text in truth.perturbations], columns=["perturbation", "context"]
    ).set_axis([f"r{i}" for i in range(36)], axis=0)
    values = np.vstack([truth.effects] * 4) * np.repeat([0.8, 1.0, 1.1, 1.3], 9)[:, None]
    values = values + rng.normal(0, 0.1, values.shape)
    seen = rng.random(values.shape) > missing
    features = np.array([f"G{i:04}" for i in range(1, 41)], dtype=object)
    table = Measurement(
        np.where(seen, values, 0.0),
        features,
        rows,
        "normal_score",
        modality="effect",
        observed=seen if missing else None,
    )
    return table, truth


EFFECTS = replace(QUICK, encoder="ppca")


@pytest.mark.parametrize(
    "make",
    [unseen_pair, *(pytest.param(each, marks=pytest.mark.slow) for each in (unseen_context, unseen_perturbation))],
)
def test_tables_of_effects_are_examined_too(make):
    table, truth = effect_table()
    ours = "ridge-on-priors" if make is unseen_perturbation else "transfer"
    found = evaluate(table, make(table, folds=3), [ours], parts=truth.priors, recipe=EFFECTS)
    assert found.value(ours, "pearson-delta") > found.value("mean-effect", "pearson-delta") + 0.1
    assert found.value(ours, "mse-unbiased") < found.value("no-change", "mse-unbiased")
    assert found.scores[ours]["energy-distance"]["value"] is None
    assert 0.7 < found.value(ours, "coverage90") <= 1
    # There is one row per perturbation and context, so nothing to hold against it.
    assert found.scores["replicate"]["pearson-delta"]["value"] is None
    assert anchored(found, ours) is None


def test_missing_effects_need_an_encoder_that_takes_any_panel():
    table, _ = effect_table()
    with pytest.raises(DataError, match="ppca takes any panel"):
        evaluate(table, unseen_pair(table, folds=3), ["transfer"], recipe=replace(QUICK, encoder="count-pca"))
    for each in (table, effect_table(missing=0.0)[0]):
        found = evaluate(each, unseen_pair(each, folds=3), ["transfer"], recipe=BARE)
        assert found.value("transfer", "pearson-delta") > 0.6


# --- methods with two answers ---


@dataclass(frozen=True, eq=False)
class TwoAnswers(Manipulator):
    """Expects the mean effect, and recognizes a perturbation by what it did in other contexts."""

    name: ClassVar[str] = "two-answers"
    reads: Space
    expected: MeanEffect
    own: Transfer

    @classmethod
    def fit(cls, ur, *, parts=None, seed=0):
        return cls(ur.space, MeanEffect.fit(ur), Transfer.fit(ur))

    def manipulate(self, ur, perturbation):
        said = self.expected.manipulate(ur, perturbation)
        return said.replace(retrieval=self.own.manipulate(ur, perturbation).mean)


def test_what_a_method_says_for_retrieval_is_scored_as_retrieval_and_as_nothing_else(register):
    points = [point for group in GROUPS for point in entry_points(group=f"aivc.{group}")]
    register(*points, EntryPoint("two-answers", f"{__name__}:TwoAnswers", "aivc.manipulators"))
    table, _ = effect_table(missing=0.2)
    found = evaluate(table, unseen_pair(table, folds=3), ["two-answers", "transfer"], recipe=replace(QUICK, members=0))
    metrics = set(found.body["metrics"]) - {"pds-retrieval"}
    for metric in metrics:
        ours, floor = (found.scores[method][metric]["value"] for method in ("two-answers", "mean-effect"))
        assert ours == pytest.approx(floor, nan_ok=True), metric
    assert found.value("two-answers", "pds-relative") == 0.5
    assert found.value("two-answers", "pds-retrieval") == found.value("transfer", "pds-retrieval") > 0.8
    assert found.value("transfer", "pds-retrieval") == found.value("transfer", "pds-relative")


# --- methods that fail ---


@dataclass(frozen=True, eq=False)
class Crash(Manipulator):
    name: ClassVar[str] = "crash"
    reads: Space

    @classmethod
    def fit(cls, ur, *, parts=None, seed=0):
        return cls(ur.space)

    def manipulate(self, ur, perturbation):
        raise RuntimeError("out of luck")


@dataclass(frozen=True, eq=False)
class NaNReader(Decoder):
    name: ClassVar[str] = "nan-reader"
    reads: Space
    inner: LinearExpression

    @classmethod
    def fit(cls, ur, measurement, *, seed=0, units=None):
        return cls(ur.space, LinearExpression.fit(ur, measurement, seed=seed, units=units))

    def decode(self, ur):
        said = self.inner.decode(ur)
        return said.replace(profiles=said.profiles * np.nan)


@pytest.fixture
def with_broken_parts(register: Callable[..., None]):
    points = [point for group in GROUPS for point in entry_points(group=f"aivc.{group}")]
    register(
        *points,
        EntryPoint("crash", f"{__name__}:Crash", "aivc.manipulators"),
        EntryPoint("nan-reader", f"{__name__}:NaNReader", "aivc.decoders"),
    )


@pytest.mark.usefixtures("with_broken_parts")
def test_a_method_that_crashes_stops_the_examination_and_is_named(small, halves):
    with pytest.raises(RuntimeError, match="out of luck") as caught:
        evaluate(small[0], halves, ["crash"], recipe=QUICK, cells=10)
    assert caught.value.__notes__ == ["This happened while scoring 'crash' in fold 0."]


@pytest.mark.usefixtures("with_broken_parts")
def test_or_is_shown_where_one_asks_to_keep_going(small, halves):
    found = evaluate(small[0], halves, ["crash", "transfer"], recipe=BARE, cells=10, keep_going=True)
    assert found.body["failures"] == [{"method": "crash", "error": "RuntimeError: out of luck"}]
    assert "crash" not in found.scores
    assert found.scores["transfer"]["pearson-delta"]["n"] == 6


@pytest.mark.usefixtures("with_broken_parts")
def test_answers_that_are_not_numbers_are_refused(screen, split):
    recipe = replace(QUICK, decoder="nan-reader", inner_folds=0)
    with pytest.raises(ScoreError, match=r"NaN or infinity.*leave it out"):
        evaluate(screen[0], split, [], recipe=recipe, cells=10)


def test_unknown_methods_are_refused_before_any_work(screen, split):
    with pytest.raises(UnknownNameError, match="nearest"):
        evaluate(screen[0], split, ["nearst"])
    with pytest.raises(UnknownNameError, match="transfer"):
        require_methods(["nearest:shuffled", "transferr"])
    require_methods(["nearest:shuffled", "transfer"])


def test_a_split_of_other_data_is_refused(screen, split):
    with pytest.raises(SplitError, match="made for other entities"):
        evaluate(screen[0].take(np.arange(300)), split, [])


def test_predictions_are_in_the_units_that_the_controls_gave(result, screen):
    assert result.body["profile_units"].startswith("log1p_cp")
    assert normalize(screen[0], result.body["profile_units"]).units == result.body["profile_units"]
    assert result.body["data"]["cells"] == len(screen[0])
    assert result.body["split"]["folds"] == 2


def test_what_shuffling_takes_away_is_how_much_a_method_used_it(result, scored):
    used = {each["input"]: each for each in result.body["usage"] if each["metric"] == "pearson-delta"}
    assert set(used) == {"perturbation", "priors"}
    assert all(each["low"] > 0 for each in used.values())
    # Asked for its use, a method is also fitted without the input, and the floors are not.
    assert scored.body["methods"] == ["no-change", "mean-effect", "nearest", "nearest:shuffled"]
    assert {each["method"] for each in scored.body["usage"]} == {"nearest"}


def test_intervals_cover_and_widen_with_their_level(result):
    for method in ("ridge-on-priors", "mean-effect"):
        answer = result.body["calibration"][method]
        assert answer["covered"] == sorted(answer["covered"])
        assert answer["width"] == sorted(answer["width"])
        assert 0.75 < result.value(method, "coverage90") < 0.99


@pytest.mark.slow
def test_a_method_that_averages_over_contexts_does_not_use_them():
    cells, _ = synthetic_screen(perturbations=6, features=40, cells=24, controls=80, contexts=3, seed=1)
    outcome = evaluate(cells, unseen_pair(cells, folds=2), ["transfer"], recipe=QUICK, cells=20, usage=["context"])
    loss = next(each for each in outcome.body["usage"] if each["metric"] == "pearson-delta")
    assert loss["input"] == "context"
    assert loss["loss"] == pytest.approx(0, abs=0.15)


def test_metrics_of_chosen_profiles_are_scored_and_no_others(small, halves):
    outcome = evaluate(small[0], halves, [], recipe=BARE, cells=10, profile=["systema", "weighted"])
    assert list(outcome.body["metrics"]) == ["pearson-systema", "centroid-accuracy", "wmse", "r2-weighted"]
    assert outcome.body["stamp"]["metrics"] == dict.fromkeys(outcome.body["metrics"], 1)
    assert outcome.body["stamp"]["split"] == halves.digest


def test_unknown_profiles_and_inputs_are_refused_before_any_work(screen, split):
    with pytest.raises(UnknownNameError, match="metric profile"):
        evaluate(screen[0], split, [], profile=["vcc1999"])
    with pytest.raises(UnknownNameError, match="input to shuffle"):
        evaluate(screen[0], split, ["nearest"], usage=["dose"])
    with pytest.raises(UnknownNameError, match="NAME:shuffled-priors"):
        require_methods(["nearest:shuffled-dose"])


def test_the_replicate_is_the_mean_of_five_ways_to_halve_the_cells(result):
    assert result.body["resplits"] == 5
    assert result.body["dynamic_range"]["pearson-delta"]["usable"]
    assert set(result.body["strata"]) >= {"weak", "middle", "strong"}
    assert result.scores["ridge-on-priors"]["pearson-delta"]["against_best"]["baseline"] == "nearest"
