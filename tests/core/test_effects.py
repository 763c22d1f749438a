import numpy as np
import pandas as pd
import pytest

from aivc.core.effects import effects
from aivc.core.errors import ControlError
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR


def make(rows, mass=None):
    """Rows are (context, batch, perturbation, value)."""
    entities = pd.DataFrame(rows, columns=["context", "batch", "perturbation", "value"])
    values = entities.pop("value").to_numpy(float)[:, None]
    mass = np.ones(len(rows)) if mass is None else np.array(mass, dtype=float)
    return UR(values, Space("line", Scale.CELLULAR, 1, "abc"), entities, mass=mass)


def test_effect_is_measured_within_context_and_batch():
    found = effects(
        make(
            [
                ("A", "1", "control", 0.0),
                ("A", "2", "control", 100.0),
                ("A", "1", "ko:X", 1.0),
                ("A", "2", "ko:X", 101.0),
                ("B", "1", "control", 50.0),
                ("B", "1", "ko:X", 53.0),
            ]
        )
    )
    assert list(zip(found.contexts, found.perturbations, strict=True)) == [("A", "ko:X"), ("B", "ko:X")]
    np.testing.assert_allclose(found.shifts[:, 0], [1.0, 3.0])
    np.testing.assert_array_equal(found.cells, [2.0, 1.0])


def test_batch_without_control_uses_that_of_the_context():
    rows = [("A", "1", "control", 0.0), ("A", "2", "control", 10.0), ("A", "3", "ko:X", 9.0)]
    assert effects(make(rows, mass=[3, 1, 1])).shifts[0, 0] == pytest.approx(9.0 - 2.5)


def test_rows_weigh_by_the_cells_they_stand_for():
    rows = [("A", "1", "control", 0.0), ("A", "1", "ko:X", 1.0), ("A", "1", "ko:X", 4.0)]
    found = effects(make(rows, mass=[5, 2, 1]))
    assert found.shifts[0, 0] == pytest.approx(2.0)
    assert found.cells[0] == 3


def test_effects_average_over_contexts_by_cells():
    rows = [("A", "1", "control", 0.0), ("A", "1", "ko:X", 1.0), ("B", "1", "control", 0.0), ("B", "1", "ko:X", 4.0)]
    pooled = effects(make(rows, mass=[1, 2, 1, 1])).by_perturbation()
    assert len(pooled) == 1
    assert pooled.shifts[0, 0] == pytest.approx(2.0)
    assert pooled.cells[0] == 3
    assert pooled.contexts[0] == "all"


def test_order_of_rows_does_not_matter(states):
    order = np.random.default_rng(0).permutation(len(states))
    ours, theirs = effects(states), effects(states.take(order))
    assert list(ours.perturbations) == list(theirs.perturbations)
    np.testing.assert_allclose(ours.shifts, theirs.shifts)


def test_take_keeps_rows_aligned(states):
    found = effects(states)
    part = found.take(found.contexts == "B")
    assert set(part.contexts) == {"B"}
    assert len(part) == len(part.shifts) == len(part.cells) == len(found) // 2


def test_only_controls_have_no_effects():
    found = effects(make([("A", "1", "control", 0.0)]))
    assert found.shifts.shape == (0, 1)
    assert len(found.by_perturbation()) == 0


def test_context_without_control_is_refused():
    with pytest.raises(ControlError, match=r"'B' has no control cells.*Declare which label is the control"):
        effects(make([("A", "1", "control", 0.0), ("B", "1", "ko:X", 1.0)]))
