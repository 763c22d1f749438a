import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment, linprog

from aivc.nn.transport import pair, sinkhorn, squared_distances


@pytest.fixture
def clouds():
    rng = np.random.default_rng(0)
    return torch.tensor(rng.normal(size=(7, 3))), torch.tensor(rng.normal(size=(7, 3)) + 0.5)


def test_with_little_blur_the_plan_is_the_best_assignment(clouds):
    cost = squared_distances(*clouds)
    rows, columns = linear_sum_assignment(cost.numpy())
    plan = sinkhorn(cost, epsilon=0.001, rounds=5000, tolerance=1e-7)
    best = np.zeros((7, 7))
    best[rows, columns] = 1 / 7
    np.testing.assert_allclose(plan.numpy(), best, atol=5e-3)


def test_weights_are_kept_and_the_cost_is_that_of_the_linear_program(clouds):
    x, y = clouds[0][:4], clouds[1]
    a, b = torch.tensor([1.0, 2.0, 3.0, 4.0]).double(), torch.linspace(1, 2, 7).double()
    cost = squared_distances(x, y)
    plan = sinkhorn(cost, weight_n=a, weight_m=b, epsilon=0.002, rounds=20_000, tolerance=1e-9)
    np.testing.assert_allclose(plan.sum(1), a / a.sum(), atol=1e-5)
    np.testing.assert_allclose(plan.sum(0), b / b.sum(), atol=1e-9)
    sums = np.vstack([np.kron(np.eye(4), np.ones(7)), np.kron(np.ones(4), np.eye(7))])
    exact = linprog(cost.numpy().ravel(), A_eq=sums, b_eq=torch.cat([a / a.sum(), b / b.sum()]).numpy())
    assert float((plan * cost).sum()) == pytest.approx(exact.fun, rel=0.01)
    assert float((plan * cost).sum()) >= exact.fun - 1e-6


def test_much_blur_pairs_all_with_all(clouds):
    plan = sinkhorn(squared_distances(*clouds), epsilon=1e4)
    np.testing.assert_allclose(plan.numpy(), 1 / 49, rtol=1e-3)


def test_the_units_of_the_axes_do_not_matter(clouds):
    plans = [sinkhorn(squared_distances(scale * clouds[0], scale * clouds[1])) for scale in (1.0, 1000.0)]
    np.testing.assert_allclose(*plans, atol=1e-9)


def test_what_has_no_counterpart_stays_out_where_sums_may_differ():
    x = torch.zeros(4, 1)
    y = torch.tensor([[0.0], [0.1], [0.0], [50.0]])
    kept, left = (sinkhorn(squared_distances(x, y), reach=reach).sum(0)[3] for reach in (None, 0.1))
    assert float(kept) == pytest.approx(0.25, rel=1e-3)
    assert float(left) < 0.02


def test_several_problems_at_once_are_solved_as_each_alone(clouds):
    x, y = clouds
    both = sinkhorn(squared_distances(torch.stack([x, y]), torch.stack([y, x])), rounds=300, tolerance=1e-9)
    alone = sinkhorn(squared_distances(x, y), rounds=300, tolerance=1e-9)
    np.testing.assert_allclose(both[0], alone, atol=1e-7)


def test_pairs_follow_the_plan_and_the_generator():
    x = torch.tensor([[0.0], [10.0], [20.0]])
    y = torch.tensor([[21.0], [1.0], [11.0]])
    drawn = [pair(x, y, 300, generator=torch.Generator().manual_seed(3), epsilon=0.01) for _ in range(2)]
    rows, columns = drawn[0]
    assert {(int(i), int(j)) for i, j in zip(rows, columns, strict=True)} == {(0, 1), (1, 2), (2, 0)}
    assert torch.bincount(rows).min() > 60
    assert torch.equal(drawn[0][0], drawn[1][0])
    assert torch.equal(drawn[0][1], drawn[1][1])
