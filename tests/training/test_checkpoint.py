"""Checkpoints: whole or not there."""

import numpy as np
import pytest
import torch
from torch import nn

from aivc.core.errors import IntegrityError
from aivc.training.checkpoint import Checkpoints, arrays_of, load_arrays, restore, save


def trained():
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    return model, optimizer


def test_weights_and_optimizer_come_back_as_they_were(tmp_path):
    model, optimizer = trained()
    where = Checkpoints(tmp_path)
    save(where, 7, {"note": 0.1}, model, optimizer, {"weight": np.ones((2, 3))})
    fresh = nn.Linear(3, 2)
    other = torch.optim.AdamW(fresh.parameters(), lr=0.1)
    settings, best = restore(where.latest(), fresh, other)
    assert settings == {"note": 0.1, "step": 7}
    assert (best["weight"] == 1).all()
    torch.testing.assert_close(fresh.state_dict(), model.state_dict(), rtol=0, atol=0)
    for place, slots in optimizer.state_dict()["state"].items():
        for slot, tensor in slots.items():
            torch.testing.assert_close(other.state_dict()["state"][place][slot], tensor, rtol=0, atol=0)


def test_a_half_written_checkpoint_is_not_taken_for_one(tmp_path):
    (tmp_path / "step-000000009.partial").mkdir(parents=True)
    assert Checkpoints(tmp_path).latest() is None


def test_the_latest_is_the_one_with_most_steps(tmp_path):
    model, optimizer = trained()
    where = Checkpoints(tmp_path, keep=5)
    for step in (900, 1000, 99):
        save(where, step, {}, model, optimizer, {})
    assert where.latest().name == "step-000001000"


def test_arrays_are_copies():
    model = nn.Linear(2, 2)
    arrays = arrays_of(model)
    arrays["weight"][:] = 9
    assert not (model.weight == 9).any()


def test_weights_of_another_model_are_refused():
    with pytest.raises(IntegrityError, match="another model"):
        load_arrays(nn.Linear(2, 2), {"weight": np.zeros((3, 2), dtype=np.float32)})
