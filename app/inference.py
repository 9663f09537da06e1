"""What the stream sees of the models: one question for each path, answered off the event loop."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

import numpy as np

from app.batching import Batcher, InferenceError
from models.inference import FacePath, FaceReading, Float32, Int16, InvalidImageError, VoiceModel
from models.labels import LABELS

__all__ = ["Inference", "InferenceError", "InvalidImageError", "LocalInference"]

Answer = TypeVar("Answer")


class Inference(Protocol):
    """Answers for all viewers, wherever the models run."""

    voice_name: str
    face_name: str
    fallback: str | None
    """Why the preferred face model could not be had, or None."""

    async def voice(self, window: Int16) -> Float32:
        """Return probabilities [7] of a window [N].

        Raises:
            InferenceError: no answer.
        """
        ...

    async def face(self, jpeg: bytes) -> FaceReading:
        """Return what is in a frame.

        Raises:
            InvalidImageError: the bytes are not a picture.
            InferenceError: no answer.
        """
        ...

    def close(self) -> None:
        """Free the models."""
        ...


class LocalInference:
    """The models in this process, one batcher each."""

    def __init__(self, voice: VoiceModel, face: FacePath, *, fallback: str | None = None, max_batch: int = 32) -> None:
        self.voice_name = voice.name
        self.face_name = face.name
        self.fallback = fallback
        self._voice_model = voice
        self._face_path = face
        self._voices: Batcher[Int16, Float32] = Batcher("voice model", self._hear, max_batch=max_batch)
        self._faces: Batcher[bytes, FaceReading] = Batcher(
            "face path", self._see, max_batch=max_batch, release=face.close
        )

    async def voice(self, window: Int16) -> Float32:
        """Return probabilities [7] of a window [N]."""
        return await self._voices.submit(window)

    async def face(self, jpeg: bytes) -> FaceReading:
        """Return what is in a frame."""
        return await self._faces.submit(jpeg)

    def close(self) -> None:
        """End both threads, and free what the face path holds."""
        self._voices.close()
        self._faces.close()

    def _hear(self, windows: Sequence[Int16]) -> list[Float32 | Exception]:
        return [_checked(probs, probs) for probs in self._voice_model.predict(np.stack(windows))]

    def _see(self, jpegs: Sequence[bytes]) -> list[FaceReading | Exception]:
        return [
            _checked(outcome, outcome.probs)
            if isinstance(outcome, FaceReading) and outcome.probs is not None
            else outcome
            for outcome in self._face_path.analyse(jpegs)
        ]


def _checked(answer: Answer, probs: Float32) -> Answer | InferenceError:
    """Pass an answer on, unless it is not finite: in a history it would stay for seconds."""
    if probs.shape == (len(LABELS),) and np.isfinite(probs).all():
        return answer
    return InferenceError("the model's answer is not a set of probabilities")
