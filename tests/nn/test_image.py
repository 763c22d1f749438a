"""Tokens of images: what turning, mirroring, dimming and hiding change, and what they do not."""

import pytest
import torch

from aivc.nn.image import PRESETS, TARGETS, ImageNetwork, described, rings_of

torch.manual_seed(0)
NETWORK = ImageNetwork(PRESETS["cpu-xs"], 5, TARGETS).eval()
IMAGE, WHO = torch.rand(3, 2, 64, 64) * 100, torch.randn(2, 5)
SHOWN = torch.zeros(3, 2, 4, dtype=torch.bool)


def embed(image, who=WHO, hidden=SHOWN):
    with torch.no_grad():
        return NETWORK.embed(image, who, hidden)


@pytest.mark.parametrize(
    "turn",
    [lambda v: torch.rot90(v, 1, (2, 3)), lambda v: v.flip(2), lambda v: v.flip(3), lambda v: v.transpose(2, 3)],
    ids=["rotation", "flip", "mirror", "transpose"],
)
def test_turning_and_mirroring_change_nothing(turn):
    turned = turn(IMAGE)
    torch.testing.assert_close(embed(turned), embed(IMAGE), atol=1e-5, rtol=1e-4)
    shape = PRESETS["cpu-xs"]
    torch.testing.assert_close(described(turned, shape), described(IMAGE, shape), atol=1e-4, rtol=1e-4)
    odd = torch.rand(2, 2, 33, 33)
    torch.testing.assert_close(embed(turn(odd), hidden=SHOWN[:2]), embed(odd, hidden=SHOWN[:2]), atol=1e-4, rtol=1e-3)


def test_a_dimmer_lamp_changes_nothing_and_a_dimmer_channel_does():
    torch.testing.assert_close(embed(0.7 * IMAGE), embed(IMAGE), atol=1e-4, rtol=1e-3)
    one = IMAGE * torch.tensor([0.5, 1.0])[:, None, None]
    assert (embed(one) - embed(IMAGE)).abs().max() > 1e-2


def test_channels_have_no_order_but_who_they_are_matters():
    torch.testing.assert_close(embed(IMAGE.flip(1), WHO.flip(0)), embed(IMAGE), atol=1e-5, rtol=1e-4)
    assert (embed(IMAGE, WHO.flip(0)) - embed(IMAGE)).abs().max() > 1e-3


def test_a_hidden_channel_is_not_read():
    hidden = SHOWN.clone()
    hidden[:, 1] = True
    other = IMAGE.clone()
    other[:, 1] = torch.rand(3, 64, 64) * 1000
    torch.testing.assert_close(embed(other, hidden=hidden), embed(IMAGE, hidden=hidden))
    alone = embed(IMAGE[:, :1], WHO[:1], SHOWN[:, :1])
    torch.testing.assert_close(alone, embed(IMAGE, hidden=hidden), atol=1e-5, rtol=1e-4)


def test_rings_reach_from_the_middle_to_the_corners():
    ring = rings_of(16, 4)
    assert ring[7, 7] == 0
    assert ring[0, 0] == 3
    assert torch.equal(ring, ring.T)
    assert torch.equal(ring, ring.flip(0))


def test_networks_for_processors_are_small():
    for name in ("cpu-xs", "cpu-s"):
        network = ImageNetwork(PRESETS[name], 36, TARGETS)
        assert sum(weight.numel() for weight in network.parameters()) < 1_000_000
