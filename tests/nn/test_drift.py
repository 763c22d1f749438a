import math

import pytest
import torch
from torch import nn

from aivc.nn.drift import Drift, DriftNetwork, integrated


class Turning(nn.Module):
    """Turns states about the origin, and doubles their mass in the whole time."""

    def forward(self, y_nd, t_n, condition_nc):
        return Drift(torch.stack([-y_nd[:, 1], y_nd[:, 0]], dim=1), torch.full_like(t_n, math.log(2)))


def test_a_turn_is_followed_to_fourth_order():
    y = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    found, mass = integrated(Turning(), y, torch.zeros(1, 0, dtype=torch.float64), (0.0, 1.0), 8)
    torch.testing.assert_close(
        found, torch.tensor([[math.cos(1), math.sin(1)]], dtype=torch.float64), atol=1e-5, rtol=0
    )
    assert float(mass) == pytest.approx(math.log(2))


def test_before_training_nothing_moves():
    network = DriftNetwork(3, 2).eval()
    y = torch.randn(5, 3)
    found, mass = integrated(network, y, torch.zeros(5, 2), (0.2, 0.7), 2)
    assert torch.equal(found, y)
    assert torch.equal(mass, torch.zeros(5))
