"""Padding, place and neighbours: what may change a state and what may not."""

import pytest
import torch

from aivc.nn.layers import Attention, ConvStem, GatedMLP, Trunk, rotate, rotations


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def test_rotated_products_depend_on_distance_alone():
    q, k = torch.randn(2, 1, 1, 1, 8)
    cos, sin = rotations(12, 8)
    turned_q, turned_k = rotate(q.expand(1, 1, 12, 8), cos, sin), rotate(k.expand(1, 1, 12, 8), cos, sin)
    products = (turned_q @ turned_k.mT)[0, 0]
    torch.testing.assert_close(products[3, 1], products[9, 7])
    assert (products[3, 1] - products[3, 2]).abs() > 1e-4


def test_rotation_keeps_lengths():
    x = torch.randn(2, 3, 5, 8)
    torch.testing.assert_close(rotate(x, *rotations(5, 8)).norm(dim=-1), x.norm(dim=-1))


@pytest.mark.parametrize("garbage", [0.0, 1e3])
def test_padding_changes_no_state(garbage):
    trunk = Trunk(16, 2, 2, 24, 5).eval()
    x = torch.randn(1, 6, 16)
    alone = trunk(x, torch.ones(1, 6, dtype=torch.bool))
    padded = torch.cat([x, torch.full((1, 4, 16), garbage)], dim=1)
    keep = torch.arange(10)[None] < 6
    torch.testing.assert_close(trunk(padded, keep)[:, :6], alone, atol=1e-5, rtol=1e-5)


def test_rows_of_a_batch_do_not_see_each_other():
    trunk = Trunk(16, 2, 2, 24, 3).eval()
    x, keep = torch.randn(3, 5, 16), torch.ones(3, 5, dtype=torch.bool)
    torch.testing.assert_close(trunk(x, keep)[1:2], trunk(x[1:2], keep[1:2]), atol=1e-5, rtol=1e-5)


def test_the_stem_sees_its_neighbours_and_no_further():
    stem = ConvStem(8, kernel=3, layers=1).eval()
    x, keep = torch.randn(1, 9, 8), torch.ones(1, 9, dtype=torch.bool)
    moved = x.clone()
    # Not by the same amount on every axis, which a norm would take out again.
    moved[0, 4] += torch.randn(8)
    changed = (stem(moved, keep) != stem(x, keep)).any(-1)[0]
    assert changed.tolist() == [i in (3, 4, 5) for i in range(9)]


def test_attention_without_positions_would_be_blind_to_order():
    attention = Attention(8, 2).eval()
    x, keep = torch.randn(1, 4, 8), torch.ones(1, 4, dtype=torch.bool)
    turn = rotations(4, 4)
    swapped = attention(x[:, [0, 2, 1, 3]], keep, turn)[:, 0]
    assert (swapped - attention(x, keep, turn)[:, 0]).abs().max() > 1e-4


def test_gated_mlp_works_on_each_position_by_itself():
    mlp = GatedMLP(8, 12)
    x = torch.randn(2, 3, 8)
    torch.testing.assert_close(mlp(x)[1, 2], mlp(x[1, 2]))


def test_every_weight_of_the_trunk_learns():
    trunk = Trunk(16, 2, 2, 24, 3)
    trunk(torch.randn(2, 5, 16), torch.ones(2, 5, dtype=torch.bool)).pow(3).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in trunk.parameters())
