"""The models in this process: a question for each path, and one for both, answered off the event loop."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

import numpy as np

from app.inference.batching import Batcher
from app.inference.interface import InferenceError, VoiceReading
from app.viewer.calibration import NOBODY
from models.calibration import REFERENCE
from models.inference import (
    FacePath,
    FaceReading,
    Float32,
    FusionModel,
    Int16,
    Traits,
    UInt8,
    VoiceModel,
)
from models.labels import LABELS

Answer = TypeVar("Answer")


class _Question(NamedTuple):
    """What the voice model is asked: as in `Inference.voice`."""

    window: Int16
    reference: Float32
    describe: bool


class _Together(NamedTuple):
    """What the fusion model is asked: as in `Inference.fusion`."""

    window: Int16
    crop: UInt8


def _ignore(path: str, size: int, seconds: float) -> None:
    """Nobody wants to know."""


class LocalInference:
    """The models in this process, one batcher each.

    Args:
        voice: Hears.
        face: Sees.
        fusion: Hears and sees at once; None for late fusion.
        fallback: Why the preferred face model could not be had, or None.
        max_batch: Most questions in one call of a model.
        observe: Called on the model's thread after each call, with the path (`voice`, `face`, `fusion`), the number
            of questions, and the seconds that it took.
    """

    def __init__(
        self,
        voice: VoiceModel,
        face: FacePath,
        fusion: FusionModel | None = None,
        *,
        fallback: str | None = None,
        max_batch: int = 32,
        observe: Callable[[str, int, float], None] = _ignore,
    ) -> None:
        self.voice_name = voice.name
        self.face_name = face.name
        self.fusion_name = None if fusion is None else fusion.name
        self.fallback = fallback
        self.voice_traits = voice.traits
        self.face_traits = face.model.traits
        self.fusion_traits = Traits() if fusion is None else fusion.traits
        self._voice_model = voice
        self._face_path = face
        self._voices: Batcher[_Question, VoiceReading] = Batcher(
            "voice model", self._hear, max_batch=max_batch, observe=partial(observe, "voice")
        )
        self._faces: Batcher[bytes, FaceReading] = Batcher(
            "face path", self._see, max_batch=max_batch, release=face.close, observe=partial(observe, "face")
        )
        self._fusions: Batcher[_Together, Float32] | None = None
        if fusion is not None:
            self._fusions = Batcher(
                "fusion model", partial(_fuse, fusion), max_batch=max_batch, observe=partial(observe, "fusion")
            )

    async def voice(self, window: Int16, reference: Float32 | None = None, describe: bool = False) -> VoiceReading:
        """Return what is in a window [N] of somebody with a reference [80], None for nobody known."""
        if describe and not self.voice_traits.adaptive:  # here, so that it costs the others in a batch nothing
            raise InferenceError(f"{self.voice_name} takes no references")
        return await self._voices.submit(_Question(window, NOBODY if reference is None else reference, describe))

    async def face(self, jpeg: bytes) -> FaceReading:
        """Return what is in a frame."""
        return await self._faces.submit(jpeg)

    async def fusion(self, window: Int16, crop: UInt8) -> Float32:
        """Return the probabilities [7] of a window [N] and a face [size, size, channels] together."""
        if self._fusions is None:
            raise InferenceError("there is no fusion model")
        return await self._fusions.submit(_Together(window, crop))

    def close(self) -> None:
        """End the threads, and free what the face path holds."""
        self._voices.close()
        self._faces.close()
        if self._fusions is not None:
            self._fusions.close()

    def _hear(self, questions: Sequence[_Question]) -> list[VoiceReading | Exception]:
        windows = np.stack([question.window for question in questions])
        probs = self._voice_model.predict(windows, np.stack([question.reference for question in questions]))
        wanted = [row for row, question in enumerate(questions) if question.describe]
        described = dict(zip(wanted, self._voice_model.describe(windows[wanted]), strict=True)) if wanted else {}
        readings = [VoiceReading(row, described.get(index)) for index, row in enumerate(probs)]
        return [_checked(reading, reading.probs, reading.statistics) for reading in readings]

    def _see(self, jpegs: Sequence[bytes]) -> list[FaceReading | Exception]:
        return [
            _checked(outcome, outcome.probs)
            if isinstance(outcome, FaceReading) and outcome.probs is not None
            else outcome
            for outcome in self._face_path.analyse(jpegs)
        ]


def _fuse(model: FusionModel, questions: Sequence[_Together]) -> list[Float32 | Exception]:
    windows, crops = zip(*questions, strict=True)
    return [_checked(probs, probs) for probs in model.predict(np.stack(windows), np.stack(crops))]


def _checked(answer: Answer, probs: Float32, statistics: Float32 | None = None) -> Answer | InferenceError:
    """Pass an answer on, unless it is not finite: in a history it would stay for seconds, in a reference for good."""
    if probs.shape != (len(LABELS),) or not np.isfinite(probs).all():
        return InferenceError("the model's answer is not a set of probabilities")
    if statistics is not None and (statistics.shape != (REFERENCE,) or not np.isfinite(statistics).all()):
        return InferenceError("the model's description of a voice is not a set of statistics")
    return answer
