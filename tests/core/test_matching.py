"""Which controls are compared with what: column by column, where there are any."""

import numpy as np
import pandas as pd
import pytest

from aivc.core.effects import effects
from aivc.core.matching import at_hours, matched_columns, matched_weights, narrowed, strata
from aivc.core.perturbation import Perturbation
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR


def states(rows, columns, mass=None):
    """Rows are the values of the columns, then the state."""
    entities = pd.DataFrame(rows, columns=[*columns, "value"]).assign(context="A")
    values = entities.pop("value").to_numpy(float)[:, None]
    mass = np.ones(len(rows)) if mass is None else np.array(mass, dtype=float)
    return UR(values, Space("line", Scale.CELLULAR, 1, "abc"), entities, None, mass)


HOURS = ["perturbation", "batch", "matched:hours"]


def test_an_effect_is_measured_against_controls_of_its_hours():
    rows = [("control", "1", "24", 0.0), ("control", "1", "72", 10.0)]
    rows += [("drug:X for 24h", "1", "24", 1.0), ("drug:X for 72h", "1", "72", 11.5)]
    found = effects(states(rows, HOURS))
    assert dict(zip(found.perturbations, found.shifts[:, 0], strict=True)) == {
        "drug:X for 24h": 1.0,
        "drug:X for 72h": 1.5,
    }


def test_hours_matter_more_than_batch_and_neither_is_needed():
    rows = [("control", "1", "24", 0.0), ("control", "2", "72", 10.0), ("control", "3", "72", 20.0)]
    # Batch 1 has no control at 72 h: those of the other batches at 72 h are taken, by cells.
    other_batch = effects(states([*rows, ("drug:X for 72h", "1", "72", 16.0)], HOURS, [1, 3, 1, 1]))
    assert other_batch.shifts[0, 0] == pytest.approx(16.0 - 12.5)
    # Nobody has a control at 48 h: the batch is taken.
    other_hours = effects(states([*rows, ("drug:X for 48h", "3", "48", 21.0)], HOURS))
    assert other_hours.shifts[0, 0] == pytest.approx(1.0)


@pytest.mark.parametrize("name", ["matched:donor", "matched:vehicle"])
def test_any_column_that_begins_so_is_matched(name):
    rows = [("control", "P", 0.0), ("control", "Q", 8.0), ("ko:A", "Q", 9.0), ("ko:A", "R", 9.0)]
    # Half of its cells are compared with Q, and half, of which there is no control, with both.
    assert effects(states(rows, ["perturbation", name])).shifts[0, 0] == pytest.approx((1.0 + 5.0) / 2)


def test_without_such_columns_everything_is_one_stratum():
    entities = pd.DataFrame({"batch": ["1", "2"]})
    assert matched_columns(entities) == []
    [(key, rows)] = strata(entities, np.array([0, 1]))
    assert key == ()
    assert rows.tolist() == [0, 1]


def test_strata_and_weights_add_up():
    entities = pd.DataFrame({"matched:hours": ["24", "24", "72", "24", "72"]})
    mass = np.array([1.0, 3.0, 2.0, 3.0, 1.0])
    assert {key: rows.tolist() for key, rows in strata(entities, np.arange(5))} == {
        ("24",): [0, 1, 3],
        ("72",): [2, 4],
    }
    weights = matched_weights(entities, np.array([3, 4]), np.array([0, 1, 2]), mass)
    np.testing.assert_allclose(weights, [0.75 * 0.25, 0.75 * 0.75, 0.25])


def test_narrowing_never_leaves_nothing():
    columns = [np.array(["a", "b"]), np.array(["1", "2"])]
    assert narrowed(columns, ["c", "3"], np.arange(2)).tolist() == [0, 1]
    assert narrowed(columns, ["a", "2"], np.arange(2)).tolist() == [0]


def test_a_question_starts_at_controls_of_its_hours():
    start = states([("control", "24", 0.0), ("control", "72", 1.0)], ["perturbation", "matched:hours"])
    assert at_hours(start, Perturbation.parse("drug:X for 72h")).values.tolist() == [[1.0]]
    for text in ("drug:X", "drug:X for 48h"):
        assert at_hours(start, Perturbation.parse(text)) is start
    plain = states([("control", 0.0)], ["perturbation"])
    assert at_hours(plain, Perturbation.parse("drug:X for 72h")) is plain
