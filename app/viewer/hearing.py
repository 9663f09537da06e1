"""The voice side of one viewer. Pure: time is passed in."""

import math
from collections import deque
from dataclasses import dataclass

from app.protocol import VoiceState
from app.settings import Settings
from app.viewer.calibration import NOBODY
from app.viewer.gate import is_silence
from app.viewer.ring_buffer import RingBuffer
from app.viewer.smoothing import Smoother
from models.inference import SAMPLE_RATE, Float32, Int16
from models.windows import rms


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A question for the voice model.

    Attributes:
        samples: The sound [N].
        id: Of the newest chunk in it.
        at: When it was taken.
        arrived: When the newest chunk in it came.
        reference: Of who speaks [80]; zeros for nobody known.
    """

    samples: Int16
    id: int | None
    at: float
    arrived: float
    reference: Float32


class Hearing:
    """The newest sound of one viewer, and the smoothed answers about it.

    Attributes:
        answers: The history that is shown.
        dropped: Chunks whose sound left before a window covered it.
    """

    def __init__(self, settings: Settings, sharpening: float) -> None:
        self.answers = Smoother(settings.voice_smoothing, settings.result_interval, settings.stale_after, sharpening)
        self.dropped = 0
        self._silence_rms = settings.silence_rms
        self._stale_after = settings.stale_after
        self._ring = RingBuffer(round(settings.voice_window * SAMPLE_RATE))
        self._chunks: deque[int] = deque()  # start positions of chunks that no window covered yet
        self._covered = 0  # position up to which windows covered the sound
        self._levelled = 0  # position up to which results told the level
        self._judged = 0  # position of the sound whose newest window the gate looked at last
        self._silent = True
        self._began = -math.inf  # when the sound began anew
        self._newest_at: float | None = None
        self._newest_id: int | None = None
        self._heard_id: int | None = None
        self._reference = NOBODY

    def receive(self, samples: Int16, number: int | None, now: float) -> None:
        """Take a chunk of sound [N]."""
        if not self.is_live(now):
            self._restart(now)
        self._newest_at, self._newest_id = now, number
        self._chunks.append(self._ring.total)
        self._ring.write(samples)
        while self._chunks and self._chunks[0] < self._ring.oldest:
            self._chunks.popleft()
            # Sound from before the first window is no loss: that window came as soon as it was full.
            self.dropped += self._covered > 0

    def is_live(self, now: float) -> bool:
        """Whether sound arrives."""
        return self._newest_at is not None and now - self._newest_at <= self._stale_after

    def refer(self, reference: Float32) -> None:
        """Ask with another reference [80] from now on; answers that were asked for with the old one go."""
        if reference is not self._reference:
            self._reference = reference
            self.answers.clear()

    def take(self, now: float) -> Window | None:
        """Return the newest window [voice_window * 16000] if it is full, new, and not silence."""
        arrived = self._newest_at
        if arrived is None or self._is_warming() or self._ring.total == self._covered or not self.is_live(now):
            return None
        self._covered = self._ring.total
        self._chunks.clear()
        if self._is_silence():
            return None
        return Window(self._window(), self._newest_id, now, arrived, self._reference)

    def heard(self, window: Window, probs: Float32, now: float) -> None:
        """Take the probabilities [7] of a window.

        Void is what came too late, is of the sound before a gap, or was asked with another reference.
        """
        is_present = self._began <= window.at and now - window.at <= self._stale_after
        if is_present and window.reference is self._reference:
            self.answers.add(probs, window.at)
            self._heard_id = window.id

    def shown(self, now: float) -> tuple[VoiceState, Float32 | None, int | None]:
        """Return the state, the probabilities [7], and the id of the newest chunk behind them."""
        if self._ring.total and not self.is_live(now):
            self._restart(now)
        state, probs = self._shown(now)
        return state, probs, None if probs is None else self._heard_id

    def level(self) -> float:
        """Return the RMS (0 to 1) of the sound since this was last asked."""
        new = self._ring.newest(self._ring.total - self._levelled)
        self._levelled = self._ring.total
        return rms(new)

    def _shown(self, now: float) -> tuple[VoiceState, Float32 | None]:
        if not self.is_live(now):
            return "absent", None
        if self._is_warming():
            return "warming", None
        probs = self.answers.mean(now)
        if self._is_silence():
            return "silence", probs
        if probs is None:  # there is voice, but no answer about it yet
            return "warming", None
        return "ok", probs

    def _is_silence(self) -> bool:
        if self._judged != self._ring.total:
            self._judged = self._ring.total
            self._silent = is_silence(self._window(), self._silence_rms)
        return self._silent

    def _window(self) -> Int16:
        return self._ring.newest(self._ring.capacity)

    def _is_warming(self) -> bool:
        return self._ring.total < self._ring.capacity

    def _restart(self, now: float) -> None:
        """Forget the sound before a gap: a window must never join two moments."""
        self._ring.clear()
        self._chunks.clear()
        self.answers.clear()
        self._covered = self._levelled = self._judged = 0
        self._began = now
