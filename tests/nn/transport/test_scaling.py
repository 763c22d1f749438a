import math

import pytest
import torch

from aivc.nn.transport import scaling, sinkhorn, squared_distances
from aivc.nn.transport.scaling import Sides, scale


@pytest.fixture
def cost():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(40, 3, generator=generator, dtype=torch.float64)
    y = torch.randn(50, 3, generator=generator, dtype=torch.float64) + 0.5
    cost_nm = squared_distances(x, y)
    return cost_nm / cost_nm.mean()


def even(cost_nm, damp_n=1.0, damp_m=1.0):
    n, m = cost_nm.shape
    return Sides(
        torch.full_like(cost_nm[:, 0], -math.log(n)), torch.full_like(cost_nm[0], -math.log(m)), damp_n, damp_m
    )


def plan(cost_nm, sides, found):
    return (found.f_n[:, None] + found.g_m - cost_nm + sides.log_n[:, None] + sides.log_m).exp()


@pytest.mark.parametrize("reach", [None, 0.3])
def test_the_kernel_gives_the_plan_of_the_log_domain(cost, reach):
    epsilon = 0.05
    damp = 1.0 if reach is None else reach / (reach + epsilon)
    sides = even(cost, damp, damp)
    found = scale(cost / epsilon, sides, rounds=2000, tolerance=1e-8)
    slow = sinkhorn(cost, epsilon=epsilon, reach=reach, rounds=2000, tolerance=1e-9)
    assert found.domain == "kernel"
    torch.testing.assert_close(plan(cost / epsilon, sides, found), slow, atol=1e-8, rtol=1e-5)


def test_potentials_far_from_the_kernel_are_absorbed(cost):
    sides = even(cost)
    found = scale(cost / 0.002, sides, rounds=3000, tolerance=1e-3)
    assert found.domain == "kernel"
    assert float(found.f_n.max() - found.f_n.min()) > 20
    torch.testing.assert_close(plan(cost / 0.002, sides, found).sum(0), sides.log_m.exp(), atol=1e-3, rtol=0)


def test_where_the_kernel_is_lost_the_log_domain_takes_over(cost, monkeypatch):
    # Without absorption a kernel of single precision cannot hold potentials that go far.
    monkeypatch.setattr(scaling, "_ABSORB", float("inf"))
    cost_nm = cost.float() / 0.002
    sides = even(cost_nm)
    found = scale(cost_nm, sides, rounds=3000, tolerance=1e-2)
    assert found.domain == "log"
    assert found.error <= 1e-2
    torch.testing.assert_close(plan(cost_nm, sides, found).sum(0), sides.log_m.exp(), atol=1e-3, rtol=0)


def test_over_relaxed_rounds_are_fewer_than_plain_ones(cost):
    # The plain rounds of a relaxed side die out by damp = 0.99 a round: a thousandth takes about 700.
    found = scale(cost / 0.01, even(cost, 1 / 1.01), rounds=5000, tolerance=1e-4)
    assert found.error <= 1e-4
    assert found.rounds < 450


def test_too_few_rounds_show_in_the_error(cost):
    found = scale(cost / 0.01, even(cost), rounds=3, tolerance=1e-6)
    assert found.rounds == 3
    assert found.error > 1e-3


def test_rows_are_exact_and_the_error_is_that_of_the_columns(cost):
    sides = even(cost)
    found = scale(cost / 0.05, sides, rounds=4, tolerance=1e-12)
    sums = plan(cost / 0.05, sides, found)
    torch.testing.assert_close(sums.sum(1), sides.log_n.exp(), atol=1e-12, rtol=0)
    assert float((sums.sum(0) - sides.log_m.exp()).abs().sum()) == pytest.approx(found.error, rel=1e-9)
