import numpy as np
import pandas as pd
import pytest

from aivc.core.measurement import CONTROL, Measurement
from aivc.data.synthetic import synthetic_screen
from aivc.experiments.fitting.control_noise import following, with_other_controls
from aivc.experiments.fitting.fit import fit
from aivc.experiments.fitting.shared_fit import Recipe, shared_fit
from aivc.experiments.fitting.summary import summarize

RECIPE = Recipe(dim=5, members=0, inner_folds=3)


@pytest.fixture(scope="module")
def screen():
    return synthetic_screen(perturbations=12, features=40, cells=20, controls=60, contexts=2)[0]


def test_only_the_mean_controls_are_moved_by_as_much_as_their_noise(screen):
    ground = shared_fit(summarize(screen), RECIPE)
    moved, noise = with_other_controls(ground)
    change = moved.states.values - ground.states.values
    control = ground.states.perturbations == CONTROL
    assert not change[~control].any()
    for context, draw in noise.items():
        here = control & (ground.states.contexts == context)
        np.testing.assert_allclose(change[here], np.tile(draw, (here.sum(), 1)))
        cells = ground.encoder.encode(screen.take((screen.perturbations == CONTROL) & (screen.contexts == context)))
        size = np.sqrt(cells.values.var(axis=0, ddof=1) / len(cells))
        assert np.sqrt(np.mean((draw / size) ** 2)) == pytest.approx(1, abs=0.6)
    assert set(noise) == {"line1", "line2"}


@pytest.mark.parametrize(
    ("method", "wanted"),
    [("mean-effect", 1.0), ("no-change", 0.0), pytest.param("additive", 1.0, marks=pytest.mark.slow)],
)
def test_what_methods_take_over_is_found(screen, method, wanted):
    decoder = fit(screen, method, recipe=RECIPE).instruments["linear-expression"]
    assert decoder.calibration.follows == pytest.approx(wanted, abs=0.05)
    assert decoder.calibration.controls == pytest.approx(60)


def test_a_context_asked_about_without_its_rows_takes_nothing_over(screen):
    cell = fit(screen, "mean-effect", recipe=Recipe(dim=5, members=0, inner_folds=3, unseen="context"))
    assert cell.instruments["linear-expression"].calibration.follows == pytest.approx(0.0, abs=0.1)


def test_the_zero_control_of_a_table_has_no_noise():
    rng = np.random.default_rng(0)
    obs = pd.DataFrame({"perturbation": [f"ko:G{i}" for i in range(12)], "context": "A"}, index=map(str, range(12)))
    features = np.array([f"X{i}" for i in range(5)], dtype=object)
    made = Measurement(rng.normal(size=(12, 5)), features, obs, "normal_score", modality="effect")
    ground = shared_fit(summarize(made), RECIPE)
    assert with_other_controls(ground)[1] == {}
    cell = fit(made, "mean-effect", recipe=RECIPE)
    method, decoder = cell.instruments["mean-effect"], cell.instruments["linear-expression"]
    assert following(ground, (("A", "ko:G1"),), {}, method, method) == 0.0
    assert not decoder.variance.any()
