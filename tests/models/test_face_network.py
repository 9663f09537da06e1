"""The shape of the face network: what its options make of the pixels."""

import pytest
import torch
from torch import nn

from models.networks.face import FaceResNet, Shortcut


def sides(**options: object) -> list[int]:
    """Return the side of what each stage gives, for a crop of 48 pixels."""
    network = FaceResNet(width=8, **options).eval()  # type: ignore[arg-type]
    found: list[int] = []
    for block in network.stages:
        block.register_forward_hook(lambda _, __, output: found.append(output.shape[-1]))
    assert network(torch.zeros(1, 1, 48, 48)).shape == (1, 7)
    return found


def test_each_stage_halves_the_picture_unless_it_is_told_not_to() -> None:
    assert sides(blocks=(1, 1, 1, 1)) == [24, 12, 6, 3]
    assert sides(blocks=(2, 1, 1), strides=(2, 2, 1)) == [24, 24, 12, 12]
    assert sides(blocks=(1, 2), strides=(1, 2)) == [48, 24, 24]


def test_every_stage_has_its_stride() -> None:
    with pytest.raises(ValueError, match="argument 2 is longer"):
        FaceResNet(width=8, blocks=(1, 1, 1))


@pytest.mark.parametrize(("stride", "side"), [(1, 7), (2, 8), (2, 7), (3, 6), (3, 8)])
def test_a_shortcut_says_what_pooling_and_projecting_say(stride: int, side: int) -> None:
    torch.manual_seed(0)
    shortcut = Shortcut(5, 8, stride)
    crops = torch.randn(4, 5, side, side)
    plain = nn.Sequential(*shortcut)
    torch.testing.assert_close(shortcut(crops), plain(crops))
    mine, theirs = (torch.autograd.grad(way(crops).square().sum(), shortcut[1].weight)[0] for way in (shortcut, plain))
    torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(shortcut.eval()(crops), plain.eval()(crops))
    assert shortcut(crops).shape == (4, 8, -(-side // stride), -(-side // stride))
