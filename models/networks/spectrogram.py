"""Spectrograms looked at as pictures: waveforms in, logits out."""

from torch import Tensor, nn

from models.features import TOP_DB, LogMel
from models.networks.photo import timm_backbone
from models.networks.voice import SpecAugment


class SpectrogramVit(nn.Module):
    """MobileViT (Mehta & Rastegari 2022, arXiv 2110.02178) on the log-mel spectrogram as a grey picture.

    Decibels from 80 below the loudest to the loudest become 0..1. A picture has one width: windows of every length
    are stretched to it, which is 1:1 for 2.56 s at the width of 256.
    """

    def __init__(self, backbone: str = "mobilevit_xs.cvnets_in1k", width: int = 256, dropout: float = 0.2,
                 classes: int = 7, pretrained: bool = False) -> None:  # fmt: skip
        super().__init__()
        self.log_mel, self.augment = LogMel(), SpecAugment()
        self.width = width
        body = timm_backbone(backbone, pretrained=pretrained, channels=1)
        self.backbone: nn.Module = body
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(body.num_features, classes))

    def forward(self, waveform: Tensor) -> Tensor:
        """Map waveforms [B, N] in -1..1 (16 kHz) to logits [B, classes]."""
        decibels = self.log_mel(waveform)
        loudest = decibels.amax(dim=(1, 2), keepdim=True)
        picture = self.augment((decibels - loudest) / TOP_DB + 1.0).unsqueeze(1)
        size = (picture.shape[2], self.width)
        picture = nn.functional.interpolate(picture, size, mode="bilinear", align_corners=False)
        logits: Tensor = self.head(self.backbone(picture))
        return logits
