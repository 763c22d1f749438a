import numpy as np

from aivc.core.effects import Effects, effects
from aivc.instruments.manipulators.effect.rows import EffectRows
from tiny_effects import states


def test_one_dose_in_two_units_is_one_row_and_no_dose_is_none():
    shifts = {("A", "drug:X@1uM"): np.ones(3), ("A", "drug:X@1000nM"): 3 * np.ones(3), ("A", "drug:X@0uM"): np.ones(3)}
    shifts |= {("B", "drug:X@1uM"): np.zeros(3), ("A", "drug:X@1uM for 0h"): np.ones(3)}
    rows = EffectRows.of(effects(states(shifts)))
    assert list(zip(rows.texts, rows.contexts, strict=True)) == [("drug:X@1uM", "A"), ("drug:X@1uM", "B")]
    np.testing.assert_allclose(rows.shifts, [[2.0] * 3, [0.0] * 3])


def test_what_was_not_measured_is_the_mean_effect_and_what_the_perturbation_did_in_others():
    shifts = np.array([[1.0, 1.0], [3.0, 5.0], [2.0, 0.0], [4.0, 0.0]])
    measured = np.array([[True, True], [True, True], [True, True], [True, False]])
    texts, contexts = np.array(["ko:P", "ko:Q"] * 2, dtype=object), np.array(["A", "A", "B", "B"], dtype=object)
    rows = EffectRows.of(Effects(shifts, texts, contexts, np.ones(4), measured))
    np.testing.assert_array_equal(rows.gaps, ~measured)
    np.testing.assert_array_equal(rows.take(np.array([3])).gaps, ~measured[3:])
    np.testing.assert_array_equal(rows.shifts[measured], shifts[measured])
    # In A the mean effect of the second feature is 3, and Q lies above it; in B it is 0.
    assert 0 < rows.shifts[3, 1] <= 2


def test_noise_of_rows_and_of_shared_controls_is_kept_apart():
    rows = EffectRows.of(
        effects(states({(c, f"ko:G{i}"): np.ones(3) for i in range(4) for c in "AB"}, variance=(0.2, 0.1)))
    )
    assert rows.known_noise
    np.testing.assert_allclose(rows.noise, 0.2)
    np.testing.assert_allclose(rows.shared, 0.1)
    some = rows.take(np.array([5, 1]))
    assert (list(some.texts), list(some.contexts)) == ([rows.texts[5], rows.texts[1]], [rows.contexts[5], "A"])
    assert not EffectRows.of(effects(states({("A", "ko:G"): np.ones(3)}))).known_noise
