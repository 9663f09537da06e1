"""Face networks: square crops in, logits out."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class SqueezeExcite(nn.Module):
    """Channel attention (Hu et al. 2018, arXiv 1709.01507)."""

    def __init__(self, channels: int, reduction: int = 8) -> None:
        super().__init__()
        hidden = max(8, channels // reduction)
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, hidden, 1), nn.ReLU(inplace=True),
            nn.Conv2d(hidden, channels, 1), nn.Sigmoid(),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Scale each channel of [B, C, H, W] by what its global mean says."""
        scaled: Tensor = x * self.gate(x)
        return scaled


class Shortcut(nn.Sequential):
    """Average pooling and a 1x1 convolution with batch norm, which keep what a strided one would throw away.

    (ResNet-D, He et al. 2019, arXiv 1812.01187.) Where the sides are whole numbers of steps, the two are one strided
    convolution whose weights are the same all over a step: equal, and for less time.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__(
            nn.AvgPool2d(stride, ceil_mode=True) if stride != 1 else nn.Identity(),
            nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs),
        )  # fmt: skip
        self._stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, inputs, H, W] to [B, outputs, H / stride, W / stride]."""
        step = self._stride
        if step == 1 or x.shape[2] % step or x.shape[3] % step:
            for part in self:
                x = part(x)
            return x
        column = torch.cat([self.get_parameter("1.weight") / step**2] * step, dim=2)
        projected: Tensor = self[2](nn.functional.conv2d(x, torch.cat([column] * step, dim=3), stride=step))
        return projected


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with batch norm, squeeze-excite and a shortcut (He et al. 2016)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        last_norm = nn.BatchNorm2d(outputs)
        nn.init.zeros_(last_norm.weight)  # the block starts as the identity, which makes early training steady
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), last_norm, SqueezeExcite(outputs),
        )  # fmt: skip
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = Shortcut(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, inputs, H, W] to [B, outputs, H / stride, W / stride]."""
        return torch.relu(self.body(x) + self.shortcut(x))


class FaceResNet(nn.Module):
    """A compact SE-ResNet for 48x48 grey faces; pixel values 0..255 in, logits out.

    Args:
        width: Channels of the first stage; each stage has twice as many as the one before.
        blocks: Of each stage.
        strides: Of each stage's first block. Where it is 1, the stage sees as many pixels as the one before, for four
            times the time.
        dropout: Before the classifier.
        classes: Labels to tell apart.
    """

    def __init__(self, width: int = 48, blocks: Sequence[int] = (2, 2, 2, 1), dropout: float = 0.3,
                 classes: int = 7, strides: Sequence[int] = (2, 2, 2, 2)) -> None:  # fmt: skip
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, width // 2, 3, 1, 1, bias=False), nn.BatchNorm2d(width // 2), nn.ReLU(inplace=True)
        )
        stages: list[nn.Module] = []
        channels = width // 2
        for stage, (count, stride) in enumerate(zip(blocks, strides, strict=True)):
            for index in range(count):
                outputs = width * 2**stage
                stages.append(ResidualBlock(channels, outputs, stride=stride if index == 0 else 1))
                channels = outputs
        self.stages = nn.Sequential(*stages)
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(channels, classes)
        )

    def forward(self, crops: Tensor) -> Tensor:
        """Map crops [B, 1, 48, 48] with values 0..255 to logits [B, classes]."""
        # Each picture is set to zero mean and unit deviation: brightness and contrast of a webcam say nothing.
        mean = crops.mean(dim=(2, 3), keepdim=True)
        deviation = (crops - mean).square().mean(dim=(2, 3), keepdim=True).sqrt()
        logits: Tensor = self.head(self.stages(self.stem((crops - mean) / (deviation + 8.0))))
        return logits
