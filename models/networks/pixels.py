"""What face networks do to their crops first."""

import torch
from torch import Tensor, nn


def standardise(crops: Tensor) -> Tensor:
    """Set each picture [B, C, H, W] to zero mean and unit deviation: a webcam's brightness and contrast say nothing."""
    mean = crops.mean(dim=(1, 2, 3), keepdim=True)
    deviation = (crops - mean).square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
    return (crops - mean) / (deviation + 8.0)


class Prepare(nn.Module):
    """From crops of any side, grey or RGB, with values 0..255, to what a backbone for photographs was made for."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, size: int, mean: tuple[float, ...], deviation: tuple[float, ...]) -> None:
        """Take the backbone's side in pixels, and its three channels' mean and deviation in units of 255."""
        super().__init__()
        self.size = size
        self.register_buffer("mean", torch.tensor(mean).reshape(3, 1, 1) * 255, persistent=False)
        self.register_buffer("deviation", torch.tensor(deviation).reshape(3, 1, 1) * 255, persistent=False)

    def forward(self, crops: Tensor) -> Tensor:
        """Map [B, 1 or 3, H, W] to [B, 3, size, size]."""
        if crops.shape[-2:] != (self.size, self.size):
            crops = nn.functional.interpolate(crops, (self.size, self.size), mode="bilinear", align_corners=False)
        # A grey crop [B, 1, H, W] becomes three equal channels here.
        return (crops - self.mean) / self.deviation
