"""What the models say of a whole recording."""

from collections import deque
from collections.abc import Sequence

import numpy as np

from app.viewer.gate import is_silence
from models.inference import (
    SAMPLE_RATE,
    FaceModel,
    FacePath,
    FaceReading,
    Float32,
    FusionModel,
    Int16,
    InvalidImageError,
    Trace,
    UInt8,
    VoiceModel,
)
from models.pooling import evidence, sharpened
from models.windows import WHOLE_HOP, WHOLE_SECONDS

SHORTEST, LONGEST = SAMPLE_RATE // 2, 4 * SAMPLE_RATE
"""Samples that a model takes at once."""
BATCH = 32


def whole_voice(model: VoiceModel, sound: Int16, silence_rms: float) -> tuple[Float32 | None, int, float]:
    """Return what a voice model says of a whole sound.

    As the model cards measure it: the mean over windows of 2 s (one window where the sound is shorter), a quarter of
    a second apart, the silent ones left out, as sure as so many answers are (`models.pooling`). Less than half a
    second gets silence before it. There a clip that is silent throughout is judged by its loudest window, so that no
    model is spared one; here it is silence.

    Returns:
        Probabilities [7], None where all is silence; over how many windows; the seconds of each.
    """
    length = min(round(WHOLE_SECONDS * SAMPLE_RATE), max(SHORTEST, len(sound)))
    sound = np.pad(sound, (max(0, length - len(sound)), 0))
    step = round(WHOLE_HOP * SAMPLE_RATE)
    total, count = np.zeros(7), 0
    starts = range(0, len(sound) - length + 1, step)
    for first in range(0, len(starts), BATCH):  # an hour's windows together would be a gigabyte
        windows = [sound[start : start + length] for start in starts[first : first + BATCH]]
        voiced = [window for window in windows if not is_silence(window, silence_rms)]
        if voiced:
            total += model.predict(np.stack(voiced)).sum(axis=0, dtype=np.float64)
            count += len(voiced)
    if not count:
        return None, 0, length / SAMPLE_RATE
    mean = np.asarray(total / count, np.float32)
    return sharpened(mean, evidence(count), model.traits.sharpening), count, length / SAMPLE_RATE


class Together:
    """The mean of a fusion model's answers about a whole recording.

    It is asked about windows of 4 s (one where the sound is shorter), `hop` seconds apart, each with the face that was
    seen nearest to its middle; not about silent ones, nor about those without a face.
    """

    def __init__(self, model: FusionModel, hop: float, silence_rms: float) -> None:
        self._model = model
        self._step = round(hop * SAMPLE_RATE)
        self._silence = silence_rms
        self._start = 0  # of the next window, in samples
        self._waiting = np.zeros(0, np.int16)  # from there on
        self._faces: deque[tuple[float, UInt8]] = deque()
        self._total, self._count = np.zeros(7), 0

    def see(self, crop: UInt8, at: float) -> None:
        """Take a face [size, size, channels] seen at so many seconds, later than those before it."""
        self._faces.append((at, crop))

    def hear(self, samples: Int16) -> None:
        """Take the next samples [N]; faces seen until then are here already."""
        self._waiting = np.concatenate([self._waiting, samples])
        while len(self._waiting) >= LONGEST:
            self._ask(self._waiting[:LONGEST])
            self._waiting = self._waiting[self._step :]
            self._start += self._step
            while self._faces and self._faces[0][0] < self._start / SAMPLE_RATE:
                self._faces.popleft()

    def finish(self) -> Float32 | None:
        """Return the mean [7] over all windows, of which there is one where the sound is shorter; None without any."""
        if not self._start and len(self._waiting):
            self._ask(np.pad(self._waiting, (max(0, SHORTEST - len(self._waiting)), 0)))
        return np.asarray(self._total / self._count, np.float32) if self._count else None

    def _ask(self, window: Int16) -> None:
        began, ends = self._start / SAMPLE_RATE, (self._start + len(window)) / SAMPLE_RATE
        faces = [(abs(at - (began + ends) / 2), crop) for at, crop in self._faces if began <= at <= ends]
        if faces and not is_silence(window, self._silence):
            _, crop = min(faces, key=lambda face: face[0])
            self._total += self._model.predict(window[None], crop[None])[0]
            self._count += 1


class Onlooker:
    """A face path that remembers the mean of its answers. A `FacePath`; `close` is its owner's.

    Attributes:
        pictures: Looked at.
        faces: Found.
    """

    def __init__(self, path: FacePath) -> None:
        self.name = path.name
        self.model: FaceModel = path.model
        self.pictures = self.faces = 0
        self._crop: UInt8 | None = None
        self._path = path
        self._total = np.zeros(7)

    def analyse(
        self, jpegs: Sequence[bytes], traces: Sequence[Trace | None] = ()
    ) -> list[FaceReading | InvalidImageError]:
        """Return one outcome for each JPEG, in order."""
        outcomes = self._path.analyse(jpegs, traces)
        self.pictures += len(outcomes)
        for outcome in outcomes:
            self._crop = outcome.crop if isinstance(outcome, FaceReading) else None
            if isinstance(outcome, FaceReading) and outcome.probs is not None:
                self.faces += 1
                self._total += outcome.probs
        return outcomes

    def take_crop(self) -> UInt8 | None:
        """Return the face in the newest picture as a fusion model takes it [size, size, channels], once."""
        crop, self._crop = self._crop, None
        return crop

    def mean(self) -> Float32 | None:
        """Return the mean [7] over all faces, or None."""
        return np.asarray(self._total / self.faces, np.float32) if self.faces else None

    def close(self) -> None:
        """Close the path."""
        self._path.close()
