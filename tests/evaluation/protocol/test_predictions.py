"""Models of other environments are scored as registered methods are: the same answers get the same scores."""

import anndata
import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError, UnitsError
from aivc.core.measurement import CONTROL, Measurement
from aivc.data.splits.folds import unseen_donor, unseen_pair, unseen_perturbation
from aivc.data.splits.split import CONTROL_TRAIN, SCORE
from aivc.data.streaming.normalize import normalize
from aivc.data.synthetic import synthetic_screen
from aivc.evaluation.benchmarks.export import hand_out
from aivc.evaluation.protocol import asked_fold
from aivc.evaluation.protocol import evaluate as evaluator
from aivc.evaluation.protocol.evaluate import evaluate
from aivc.evaluation.protocol.prediction_file import read_predictions
from aivc.evaluation.protocol.predictions import Predictions, require_free_names, take_all
from aivc.evaluation.protocol.questions import EvaluationSet
from aivc.experiments.fitting.shared_fit import Recipe

QUICK = Recipe(dim=6, members=0, inner_folds=0)
PROFILE = ["default", "vcc2025"]
SAME = ("pearson-delta", "pearson-systema", "pds-cosine", "centroid-accuracy", "mse-unbiased")


@pytest.fixture(scope="module")
def screen():
    return synthetic_screen(perturbations=16, features=40, cells=40, controls=150, seed=3)


@pytest.fixture(scope="module")
def split(screen):
    return unseen_perturbation(screen[0], folds=2)


@pytest.fixture(scope="module")
def evaluation(screen, split):
    return EvaluationSet.prepare(screen[0], split, cells=30)


def labeled(values, keys, features, units, **columns):
    entities = pd.DataFrame(keys, columns=["fold", "context", "perturbation"]).assign(**columns)
    entities.index = pd.Index([f"r{i}" for i in range(len(entities))])
    return Measurement(values, features, entities, units)


def oracle(cells, split, **columns):
    """The very cells that questions are scored with."""
    kept, keys = [], []
    for fold in range(len(split.folds)):
        rows = np.flatnonzero(split.roles(cells, fold) == SCORE)
        kept.append(rows)
        keys += [(fold, cells.contexts[i], cells.perturbations[i]) for i in rows]
    found = cells.take(np.concatenate(kept))
    more = {name: found.entities[column].to_numpy() for name, column in columns.items()}
    return labeled(found.values, keys, cells.features, "counts", **more)


def mean_effect_of(folder, folds):
    """What anyone makes of the exported files: controls moved by the mean effect."""
    values, obs = [], []
    for fold in range(folds):
        train = anndata.read_h5ad(folder / f"fold-{fold}" / "train.h5ad")
        depth = float(train.uns["profile_units"].removeprefix("log1p_cp"))
        x_nf = train.X.toarray().astype(float)
        x_nf = np.log1p(x_nf / x_nf.sum(axis=1, keepdims=True) * depth)
        texts = train.obs["perturbation"].astype(str).to_numpy()
        control = x_nf[texts == CONTROL]
        lanes = train.obs["batch"].astype(str).to_numpy()
        effects = []
        for text, lane in sorted({*zip(texts, lanes, strict=True)} - {(CONTROL, lane) for lane in lanes}):
            here, there = (x_nf[(texts == what) & (lanes == lane)] for what in (text, CONTROL))
            effects.append(here.mean(axis=0) - there.mean(axis=0))
            # What is done to the target itself is no response.
            effects[-1][train.var_names == text.removeprefix("ko:")] = 0
        for row in pd.read_csv(folder / f"fold-{fold}" / "questions.csv").to_dict("records"):
            values.append(control + np.mean(effects, axis=0))
            obs += [row] * len(control)
    var = pd.DataFrame(index=train.var_names[::-1])
    stacked = np.vstack(values)[:, ::-1].astype(np.float32)
    table = pd.DataFrame(obs).set_axis([f"cell{i}" for i in range(len(obs))], axis=0)
    return anndata.AnnData(stacked, obs=table, var=var, uns={"units": train.uns["profile_units"]})


@pytest.fixture(scope="module")
def said(screen, split):
    """All answers that the methods gave, and their scores."""
    kept, ask = {}, evaluator._answers

    def keep(ground, method, *rest):
        for answer in ask(ground, method, *rest):
            kept.setdefault(method, []).append(answer)
            yield answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluator, "_answers", keep)
        found = evaluate(screen[0], split, ["nearest"], parts=screen[1].priors, recipe=QUICK, cells=30, profile=PROFILE)
    return kept, found


@pytest.fixture(scope="module")
def result(screen, split, evaluation, said, tmp_path_factory):
    folder = tmp_path_factory.mktemp("other")
    hand_out(screen[0], split, folder)
    mean_effect_of(folder, 2).write_h5ad(folder / "mean.h5ad")
    answers = said[0]["nearest"]
    again = [evaluation.given(a.question.context, "") + a.predicted - a.question.given.profile for a in answers]
    keys = [tuple(a.question.key[name] for name in ("fold", "context", "perturbation")) for a in answers]
    predictions = {
        "mean": read_predictions(folder / "mean.h5ad"),
        "repeated": labeled(np.array(again), keys, screen[0].features, evaluation.summary.units),
        "oracle": oracle(screen[0], split),
        "oracle-batches": oracle(screen[0], split, batch="batch"),
    }
    return evaluate(screen[0], split, [], predictions=predictions, recipe=QUICK, cells=30, profile=PROFILE)


def test_the_same_answers_get_the_same_scores(result, said):
    for metric in SAME:
        assert result.value("repeated", metric) == pytest.approx(said[1].value("nearest", metric), rel=1e-9)


def test_a_mean_effect_of_another_program_scores_as_ours_does(result):
    assert result.value("mean", "pearson-delta") == pytest.approx(
        result.value("mean-effect", "pearson-delta"), abs=0.05
    )
    assert result.value("mean", "pds-cosine") == pytest.approx(result.value("mean-effect", "pds-cosine"), abs=0.1)
    for metric in ("mse-unbiased", "energy-distance"):
        ours, none = result.value("mean-effect", metric), result.value("no-change", metric)
        assert result.value("mean", metric) == pytest.approx(ours, abs=0.1 * none)


@pytest.mark.parametrize("name", ["oracle", "oracle-batches"])
def test_the_truth_reaches_the_replicate(result, name):
    for metric in ("pearson-delta", "pearson-systema", "pds-cosine", "overlap-de"):
        assert metric not in result.body["metrics"] or result.value(name, metric) >= result.value("replicate", metric)
    for metric in ("mse-unbiased", "energy-distance"):
        assert result.value(name, metric) <= result.value("replicate", metric)


def test_controls_follow_the_batches_that_the_cells_name(screen, split, evaluation):
    question = next(evaluation.questions(0))
    plain = Predictions.take(oracle(screen[0], split), evaluation, "a")
    matched = Predictions.take(oracle(screen[0], split, batch="batch"), evaluation, "b")
    (one,), (two,) = (list(each.answers([question], 30)) for each in (plain, matched))
    # The very cells of the question, against the controls of their own batches: the truth itself.
    np.testing.assert_allclose(two.predicted, question.truth.profile, rtol=1e-5)
    moved = one.predicted - two.predicted
    np.testing.assert_allclose(moved, question.given.profile - evaluation.given(question.context, ""), atol=1e-6)
    assert np.abs(moved).max() > 1e-4


def test_start_is_the_mean_of_the_controls_given_and_of_no_others(screen, split, evaluation):
    roles = split.roles(screen[0], 0)
    context = next(evaluation.questions(0)).context
    given = screen[0].take((roles == CONTROL_TRAIN) & (screen[0].contexts == context))
    x_nf = normalize(given, evaluation.summary.units).dense()
    np.testing.assert_allclose(evaluation.given(context, ""), x_nf.mean(axis=0), rtol=1e-5)


def test_rows_are_marked_as_given_by_file(result):
    stated = result.body["predictions"]
    assert list(stated) == ["mean", "repeated", "oracle", "oracle-batches"]
    assert stated["mean"]["file"] == "mean.h5ad"
    assert stated["repeated"]["file"] is None
    held = {name: f"{each['sha256']} {each['units']}" for name, each in stated.items()}
    assert result.body["stamp"]["predictions"] == held
    assert len(set(result.body["stamp"]["predictions"].values())) == 4
    assert set(result.table.query("method == 'mean'")["applicability"]) == {"unknown"}
    against = result.scores["oracle"]["pearson-delta"]["against_best"]
    assert against["wins"] == 1.0
    assert "oracle" in result.body["strata"]["strong"]


def test_one_row_has_a_profile_and_no_population(result):
    assert result.scores["repeated"]["energy-distance"]["value"] is None
    assert "undefined" in result.scores["repeated"]["energy-distance"]["undefined"]
    assert result.scores["mean"]["energy-distance"]["value"] is not None


def test_without_predictions_nothing_is_said_of_them(said):
    assert "predictions" not in said[1].body
    assert "predictions" not in said[1].body["stamp"]


def test_populations_are_drawn_by_lot_to_the_size_of_the_others(screen, split, evaluation):
    question = next(evaluation.questions(0))
    given = Predictions.take(oracle(screen[0], split), evaluation, "a")
    small, again, other = (next(given.answers([question], 10, seed=seed)).population for seed in (0, 0, 1))
    assert small.values.shape == (10, 40)
    np.testing.assert_array_equal(small.values.toarray(), again.values.toarray())
    assert not np.array_equal(small.values.toarray(), other.values.toarray())
    np.testing.assert_array_equal(small.depth.shape, (10,))


def test_what_answers_no_question_is_left_aside_and_counted(screen, split, evaluation):
    truth = oracle(screen[0], split)
    values = np.column_stack([truth.dense(), np.full(len(truth), 1e6)])
    more = truth.entities.iloc[:3].assign(perturbation=CONTROL).set_axis(list("abc"), axis=0)
    wider = Measurement(
        np.vstack([values, values[:3]]),
        np.array([*truth.features, "further"], dtype=object),
        pd.concat([truth.entities, more]),
        "counts",
    )
    taken = Predictions.take(wider, evaluation, "a")
    assert (taken.about["ignored_rows"], taken.about["ignored_features"]) == (3, 1)
    question = next(evaluation.questions(0))
    # Depth, too, is that of the features of the data.
    plain = Predictions.take(truth, evaluation, "b")
    one, two = (next(each.answers([question], 10)).predicted for each in (taken, plain))
    np.testing.assert_allclose(one, two, rtol=1e-6)


def test_cells_without_counts_are_left_out_as_an_experiment_does(screen, split, evaluation):
    truth = oracle(screen[0], split)
    values = truth.dense()
    values[0] = 0
    assert Predictions.take(truth.replace(values=values), evaluation, "a").about["empty_cells"] == 1


def test_expectations_are_read_as_counts_and_the_reading_is_said(screen, split, evaluation):
    truth = oracle(screen[0], split)
    values = truth.dense()
    values[0, np.flatnonzero(values[0] == 0)[0]] = -0.01
    given = Predictions.take(truth.replace(values=values, units="expected_counts"), evaluation, "a")
    assert given.about["units"] == "expected_counts"
    assert "1 expected counts are below zero, down to -0.01: they are read as zero." in given.about["notes"]
    question = next(evaluation.questions(0))
    plain = Predictions.take(truth, evaluation, "b")
    assert "notes" not in plain.about
    one, two = (next(each.answers([question], 10)).predicted for each in (given, plain))
    np.testing.assert_allclose(one, two, rtol=1e-6)
    with pytest.raises(DataError, match="more than a model misses zero by") as caught:
        Predictions.take(truth.replace(values=values - 2.0, units="expected_counts"), evaluation, "gears")
    assert "gears" in caught.value.__notes__[0]


def relabeled(**columns):
    return lambda truth: truth.replace(entities=truth.entities.assign(**columns))


def with_values(change):
    return lambda truth: truth.replace(values=change(truth.dense()))


def put(value):
    def change(values):
        values[2, 3] = value
        return values

    return change


REFUSED = {
    "no fold": (lambda t: t.replace(entities=t.entities.drop(columns="fold")), "no column 'fold'"),
    "half a fold": (relabeled(fold=0.5), "whole number"),
    "other words": (relabeled(perturbation="STAT1"), r"questions have no answer.*STAT1 in"),
    "a question short": (lambda t: t.take(t.perturbations != t.perturbations[0]), "1 of 16 questions"),
    "a feature short": (lambda t: t.select(t.features[1:]), "1 of 40 features are not predicted: G0001"),
    "NaN": (with_values(put(np.nan)), "NaN or infinite"),
    "infinite": (with_values(put(np.inf)), "NaN or infinite"),
    "below zero": (with_values(put(-1.0)), "below zero"),
    "nothing": (with_values(np.zeros_like), "no counts at all"),
    "a foreign batch": (relabeled(batch="lane9"), "batch lane9 has no control cells"),
    "a row of counts": (lambda t: t.take(~t.entities.duplicated().to_numpy()), "one row of counts"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_scored_is_refused_with_the_name_of_the_model(what, screen, split, evaluation):
    change, words = REFUSED[what]
    with pytest.raises(DataError, match=words) as caught:
        take_all({"gears": change(oracle(screen[0], split))}, evaluation, [])
    assert "gears" in caught.value.__notes__[0]


def test_other_units_are_refused(screen, split, evaluation):
    truth = oracle(screen[0], split)
    with pytest.raises(UnitsError, match=f"counts, or {evaluation.summary.units}"):
        Predictions.take(normalize(truth, "log1p_cp10k"), evaluation, "gears")
    # Values of another scale under a false name sum to counts that the named units cannot hold.
    right = normalize(truth, evaluation.summary.units)
    for false in (
        normalize(truth, "log1p_cp10k").values,
        right.dense() / np.log(2),
        right.dense() - right.dense().mean(),
    ):
        with pytest.raises(UnitsError, match="natural log1p"):
            Predictions.take(right.replace(values=false), evaluation, "gears")


def test_predictions_are_refused_before_any_method_is_fitted(screen, split, monkeypatch):
    monkeypatch.setattr(asked_fold, "shared_fit", lambda *_: pytest.fail("work was done"))
    short = oracle(screen[0], split).take(np.arange(10))
    with pytest.raises(DataError, match="no answer"):
        evaluate(screen[0], split, [], predictions={"gears": short}, recipe=QUICK)


@pytest.mark.parametrize("name", ["nearest", "mean-effect", "replicate", "nearest:shuffled", "", "a:b", "mine"])
def test_names_that_mean_something_else_are_refused(name):
    with pytest.raises(DataError, match=r"Name the predictions otherwise|Write NAME"):
        require_free_names([name], ["mine"])
    require_free_names(["gears", "gears:shuffled"], ["mine"])


def test_a_model_on_permuted_labels_shows_what_the_model_used(screen, split):
    truth = oracle(screen[0], split)
    texts = sorted(set(truth.perturbations))
    # Within folds, each question is answered by another one's cells.
    swapped = dict(zip(texts, [*texts[1:], texts[0]], strict=True))
    fold = dict(zip(truth.perturbations, truth.entities["fold"], strict=True))
    other = truth.entities.assign(
        perturbation=[swapped[text] for text in truth.perturbations],
        fold=[fold[swapped[text]] for text in truth.perturbations],
    )
    given = {"gears": truth, "gears:shuffled": truth.replace(entities=other)}
    found = evaluate(screen[0], split, [], predictions=given, recipe=QUICK, cells=20, profile=["systema"])
    lost = next(each for each in found.body["usage"] if each["metric"] == "pearson-systema")
    assert (lost["method"], lost["input"]) == ("gears", "perturbation")
    assert lost["low"] > 0


def test_donors_are_part_of_the_question():
    cells, _ = synthetic_screen(perturbations=3, features=30, cells=30, controls=60, donors=2)
    split = unseen_donor(cells)
    rows = [np.flatnonzero(split.roles(cells, fold) == SCORE) for fold in (0, 1)]
    found = cells.take(np.concatenate(rows))
    fold = np.repeat([0, 1], [len(each) for each in rows])
    entities = found.entities[["perturbation", "context", "donor"]].assign(fold=fold)
    truth = Measurement(found.values, cells.features, entities, "counts")
    scored = evaluate(cells, split, [], predictions={"oracle": truth}, recipe=QUICK, cells=20, profile=["systema"])
    assert scored.value("oracle", "pearson-systema") > scored.value("replicate", "pearson-systema")
    with pytest.raises(DataError, match="no column 'donor'"):
        Predictions.take(
            truth.replace(entities=entities.drop(columns="donor")), EvaluationSet.prepare(cells, split), "a"
        )


def test_tables_of_effects_take_effects():
    rng = np.random.default_rng(0)
    rows = [(f"ko:G{i}", f"line{j}") for i in range(6) for j in range(3)]
    entities = pd.DataFrame(rows, columns=["perturbation", "context"], index=[f"r{i}" for i in range(18)])
    features = np.array([f"F{i}" for i in range(20)], dtype=object)
    table = Measurement(rng.normal(size=(18, 20)), features, entities, "normal_score", modality="effect")
    split = unseen_pair(table, folds=3)
    fold = [next(k for k in range(3) if split.folds[k].tested(table)[i]) for i in range(18)]
    truth = table.replace(entities=entities.assign(fold=fold))
    recipe = Recipe(encoder="ppca", dim=3, members=0, inner_folds=0)
    found = evaluate(table, split, [], predictions={"oracle": truth}, recipe=recipe, profile=["default"])
    assert found.value("oracle", "pearson-delta") == pytest.approx(1.0)
    assert found.value("oracle", "mse-unbiased") == pytest.approx(0.0)
    assert found.scores["oracle"]["energy-distance"]["value"] is None
    with pytest.raises(UnitsError, match="Give normal_score"):
        Predictions.take(truth.replace(units="zscore"), EvaluationSet.prepare(table, split), "a")
