"""The face side of one viewer. Pure: time is passed in."""

from dataclasses import dataclass, replace
from typing import NamedTuple

from app.protocol import FaceState
from app.settings import Settings
from app.viewer.smoothing import Smoother
from models.inference import Box, FaceReading, Float32, Trace


@dataclass(frozen=True, slots=True)
class Picture:
    """A question for the face path: a JPEG, its id, the time it arrived, and where the face was in the one before."""

    jpeg: bytes
    id: int | None
    at: float
    trace: Trace | None = None


class _Seen(NamedTuple):
    """What is kept of a frame that was looked at: of the picture no more than what finds the face again."""

    at: float
    id: int | None
    box: Box | None
    is_face: bool
    trace: Trace | None


class Seeing:
    """The newest frame of one viewer, and the smoothed answers about those before it.

    Attributes:
        answers: The history that is shown.
        replaced: Frames that a newer one replaced before they were looked at.
        outdated: Frames that grew stale before they were.
    """

    def __init__(self, settings: Settings, sharpening: float) -> None:
        self.answers = Smoother(settings.face_smoothing, settings.result_interval, settings.stale_after, sharpening)
        self.replaced = self.outdated = 0
        self._stale_after = settings.stale_after
        self._waiting: Picture | None = None
        self._newest_at: float | None = None
        self._seen: _Seen | None = None

    def receive(self, jpeg: bytes, number: int | None, now: float) -> None:
        """Take a frame; one that still waits is dropped and counted."""
        if self._waiting is not None:
            self.replaced += 1
        self._waiting = Picture(jpeg, number, now)
        self._newest_at = now

    def is_live(self, now: float) -> bool:
        """Whether frames arrive."""
        return self._newest_at is not None and not self._is_stale(self._newest_at, now)

    def take(self, now: float) -> Picture | None:
        """Return the newest frame, once, unless it has grown stale."""
        self._forget(now)
        picture, self._waiting = self._waiting, None
        if picture is None or self._seen is None:
            return picture
        return replace(picture, trace=self._seen.trace)

    def saw(self, picture: Picture, reading: FaceReading, now: float) -> None:
        """Take the reading of a frame; one that came too late is shown as stale, and void."""
        self._seen = _Seen(picture.at, picture.id, reading.box, reading.probs is not None, reading.trace)
        if reading.probs is not None and not self._is_stale(picture.at, now):
            self.answers.add(reading.probs, picture.at)

    def shown(self, now: float) -> tuple[FaceState, Float32 | None, Box | None, int | None]:
        """Return the state, the probabilities [7], the face's box, and the id of the frame behind them."""
        self._forget(now)
        if self._seen is None:
            return "absent", None, None, None
        at, number, box, is_face, _ = self._seen
        if self._is_stale(at, now):
            self._seen = self._seen._replace(trace=None)  # nobody knows who is there by now
            return "stale", None, None, None
        if not is_face:
            return "no_face", None, box, number
        return "ok", self.answers.mean(now), box, number

    def _forget(self, now: float) -> None:
        """Drop a frame that grew stale before anybody was free to look at it."""
        if self._waiting is not None and self._is_stale(self._waiting.at, now):
            self._waiting = None
            self.outdated += 1

    def _is_stale(self, at: float, now: float) -> bool:
        return now - at > self._stale_after
