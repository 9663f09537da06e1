"""The shape of the face network: what its options make of the pixels."""

import pytest
import torch

from models.networks.face import FaceResNet


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
