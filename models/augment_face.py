"""Augmentation of face crops, batch-wise and on any device.

Most pictures are changed a little and a few a lot: with every picture changed a lot, a network of this size does not
even learn the pictures that it sees (docs/tried.md).
"""

import torch
from torch import Tensor

HARD = 0.25
"""Share of the pictures that are changed twice as much as the others."""


def augment_faces(crops: Tensor, generator: torch.Generator, side: int | None = None) -> Tensor:
    """Turn, scale, shift, mirror, relight, blur and partly cover crops [B, C, H, W] with values 0..255.

    With `side` they come out that wide and high.
    """
    strength = torch.where(torch.rand(len(crops), generator=generator) < HARD, 1.0, 0.5)
    crops = _affine(crops, strength, generator, side)
    crops = _photometric(crops, strength.view(-1, 1, 1, 1), generator)
    return _erase(crops, strength, generator)


def _uniform(shape: tuple[int, ...], low: float, high: float, generator: torch.Generator) -> Tensor:
    return torch.empty(shape).uniform_(low, high, generator=generator)


def _affine(crops: Tensor, strength: Tensor, generator: torch.Generator, side: int | None) -> Tensor:
    count, channels, height, width = crops.shape
    angle = strength * _uniform((count,), -0.35, 0.35, generator)  # 20 degrees
    scale = 1.0 + strength * _uniform((count,), -0.2, 0.2, generator)
    aspect = 1.0 + strength * _uniform((count,), -0.08, 0.08, generator)
    mirror = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    shift = strength[:, None] * _uniform((count, 2), -0.16, 0.16, generator)
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    rows = torch.stack([cos * mirror * aspect, -sin, shift[:, 0], sin * mirror * aspect, cos, shift[:, 1]], dim=1)
    grid = torch.nn.functional.affine_grid(
        rows.view(count, 2, 3), [count, channels, side or height, side or width], align_corners=False
    )
    return torch.nn.functional.grid_sample(
        crops, grid.to(crops.device), mode="bilinear", padding_mode="border", align_corners=False
    )


def _photometric(crops: Tensor, strength: Tensor, generator: torch.Generator) -> Tensor:
    shape = (len(crops), 1, 1, 1)
    gamma = torch.exp(strength * _uniform(shape, -0.5, 0.5, generator))
    crops = 255.0 * (crops.clamp(0, 255) / 255.0) ** gamma
    # A light from one side: a linear ramp over the picture.
    height, width = crops.shape[2:]
    across = torch.linspace(-1, 1, width).view(1, 1, 1, width) * _uniform(shape, -0.35, 0.35, generator)
    down = torch.linspace(-1, 1, height).view(1, 1, height, 1) * _uniform(shape, -0.35, 0.35, generator)
    crops = crops * (1.0 + strength * (across + down))
    # Webcams are soft or noisy: blend with a blurred copy, add grain.
    blurred = torch.nn.functional.avg_pool2d(crops, 3, 1, 1, count_include_pad=False)
    soft = torch.where(
        torch.rand(shape, generator=generator) < 0.4 * strength, _uniform(shape, 0.3, 1.0, generator), 0.0
    )
    grain = torch.randn(crops.shape, generator=generator) * strength * _uniform(shape, 0.0, 8.0, generator)
    return torch.lerp(crops, blurred, soft) + grain


def _erase(crops: Tensor, strength: Tensor, generator: torch.Generator) -> Tensor:
    """Cover a random rectangle with the picture's mean (Zhong et al. 2020, arXiv 1708.04896)."""
    count, _, height, width = crops.shape
    size = _uniform((count, 2), 0.15, 0.4, generator)
    corner = torch.rand((count, 2), generator=generator) * (1.0 - size)
    rows = torch.linspace(0, 1, height).view(1, height, 1)
    columns = torch.linspace(0, 1, width).view(1, 1, width)
    inside = (
        (rows >= corner[:, 0, None, None]) & (rows <= (corner + size)[:, 0, None, None])
        & (columns >= corner[:, 1, None, None]) & (columns <= (corner + size)[:, 1, None, None])
        & (torch.rand(count, generator=generator) < 0.5 * strength)[:, None, None]
    )  # fmt: skip
    return torch.where(inside[:, None], crops.mean(dim=(2, 3), keepdim=True), crops)
