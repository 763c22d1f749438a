import numpy as np
import pytest
import torch

from aivc.nn.sets import SetNetwork, energy_distance

DIM, PARTS = 3, 2


def drawn(*size, seed=0):
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def network():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return SetNetwork(DIM, PARTS, torch.tensor([1.0, 2.0, 0.5])).eval()


@pytest.fixture
def woken(network):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        torch.nn.init.normal_(network.out.weight, std=0.3)
    return network


def test_untrained_it_adds_nothing(network):
    assert not network(drawn(2, 5, DIM), drawn(2, DIM), drawn(2, PARTS)).any()


def test_permuting_a_set_permutes_its_answers(woken):
    y, shift, part = drawn(2, 7, DIM), drawn(2, DIM, seed=1), drawn(2, PARTS, seed=2)
    order = torch.tensor([3, 0, 6, 1, 5, 2, 4])
    np.testing.assert_allclose(
        woken(y[:, order], shift, part).detach(), woken(y, shift, part)[:, order].detach(), atol=1e-5
    )


def test_cells_look_at_their_own_set_alone(woken):
    y, shift, part = drawn(2, 7, DIM), drawn(2, DIM, seed=1), drawn(2, PARTS, seed=2)
    before = woken(y, shift, part).detach()
    y[0, 3] += 5
    after = woken(y, shift, part).detach()
    assert float((after[0, :3] - before[0, :3]).abs().min(dim=0).values.max()) > 1e-3
    np.testing.assert_allclose(after[1], before[1], atol=1e-6)


def test_empty_places_are_not_looked_at(woken):
    y, shift, part = drawn(1, 7, DIM), drawn(1, DIM, seed=1), drawn(1, PARTS, seed=2)
    keep = torch.arange(7)[None] < 5
    padded = woken(y, shift, part, keep)[:, :5].detach()
    np.testing.assert_allclose(padded, woken(y[:, :5], shift, part).detach(), atol=1e-5)


def test_in_training_the_molecule_is_now_and_then_unsaid(woken):
    y, shift, part = drawn(1, 4, DIM).expand(64, -1, -1), torch.zeros(64, DIM), drawn(1, PARTS).expand(64, -1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        said = woken.train()(y, shift, part).detach()
    unsaid = woken.eval()(y, shift, torch.zeros_like(part)).detach()
    silent = (said - unsaid).abs().amax((1, 2)) < 1e-5
    assert 5 < int(silent.sum()) < 40


def test_the_energy_distance_is_without_bias_and_tells_shapes_apart():
    same = energy_distance(drawn(400, 16, 2), drawn(400, 16, 2, seed=1))
    assert abs(float(same.mean())) < 3 * float(same.std()) / 20
    wide = energy_distance(drawn(400, 16, 2), 2 * drawn(400, 16, 2, seed=1))
    assert float(wide.mean()) > 6 * float(wide.std()) / 20


def test_points_upon_each_other_have_a_gradient():
    x = torch.zeros(1, 4, 2, requires_grad=True)
    energy_distance(x, torch.ones(1, 4, 2)).sum().backward()
    assert torch.isfinite(x.grad).all()
    assert float(x.grad.max()) < 0
