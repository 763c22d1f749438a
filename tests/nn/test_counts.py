import numpy as np
import pytest
import torch
from scipy.stats import nbinom

from aivc.nn.counts import CountNetwork, nb_log_likelihood


def grid(dtype=torch.float64):
    """Counts, log means and log dispersions over the ranges that cells have."""
    draw = np.random.default_rng(0)
    mean_nf, size_f = np.exp(draw.uniform(-7, 6, (400, 12))), np.exp(np.linspace(-5, 8, 12))
    count_nf = draw.negative_binomial(size_f, size_f / (size_f + mean_nf)).astype(float)
    tensors = [torch.tensor(array, dtype=dtype) for array in (count_nf, np.log(mean_nf), np.log(size_f))]
    return tensors, nbinom.logpmf(count_nf, size_f, size_f / (size_f + mean_nf))


def test_the_likelihood_is_the_negative_binomials():
    given, wanted_nf = grid()
    assert (given[0] == 0).any()
    assert (given[0] > 100).any()
    np.testing.assert_allclose(nb_log_likelihood(*given).numpy(), wanted_nf, rtol=1e-9, atol=1e-9)


def test_single_precision_is_enough():
    given, wanted_nf = grid(torch.float32)
    np.testing.assert_allclose(nb_log_likelihood(*given).numpy(), wanted_nf, rtol=1e-3, atol=1e-2)


def test_probabilities_of_all_counts_add_up_to_one_with_the_stated_mean_and_variance():
    mean, size = 4.0, 1.5
    count_nf = torch.arange(400, dtype=torch.float64)[:, None]
    log_mean, log_size = torch.full_like(count_nf, np.log(mean)), torch.tensor([np.log(size)])
    p_n = nb_log_likelihood(count_nf, log_mean, log_size).exp()[:, 0]
    assert float(p_n.sum()) == pytest.approx(1, abs=1e-9)
    assert float(p_n @ count_nf[:, 0]) == pytest.approx(mean, abs=1e-6)
    assert float(p_n @ (count_nf[:, 0] - mean) ** 2) == pytest.approx(mean + mean**2 / size, abs=1e-5)


def test_gradients_are_right_for_zeros_and_for_counts():
    count_nf = torch.tensor([[0.0, 3.0], [7.0, 0.0]], dtype=torch.float64)
    log_mean_nf = torch.tensor([[0.3, -1.0], [2.0, 0.5]], dtype=torch.float64, requires_grad=True)
    log_size_f = torch.tensor([0.2, -0.7], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda m, s: nb_log_likelihood(count_nf, m, s), (log_mean_nf, log_size_f))


def test_maximizing_it_finds_mean_and_dispersion():
    draw = np.random.default_rng(1)
    count_nf = torch.tensor(draw.negative_binomial(2.0, 2.0 / (2.0 + 9.0), (4000, 1)).astype(float))
    said = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([said], max_iter=100)

    def loss():
        optimizer.zero_grad()
        value = -nb_log_likelihood(count_nf, said[0].expand_as(count_nf), said[1:]).mean()
        value.backward()
        return value

    optimizer.step(loss)
    assert said.detach().exp().tolist() == pytest.approx([9.0, 2.0], rel=0.08)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return CountNetwork(20, 3, 2).eval()


def test_shares_add_up_to_one_and_depend_on_the_batch(network):
    z_nd, one = torch.randn(5, 3), torch.tensor([[1.0, 0.0]]).expand(5, 2)
    shares_nf = network.log_shares(z_nd, one).exp()
    assert torch.allclose(shares_nf.sum(dim=1), torch.ones(5), atol=1e-5)
    assert not torch.allclose(shares_nf, network.log_shares(z_nd, 1 - one).exp())


def test_a_state_depends_on_its_cell_alone(network):
    count_nf = torch.poisson(torch.full((64, 20), 2.0))
    for stated, alone in zip(network.posterior(count_nf), network.posterior(count_nf[:1]), strict=True):
        assert torch.allclose(stated[:1], alone, atol=1e-6)


def test_the_spread_of_a_state_stays_a_number_for_counts_far_from_any_seen(network):
    mean_nd, variance_nd = network.posterior(torch.full((1, 20), 1e9))
    assert mean_nd.isfinite().all()
    assert ((variance_nd > 0) & variance_nd.isfinite()).all()
