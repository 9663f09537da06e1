"""The small face networks of published desktop programs: 48x48 grey crops in, logits out."""

from torch import Tensor, nn

from models.networks.pixels import standardise


def _convolution(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]


class Cnn48(nn.Module):
    """Four convolutions and a wide hidden layer, as in very many tutorials and student systems for FER-2013.

    32-64-pool-128-pool-128-pool-1024, kernels of 3 without padding. Batch norm, and each picture to zero mean and unit
    deviation, are added here: the same parts learn the faster and do not depend on the light.
    """

    def __init__(self, hidden: int = 1024, dropout: float = 0.5, classes: int = 7) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_convolution(1, 32), *_convolution(32, 64), nn.MaxPool2d(2), nn.Dropout(dropout / 2),
            *_convolution(64, 128), nn.MaxPool2d(2), *_convolution(128, 128), nn.MaxPool2d(2), nn.Dropout(dropout / 2),
        )  # fmt: skip
        self.head = nn.Sequential(
            nn.Flatten(), nn.Linear(128 * 4 * 4, hidden), nn.ReLU(inplace=True), nn.Dropout(dropout),
            nn.Linear(hidden, classes),
        )  # fmt: skip

    def forward(self, crops: Tensor) -> Tensor:
        """Map crops [B, 1, 48, 48] with values 0..255 to logits [B, classes]."""
        logits: Tensor = self.head(self.body(standardise(crops)))
        return logits


def _separable(inputs: int, outputs: int) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, inputs, 3, 1, 1, groups=inputs, bias=False), nn.Conv2d(inputs, outputs, 1, bias=False),
        nn.BatchNorm2d(outputs),
    ]  # fmt: skip


class XceptionBlock(nn.Module):
    """Two depthwise separable convolutions and pooling, beside a strided shortcut (Chollet 2017, arXiv 1610.02357)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, 2, bias=False), nn.BatchNorm2d(outputs))
        self.body = nn.Sequential(
            *_separable(inputs, outputs), nn.ReLU(inplace=True), *_separable(outputs, outputs), nn.MaxPool2d(3, 2, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, inputs, H, W] to [B, outputs, ceil(H / 2), ceil(W / 2)]."""
        summed: Tensor = self.shortcut(x) + self.body(x)
        return summed


class MiniXception(nn.Module):
    """mini-Xception (Arriaga et al. 2017, arXiv 1710.07557): four Xception blocks and no hidden layer.

    Any side from 32 pixels will do; its authors used 64.
    """

    def __init__(self, width: int = 8, classes: int = 7) -> None:
        super().__init__()
        blocks = [XceptionBlock(width * 2**stage, width * 2 ** (stage + 1)) for stage in range(4)]
        self.body = nn.Sequential(*_convolution(1, width), *_convolution(width, width), *blocks)
        self.head = nn.Sequential(nn.Conv2d(16 * width, classes, 3, 1, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def forward(self, crops: Tensor) -> Tensor:
        """Map crops [B, 1, H, W] with values 0..255 to logits [B, classes]."""
        logits: Tensor = self.head(self.body(standardise(crops)))
        return logits
