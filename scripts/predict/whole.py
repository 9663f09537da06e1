"""What the models say of a whole recording."""

from collections.abc import Sequence

import numpy as np

from app.gate import is_silence
from models.inference import (
    SAMPLE_RATE,
    FaceModel,
    FacePath,
    FaceReading,
    Float32,
    Int16,
    InvalidImageError,
    VoiceModel,
)

SHORTEST, LONGEST = SAMPLE_RATE // 2, 4 * SAMPLE_RATE
"""Samples that a voice model takes at once."""
BATCH = 32


def whole_voice(model: VoiceModel, sound: Int16, hop: float, silence_rms: float) -> tuple[Float32 | None, int, float]:
    """Return what a voice model says of a whole sound.

    As the model cards measure it: the mean over windows of 4 s (one window where the sound is shorter), `hop`
    seconds apart, the silent ones left out. Less than half a second gets silence before it.

    Returns:
        Probabilities [7], None where all is silence; over how many windows; the seconds of each.
    """
    length = min(LONGEST, max(SHORTEST, len(sound)))
    sound = np.pad(sound, (max(0, length - len(sound)), 0))
    step = round(hop * SAMPLE_RATE)
    total, count = np.zeros(7), 0
    starts = range(0, len(sound) - length + 1, step)
    for first in range(0, len(starts), BATCH):  # an hour's windows together would be a gigabyte
        windows = [sound[start : start + length] for start in starts[first : first + BATCH]]
        voiced = [window for window in windows if not is_silence(window, silence_rms)]
        if voiced:
            total += model.predict(np.stack(voiced)).sum(axis=0, dtype=np.float64)
            count += len(voiced)
    return (np.asarray(total / count, np.float32) if count else None), count, length / SAMPLE_RATE


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
        self._path = path
        self._total = np.zeros(7)

    def analyse(self, jpegs: Sequence[bytes]) -> list[FaceReading | InvalidImageError]:
        """Return one outcome for each JPEG, in order."""
        outcomes = self._path.analyse(jpegs)
        self.pictures += len(outcomes)
        for outcome in outcomes:
            if isinstance(outcome, FaceReading) and outcome.probs is not None:
                self.faces += 1
                self._total += outcome.probs
        return outcomes

    def mean(self) -> Float32 | None:
        """Return the mean [7] over all faces, or None."""
        return np.asarray(self._total / self.faces, np.float32) if self.faces else None

    def close(self) -> None:
        """Close the path."""
        self._path.close()
