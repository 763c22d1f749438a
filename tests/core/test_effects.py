import numpy as np
import pandas as pd
import pytest

from aivc.core.effects import Effects, effects
from aivc.core.errors import ControlError
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR


def make(rows, mass=None, variance=None):
    """Rows are (context, batch, perturbation, value)."""
    entities = pd.DataFrame(rows, columns=["context", "batch", "perturbation", "value"])
    values = entities.pop("value").to_numpy(float)[:, None]
    mass = np.ones(len(rows)) if mass is None else np.array(mass, dtype=float)
    variance = None if variance is None else np.array(variance, dtype=float)[:, None]
    return UR(values, Space("line", Scale.CELLULAR, 1, "abc"), entities, variance, mass)


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


INF = np.inf


def test_without_variance_everything_is_measured_and_nothing_is_noisy(states):
    found = effects(states)
    assert found.complete
    assert found.measured.shape == found.noise.shape == found.shared.shape == found.shifts.shape
    assert found.measured.all()
    assert not found.noise.any()
    assert not found.shared.any()
    assert found.take(found.contexts == "B").measured.shape == found.take(found.contexts == "B").shifts.shape


def test_what_was_not_measured_takes_no_part():
    rows = [("A", "1", "control", 0.0), ("A", "1", "ko:X", 4.0), ("A", "2", "ko:X", 0.0), ("A", "1", "ko:Y", 0.0)]
    found = effects(make(rows, mass=[1, 1, 9, 1], variance=[0, 0, INF, INF]))
    assert not found.complete
    assert found.shifts[:, 0].tolist() == [4.0, 0.0]
    assert found.measured[:, 0].tolist() == [True, False]
    assert found.cells.tolist() == [10, 1]
    assert np.isfinite(found.noise).all()


def test_by_perturbation_averages_the_contexts_that_measured():
    rows = [("A", "1", "control", 0.0), ("A", "1", "ko:X", 4.0), ("A", "1", "ko:Y", 0.0)]
    rows += [("B", "1", "control", 0.0), ("B", "1", "ko:X", 0.0), ("B", "1", "ko:Y", 0.0)]
    pooled = effects(make(rows, variance=[0, 0, INF, 0, INF, INF])).by_perturbation()
    assert pooled.shifts[:, 0].tolist() == [4.0, 0.0]
    assert pooled.measured[:, 0].tolist() == [True, False]


def test_noise_is_the_variance_of_the_weighted_mean():
    rng = np.random.default_rng(0)
    rows = [("A", str(b), text, 0.0) for b in range(3) for text in ("control", "ko:X")]
    mass, variance = rng.integers(1, 9, 6).astype(float), rng.random(6)
    found = effects(make(rows, mass, variance))
    share = mass[1::2] / mass[1::2].sum()
    # Each batch is compared with its own control, weighted as the perturbed cells are.
    assert found.noise[0, 0] == pytest.approx(share**2 @ variance[1::2])
    assert found.shared[0, 0] == pytest.approx(share**2 @ variance[::2])


def test_a_control_behind_several_batches_is_counted_once():
    rows = [("A", "1", "control", 0.0), ("A", "2", "ko:X", 1.0), ("A", "3", "ko:X", 1.0)]
    found = effects(make(rows, variance=[0.3, 0.1, 0.1]))
    assert found.shared[0, 0] == pytest.approx(0.3)
    assert found.noise[0, 0] == pytest.approx(0.05)


@pytest.mark.slow
def test_noise_is_that_of_repeated_draws():
    rng, rows = np.random.default_rng(1), []
    for context in "AB":
        rows += [(context, batch, text, 0.0) for batch in "12" for text in ("control", "ko:X")]
    mass, variance = rng.integers(1, 9, 8).astype(float), 0.1 + rng.random(8)
    made = make(rows, mass, variance)
    drawn = [
        effects(UR(rng.normal(size=(8, 1)) * np.sqrt(variance)[:, None], made.space, made.entities, mass=mass))
        for _ in range(4000)
    ]
    answer = effects(made)
    np.testing.assert_allclose(
        np.var([each.shifts[:, 0] for each in drawn], axis=0), (answer.noise + answer.shared)[:, 0], rtol=0.1
    )
    pooled = answer.by_perturbation()
    np.testing.assert_allclose(
        np.var([each.by_perturbation().shifts[:, 0] for each in drawn], axis=0),
        (pooled.noise + pooled.shared)[:, 0],
        rtol=0.1,
    )


def some(shifts, measured, contexts):
    texts = np.array([f"ko:{i}" for i in range(len(shifts))], dtype=object)
    names = np.array(contexts, dtype=object)
    return Effects(np.array(shifts), texts, names, np.ones(len(shifts)), np.array(measured))


def test_the_mean_effect_stands_in_where_nothing_was_measured():
    seen = some(
        [[1.0, 0.0, 0.0], [3.0, 5.0, 0.0], [8.0, 0.0, 0.0]],
        [[True, False, False], [True, True, False], [True, False, False]],
        ["A", "A", "B"],
    )
    contexts, mean, default = seen.mean_effects()
    assert contexts == ("A", "B")
    assert mean.tolist() == [[2.0, 5.0, 0.0], [8.0, 5.0, 0.0]]
    assert default.tolist() == [5.0, 5.0, 0.0]
    assert seen.filled().tolist() == [[1.0, 5.0, 0.0], [3.0, 5.0, 0.0], [8.0, 5.0, 0.0]]


def test_grouped_rows_weigh_by_cells():
    seen = some([[1.0], [4.0], [7.0]], [[True], [True], [False]], ["A", "A", "A"])
    seen = Effects(seen.shifts, seen.perturbations, seen.contexts, np.array([2.0, 1.0, 5.0]), seen.measured)
    found = seen.grouped(np.array([0, 0, 1]), 2)
    assert found.shifts[:, 0].tolist() == [2.0, 0.0]
    assert found.measured[:, 0].tolist() == [True, False]
    assert found.cells.tolist() == [3.0, 5.0]
    assert list(found.perturbations) == ["ko:0", "ko:2"]


def test_an_effect_that_was_not_measured_is_zero_whatever_the_control_was():
    rows = [("A", "1", "control", 7.0), ("A", "1", "ko:X", 9.0), ("A", "1", "ko:Y", 0.0)]
    found = effects(make(rows, variance=[0, 0, INF]))
    assert found.shifts[:, 0].tolist() == [2.0, 0.0]
    assert found.measured[:, 0].tolist() == [True, False]
