"""A batch of questions to a model, and its answers: the same wherever the model runs. Pure.

An answer that is an exception is that of its question alone, never of the whole batch. Each is an array of its own, no
view of the batch's: whoever keeps one keeps no other viewer's.
"""

from collections.abc import Sequence
from itertools import repeat
from typing import Any, NamedTuple, TypeVar

import numpy as np

from app.inference.batching import InferenceError
from app.inference.interface import VoiceReading
from models.calibration import REFERENCE
from models.inference import (
    FacePath,
    FaceReading,
    Float32,
    FusionModel,
    Int16,
    InvalidImageError,
    Trace,
    Traits,
    UInt8,
    VoiceModel,
)
from models.labels import LABELS

Answer = TypeVar("Answer")


class VoiceQuestion(NamedTuple):
    """What the voice model is asked: as in `Inference.voice`."""

    window: Int16
    reference: Float32


class FaceQuestion(NamedTuple):
    """What the face path is asked: as in `Inference.face`."""

    jpeg: bytes
    trace: Trace | None


class FusionQuestion(NamedTuple):
    """What the fusion model is asked: as in `Inference.fusion`."""

    window: Int16
    crop: UInt8


class Answered(NamedTuple):
    """What a model elsewhere says to a question: the outcome, and its part of the seconds that the call took."""

    outcome: Any
    seconds: float


class About(NamedTuple):
    """What a model says of itself."""

    name: str
    traits: Traits


def hear(model: VoiceModel, questions: Sequence[VoiceQuestion]) -> list[VoiceReading | InferenceError]:
    """Answer questions [B] about windows of one length."""
    windows, references = zip(*questions, strict=True)
    probs, statistics = model.answer(np.stack(windows), np.stack(references))
    told = repeat(None, len(probs)) if statistics is None else map(np.copy, statistics)
    readings = [VoiceReading(*row) for row in zip(map(np.copy, probs), told, strict=True)]
    return [_checked(reading, reading.probs, reading.statistics) for reading in readings]


def see(path: FacePath, questions: Sequence[FaceQuestion]) -> list[FaceReading | InvalidImageError | InferenceError]:
    """Answer questions [B]."""
    jpegs, traces = zip(*questions, strict=True)
    return [
        _checked(outcome, outcome.probs) if isinstance(outcome, FaceReading) and outcome.probs is not None else outcome
        for outcome in path.analyse(jpegs, traces)
    ]


def fuse(model: FusionModel, questions: Sequence[FusionQuestion]) -> list[Float32 | InferenceError]:
    """Answer questions [B] about windows of one length and their crops."""
    windows, crops = zip(*questions, strict=True)
    return [_checked(probs, probs) for probs in map(np.copy, model.predict(np.stack(windows), np.stack(crops)))]


def _checked(answer: Answer, probs: Float32, statistics: Float32 | None = None) -> Answer | InferenceError:
    """Pass an answer on, unless it is none: in a history it would stay for seconds, in a reference for good."""
    values = probs.tolist()  # of so few numbers Python's own are faster
    if probs.shape != (len(LABELS),) or not (min(values) >= 0 and 0 < sum(values) < np.inf):
        return InferenceError("the model's answer is not a set of probabilities")
    if statistics is not None and (statistics.shape != (REFERENCE,) or not np.isfinite(statistics).all()):
        return InferenceError("the model's description of a voice is not a set of statistics")
    return answer
