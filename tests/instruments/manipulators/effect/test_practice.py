import numpy as np
import pytest

from aivc.instruments.manipulators.effect import practice
from aivc.instruments.manipulators.effect.practice import Task, learn


def task(given=12, hidden=5, kernels=3, features=30, variances=(1.0, 0.5, 0.2), noise=0.3, seed=0):
    """Rows drawn from the model itself."""
    rng = np.random.default_rng(seed)
    count = given + hidden
    tables = [(x := rng.normal(size=(count, 4))) @ x.T / 4 for _ in range(kernels)]
    total = sum(v * k for v, k in zip(variances, tables, strict=True)) + noise * np.eye(count)
    y = np.linalg.cholesky(total + 1e-9 * np.eye(count)) @ rng.normal(size=(count, features))
    y_t, y_h, t = y[:given], y[given:], slice(0, given)
    return Task(
        np.array([k[t, t] for k in tables]),
        np.array([k[given:, t] for k in tables]),
        0.05 * np.eye(given),
        y_t @ y_t.T,
        y_h @ y_t.T,
        float((y_h**2).sum()),
    )


def test_the_gradient_is_that_of_finite_differences():
    example, log = task(), np.log(np.array([0.7, 0.2, 1.3, 0.4]))
    _, gradient = practice._error(example, np.exp(log))
    for k in range(4):
        step = 1e-5 * np.eye(4)[k]
        up, down = (practice._error(example, np.exp(log + sign * step))[0] for sign in (1, -1))
        assert gradient[k] == pytest.approx((up - down) / 2e-5, rel=1e-5)


def test_the_error_is_that_of_the_answers_on_hidden_rows():
    example, variance = task(), np.array([0.7, 0.2, 1.3, 0.4])
    total = np.tensordot(variance[:3], example.given, axes=1) + example.noise + 0.4 * np.eye(12)
    weights = np.linalg.solve(total, np.tensordot(variance[:3], example.across, axes=1).T).T
    y_t = np.linalg.cholesky(example.gram + 1e-12 * np.eye(12))
    wanted = ((weights @ y_t) ** 2).sum() - 2 * (weights * example.target).sum()
    assert practice._error(example, variance)[0] == pytest.approx(wanted, rel=1e-6)


def test_what_carries_nothing_goes_and_what_carries_stays():
    tasks = [task(given=40, hidden=20, variances=(1.0, 1e-12, 1e-12), features=60, seed=seed) for seed in range(4)]
    found = learn(tasks, np.full(4, 0.5))
    assert found[0] > 5 * found[1:3].max()


def test_little_to_practise_on_moves_little():
    start = np.array([0.5, 0.5, 0.5, 0.5])
    few, many = (learn([task(given=30, hidden=count, seed=1)], start) for count in (1, 30))
    assert np.abs(np.log(few / start)).max() < 0.1 < np.abs(np.log(many / start)).max()
