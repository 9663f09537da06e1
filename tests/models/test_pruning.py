"""A narrower face network takes the channels of a wider one that its answers depend on."""

import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from models.networks.face import FaceResNet
from models.pruning import prune

BLOCKS = (1, 2)


def network(width: int, blocks: tuple[int, ...] = BLOCKS) -> FaceResNet:
    """Build a network whose norms have their own scales and offsets, and the statistics of what comes by."""
    torch.manual_seed(width)
    made = FaceResNet(width, blocks, strides=(2,) * len(blocks))
    for part in norms(made):
        part.weight.data.uniform_(0.5, 1.5)
        part.bias.data.normal_(0, 0.2)
    update_bn([crops for crops, _ in batches()], made)
    return made.eval()


def norms(made: nn.Module) -> list[nn.BatchNorm2d]:
    return [part for part in made.modules() if isinstance(part, nn.BatchNorm2d)]


def batches() -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    return [
        (torch.rand(32, 1, 48, 48, generator=generator) * 255, torch.randint(0, 7, (32,), generator=generator))
        for _ in range(2)
    ]


def silence(blocks: nn.Module, channels: list[int]) -> None:
    """Make these channels of blocks, and their inner ones, zero whatever the network sees."""
    for norm in norms(blocks):
        norm.weight.data[channels] = 0
        norm.bias.data[channels] = 0


def test_channels_that_say_nothing_are_left_out_and_no_answer_changes() -> None:
    wide, narrow = network(16), network(12)
    silence(wide.stem, [1, 6])
    silence(wide.stages[:1], [0, 5, 9, 15])
    silence(wide.stages[1:], [2, 3, 4, 11, 20, 21, 30, 31])
    prune(wide, narrow, batches())
    crops = batches()[0][0]
    with torch.inference_mode():
        torch.testing.assert_close(narrow(crops), wide(crops), atol=1e-5, rtol=1e-5)
        assert wide(crops).std() > 0.01


def test_the_same_width_keeps_everything() -> None:
    wide, narrow = network(16), network(16)
    nn.init.zeros_(narrow.head[3].weight)
    prune(wide, narrow, batches())
    assert all(torch.equal(narrow.state_dict()[name], values) for name, values in wide.state_dict().items())


def test_what_counts_is_what_the_loss_depends_on_not_how_large_weights_are() -> None:
    wide, narrow = network(16, (1,)), network(8, (1,))
    silence(wide.stages, list(range(0, 16, 2)))
    wide.stages[0].body[3].weight.data[::2] *= 100  # large weights, which a norm of zero silences
    prune(wide, narrow, batches())
    assert torch.equal(narrow.head[3].weight, wide.head[3].weight[:, 1::2])


def test_the_network_itself_is_left_as_it_was() -> None:
    wide = network(16)
    before = {name: values.clone() for name, values in wide.state_dict().items()}
    prune(wide, network(8), batches())
    assert all(torch.equal(before[name], values) for name, values in wide.state_dict().items())
    assert all(parameter.grad is None for parameter in wide.parameters())
    assert not any(part._forward_hooks for part in wide.modules())


def test_other_blocks_and_wider_networks_are_refused() -> None:
    with pytest.raises(ValueError, match="a network of 3 blocks cannot be had from one of 2"):
        prune(network(16, (1, 1)), network(8), batches())
    with pytest.raises(ValueError, match="12 channels cannot be had from 8"):
        prune(network(16), network(24), batches())
