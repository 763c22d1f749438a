"""Discrimination relative to the mean effect: by hand, against a plain loop, and with entries that are missing."""

import numpy as np
import pandas as pd
import pytest

from aivc.core.registry import METRICS
from aivc.evaluation.metrics.retrieval import masked_cosine
from aivc.evaluation.scores.adversaries import constant, double_log, shuffled, tiled_mean, twisted_control
from tiny_panels import panel

RELATIVE, RETRIEVAL = METRICS.load("pds-relative"), METRICS.load("pds-retrieval")
MEAN = np.array([4.0, -3.0, 2.0, 1.0, 0.0])


def shared(count, seed=0):
    """Effects that are mostly the same: a large mean, and something of their own."""
    return MEAN + np.random.default_rng(seed).normal(0, 0.5, (count, len(MEAN)))


def plain_loop(said, truth, reference, usable):
    """The formula, pair by pair."""

    def cosine(i, j):
        both = usable[i] & usable[j]
        x, y = (said[i] - reference[i])[both], (truth[j] - reference[j])[both]
        size = np.linalg.norm(x) * np.linalg.norm(y)
        return x @ y / size if size else 0.0

    n = len(said)
    rows = [[cosine(i, j) for j in range(n)] for i in range(n)]
    better = [sum(row[j] > row[i] + 1e-9 for j in range(n)) for i, row in enumerate(rows)]
    tied = [sum(abs(row[j] - row[i]) <= 1e-9 for j in range(n) if j != i) for i, row in enumerate(rows)]
    return [1 - (b + t / 2) / (n - 1) for b, t in zip(better, tied, strict=True)]


def test_the_shared_effect_tells_nothing():
    truth, reference = shared(9), np.tile(MEAN, (9, 1))
    asked = panel(reference, truth, perturbed_mean=reference)
    assert RELATIVE.compute(asked).tolist() == [0.5] * 9
    rounded = reference + np.random.default_rng(1).normal(0, 1e-8, reference.shape)
    assert RELATIVE.compute(panel(rounded, truth, perturbed_mean=reference)).tolist() == [0.5] * 9
    assert RELATIVE.compute(panel(truth, truth, perturbed_mean=reference)).tolist() == [1.0] * 9


@pytest.mark.parametrize("share", [-1.0, 0.0, 0.5, 3.0])
def test_more_or_less_of_the_shared_effect_is_chance(share):
    reference = np.tile(MEAN, (9, 1))
    found = RELATIVE.compute(panel(share * reference, shared(9), perturbed_mean=reference))
    assert found.mean() == pytest.approx(0.5)


def test_retrieval_is_asked_of_the_profile_meant_for_it():
    truth, reference = shared(9), np.tile(MEAN, (9, 1))
    asked = panel(reference, truth, perturbed_mean=reference, retrieval=truth)
    assert RELATIVE.compute(asked).tolist() == [0.5] * 9
    assert RETRIEVAL.compute(asked).tolist() == [1.0] * 9
    without = panel(truth, truth, perturbed_mean=reference)
    assert without.retrieval is without.predicted
    assert RETRIEVAL.compute(without).tolist() == RELATIVE.compute(without).tolist()


def test_features_count_where_both_questions_have_them():
    rng = np.random.default_rng(3)
    truth = rng.normal(size=(12, 30))
    said = truth + rng.normal(0, 1.5, truth.shape)
    usable = rng.random(truth.shape) > 0.4
    # No feature is usable in every question: the plain rank has nothing left to compare.
    assert not usable.all(axis=0).any()
    asked = panel(said, np.where(usable, truth, 0.0), usable=usable)
    assert np.isnan(METRICS.load("pds-cosine").compute(asked)).all()
    wanted = plain_loop(said, truth, np.zeros_like(truth), usable)
    assert RELATIVE.compute(asked) == pytest.approx(wanted)
    assert np.mean(wanted) > 0.7


def test_what_was_not_measured_changes_nothing():
    rng = np.random.default_rng(4)
    truth, usable = rng.normal(size=(8, 20)), rng.random((8, 20)) > 0.3
    one = panel(truth * 0.5, truth, usable=usable)
    other = panel(truth * 0.5, np.where(usable, truth, 99.0), usable=usable)
    np.testing.assert_allclose(RELATIVE.compute(one), RELATIVE.compute(other))


def test_only_questions_of_one_fold_and_context_are_compared():
    truth = np.eye(4)
    apart = pd.DataFrame({"fold": [0, 0, 1, 1], "context": ["A", "B", "A", "B"], "perturbation": list("wxyz")})
    assert np.isnan(RELATIVE.compute(panel(truth, truth, questions=apart))).all()
    folds = apart.assign(context="A")
    assert RELATIVE.compute(panel(truth, truth, questions=folds)).tolist() == [1.0] * 4


def test_leaving_out_what_one_asks_about_is_no_knowledge_of_it():
    """A mean over the others points away from the question's own effect: within a fold that tells nothing."""
    truth = shared(20)
    reference = np.array([np.delete(truth, [i, (i + 10) % 20], axis=0).mean(axis=0) for i in range(20)])
    questions = pd.DataFrame(
        {"fold": np.arange(20) % 10, "context": "A", "perturbation": [f"ko:{i}" for i in range(20)]}
    )
    found = RELATIVE.compute(panel(np.zeros_like(truth), truth, perturbed_mean=reference, questions=questions))
    assert found.mean() == pytest.approx(0.5)


def test_targeted_genes_are_left_out():
    truth = np.array([[-9.0, 0.0, 1.0, 2.0], [0.0, -9.0, 2.0, 1.0]])
    said = truth * [1, 1, 0, 0] + truth[::-1] * [0, 0, 1, 1]
    targeted = np.array([True, True, False, False])
    assert RELATIVE.compute(panel(said, truth, targeted=targeted)).tolist() == [0.0, 0.0]


def test_where_nothing_is_usable_nothing_is_scored():
    truth = np.eye(3)
    assert np.isnan(RELATIVE.compute(panel(truth, truth, usable=np.zeros((3, 3), dtype=bool)))).all()
    one_missing = np.ones((3, 3), dtype=bool)
    one_missing[2] = False
    found = RELATIVE.compute(panel(truth, truth, usable=one_missing))
    assert found[:2].tolist() == [1.0, 1.0]
    assert np.isnan(found[2])


def test_the_cosine_of_a_pair_without_common_features_is_zero():
    used = np.array([[True, False], [False, True]])
    assert masked_cosine(np.ones((2, 2)), np.ones((2, 2)), used).tolist() == [[1.0, 0.0], [0.0, 1.0]]


class TestAdversaries:
    """What an adversary does to one answer, it does to the other."""

    def asked(self):
        truth, reference = shared(12), np.tile(MEAN, (12, 1))
        return panel(reference, truth, perturbed_mean=reference, retrieval=truth)

    def test_those_that_know_nothing_score_chance(self):
        asked = self.asked()
        assert RETRIEVAL.compute(asked).mean() == 1.0
        assert RETRIEVAL.compute(constant(asked)).mean() == pytest.approx(0.5)
        assert np.mean([RETRIEVAL.compute(shuffled(asked, step=step)) for step in range(1, 6)]) < 0.55

    def test_both_profiles_are_changed_alike(self):
        asked = self.asked()
        np.testing.assert_array_equal(constant(asked).retrieval, constant(asked).predicted)
        np.testing.assert_array_equal(tiled_mean(asked).retrieval, asked.retrieval)
        np.testing.assert_allclose(double_log(asked).retrieval, np.sign(asked.truth) * np.log1p(np.abs(asked.truth)))
        np.testing.assert_allclose(twisted_control(asked).retrieval - asked.retrieval, 3 * asked.perturbed_mean)
