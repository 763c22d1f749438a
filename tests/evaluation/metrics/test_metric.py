"""Every metric against numbers worked out by hand, on panels small enough to do so."""

import numpy as np
import pandas as pd
import pytest

from aivc.core.registry import METRICS
from aivc.evaluation.metrics.metric import energy, pearson
from tiny_panels import panel


def score(metric, *given, **changes):
    return METRICS.load(metric).compute(panel(*given, **changes)).tolist()


def test_every_metric_says_what_it_is():
    for name in METRICS.names():
        answer = METRICS.load(name).to_json()
        assert answer["name"] == name
        assert answer["direction"] in ("up", "down", "none")
        assert all(answer[key] for key in ("label", "formula", "source", "undefined"))
        assert "compute" not in answer


def test_correlation_of_effects_by_hand():
    truth = [[1.0, 2.0, 3.0]] * 3
    found = score("pearson-delta", [[2.0, 4.0, 6.0], [3.0, 2.0, 1.0], [1.0, 0.0, 1.0]], truth)
    assert found == pytest.approx([1.0, -1.0, 0.0])
    assert score("pearson-delta", [[1.0, 3.0, 2.0]], [[1.0, 2.0, 3.0]]) == pytest.approx([0.5])


def test_a_constant_prediction_correlates_with_nothing():
    assert score("pearson-delta", [[0.0, 0.0, 0.0], [5.0, 5.0, 5.0]], [[1.0, 2.0, 4.0]] * 2) == [0.0, 0.0]
    assert pearson(np.full(4, 0.1), np.arange(4.0)) == 0.0


def test_each_side_is_compared_with_its_own_controls():
    given, control = np.array([[1.0, 1.0, 5.0]]), np.array([[0.0, 3.0, 1.0]])
    effect = np.array([[0.1, -0.4, 0.2]])
    found = score("pearson-delta", given + effect, control + effect, given=given, control=control)
    assert found == pytest.approx([1.0])
    assert score("mse-unbiased", given + effect, control + effect, given=given, control=control) == pytest.approx([0.0])


def test_the_target_of_the_perturbation_itself_is_left_out():
    predicted, truth = [[-9.0, 1.0, 2.0, 3.0]], [[-9.0, 3.0, 2.0, 1.0]]
    usable = np.array([[False, True, True, True]])
    assert score("pearson-delta", predicted, truth)[0] > 0.9
    assert score("pearson-delta", predicted, truth, usable=usable) == pytest.approx([-1.0])
    assert score("mse-unbiased", predicted, [[9.0, 1.0, 2.0, 3.0]], usable=usable) == pytest.approx([0.0])


def test_what_cannot_be_scored_is_undefined_and_never_zero():
    nothing = np.zeros((1, 3), dtype=bool)
    for metric in ("pearson-delta", "pearson-systema", "pds-cosine", "mse-unbiased", "energy-distance", "coverage90"):
        assert np.isnan(score(metric, [[1.0, 2.0, 3.0]], [[1.0, 2.0, 3.0]], usable=nothing)).all()


def test_systema_asks_for_more_than_the_average_perturbation():
    mean = np.array([[1.0, 2.0, 3.0]] * 2)
    own = np.array([[0.5, -0.5, 0.0], [0.0, 0.3, -0.3]])
    found = score("pearson-systema", [mean[0], mean[1] + own[1]], mean + own, perturbed_mean=mean)
    assert found == pytest.approx([0.0, 1.0])


def test_discrimination_by_hand():
    effects = np.eye(3)
    assert score("pds-cosine", effects, effects) == [1.0, 1.0, 1.0]
    assert score("pds-cosine", effects[:2][::-1], effects[:2]) == [0.0, 0.0]
    # The first is nearest to the second, then to itself; the others are found.
    assert score("pds-cosine", [[0.5, 0.8, 0.0], *effects[1:]], effects) == [0.5, 1.0, 1.0]


def test_ties_count_half_so_that_no_information_scores_one_half():
    effects = np.random.default_rng(0).normal(size=(7, 5))
    assert score("pds-cosine", np.zeros((7, 5)), effects) == [0.5] * 7
    constant = score("pds-cosine", np.tile([1.0, 2.0, 0.0, 1.0, 3.0], (7, 1)), effects)
    assert np.mean(constant) == pytest.approx(0.5)


def test_discrimination_is_within_a_context_and_without_targeted_genes():
    effects = np.array([[-5.0, 1.0, 0.0], [-5.0, 0.0, 1.0]])
    swapped = effects * [1, 0, 0] + effects[::-1] * [0, 1, 1]
    contexts = pd.DataFrame({"fold": 0, "context": ["A", "B"], "perturbation": ["ko:X", "ko:X"]})
    assert np.isnan(score("pds-cosine", effects, effects, questions=contexts)).all()
    targeted = np.array([True, False, False])
    assert score("pds-cosine", swapped, effects, targeted=targeted) == [0.0, 0.0]
    assert score("pds-cosine", effects, effects, targeted=targeted) == [1.0, 1.0]


def test_the_squared_error_is_freed_of_noise():
    assert score("mse-unbiased", [[1.0, 2.0]], [[2.0, 4.0]]) == [2.5]
    assert score("mse-unbiased", [[1.0, 2.0]], [[2.0, 4.0]], truth_noise=np.full((1, 2), 0.5)) == [2.0]


def test_the_squared_error_of_a_replicate_is_zero_in_expectation():
    rng, shape = np.random.default_rng(0), (400, 20)
    effect, noise = rng.normal(size=shape), np.full(shape, 0.3)
    halves = [effect + rng.normal(0, np.sqrt(0.3), shape) for _ in range(2)]
    found = np.array(score("mse-unbiased", *halves, truth_noise=noise, predicted_noise=noise))
    assert abs(found.mean()) < 4 * found.std() / np.sqrt(len(found))
    assert np.array(score("mse-unbiased", effect * 0, halves[1], truth_noise=noise)).mean() == pytest.approx(1, abs=0.1)


def naive_energy(x_nf, y_nf):
    def mean(a, b, *, same):
        pairs = [(i, j) for i in range(len(a)) for j in range(len(b)) if not (same and i == j)]
        return sum(float(np.sqrt(((a[i] - b[j]) ** 2).sum())) for i, j in pairs) / len(pairs)

    return 2 * mean(x_nf, y_nf, same=False) - mean(x_nf, x_nf, same=True) - mean(y_nf, y_nf, same=True)


def test_energy_distance_is_that_of_the_definition():
    rng = np.random.default_rng(0)
    x_nf, y_nf = rng.normal(size=(7, 4)), rng.normal(0.5, 2, size=(9, 4))
    assert energy(x_nf, y_nf) == pytest.approx(naive_energy(x_nf, y_nf))
    far = energy(x_nf + 1e3, y_nf + 1e3)
    assert far == pytest.approx(naive_energy(x_nf, y_nf), abs=1e-6)
    usable = np.array([[True, True, False, True]])
    found = score("energy-distance", [[0.0] * 4], [[0.0] * 4], population=(x_nf,), cells=(y_nf,), usable=usable)
    keep = [0, 1, 3]
    assert found == pytest.approx([naive_energy(x_nf[:, keep], y_nf[:, keep])])


def test_energy_distance_of_the_same_distribution_is_zero_in_expectation():
    rng = np.random.default_rng(0)
    found = [energy(rng.normal(size=(40, 3)), rng.normal(size=(40, 3))) for _ in range(60)]
    assert abs(np.mean(found)) < 4 * np.std(found) / np.sqrt(60)
    assert energy(rng.normal(size=(40, 3)), rng.normal(1, 1, size=(40, 3))) > 10 * np.std(found)


def test_coverage_and_width_by_hand():
    low, high = np.array([[0.0, 0.0, 0.0, 0.0]]), np.array([[1.0, 2.0, 3.0, 4.0]])
    truth, usable = [[0.5, 2.0, 3.1, -1.0]], np.array([[True, True, True, False]])
    given = {"low": low, "high": high, "usable": usable}
    assert score("coverage90", [[0.0] * 4], truth, **given) == pytest.approx([2 / 3])
    assert score("width90", [[0.0] * 4], truth, **given) == pytest.approx([2.0])


def test_methods_without_intervals_or_cells_have_no_such_scores():
    for metric in ("coverage90", "width90", "energy-distance"):
        assert np.isnan(score(metric, [[1.0, 2.0]], [[1.0, 2.0]])).all()


def test_rounding_alone_is_no_effect():
    given = np.array([[300.0, 700.0, 150.0]])
    found = score("pearson-delta", given * (1 + 1e-14), [[1.0, 2.0, 4.0]], given=given)
    assert found == [0.0]
