import pytest
import torch

from aivc.nn.programme import PRESETS, ProgrammeNetwork, ProgrammeTokens

SMALL = PRESETS["cpu-xs"]


def inputs(cells=6, features=12, axes=5, dim=3, seed=0):
    draw = torch.Generator().manual_seed(seed)
    seen = (torch.rand(cells, features, generator=draw) > 0.3).float()
    return (
        torch.randn(features, axes, generator=draw),
        torch.randn(cells, features, generator=draw) * seen,
        seen,
        torch.randn(cells, dim, generator=draw),
        torch.rand(cells, dim, generator=draw),
    )


@pytest.mark.parametrize("preset", PRESETS)
def test_untrained_it_changes_nothing(preset):
    network = ProgrammeNetwork(PRESETS[preset], 5, 12, 3).eval()
    given = inputs()
    mean, variance = network(*given)
    assert torch.equal(mean, given[3])
    assert torch.allclose(variance, given[4])


def test_features_are_told_apart_by_what_is_known_of_them_not_by_their_place():
    tokens = ProgrammeTokens(SMALL, 5, 12).eval()
    embedding, x, seen = inputs()[:3]
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    moved = tokens(embedding[order], x[:, order], seen[:, order])
    assert torch.allclose(tokens(embedding, x, seen), moved, atol=1e-5)


def test_what_was_not_observed_is_not_read():
    network = ProgrammeTokens(SMALL, 5, 12).eval()
    embedding, x, seen = inputs()[:3]
    filled = x + 7 * (1 - seen)
    assert torch.equal(network(embedding, x, seen), network(embedding, filled, seen))
    more = torch.cat([embedding, torch.randn(4, 5)])
    absent = torch.zeros(6, 4)
    wider = network(more, torch.cat([x, absent], dim=1), torch.cat([seen, absent], dim=1))
    assert torch.allclose(wider, network(embedding, x, seen), atol=1e-5)


def test_identities_start_at_nothing_and_are_left_out_at_random_in_training():
    tokens = ProgrammeTokens(SMALL, 5, 12)
    assert not tokens.identity.any()
    with torch.no_grad():
        tokens.identity.normal_()
    given = inputs()[:3]
    assert torch.equal(tokens.eval()(*given), tokens(*given))
    torch.manual_seed(0)
    tokens.train()
    assert not torch.equal(tokens(*given), tokens(*given))


def test_it_learns():
    torch.manual_seed(0)
    network, given = ProgrammeNetwork(SMALL, 5, 12, 3), inputs(cells=64)
    wanted = given[3] + given[4].sqrt() * given[1][:, :1].clamp_min(0)
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    losses = []
    for _ in range(60):
        loss = ((network(*given)[0] - wanted) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]
