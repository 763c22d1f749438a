"""Weights as arrays of a part."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from aivc.core.errors import IntegrityError
from aivc.training.checkpoint import arrays_of
from aivc.training.weights import arrays_to_weights, network_of, pack_with_weights


@dataclass(frozen=True)
class Fitted:
    center: np.ndarray
    weights: Mapping[str, np.ndarray]


def test_weights_are_saved_beside_other_arrays_and_come_back_as_the_same_network():
    network = nn.Linear(3, 2)
    state = pack_with_weights(Fitted(np.ones(2), arrays_of(network)))
    assert set(state.arrays) == {"center", "weights.weight", "weights.bias"}
    weights, others = arrays_to_weights(state.arrays)
    assert list(others) == ["center"]
    again = network_of(lambda: nn.Linear(3, 2), weights)
    assert not again.training
    torch.testing.assert_close(again.state_dict(), network.state_dict(), rtol=0, atol=0)


def test_a_network_made_for_saved_weights_draws_nothing():
    weights = arrays_of(nn.Linear(3, 2))
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    network_of(lambda: nn.Linear(3, 2), weights)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_weights_of_another_network_are_refused():
    with pytest.raises(IntegrityError, match="another model"):
        network_of(lambda: nn.Linear(4, 2), arrays_of(nn.Linear(3, 2)))
