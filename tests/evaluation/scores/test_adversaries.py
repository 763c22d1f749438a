"""Answers without merit: each is what it says, and no metric may prefer it to what it was made from."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from aivc.core.registry import METRICS
from aivc.data.splits.folds import unseen_perturbation
from aivc.data.synthetic import synthetic_screen
from aivc.evaluation.protocol.evaluate import evaluate
from aivc.evaluation.scores.adversaries import (
    ADVERSARIES,
    PREFIX,
    adversary_panels,
    best_method,
    constant,
    double_log,
    inflated_variance,
    ranking,
    shuffled,
    tiled_mean,
    twisted_control,
    verdicts,
)
from aivc.experiments.fitting.shared_fit import Recipe
from aivc.reporting import sections
from tiny_panels import panel

QUESTIONS = pd.DataFrame({"fold": [0, 0, 0, 1, 1], "context": "A", "perturbation": [f"ko:G{i}" for i in range(5)]})


@pytest.fixture
def answers():
    rng = np.random.default_rng(0)
    given, effect = rng.uniform(0, 3, (5, 4)), rng.normal(size=(5, 4))
    cells = tuple(sparse.csr_matrix(rng.poisson(1.0, (6, 4)).astype(float)) for _ in range(5))
    return panel(
        given + effect,
        given + rng.normal(size=(5, 4)),
        given=given,
        questions=QUESTIONS,
        low=given + effect - 1,
        high=given + effect + 2,
        population=cells,
        perturbed_mean=given + np.array([1.0, 0.0, -1.0, 0.0]),
    )


def test_constant_and_tiled_say_one_thing_for_all_cells(answers):
    one = constant(answers)
    assert np.ptp(one.predicted, axis=1) == pytest.approx(np.zeros(5))
    assert one.predicted[:, 0] == pytest.approx(answers.given.mean(axis=1))
    tiled = tiled_mean(answers)
    assert (tiled.predicted == answers.predicted).all()
    assert np.isnan(tiled.low).all()
    for made in (one, tiled):
        for cells, row in zip(made.population, made.predicted, strict=True):
            assert cells.shape == (6, 4)
            assert (cells == row).all()


def test_the_second_logarithm_is_taken_of_everything_and_mirrored(answers):
    made = double_log(answers)
    assert np.expm1(np.abs(made.predicted)) * np.sign(made.predicted) == pytest.approx(answers.predicted)
    assert (made.low <= made.predicted).all()
    assert made.population[0].nnz == answers.population[0].nnz
    assert made.population[0].toarray() == pytest.approx(np.log1p(answers.population[0].toarray()))


def test_shuffled_answers_come_from_another_question_of_the_same_fold(answers):
    made = shuffled(answers, seed=1)
    for i, effect in enumerate(made.predicted_effect):
        (source,) = np.flatnonzero(np.isclose(answers.predicted_effect, effect).all(axis=1))
        assert source != i
        assert QUESTIONS["fold"][source] == QUESTIONS["fold"][i]
        assert made.population[i] is answers.population[source]
    assert made.high - made.predicted == pytest.approx(np.full((5, 4), 2.0))


def test_every_step_round_the_circle_changes_every_answer(answers):
    for step in range(1, 8):
        moved = shuffled(answers, step=step).predicted_effect - answers.predicted_effect
        assert (np.abs(moved).max(axis=1) > 1e-6).all()


def test_a_question_that_is_alone_is_not_scored(answers):
    questions = QUESTIONS.assign(fold=[0, 0, 0, 1, 2])
    made = shuffled(panel(answers.predicted, answers.truth, questions=questions, population=answers.population))
    assert [cells is None for cells in made.population] == [False, False, False, True, True]
    assert made.usable.any(axis=1).tolist() == [True, True, True, False, False]


def test_a_twisted_control_moves_everything_along_the_mean_effect(answers):
    made = twisted_control(answers)
    moved = np.array([3.0, 0.0, -3.0, 0.0])
    assert made.predicted_effect - answers.predicted_effect == pytest.approx(np.tile(moved, (5, 1)))
    assert made.population[2] - answers.population[2].toarray() == pytest.approx(np.tile(moved, (6, 1)))


def test_inflated_variance_keeps_the_mean(answers):
    made, before = inflated_variance(answers), answers.population[0].toarray()
    assert (made.predicted == answers.predicted).all()
    assert made.population[0].mean(axis=0) == pytest.approx(before.mean(axis=0))
    assert made.population[0].std(axis=0) == pytest.approx(3 * before.std(axis=0))
    assert made.high - made.low == pytest.approx(np.full((5, 4), 9.0))


def test_effect_level_answers_have_no_cells_to_spoil():
    bare = panel(np.eye(3), np.eye(3))
    for each in ADVERSARIES:
        assert each.make(bare).population == (None, None, None)


def test_the_best_is_neither_floor_nor_ceiling_nor_negative_control():
    truth = np.array([[1.0, 2.0, 4.0]] * 2)
    good, fair = panel(truth, truth), panel(truth[:, [1, 0, 2]], truth)
    found = {"no-change": good, "mean-effect": good, "replicate": good, "a:shuffled": good, "b": fair}
    assert best_method(found) == "b"
    assert best_method({"no-change": fair, "mean-effect": fair}) == "mean-effect"
    _, made_from = adversary_panels({"no-change": fair, "mean-effect": fair})
    assert made_from[PREFIX + "shuffled"] == "mean-effect"


def scored(**values):
    """A table of 30 questions in which each method has the values given, plus its own small noise."""
    rng = np.random.default_rng(0)
    names = [f"ko:G{i}" for i in range(30)]
    return pd.concat(
        [
            pd.DataFrame({"perturbation": names, "method": m, "pearson-delta": v + rng.normal(0, 0.05, 30)})
            for m, v in values.items()
        ],
        ignore_index=True,
    )


def test_an_adversary_that_wins_is_reported_and_one_that_loses_is_not():
    correlation = METRICS.load("pearson-delta")
    given = {"no-change": 0.0, "mean-effect": 0.3, "good": 0.6}
    rows = {"adversary:shuffled": 0.4, "adversary:double-log": 0.8, "adversary:twisted-control": 0.4}
    made_from = dict.fromkeys(rows, "good")
    found = ranking(scored(**given, **rows), [correlation], made_from)
    answer = verdicts(found)["pearson-delta"]
    # Shuffled is below what it was made from and still above the floor, which it must not be.
    assert answer == {
        "adversary:shuffled": "fooled",
        "adversary:double-log": "fooled",
        "adversary:twisted-control": "holds",
    }
    against = {(each["adversary"], each["against"]): each["verdict"] for each in found}
    assert against["adversary:shuffled", "good"] == "holds"
    assert against["adversary:shuffled", "mean-effect"] == "fooled"
    assert ("adversary:shuffled", "no-change") not in against


def test_what_is_equal_is_a_tie_and_what_may_be_chance_is_unclear():
    correlation = METRICS.load("pearson-delta")
    table = scored(**{"no-change": 0.0, "mean-effect": 0.3, "good": 0.6})
    good = table[table["method"] == "good"]
    noise = np.random.default_rng(1).normal(0, 1, 30)
    maybe = good.assign(method="adversary:twisted-control")
    maybe["pearson-delta"] += noise - noise.mean() + 0.01
    table = pd.concat([table, good.assign(method="adversary:inflated-variance"), maybe], ignore_index=True)
    made_from = dict.fromkeys(("adversary:inflated-variance", "adversary:twisted-control"), "good")
    answer = verdicts(ranking(table, [correlation], made_from))["pearson-delta"]
    assert answer == {"adversary:inflated-variance": "tie", "adversary:twisted-control": "unclear"}


def test_made_from_the_mean_effect_they_are_held_against_it():
    correlation = METRICS.load("pearson-delta")
    rows = {"adversary:shuffled": 0.1, "adversary:twisted-control": 0.5}
    table = scored(**{"no-change": 0.2, "mean-effect": 0.0}, **rows)
    found = ranking(table, [correlation], dict.fromkeys(rows, "mean-effect"))
    answer = {each["adversary"]: (each["against"], each["verdict"]) for each in found}
    # No change is the better floor here, and what knows nothing need not be below the worse one.
    assert answer == {
        "adversary:shuffled": ("no-change", "holds"),
        "adversary:twisted-control": ("mean-effect", "fooled"),
    }


# --- on a screen whose truth is known ---


@pytest.fixture(scope="module")
def examined():
    cells, truth = synthetic_screen(perturbations=20, features=50, cells=40, controls=150, seed=3)
    recipe = Recipe(dim=6, members=0, inner_folds=2)
    split = unseen_perturbation(cells, folds=2)
    return evaluate(cells, split, ["nearest"], parts=truth.priors, recipe=recipe, cells=30, adversaries=True)


def test_no_adversary_wins_on_the_synthetic_screen(examined):
    answer = examined.body["adversaries"]
    found = {verdict for row in answer["verdicts"].values() for verdict in row.values()}
    assert found <= {"holds", "tie", "undefined"}
    assert answer["findings"] == []
    assert answer["made_from"][PREFIX + "shuffled"] == "nearest"


def test_only_metrics_of_cells_see_that_the_cells_are_wrong(examined):
    answer = examined.body["adversaries"]["verdicts"]
    assert set(answer["energy-distance"].values()) == {"holds"}
    for metric in ("pearson-delta", "pearson-systema", "pds-cosine", "mse-unbiased"):
        assert answer[metric][PREFIX + "inflated-variance"] == "tie"
    assert answer["pearson-delta"][PREFIX + "tiled-mean"] == "tie"
    assert "coverage90" not in answer


def test_inflated_intervals_cover_all_and_are_not_ranked_by_it(examined):
    assert examined.value(PREFIX + "inflated-variance", "coverage90") > 0.98
    assert examined.value(PREFIX + "shuffled", "pds-cosine") == pytest.approx(0.5, abs=0.1)


def test_adversaries_are_not_shown_among_the_methods(examined):
    body = examined.to_json()
    assert body["methods"] == ["no-change", "mean-effect", "nearest"]
    assert not any(row["method"].startswith(PREFIX) for row in body["rows"])
    rows = {PREFIX + each.name for each in ADVERSARIES}
    assert {method for method in body["scores"] if method.startswith(PREFIX)} == rows
    section = sections._adversaries(body)
    assert section.title == "Can the scores be fooled?"
    assert len(section.tables[0].rows) == len(body["adversaries"]["verdicts"])
    assert "No metric is clearly fooled" in section.text
