import numpy as np
import pytest

from aivc.core.effects import effects
from aivc.instruments.manipulators.effect.likeness import Likeness, two_way
from aivc.instruments.manipulators.effect.rows import EffectRows
from tiny_effects import states


def families(perturbations=12, contexts=9, noise=0.3, seed=0):
    """Two families of perturbations and two of contexts: families interact, so both show in the residuals."""
    rng = np.random.default_rng(seed)
    main, offset = rng.normal(size=(2, 2, 20)) * 2
    both = rng.normal(size=(2, 2, 20)) * 2
    return {
        (f"C{c}", f"ko:G{p:02d}"): main[p % 2] + offset[c % 2] + both[c % 2, p % 2] + noise * rng.normal(size=20)
        for p in range(perturbations)
        for c in range(contexts)
    }


def test_families_of_perturbations_and_contexts_are_found_by_what_was_measured():
    found = Likeness.of(EffectRows.of(effects(states(families()))))
    for table in (found.effects, found.responses, found.offsets, found.residuals):
        place = np.arange(len(table)) % 2
        same = place[:, None] == place
        assert table[same].min() > 0.7
        assert table[~same].max() < -0.5
        np.testing.assert_allclose(np.diag(table), 1.0)


def test_a_likeness_is_a_covariance():
    rng = np.random.default_rng(0)
    shifts = {(f"C{c}", f"ko:G{p}"): rng.normal(size=8) for p in range(15) for c in range(10) if rng.random() < 0.6}
    found = Likeness.of(EffectRows.of(effects(states(shifts))))
    for table in (found.effects, found.responses, found.offsets, found.residuals):
        assert np.linalg.eigvalsh(table).min() > -1e-9


def test_main_effects_of_an_incomplete_table_are_those_it_was_made_of():
    rng = np.random.default_rng(0)
    away, offset = rng.normal(size=(10, 4)), 3 * rng.normal(size=(3, 4))
    away -= away.mean(axis=0)
    # Each context saw eight of ten, not the same.
    pairs = [(p, c) for c in range(3) for p in range(10) if (p + 3 * c) % 10 > 1]
    place, context = (np.array(each) for each in zip(*pairs, strict=True))
    found, means = two_way(away[place] + offset[context], place, context)
    np.testing.assert_allclose(found, away, atol=0.05)
    np.testing.assert_allclose(means, offset, atol=0.05)
    plain = np.array([(away[place] + offset[context])[context == c].mean(axis=0) for c in range(3)])
    assert np.abs(means - offset).max() < 0.5 * np.abs(plain - offset).max()


@pytest.mark.parametrize(("perturbations", "contexts"), [(1, 3), (3, 1), (1, 1)])
def test_of_one_perturbation_or_one_context_nothing_is_like_anything(perturbations, contexts):
    found = Likeness.of(EffectRows.of(effects(states(families(perturbations, contexts)))))
    assert np.isfinite(found.effects).all()
    if perturbations == 1:
        assert not found.effects.any()
    if contexts == 1:
        assert not found.offsets.any()
