from dataclasses import replace

import pytest
import torch

from aivc.core.errors import UnknownNameError
from aivc.nn.programme import PRESETS, GeneTokens, ProgrammeNetwork, ProgrammeTokens

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


@pytest.mark.parametrize("preset", ["cpu-xs", "cpu-s", "cpu-m"])
def test_untrained_it_changes_nothing(preset):
    network = ProgrammeNetwork(PRESETS[preset], 5, 12, 3).eval()
    given = inputs()
    mean, variance = network(*given)
    assert torch.equal(mean, given[3])
    assert torch.allclose(variance, given[4])


def test_features_are_distinguished_by_what_is_known_of_them_not_by_their_place():
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


def test_sizes_for_larger_machines_are_sound():
    with torch.device("meta"):
        sizes = {
            (preset, kind): sum(p.numel() for p in ProgrammeNetwork(PRESETS[preset], 64, 1000, 32, kind).parameters())
            for preset in ("gpu-s", "gpu-m", "cluster")
            for kind in ("programme", "gene")
        }
    assert 20e6 < sizes["gpu-s", "gene"] < 60e6
    assert 150e6 < sizes["gpu-m", "programme"] < 500e6
    assert 0.8e9 < sizes["cluster", "gene"] < 2e9
    with pytest.raises(UnknownNameError, match="programme"):
        ProgrammeNetwork(SMALL, 5, 12, 3, "program")


def test_genes_are_the_highest_observed_and_ties_go_by_rank():
    tokens = GeneTokens(replace(SMALL, genes=3), 5, 6)
    x = torch.tensor([[0.0, 2.0, 1.0, 1.0, 5.0, 1.0], [3.0, 0.0, 0.0, 0.0, 0.0, 0.0]])
    seen = torch.tensor([[1.0, 1.0, 1.0, 1.0, 0.0, 1.0], [1.0, 0.0, 0.0, 0.0, 0.0, 1.0]])
    place, keep = tokens.highest(x, seen)
    assert place[0].tolist() == [1, 2, 3]
    assert place[1, :2].tolist() == [0, 5]
    assert keep.tolist() == [[True, True, True], [True, True, False]]
    place, _ = tokens.highest(x, seen, torch.tensor([0, 1, 5, 4, 3, 2]))
    assert place[0].tolist() == [1, 5, 3]


def stirred(genes=4):
    torch.manual_seed(0)
    network = ProgrammeNetwork(replace(SMALL, genes=genes), 5, 12, 3, "gene").eval()
    with torch.no_grad():
        network.head.weight.normal_()
        network.tokens.identity.normal_()
    return network


def test_gene_tokens_start_at_nothing_and_read_neither_padding_nor_what_was_cut_off():
    given = inputs()
    untrained = ProgrammeNetwork(SMALL, 5, 12, 3, "gene").eval()
    assert torch.equal(untrained(*given)[0], given[3])
    embedding, x, seen, mean, variance = given
    network = stirred()
    said = network(*given)[0]
    assert not torch.allclose(said, mean)
    assert torch.allclose(network(embedding, x + 7 * (1 - seen), seen, mean, variance)[0], said, atol=1e-6)
    place, _ = network.tokens.highest(x, seen)
    shown = torch.zeros_like(x).scatter(1, place, 1.0) > 0
    lower = torch.where(shown, x, x - 5)
    assert torch.allclose(network(embedding, lower, seen, mean, variance)[0], said, atol=1e-6)
    assert not torch.allclose(network(embedding, x - 0.5 * shown, seen, mean, variance)[0], said, atol=1e-3)


def test_gene_tokens_do_not_depend_on_the_order_of_features_or_on_other_cells():
    embedding, x, seen, mean, variance = inputs()
    x = x.round()
    network, rank = stirred(), torch.arange(12)
    said = network(embedding, x, seen, mean, variance, rank)[0]
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    moved = stirred()
    with torch.no_grad():
        moved.tokens.identity.copy_(moved.tokens.identity[order])
    again = moved(embedding[order], x[:, order], seen[:, order], mean, variance, rank[order])[0]
    assert torch.allclose(again, said, atol=1e-5)
    alone = network(embedding, x[2:3], seen[2:3], mean[2:3], variance[2:3], rank)[0]
    assert torch.allclose(alone, said[2:3], atol=1e-5)


def test_gene_tokens_learn():
    torch.manual_seed(0)
    network, given = ProgrammeNetwork(replace(SMALL, genes=6), 5, 12, 3, "gene"), inputs(cells=64)
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
