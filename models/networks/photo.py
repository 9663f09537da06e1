"""Backbones for photographs, from timm, told to look at faces."""

import warnings
from typing import Any

from torch import Tensor, nn

from models.networks.hub import fetch
from models.networks.pixels import Prepare


def timm_backbone(name: str, *, pretrained: bool, channels: int = 3) -> Any:
    """Build a network of timm without its classifier: [B, channels, H, W] to [B, num_features].

    Args:
        name: timm's, with the tag of its weights, e.g. `resnet18.a1_in1k`.
        pretrained: Whether to load those weights.
        channels: Of its input; the weights of three are summed or repeated for other numbers.

    Raises:
        PretrainedError: The weights are not in the cache and cannot be fetched.
    """
    # timm 0.9 does not find the hub's newer clients, so its weights are fetched for it.
    overlay = {"file": str(fetch(f"timm/{name}"))} if pretrained else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # timm 0.9 uses what newer PyTorch deprecates
        import timm

        return timm.create_model(
            name, num_classes=0, in_chans=channels, pretrained=pretrained, pretrained_cfg_overlay=overlay
        )


class TimmFace(nn.Module):
    """A backbone of timm with a classifier for faces: crops 0..255 in, logits out.

    It takes grey crops and RGB ones, of any side: they are brought to `size` within. So a network for pictures of 224
    pixels trains on the 48 pixels of FER-2013, and what is served is scaled just as what it was trained on. The
    smaller `size`, the faster, by its square; backbones halve their picture five times, so below 64 little is left.
    """

    def __init__(self, backbone: str, *, size: int, dropout: float = 0.2, classes: int = 7,
                 pretrained: bool = False) -> None:  # fmt: skip
        super().__init__()
        body = timm_backbone(backbone, pretrained=pretrained)
        self.prepare = Prepare(size, body.pretrained_cfg["mean"], body.pretrained_cfg["std"])
        self.backbone: nn.Module = body
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(body.num_features, classes))

    def forward(self, crops: Tensor) -> Tensor:
        """Map crops [B, 1 or 3, H, W] with values 0..255 to logits [B, classes]."""
        logits: Tensor = self.head(self.backbone(self.prepare(crops)))
        return logits
