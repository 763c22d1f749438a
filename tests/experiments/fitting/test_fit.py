import dataclasses
import json

import numpy as np
import pytest

from aivc.core.effects import effects
from aivc.core.errors import ControlError, UnknownNameError
from aivc.core.measurement import CONTROL
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import GUARANTEED, NOT_GUARANTEED
from aivc.core.registry import MANIPULATORS
from aivc.core.virtual_cell import VirtualCell
from aivc.data.synthetic import synthetic_screen
from aivc.experiments.fitting.fit import _SHUFFLES, assemble, fit
from aivc.experiments.fitting.shared_fit import Recipe, shared_fit
from aivc.experiments.fitting.summary import summarize
from aivc.experiments.predict import predict

QUICK = Recipe(dim=5, members=3, inner_folds=3)


@pytest.fixture(scope="module")
def screen():
    return synthetic_screen(perturbations=12, features=40, cells=20, controls=80, contexts=2)


@pytest.fixture(scope="module")
def cell(screen):
    return fit(screen[0], parts=screen[1].priors, recipe=QUICK)


# The default, one that keeps single cells, and a simple one; what each manipulator saves is checked with its promises.
TELLING = ("effect.v2", "set.v1", "transfer")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in TELLING else pytest.mark.slow)
        for name in MANIPULATORS.names()
        if not MANIPULATORS.load(name).needs_times
    ],
)
def test_a_saved_cell_answers_as_before(screen, name, tmp_path):
    cells, truth = screen
    recipe = Recipe(dim=4, members=2, inner_folds=2)
    before = fit(cells, name, parts=truth.priors, recipe=recipe)
    before.save(tmp_path / "cell")
    after = VirtualCell.load(tmp_path / "cell")
    for text in ("ko:G0003", "ko:G0030", "ko:G0001 + ko:G0002", CONTROL):
        ours, theirs = (each.predict("line1", text) for each in (before, after))
        np.testing.assert_array_equal(ours.profiles, theirs.profiles)
        np.testing.assert_array_equal(ours.draws[0].dense(), theirs.draws[0].dense())
        np.testing.assert_array_equal(ours.interval(0.9), theirs.interval(0.9))
        assert ours.applicability == theirs.applicability
    assert json.loads(json.dumps(dict(after.card))) == json.loads(json.dumps(dict(before.card)))


def test_the_card_says_what_it_was_made_from(cell, screen):
    assert cell.card["manipulator"] == "effect.v2"
    assert cell.card["cells"] == len(screen[0])
    assert cell.card["perturbations"] == sorted(screen[1].perturbations)
    assert cell.card["data"]["dataset"] == "synthetic"
    assert set(cell.starts) == set(cell.contexts) == {"line1", "line2"}


def test_the_seed_decides_everything(screen):
    cells, truth = screen
    answers = [
        fit(cells, parts=truth.priors, recipe=Recipe(dim=4, members=2, inner_folds=0, seed=seed)).predict(
            "line1", "ko:G0030"
        )
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(answers[0].profiles, answers[1].profiles)
    assert not np.array_equal(answers[0].profiles, answers[2].profiles)


def test_settings_reach_the_manipulator(screen):
    cells, truth = screen
    one = fit(cells, "nearest", parts=truth.priors, recipe=QUICK, settings={"neighbors": 1})
    assert one.instruments["nearest"].center.neighbors == 1


def test_answers_are_calibrated_and_lie_inside_their_interval(cell, screen):
    said = predict(cell, cell.start("line1"), Perturbation.parse("ko:G0030"))
    assert said.calibration is not None
    low, high = said.effect_interval(0.9)
    assert (low < said.effect).all()
    assert (said.effect < high).all()
    assert said.mean.min() >= 0


def test_cells_and_their_means_get_the_same_intervals(cell):
    asked = Perturbation.parse("ko:G0030")
    said, mean = predict(cell, cell.start("line1"), asked), cell.predict("line1", asked)
    np.testing.assert_allclose(mean.interval(0.9), said.interval(0.9), atol=1e-9)
    assert mean.coverage == said.coverage


def test_a_context_where_nothing_was_held_out_is_promised_nothing(screen):
    cells, truth = screen
    one = cells.take((cells.contexts == "line1") | (cells.perturbations == CONTROL))
    for unseen in ("perturbation", "context"):
        cell = fit(one, "nearest", parts=truth.priors, recipe=dataclasses.replace(QUICK, unseen=unseen))
        stated = [cell.predict(context, "ko:G0030").coverage for context in ("line1", "line2")]
        assert stated == [GUARANTEED, NOT_GUARANTEED]
    cell = fit(cells, "nearest", parts=truth.priors, recipe=dataclasses.replace(QUICK, unseen="context"))
    assert cell.instruments["linear-expression"].contexts == ()


def test_one_perturbation_is_fitted_without_calibration():
    cells, _ = synthetic_screen(perturbations=1, features=20, cells=20, controls=30)
    cell = fit(cells, "mean-effect", recipe=QUICK)
    said = cell.predict("line1", "ko:G0001")
    assert said.calibration is None
    assert len(said.draws) == 1


def test_two_perturbations_are_enough_to_calibrate():
    cells, _ = synthetic_screen(perturbations=2, features=20, cells=20, controls=30)
    assert fit(cells, "mean-effect", recipe=QUICK).predict("line1", "ko:G0009").calibration is not None


def test_screens_without_control_or_with_nothing_else_are_refused(screen):
    cells = screen[0]
    with pytest.raises(ControlError, match=r"got 0 controls.*Declare the control label"):
        fit(cells.take(cells.perturbations != CONTROL), "mean-effect")
    with pytest.raises(ControlError, match="Declare the control label"):
        fit(cells.take(cells.perturbations == CONTROL), "mean-effect")
    with pytest.raises(ControlError, match="line2"):
        fit(cells.take((cells.contexts == "line1") | (cells.perturbations != CONTROL)), "mean-effect", recipe=QUICK)


def test_unknown_parts_are_refused(screen):
    with pytest.raises(UnknownNameError, match="nearest"):
        fit(screen[0], "nearst", recipe=QUICK)
    with pytest.raises(UnknownNameError, match="count-pca"):
        fit(screen[0], "mean-effect", recipe=Recipe(encoder="count-pc"))


def test_labels_are_shuffled_whole_for_the_negative_control(screen):
    cells, truth = screen
    ground = shared_fit(summarize(cells), Recipe(dim=5, members=0, inner_folds=0))
    start = ground.start("line1")
    plain, mixed = (
        assemble(ground, "transfer", shuffled=shuffled).manipulate(start, Perturbation.parse("ko:G0001")).mean
        for shuffled in (None, "perturbation")
    )
    others = [
        assemble(ground, "transfer").manipulate(start, Perturbation.parse(text)).mean for text in truth.perturbations
    ]
    assert not np.allclose(plain, mixed)
    assert any(np.allclose(mixed, other) for other in others)


def test_effect_tables_are_fitted_too():
    cells, truth = synthetic_screen(perturbations=10, features=30, cells=2, controls=4)
    names = [f"r{i}" for i in range(10)]
    rows = cells.entities.iloc[:10].assign(perturbation=truth.perturbations).set_axis(names, axis=0)
    table = cells.replace(
        values=truth.effects, entities=rows[["perturbation", "context"]], units="zscore", modality="effect"
    )
    cell = fit(table, "transfer", recipe=Recipe(dim=9, members=2, inner_folds=2))
    said = cell.predict("line1", "ko:G0004")
    free = truth.effects[3] != -2.0  # its own reading is the intervention, not a response
    assert np.corrcoef(said.mean[free], truth.effects[3][free])[0, 1] > 0.9
    assert said.profile_units == "zscore"


@pytest.mark.parametrize("shuffled", ["perturbation", "context"])
def test_single_cells_are_shuffled_with_their_means(screen, shuffled):
    ground = shared_fit(summarize(screen[0]), Recipe(dim=4, members=0, inner_folds=0))
    shuffle = _SHUFFLES[shuffled](ground.states, 0)
    cells, states = shuffle(ground.population), shuffle(ground.states)
    measured, stated = effects(cells), effects(states)
    assert (measured.perturbations == stated.perturbations).all()
    assert (measured.contexts == stated.contexts).all()
    # Batches weigh a little otherwise among cells, and nothing else differs.
    np.testing.assert_allclose(measured.shifts, stated.shifts, atol=0.05 * np.abs(stated.shifts).max())
    changed = cells.entities[shuffled] != ground.population.entities[shuffled]
    assert 0.3 < changed[cells.perturbations != CONTROL].mean() <= 1
    assert not changed[cells.perturbations == CONTROL].any()


def test_calibration_asks_for_means_and_takes_no_steps(screen, monkeypatch):
    asked = []
    part = MANIPULATORS.load("flow.v1")
    real = part.fit.__func__

    def fit_noted(cls, ur, *, steps=None, cells, **given):
        asked.append((steps, len(cells)))
        return real(cls, ur, steps=steps, cells=cells, **given)

    monkeypatch.setattr(part, "fit", classmethod(fit_noted))
    cells, truth = screen
    ground = shared_fit(summarize(cells), Recipe(dim=4, members=4, inner_folds=2))
    assemble(ground, "flow.v1", parts=truth.priors, settings={"steps": 1})
    assert [steps for steps, _ in asked] == [1, 0, 0]
    assert asked[0][1] == len(cells) > max(count for _, count in asked[1:])


def test_a_feature_that_was_measured_nowhere_takes_no_interval_from_the_others():
    cells, _ = synthetic_screen(perturbations=12, features=30, cells=15, controls=60)
    seen = np.ones(30, dtype=bool)
    seen[4] = False
    made = fit(cells.replace(observed=seen), "mean-effect", recipe=Recipe(encoder="ppca", dim=5, inner_folds=3))
    answer = made.predict("line1", "ko:NEVER")
    low, high = answer.interval()
    assert np.isfinite(low[seen]).all()
    assert np.isfinite(high[seen]).all()
    nowhere = answer.replace(base=np.where(seen, answer.base, np.nan))
    assert nowhere.coverage == "not guaranteed"
