"""One share of a deviation carries over: is it found, and does what was not measured stay out of it?"""

import numpy as np
import pytest

from aivc.core.prediction import Applicability
from aivc.instruments.manipulators.baselines.mean_effect import MeanEffect
from aivc.instruments.manipulators.baselines.scaled_transfer import ScaledTransfer
from aivc.instruments.manipulators.baselines.transfer import Transfer
from tiny_tables import predicted, table

TEXTS = [f"ko:G{i}" for i in range(40)]


def screen(share, *, noise=0.0, contexts=3, seed=0, missing=0.0):
    """Effect = mean of the context + deviation; in the last context ``share`` of it, and something of its own."""
    rng, dim = np.random.default_rng(seed), 60
    means, own = rng.normal(0, 2, (contexts, dim)), rng.normal(size=(len(TEXTS), dim))
    found = {}
    for c in range(contexts):
        for i, text in enumerate(TEXTS):
            effect = means[c] + np.sqrt(share) * own[i] + np.sqrt(1 - share) * rng.normal(size=dim)
            effect = effect + rng.normal(0, noise, dim) if noise else effect
            found[f"line{c}", text] = np.where(rng.random(dim) < missing, np.nan, effect)
    return found


@pytest.mark.parametrize("share", [0.2, 0.6, 1.0])
def test_the_share_is_found(share):
    part = ScaledTransfer.fit(table(screen(share, contexts=2)))
    # Of two contexts whose deviations correlate by that much, one says that share of the other.
    assert part.share == pytest.approx(share, abs=0.08)


def test_effects_that_carry_over_wholly_are_predicted_exactly():
    found = screen(1.0)
    asked = [("line2", text) for text in TEXTS[:10]]
    ur = table({key: effect for key, effect in found.items() if key not in asked})
    part = ScaledTransfer.fit(ur)
    for context, text in asked:
        shift_d, answer = predicted(part, ur, text, context)
        assert answer is Applicability.IN
        assert np.corrcoef(shift_d, found[context, text])[0, 1] > 0.97


def test_it_beats_its_rivals_where_contexts_differ_in_their_mean():
    found = screen(0.3, seed=2)
    asked = [("line2", text) for text in TEXTS[:15]]
    ur = table({key: effect for key, effect in found.items() if key not in asked})
    error = {
        part.name: np.mean([(predicted(part.fit(ur), ur, t, c)[0] - found[c, t]) ** 2 for c, t in asked])
        for part in (ScaledTransfer, Transfer, MeanEffect)
    }
    assert error["scaled-transfer"] < 0.97 * min(error["transfer"], error["mean-effect"])


def test_what_was_not_measured_takes_no_part():
    found = screen(1.0, missing=0.3, seed=1)
    asked = [("line2", text) for text in TEXTS[:10]]
    ur = table({key: effect for key, effect in found.items() if key not in asked})
    part = ScaledTransfer.fit(ur)
    whole = ScaledTransfer.fit(table({k: v for k, v in screen(1.0, seed=1).items() if k not in asked}))
    assert part.share == pytest.approx(whole.share, abs=0.05)
    other_contexts = np.isfinite([[found[f"line{c}", text] for c in (0, 1)] for _, text in asked]).any(axis=1)
    for known, (context, text) in zip(other_contexts, asked, strict=True):
        shift_d, _ = predicted(part, ur, text, context)
        mean_d, _ = predicted(part, ur, "ko:NOBODY", context)
        np.testing.assert_allclose(shift_d[~known], mean_d[~known])
        truth = found[context, text]
        use = known & np.isfinite(truth)
        assert np.corrcoef((shift_d - mean_d)[use], (truth - mean_d)[use])[0, 1] > 0.85


def test_shuffled_perturbations_carry_nothing_over():
    rng, found = np.random.default_rng(0), screen(0.8, contexts=2)
    swapped = dict(zip(TEXTS, rng.permutation(TEXTS), strict=True))
    shuffled = {(c, swapped[t] if c == "line1" else t): effect for (c, t), effect in found.items()}
    assert ScaledTransfer.fit(table(shuffled)).share < 0.1


def test_an_unknown_perturbation_or_context_gets_the_mean_effect():
    ur = table(screen(0.5))
    part = ScaledTransfer.fit(ur)
    shift_d, answer = predicted(part, ur, "ko:NOBODY", "line1")
    assert answer is Applicability.OUT
    np.testing.assert_allclose(shift_d, part.means[1])
    np.testing.assert_allclose(predicted(part, ur, "ko:NOBODY", "new")[0], part.default)


def test_without_a_second_context_the_whole_deviation_is_kept():
    ur = table({key: effect for key, effect in screen(0.5).items() if key[0] == "line0"})
    part = ScaledTransfer.fit(ur)
    assert part.share == 1.0
    np.testing.assert_allclose(predicted(part, ur, TEXTS[3], "line7")[0], ur.values[1 + 3], atol=1e-9)
