import numpy as np
import pytest
import torch

from aivc.nn.transport import PlanSettings, couple, sinkhorn, squared_distances
from aivc.nn.transport import coupling as module


@pytest.fixture(scope="module")
def plan():
    rng = np.random.default_rng(0)
    x, y = torch.tensor(rng.normal(size=(30, 2))), torch.tensor(rng.normal(size=(40, 2)) + 1.0)
    return couple(x, y, PlanSettings(epsilon=0.2, tolerance=1e-9))


def test_rows_are_those_of_the_whole_plan(plan):
    whole = sinkhorn(squared_distances(plan.x, plan.y), epsilon=0.2, rounds=500, tolerance=1e-10)
    torch.testing.assert_close(plan.rows(), whole / whole.sum(1, keepdim=True), atol=1e-8, rtol=0)


def test_blocks_do_not_change_what_is_computed(plan, monkeypatch):
    at = torch.linspace(0.01, 0.99, 30).double()
    once = plan.rows(), plan.expected(), plan.drawn(at), plan.growth(), plan.pushed(plan.log_n.exp())
    monkeypatch.setattr(module, "_BLOCK", 7 * 40)
    again = plan.rows(), plan.expected(), plan.drawn(at), plan.growth(), plan.pushed(plan.log_n.exp())
    for ours, theirs in zip(once, again, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_the_rule_holds_between_points_of_the_plan(plan):
    near = plan.x[:5] + 1e-6
    torch.testing.assert_close(plan.expected(near), plan.expected()[:5], atol=1e-4, rtol=0)


def test_draws_follow_the_row(plan):
    count = 2000
    at = (torch.arange(count).double() + 0.5) / count
    drawn = plan.drawn(at, plan.x[:1].expand(count, -1))
    share = torch.bincount(drawn, minlength=40) / count
    torch.testing.assert_close(share.double(), plan.rows(plan.x[:1])[0], atol=1e-3, rtol=0)


def test_values_may_be_labels_of_the_points_reached(plan):
    label = (plan.y[:, :1] > 1.0).double()
    fate = plan.expected(values=label)
    assert fate.shape == (30, 1)
    assert float(fate.min()) >= 0
    assert float(fate.max()) <= 1
    assert np.corrcoef(fate[:, 0], plan.x[:, 0])[0, 1] > 0.8
