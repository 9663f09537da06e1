"""What the stream asks of the models, wherever they run."""

from dataclasses import dataclass
from typing import Protocol

from app.inference.batching import InferenceError
from app.viewer.calibration import NOBODY
from models.inference import FaceReading, Float32, Int16, InvalidImageError, Trace, Traits, UInt8

__all__ = ["Inference", "InferenceError", "InvalidImageError", "VoiceReading"]


@dataclass(frozen=True, slots=True, eq=False)
class VoiceReading:
    """What the voice model says of one window."""

    probs: Float32
    """Probabilities [7] in the order of `labels.LABELS`."""
    statistics: Float32 | None = None
    """What `models.calibration` goes by [80]; None of a model that is not adaptive."""


class Inference(Protocol):
    """Answers for all viewers, wherever the models run."""

    voice_name: str
    face_name: str
    fusion_name: str | None
    """Of the model that hears and sees at once; None for late fusion."""
    fallback: str | None
    """Why the preferred face model could not be had, or None."""
    voice_traits: Traits
    face_traits: Traits
    fusion_traits: Traits | None

    async def voice(self, window: Int16, reference: Float32 = NOBODY) -> VoiceReading:
        """Return what is in a window [N] of somebody with a reference [80], `NOBODY` where none is known.

        Raises:
            InferenceError: no answer.
        """
        ...

    async def face(self, jpeg: bytes, trace: Trace | None = None) -> FaceReading:
        """Return what is in a frame; `trace` is that of the same viewer's newest reading.

        Raises:
            InvalidImageError: the bytes are not a picture.
            InferenceError: no answer.
        """
        ...

    async def fusion(self, window: Int16, crop: UInt8) -> Float32:
        """Return the probabilities [7] of a window [N] and a face [size, size, channels] together.

        Raises:
            InferenceError: no answer.
        """
        ...

    def close(self) -> None:
        """Free the models."""
        ...
