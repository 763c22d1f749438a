"""What ten measurements in a new context would buy is known before they are made."""

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError
from aivc.core.measurement import Measurement
from aivc.core.worth import Worth
from aivc.experiments.fitting.few_shot import practised, worth
from aivc.experiments.fitting.fit import fit
from aivc.experiments.fitting.shared_fit import Recipe

RECIPE = Recipe(members=0, inner_folds=0)
LINES, TEXTS, FEATURES = 8, 30, 40


def effects_of(offset, lines=LINES, seed=0):
    """What perturbations do everywhere, beside what every line does to all of them, so much of it."""
    rng = np.random.default_rng(seed)
    keys = [(f"line {line}", f"ko:G{p:02d}") for line in range(lines) for p in range(TEXTS)]
    common_pf, own_cf = rng.normal(size=(TEXTS, FEATURES)), offset * rng.normal(size=(lines, FEATURES))
    values = np.repeat(own_cf, TEXTS, axis=0) + np.tile(common_pf, (lines, 1))
    values += 0.3 * rng.normal(size=values.shape)
    obs = pd.DataFrame(keys, columns=["context", "perturbation"], index=[" | ".join(key) for key in keys])
    features = np.array([f"X{i}" for i in range(FEATURES)], dtype=object)
    return Measurement(values, features, obs, "normal_score", modality="effect")


@pytest.fixture(scope="module")
def cell():
    return fit(effects_of(1.0), "effect.v2", parts=None, recipe=RECIPE)


@pytest.fixture(scope="module")
def found(cell):
    return worth(cell)


def test_ten_measurements_buy_what_a_line_does_to_all_perturbations_alike(found):
    # Of the squared error 1 / (1 + 0.3 ** 2) is the line's own mean, and ten rows tell it but for a tenth of the rest.
    assert found.share == pytest.approx(1 - 1.1 * 0.09 / 1.09, abs=0.06)
    assert (found.few, found.contexts, found.rows) == (10, LINES, LINES * (TEXTS - 10))


def test_where_lines_do_not_differ_nothing_is_bought():
    cell = fit(effects_of(0.0), "effect.v2", parts=None, recipe=RECIPE)
    assert abs(cell.card["worth"]["share"]) < 0.05


def test_more_measurements_buy_more(cell, found):
    shares = [*(worth(cell, few).share for few in (1, 3)), found.share]
    assert shares == sorted(shares)
    assert shares[2] - shares[0] > 0.05


def test_what_fitting_told_stands_on_the_card(cell, found):
    assert Worth(**cell.card["worth"]) == found


@pytest.mark.parametrize(("method", "lines"), [("mean-effect", LINES), ("effect.v2", 1)])
def test_what_cannot_be_practised_is_not_said(method, lines):
    cell = fit(effects_of(1.0, lines), method, recipe=RECIPE)
    assert practised(cell) is None
    assert "worth" not in cell.card
    with pytest.raises(DataError, match=r"two contexts or more with over 20 perturbations each.*ask for fewer"):
        worth(cell)


@pytest.mark.parametrize(("share", "said"), [(0.449, "would take away 45%"), (-0.02, "would buy nothing")])
def test_it_says_so_in_a_sentence(share, said):
    assert said in str(Worth(10, share, 20, 480))
