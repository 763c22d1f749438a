import numpy as np
import pytest
import torch

from aivc.nn.flow import Condition, VelocityNetwork, solve


def condition(count, shift):
    shift_nd = torch.tensor(shift, dtype=torch.float32).expand(count, -1)
    way_nd = shift_nd / shift_nd.norm(dim=1, keepdim=True).clamp_min(1e-12)
    return Condition(shift_nd, way_nd, torch.ones(count), torch.zeros_like(shift_nd), torch.zeros(count, 2))


@pytest.fixture
def network():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return VelocityNetwork(3, 2, torch.tensor([1.0, 2.0, 0.5])).eval()


@pytest.fixture
def woken(network):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        for trunk in (network.along, network.rest):
            torch.nn.init.normal_(trunk.out.weight, std=0.3)
    return network


@pytest.mark.parametrize("rest", [True, False])
def test_untrained_it_is_the_shift(network, rest):
    y = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    end = solve(network, y, condition(5, [1.0, -2.0, 0.5]), rest=rest)
    np.testing.assert_allclose(end, y + torch.tensor([1.0, -2.0, 0.5]), atol=1e-6)


def test_without_a_shift_nothing_moves_whatever_was_learned(woken):
    y = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    np.testing.assert_array_equal(solve(woken, y, condition(5, [0.0, 0.0, 0.0]), rest=True), y)


def test_along_the_shift_is_along_it_and_turns_with_it(woken):
    y = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    shift = torch.tensor([2.0, 0.0, 0.0])
    away = solve(woken, y, condition(6, shift.tolist()), rest=False) - y - shift
    np.testing.assert_allclose(away[:, 1:], 0, atol=1e-6)
    assert float(away[:, 0].std()) > 0.01
    turn = torch.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    turned = solve(woken, y @ turn, condition(6, (shift @ turn).tolist()), rest=False) - (y + shift) @ turn
    np.testing.assert_allclose(turned, away @ turn, atol=1e-5)


def test_more_steps_end_in_the_same_place(woken):
    y = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    few, many = (solve(woken, y, condition(6, [1.0, 1.0, 1.0]), rest=True, steps=steps) for steps in (8, 64))
    assert float((few - many).abs().max()) < 0.02 * float((many - y).norm(dim=1).mean())
