"""What of an endless sound the voice model is asked about: windows all along, and recordings. Pure."""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from app.viewer.ring_buffer import RingBuffer
from models.inference import SAMPLE_RATE, Int16

RECORDING: Final = 2 * SAMPLE_RATE
"""Samples of a recording."""
SHORTEST: Final = SAMPLE_RATE // 2
"""Samples that a recording has at least, when the sound ends before it is full."""

Kind = Literal["window", "recording"]


@dataclass(frozen=True, slots=True)
class Heard:
    """Samples [N] to ask the voice model about."""

    kind: Kind
    samples: Int16


class Hearing:
    """Cuts a sound, chunk by chunk.

    Args:
        window: Samples of a window.
        hop: Samples from one window to the next; 0 cuts no windows.
    """

    def __init__(self, window: int, hop: int) -> None:
        self._ring = RingBuffer(window)
        self._hop = hop
        self._due = window
        self._recording: list[Int16] | None = None

    def record(self) -> None:
        """Begin a recording with the next sample; one that is under way goes on."""
        if self._recording is None:
            self._recording = []

    @property
    def recorded(self) -> int | None:
        """Samples of the recording under way, or None."""
        return None if self._recording is None else sum(map(len, self._recording))

    def take(self, samples: Int16) -> list[Heard]:
        """Take the next samples [N] and return what is now complete."""
        heard = self._windows(samples) if self._hop else []
        if self._recording is not None:
            self._recording.append(samples)
            if (self.recorded or 0) >= RECORDING:
                heard.append(self._cut())
        return heard

    def finish(self) -> list[Heard]:
        """Return what the recording got, where the sound ends before it is full."""
        if (self.recorded or 0) >= SHORTEST:
            return [self._cut()]
        self._recording = None
        return []

    def _windows(self, samples: Int16) -> list[Heard]:
        heard = []
        while len(samples):
            part = samples[: self._due - self._ring.total]
            samples = samples[len(part) :]
            self._ring.write(part)
            if self._ring.total == self._due:
                self._due += self._hop
                heard.append(Heard("window", self._ring.newest(self._ring.capacity)))
        return heard

    def _cut(self) -> Heard:
        samples = np.concatenate(self._recording or [np.zeros(0, np.int16)])[:RECORDING]
        self._recording = None
        return Heard("recording", samples)
