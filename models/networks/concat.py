"""Feature fusion: what a voice network and a face network found, side by side, classified together."""

from typing import Self

import torch
from torch import Tensor, nn


class Embedding(nn.Module):
    """A network of the registry without its classifier: its input to features [B, width].

    The classifier is the last layer with weights of the network's `head`; what stands before and after it stays.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        head = network.get_submodule("head")
        name, classifier = [
            (name, layer) for name, layer in head.named_children() if isinstance(layer, nn.Linear | nn.Conv2d)
        ][-1]
        head.add_module(name, nn.Identity())
        self.network = network
        self.width = classifier.in_features if isinstance(classifier, nn.Linear) else classifier.in_channels

    def forward(self, *inputs: Tensor) -> Tensor:
        """Map what the network takes to features [B, width]."""
        features: Tensor = self.network(*inputs)
        return features


class ConcatFusion(nn.Module):
    """Features of voice and face, each normalised, concatenated and fully connected.

    A frozen one trains what comes after the features alone: they are computed as when serving, so that dropout does
    not touch them and batch norms do not move.
    """

    def __init__(self, voice: nn.Module, face: nn.Module, hidden: int = 256, dropout: float = 0.3,
                 classes: int = 7) -> None:  # fmt: skip
        super().__init__()
        self.frozen = False
        self.voice, self.face = Embedding(voice), Embedding(face)
        # Else the path with the larger numbers would drown the other one.
        self.norm_voice, self.norm_face = nn.LayerNorm(self.voice.width), nn.LayerNorm(self.face.width)
        self.head = nn.Sequential(
            nn.Linear(self.voice.width + self.face.width, hidden), nn.ReLU(inplace=True), nn.Dropout(dropout),
            nn.Linear(hidden, classes),
        )  # fmt: skip

    def freeze(self, *, frozen: bool = True) -> None:
        """Leave the two networks as they are, or train them too."""
        self.frozen = frozen
        self.requires_grad_(True)
        for part in (self.voice, self.face):
            part.requires_grad_(not frozen)
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """Set the mode, of all that is not frozen."""
        super().train(mode)
        if self.frozen:
            self.voice.eval()
            self.face.eval()
        return self

    def forward(self, waveform: Tensor, crops: Tensor) -> Tensor:
        """Map what the voice network takes and what the face network takes to logits [B, classes]."""
        features = [self.norm_voice(self.voice(waveform)), self.norm_face(self.face(crops))]
        logits: Tensor = self.head(torch.cat(features, dim=1))
        return logits
