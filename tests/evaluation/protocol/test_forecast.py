"""Intervals that come with predictions are scored as those of registered methods are, or refused with the reason."""

import anndata
import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError, SchemaError, UnitsError
from aivc.core.measurement import Measurement
from aivc.data.splits.folds import unseen_perturbation
from aivc.data.synthetic import synthetic_screen
from aivc.evaluation.metrics.stated_levels import LEVELS
from aivc.evaluation.protocol import evaluate as evaluator
from aivc.evaluation.protocol.evaluate import evaluate
from aivc.evaluation.protocol.forecast import Forecast, cells_of, level_of
from aivc.evaluation.protocol.prediction_file import content_digest, read_predictions, stamp_of
from aivc.evaluation.protocol.predictions import Predictions
from aivc.evaluation.protocol.questions import EvaluationSet
from aivc.experiments.fitting.shared_fit import Recipe

CALIBRATED = Recipe(dim=3, members=0, inner_folds=2)
PROFILE = ["calibration"]
AT = LEVELS.index(0.9)


@pytest.fixture(scope="module")
def screen():
    return synthetic_screen(perturbations=6, features=12, cells=12, controls=40, seed=3)[0]


@pytest.fixture(scope="module")
def split(screen):
    return unseen_perturbation(screen, folds=2)


@pytest.fixture(scope="module")
def evaluation(screen, split):
    return EvaluationSet.prepare(screen, split, cells=10)


@pytest.fixture(scope="module")
def said(screen, split):
    """What the mean effect answered, with its intervals, and its scores."""
    kept, ask = [], evaluator._answers

    def keep(ground, method, *rest):
        for answer in ask(ground, method, *rest):
            kept.extend([answer] if method == "mean-effect" else [])
            yield answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluator, "_answers", keep)
        found = evaluate(screen, split, [], parts=None, recipe=CALIBRATED, cells=10, profile=PROFILE, usage=[])
    return kept, found


@pytest.fixture
def table(said, evaluation, screen):
    """The same answers as rows, as an h5ad of another program holds them."""
    rows, keys = {"X": [], "low": [], "high": []}, []
    for answer in said[0]:
        question = answer.question
        moved = evaluation.given(question.context, "") - question.given.profile
        for name, profile in zip(rows, (answer.predicted, *answer.bounds[AT]), strict=True):
            rows[name].append(profile + moved)
        keys.append(tuple(question.key[name] for name in ("fold", "context", "perturbation")))
    obs = pd.DataFrame(keys, columns=["fold", "context", "perturbation"]).rename(index=str)
    return anndata.AnnData(
        np.array(rows.pop("X")),
        obs=obs,
        var=pd.DataFrame(index=screen.features),
        layers={name: np.array(each) for name, each in rows.items()},
        uns={"units": evaluation.summary.units},
    )


def written(table, path):
    table.write_h5ad(path)
    return path


def test_the_same_intervals_get_the_same_scores(screen, split, said, table, tmp_path):
    given = read_predictions(written(table[:, ::-1].copy(), tmp_path / "again.h5ad"))
    assert given.level == 0.9
    found = evaluate(
        screen, split, [], predictions={"again": given}, parts=None, recipe=CALIBRATED, cells=10, profile=PROFILE
    )
    for metric in ("coverage90", "width90", "interval-score", "aurc", "sigma-error-spearman"):
        assert found.value("again", metric) == pytest.approx(said[1].value("mean-effect", metric), rel=1e-4), metric
    # One level is no distribution, and the others were not stated.
    for metric in ("coverage50", "coverage80", "coverage95", "crps"):
        assert found.scores["again"][metric]["value"] is None
        assert said[1].scores["mean-effect"][metric]["value"] is not None
    assert found.body["calibration"]["again"]["covered"][AT] == pytest.approx(
        said[1].body["calibration"]["mean-effect"]["covered"][AT]
    )
    assert found.body["predictions"]["again"]["interval_level"] == 0.9
    assert found.body["stamp"]["predictions"]["again"] == stamp_of(given)


def test_another_level_is_scored_at_that_level(table, evaluation, tmp_path):
    table.uns["level"] = 0.8
    found = Predictions.take(read_predictions(written(table, tmp_path / "a.h5ad")), evaluation, "a")
    (answer,) = found.answers([next(evaluation.questions(0))], 5)
    assert [bool(np.isfinite(ends).all()) for ends in answer.bounds] == [level == 0.8 for level in LEVELS]


def test_the_level_is_said_once():
    assert level_of(None, None, "f") == 0.9
    assert level_of(0.8, None, "f") == level_of(None, 0.8, "f") == level_of("0.8", 0.8, "f") == 0.8
    with pytest.raises(DataError, match=r"at 0\.8, but 0\.9 was asked for"):
        level_of(0.8, 0.9, "f")
    with pytest.raises(DataError, match=r"the levels 0\.5, 0\.8, 0\.9, 0\.95, and these are said to be at 0\.68"):
        level_of(0.68, None, "f")
    with pytest.raises(DataError, match="level is 'high'"):
        level_of("high", None, "f")


def changed(layer, change):
    def made(table):
        table.layers[layer] = change(table)

    return made


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (changed("low", lambda t: t.layers["low"] * np.nan), "NaN or infinite"),
        (changed("high", lambda t: t.layers["high"] + np.inf), "NaN or infinite"),
        (changed("low", lambda t: t.layers["high"] + 1), "a low end above the high end"),
        (changed("low", lambda t: t.layers["high"]), "lie apart from the mean"),
        (changed("high", lambda t: t.layers["high"] - t.layers["low"]), "not distances"),
    ],
)
def test_what_is_no_interval_is_refused(table, evaluation, tmp_path, change, told):
    change(table)
    given = read_predictions(written(table, tmp_path / "a.h5ad"))
    with pytest.raises(DataError) as caught:
        Predictions.take(given, evaluation, "a")
    (problem,) = caught.value.problems
    # The one that is crossed may be said of some answers and the other of others.
    assert told in problem or "a low end above the high end" in problem
    assert "6 of 6 answers" in problem


def test_rows_of_one_answer_say_one_interval(table, evaluation, tmp_path):
    both = anndata.concat([table, table], merge="same", uns_merge="same", index_unique="-")
    cells = Predictions.take(read_predictions(written(both, tmp_path / "a.h5ad")), evaluation, "a")
    assert cells.about["cells"] == 12
    both.layers["low"][3] -= 1
    with pytest.raises(DataError, match=r"1 of 6 answers say other intervals in other rows"):
        Predictions.take(read_predictions(written(both, tmp_path / "b.h5ad")), evaluation, "b")


def test_intervals_of_counts_are_refused(table, evaluation, tmp_path):
    table.uns["units"] = "counts"
    for place in ("low", "high"):
        table.layers[place] = np.ones(table.shape)
    table.X = np.ones(table.shape)
    given = read_predictions(written(table, tmp_path / "a.h5ad"))
    with pytest.raises(UnitsError, match="intervals in counts, and means are scored in log1p_cp"):
        Predictions.take(given, evaluation, "a")


def test_one_end_is_no_interval(table, tmp_path):
    del table.layers["high"]
    with pytest.raises(SchemaError, match="the layer 'low' and no layer 'high'"):
        read_predictions(written(table, tmp_path / "a.h5ad"))


def test_ends_are_of_the_same_rows_and_units(table, tmp_path):
    given = read_predictions(written(table, tmp_path / "a.h5ad"))
    with pytest.raises(DataError, match="The high ends have 3 rows"):
        Forecast(given.cells, given.low, given.high.take(np.arange(3)))
    with pytest.raises(UnitsError, match="The low ends are in counts"):
        Forecast(given.cells, given.low.replace(units="counts"), given.high)


def test_another_end_or_level_makes_another_stamp(table, tmp_path):
    given = read_predictions(written(table, tmp_path / "a.h5ad"))
    wider = Forecast(given.cells, given.low, given.high.replace(values=given.high.dense() + 1))
    assert len({content_digest(each) for each in (cells_of(given), given, wider)}) == 3
    assert stamp_of(given) == f"{given.provenance['sha256']} {given.units} 0.9"
    assert isinstance(cells_of(given), Measurement)
    assert stamp_of(Forecast(given.cells, given.low, given.high, 0.8)) != stamp_of(given)
