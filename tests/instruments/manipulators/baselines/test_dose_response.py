"""A drawn dose–response is found again between, below and above the doses that were tried."""

import numpy as np
import pandas as pd
import pytest

from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Applicability
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.instruments.manipulators.baselines.dose_response import DoseResponse, expected

DOSES = (0.1, 0.3, 1.0, 3.0, 10.0)


def drawn(growth=0.4, noise=0.02, seed=0, dim=40):
    draw = np.random.default_rng(seed)
    values, labels = [np.zeros((3, dim))], ["control"] * 3
    truth = {}
    for compound in "ABCDEFGH":
        direction = draw.normal(size=dim)
        for dose in DOSES:
            truth[compound, dose] = direction * np.exp(growth * np.log(dose))
            values.append(truth[compound, dose][None] + draw.normal(0, noise, (1, dim)))
            labels.append(f"drug:{compound}@{dose:g}uM")
    entities = pd.DataFrame({"perturbation": labels, "context": "X"}, index=[f"r{i}" for i in range(len(labels))])
    return UR(np.concatenate(values), Space("s", Scale.CELLULAR, dim, "f"), entities), truth


def without(ur, compound, dose):
    return ur.take(np.flatnonzero(ur.perturbations != f"drug:{compound}@{dose:g}uM"))


@pytest.mark.parametrize(("dose", "most"), [(0.1, 0.3), (1.0, 0.3), (10.0, 0.45)])
def test_a_hidden_dose_is_nearer_than_the_mean_of_the_others(dose, most):
    ur, truth = drawn()
    hidden = without(ur, "C", dose)
    fitted = DoseResponse.fit(hidden)
    control = ur.take(np.arange(3))
    answer = fitted.manipulate(control, Perturbation.parse(f"drug:C@{dose:g}uM"))
    others = np.mean([truth["C", d] for d in DOSES if d != dose], axis=0)
    error = np.linalg.norm(answer.mean - truth["C", dose]) / np.linalg.norm(truth["C", dose])
    assert error < most
    assert error < 0.7 * np.linalg.norm(others - truth["C", dose]) / np.linalg.norm(truth["C", dose])
    assert answer.applicability is Applicability.EDGE


def test_units_of_one_quantity_are_one_series_and_the_rest_is_looked_up():
    ur, _ = drawn()
    fitted, control = DoseResponse.fit(ur), ur.take(np.arange(3))
    nano, micro = (fitted.manipulate(control, Perturbation.parse(f"drug:A@{text}")) for text in ("2000nM", "2uM"))
    np.testing.assert_allclose(nano.mean, micro.mean)
    assert fitted.manipulate(control, Perturbation.parse("drug:A@1uM")).applicability is Applicability.IN
    assert fitted.manipulate(control, Perturbation.parse("drug:Z@1uM")).applicability is Applicability.OUT
    assert fitted.likeness[2] >= 0.2


def test_an_effect_that_does_not_grow_is_not_said_to():
    ur, _ = drawn(growth=0.0)
    assert DoseResponse.fit(ur).likeness[2] == 0.0


def test_far_below_all_doses_the_effect_is_small():
    doses, effects = np.log([1.0, 3.0]), np.array([[1.0, 0.0], [1.5, 0.0]])
    near, far = (np.abs(expected(doses, effects, np.log(at), (1.0, 0.0, 0.2, 0.05))).max() for at in (0.7, 1e-3))
    assert far < 0.05 < near
