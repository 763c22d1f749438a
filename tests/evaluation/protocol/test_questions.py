"""What an evaluation set keeps apart: the cells that methods see, and those that they are scored with."""

from dataclasses import replace

import numpy as np
import pytest

from aivc.core.errors import SplitError
from aivc.core.measurement import CONTROL
from aivc.data.splits.folds import unseen_context, unseen_perturbation
from aivc.data.splits.split import CONTROL_SCORE, CONTROL_TRAIN, REPLICATE, SCORE, TRAIN, Fold
from aivc.data.streaming.normalize import normalize
from aivc.data.synthetic import synthetic_screen
from aivc.evaluation.protocol.questions import EvaluationSet, targets


@pytest.fixture(scope="module")
def screen():
    return synthetic_screen(perturbations=6, features=30, cells=24, controls=60, contexts=2)[0]


@pytest.fixture(scope="module")
def split(screen):
    return unseen_perturbation(screen, folds=2)


@pytest.fixture(scope="module")
def evaluation(screen, split):
    return EvaluationSet.prepare(screen, split, cells=10)


def cells_of(screen, split, fold, *roles):
    return screen.entities.index[np.isin(split.roles(screen, fold), roles)]


@pytest.mark.parametrize("make", [unseen_perturbation, unseen_context])
def test_no_scoring_cell_is_ever_trained_on(screen, make):
    split = make(screen, folds=2)
    evaluation = EvaluationSet.prepare(screen, split)
    for fold in range(2):
        given = evaluation.training(fold).sample.entities.index
        assert not given.isin(cells_of(screen, split, fold, SCORE, REPLICATE, CONTROL_SCORE)).any()
        assert given.isin(cells_of(screen, split, fold, TRAIN, CONTROL_TRAIN)).all()


def test_profiles_given_are_means_of_cells_that_may_be_seen(screen, split, evaluation):
    given = evaluation.training(0).profiles
    rows = (given.perturbations == CONTROL) & (given.contexts == "line1")
    pool = screen.take(screen.entities.index.isin(cells_of(screen, split, 0, CONTROL_TRAIN)))
    pool = normalize(pool.take(pool.contexts == "line1"), evaluation.summary.units)
    mean = np.average(given.values[rows], axis=0, weights=given.mass[rows])
    np.testing.assert_allclose(mean, pool.dense().mean(axis=0), rtol=1e-5)
    assert given.mass[rows].sum() == len(pool)


def test_halves_and_pools_share_no_cell(screen, split):
    roles = [split.roles(screen, fold) for fold in range(2)]
    assert (roles[0] == CONTROL_TRAIN).sum() == (roles[1] == CONTROL_TRAIN).sum() == 60
    assert ((roles[0] == CONTROL_SCORE) == (roles[1] == CONTROL_SCORE)).all()
    assert (roles[0] == SCORE).sum() == (roles[0] == REPLICATE).sum()


def test_moving_scoring_controls_into_training_changes_the_digest(screen, split):
    names = {part: tuple(cells_of(screen, split, 0, f"control-{part}")) for part in ("train", "score")}
    written = replace(split, controls=names)
    leak = replace(split, controls={"train": (*names["train"], names["score"][0]), "score": names["score"][1:]})
    assert leak.digest != written.digest
    assert (leak.roles(screen, 0) != written.roles(screen, 0)).sum() == 1
    with pytest.raises(SplitError, match="Make them disjoint"):
        replace(split, controls={"train": (*names["train"], names["score"][0]), "score": names["score"]})


def test_questions_hold_the_truth_of_one_half_and_the_other_as_replicate(screen, split, evaluation):
    questions = list(evaluation.questions(0))
    tested = split.folds[0].test["perturbation"]
    assert [(q.context, q.perturbation) for q in questions] == [(c, p) for c in ("line1", "line2") for p in tested]
    one = questions[0]
    for role, mean in ((SCORE, one.truth), (REPLICATE, one.replicate)):
        cells = screen.take(screen.entities.index.isin(cells_of(screen, split, 0, role)))
        cells = cells.take((cells.perturbations == one.perturbation) & (cells.contexts == one.context))
        x_nf = normalize(cells, evaluation.summary.units).dense()
        np.testing.assert_allclose(mean.profile, x_nf.mean(axis=0), rtol=1e-4)
        assert mean.cells == len(cells) == 12
        # Within batches, so a little below the variance over all.
        assert np.median(mean.noise / (x_nf.var(axis=0, ddof=1) / 12)) == pytest.approx(1, abs=0.35)
    assert one.cells.values.shape == (10, 30)
    assert one.others.values.shape == (10, 30)
    assert one.key == {"fold": 0, "context": "line1", "perturbation": one.perturbation}


def test_controls_are_matched_to_the_batches_of_the_question():
    screen = synthetic_screen(perturbations=4, features=30, cells=24, controls=80)[0]
    # One perturbation was measured in a single batch.
    one = screen.perturbations == "ko:G0001"
    screen = screen.take(~one | (screen.entities["batch"].to_numpy() == "batch1"))
    evaluation = EvaluationSet.prepare(screen, unseen_perturbation(screen, folds=2))
    question = next(q for fold in range(2) for q in evaluation.questions(fold) if q.perturbation == "ko:G0001")
    profiles = evaluation.summary.profiles
    for part, mean in ((CONTROL_TRAIN, question.given), (CONTROL_SCORE, question.control)):
        own = (profiles.perturbations == CONTROL) & (profiles.entities["part"] == part).to_numpy()
        own &= profiles.entities["batch"].to_numpy() == "batch1"
        np.testing.assert_allclose(mean.profile, profiles.values[own][0])


def test_the_mean_effect_of_training_holds_none_that_is_asked(split, evaluation):
    training = evaluation.training(0).profiles
    assert not set(split.folds[0].test["perturbation"]) & set(training.perturbations)
    here = training.contexts == "line1"
    found = []
    for text in split.folds[1].test["perturbation"]:
        shifts, cells = [], []
        for batch in sorted(set(training.entities["batch"])):
            ours = here & (training.entities["batch"] == batch).to_numpy()
            mine, control = (ours & (training.perturbations == name) for name in (text, CONTROL))
            if mine.any():
                profile = [np.average(training.values[w], axis=0, weights=training.mass[w]) for w in (mine, control)]
                shifts.append(profile[0] - profile[1])
                cells.append(training.mass[mine].sum())
        found.append(np.average(shifts, axis=0, weights=cells))
    np.testing.assert_allclose(evaluation.mean_effect(0, "line1"), np.mean(found, axis=0), atol=1e-9)


def test_a_context_never_trained_in_takes_effects_and_not_profiles_of_the_others(screen):
    evaluation = EvaluationSet.prepare(screen, unseen_context(screen, folds=2))
    held = next(evaluation.questions(0)).context
    other = next(c for c in ("line1", "line2") if c != held)
    np.testing.assert_allclose(evaluation.mean_effect(0, held), evaluation.mean_effect(0, other))


def test_scored_cells_are_drawn_by_lot_and_not_by_name(screen):
    few = EvaluationSet.prepare(screen, unseen_perturbation(screen, folds=2), cells=5)
    rows = few._where(few.summary.sample, "line1", "ko:G0001", "", "score")
    first = normalize(few.summary.sample.take(rows[:5]), few.summary.units).dense()
    drawn = few._cells(few._sampled("line1", "ko:G0001", "", "score")).values
    assert len(rows) > 5
    assert not np.allclose(np.asarray(drawn if isinstance(drawn, np.ndarray) else drawn.toarray()), first)


def test_targets_are_the_genes_of_the_question(screen, evaluation):
    questions = list(evaluation.questions(0))
    own = targets(questions, screen.features)
    for question, row in zip(questions, own, strict=True):
        assert [f"ko:{name}" for name in screen.features[row]] == [question.perturbation]


def test_cells_that_change_sides_between_folds_are_refused():
    screen = synthetic_screen(perturbations=4, features=20, cells=31, controls=60, donors=3)[0]
    asked = ({"perturbation": ("ko:G0001",)}, {"donor": ("donor2",)})
    split = replace(unseen_perturbation(screen, folds=2), folds=tuple(Fold(test, test) for test in asked))
    with pytest.raises(SplitError, match="different halves in different folds"):
        EvaluationSet.prepare(screen, split)


@pytest.mark.parametrize("column", ["matched:hours", "matched:donor"])
def test_controls_of_a_question_are_those_that_it_is_matched_with(screen, column):
    values = np.asarray(screen.dense(), dtype=np.float32)
    # Of each perturbation all cells are early or late, of controls half; late ones have much of the first feature.
    odd = {text: i % 2 == 1 for i, text in enumerate(sorted(set(screen.perturbations)))}
    own = np.array([i % 2 == 1 if p == CONTROL else odd[p] for i, p in enumerate(screen.perturbations)])
    values[:, 0] = np.where(own, 50, 1)
    timed = screen.replace(values=values, entities=screen.entities.assign(**{column: np.where(own, "72", "24")}))
    evaluation = EvaluationSet.prepare(timed, unseen_perturbation(timed, folds=2), cells=10)
    for question in evaluation.questions(0):
        for control in (question.given, question.control):
            assert abs(question.truth.profile[0] - control.profile[0]) < 0.5
        given = evaluation.given(question.context, question.site, {}, question.perturbation)
        assert abs(question.truth.profile[0] - given[0]) < 0.5
        cells = question.controls.values
        mean = np.asarray(cells.mean(axis=0)).ravel()[0]
        assert abs(mean - question.control.profile[0]) < 0.5
