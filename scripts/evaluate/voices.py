"""Models that are put in the place of another to measure it: the same answers, sooner, or of somebody known."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from app.viewer.calibration import Learnt
from models.calibration import REFERENCE
from models.inference import FacePath, FaceReading, Float32, Int16, InvalidImageError, Trace, VoiceModel


class Remembering:
    """A voice model that is asked about each window once, however often it comes up; fulfils `VoiceModel`."""

    def __init__(self, model: VoiceModel) -> None:
        self._model = model
        self.name, self.traits, self.heard = model.name, model.traits, model.heard
        self._said: dict[tuple[bytes, bytes], tuple[Float32, Float32 | None]] = {}

    def answer(self, windows: Int16, references: Float32 | None = None) -> tuple[Float32, Float32 | None]:
        """Map windows [B, N] and references [B, 80] to probabilities [B, 7] and statistics [B, 80]."""
        if references is None or not self.traits.adaptive:
            references = np.zeros((len(windows), REFERENCE), np.float32)
        keys = [(window.tobytes(), who.tobytes()) for window, who in zip(windows, references, strict=True)]
        new = [row for row, key in enumerate(keys) if key not in self._said]
        if new:
            probs, statistics = self._model.answer(windows[new], references[new])
            told = [None] * len(new) if statistics is None else list(statistics)
            self._said.update((keys[row], said) for row, said in zip(new, zip(probs, told, strict=True), strict=True))
        said = [self._said[key] for key in keys]
        told = [statistics for _, statistics in said if statistics is not None]
        return np.stack([probs for probs, _ in said]), np.stack(told) if told else None

    def predict(self, windows: Int16, references: Float32 | None = None) -> Float32:
        """Return the probabilities alone."""
        return self.answer(windows, references)[0]


class KnownVoice:
    """A voice model that has learnt who speaks, and keeps to it; fulfils `VoiceModel`.

    It answers as a model does to a session that was calibrated: with the reference that was learnt, or with the
    answers multiplied by what was. A session that asks it must not be calibrated once more.
    """

    def __init__(self, model: VoiceModel, learnt: Learnt) -> None:
        self._model, self._learnt = model, learnt
        self.name, self.heard = model.name, model.heard
        self.traits = replace(model.traits, neutral=None, adaptive=False)

    def answer(self, windows: Int16, references: Float32 | None = None) -> tuple[Float32, Float32 | None]:
        """Map windows [B, N] to probabilities [B, 7] and statistics [B, 80]; whatever `references` say."""
        who = self._learnt.reference
        known = None if who is None else np.tile(who, (len(windows), 1))
        probs, statistics = self._model.answer(windows, known)
        return _multiplied(probs, self._learnt.voice), statistics

    def predict(self, windows: Int16, references: Float32 | None = None) -> Float32:
        """Return the probabilities alone."""
        return self.answer(windows, references)[0]


class BluntVoice:
    """A voice model that says of its answers that they repeat each other: nothing is sharpened."""

    def __init__(self, model: VoiceModel) -> None:
        self.name, self.heard = model.name, model.heard
        self.traits = replace(model.traits, sharpening=0.0)
        self.answer, self.predict = model.answer, model.predict


class KnownFace:
    """A face path that has learnt whom it sees, and keeps to it; fulfils `FacePath`."""

    def __init__(self, path: FacePath, learnt: Learnt) -> None:
        self._path, self._learnt = path, learnt
        self.name, self.model = path.name, path.model

    def analyse(
        self, jpegs: Sequence[bytes], traces: Sequence[Trace | None] = ()
    ) -> list[FaceReading | InvalidImageError]:
        """Return one outcome for each JPEG, in order."""
        return [
            outcome._replace(probs=_multiplied(outcome.probs, self._learnt.face))
            if isinstance(outcome, FaceReading) and outcome.probs is not None
            else outcome
            for outcome in self._path.analyse(jpegs, traces)
        ]

    def close(self) -> None:
        """Free what the path holds."""
        self._path.close()


def _multiplied(probs: Float32, factors: Float32 | None) -> Float32:
    """Multiply answers [..., 7] by factors [7], as `app.viewer.smoothing` does."""
    if factors is None:
        return probs
    product = probs * factors
    return np.asarray(product / product.sum(axis=-1, keepdims=True), dtype=np.float32)
