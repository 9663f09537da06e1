"""The networks by name, so that a saved artefact can be built again."""

from collections.abc import Callable
from typing import Any

from torch import nn

from models.networks.face import FaceResNet
from models.networks.voice import AudioBiLSTM

NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "audio_bilstm": AudioBiLSTM,
    "face_resnet": FaceResNet,
}


def build(network: str, options: dict[str, Any]) -> nn.Module:
    """Build a network that gives logits [B, 7].

    Raises:
        KeyError: No network has that name.
    """
    return NETWORKS[network](**options)
