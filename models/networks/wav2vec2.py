"""wav2vec 2.0 (Baevski et al. 2020, arXiv 2006.11477), from transformers: waveforms in, logits out."""

import warnings
from typing import Any, Final

from torch import Tensor, nn

from models.networks.hub import PretrainedError, named

REPOSITORY: Final = "facebook/wav2vec2-base"
SIZES: Final[dict[str, dict[str, Any]]] = {
    "base": {},
    "small": {
        "conv_dim": (64,) * 7, "hidden_size": 96, "num_hidden_layers": 3, "num_attention_heads": 4,
        "intermediate_size": 192, "num_conv_pos_embeddings": 32, "num_conv_pos_embedding_groups": 4,
    },
}  # fmt: skip
"""What each size changes of wav2vec2-base."""
STEADY: Final[dict[str, Any]] = {"apply_spec_augment": False, "layerdrop": 0.0}
"""Both draw from NumPy's global generator, which the trainer neither seeds nor saves: a run must be repeatable."""


class Wav2Vec2(nn.Module):
    """wav2vec 2.0, the mean of its states over time, and a linear classifier.

    `base` is the published size, of which there are weights; `small` has a 250th of its parameters and can be
    trained from scratch on small data.
    """

    def __init__(self, size: str = "base", dropout: float = 0.1, classes: int = 7, pretrained: bool = False) -> None:
        super().__init__()
        if size not in SIZES:
            raise ValueError(f"wav2vec2 has no size {size!r}; it has {', '.join(SIZES)}")
        if pretrained and size != "base":
            raise PretrainedError(f"huggingface.co/{REPOSITORY} is of size base; nobody publishes weights of {size}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from transformers import Wav2Vec2Config, Wav2Vec2Model
        if pretrained:
            with named(REPOSITORY):
                self.backbone = Wav2Vec2Model.from_pretrained(REPOSITORY, **STEADY)
        else:
            self.backbone = Wav2Vec2Model(Wav2Vec2Config(**SIZES[size], **STEADY))
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(self.backbone.config.hidden_size, classes))

    def forward(self, waveform: Tensor) -> Tensor:
        """Map waveforms [B, N] in -1..1 (16 kHz, at least 0.5 s) to logits [B, classes]."""
        # As it was trained: loudness is taken out of each window.
        mean = waveform.mean(dim=1, keepdim=True)
        deviation = (waveform - mean).square().mean(dim=1, keepdim=True).add(1e-7).sqrt()
        states = self.backbone((waveform - mean) / deviation).last_hidden_state
        logits: Tensor = self.head(states.mean(dim=1))
        return logits
