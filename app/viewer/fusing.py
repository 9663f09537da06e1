"""The fusion model's side of one viewer: voice and face together. Pure: time is passed in.

Without a fusion model nothing is kept, asked or shown.
"""

from dataclasses import dataclass

from app.settings import Settings
from app.viewer.hearing import Window
from app.viewer.seeing import Picture
from app.viewer.smoothing import Smoother
from models.inference import FaceReading, Float32, Int16, UInt8


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """A question for the fusion model.

    Attributes:
        window: The sound [N].
        crop: The face [size, size, channels].
        at: When the older of the two was captured.
    """

    window: Int16
    crop: UInt8
    at: float


class Fusing:
    """The newest voice window that was heard and the newest face of one viewer, and the smoothed answers about both.

    Args:
        settings: The server's settings.
        sharpening: Of the fusion model's answers, None where there is no such model: then nothing is kept.

    Attributes:
        answers: The history that is shown.
    """

    def __init__(self, settings: Settings, sharpening: float | None) -> None:
        self.answers = Smoother(
            settings.voice_smoothing, settings.result_interval, settings.stale_after, sharpening or 0.0
        )
        self._is_wanted = sharpening is not None
        self._stale_after = settings.stale_after
        self._heard: tuple[float, Int16] | None = None
        self._seen: tuple[float, UInt8] | None = None
        self._is_new = False  # whether one of the two was never asked about

    def heard(self, window: Window, now: float) -> None:
        """Take a window of which the voice model has said something."""
        if not self._is_wanted:
            return
        self._heard = window.at, window.samples
        self._is_new = True
        self.forget(now)

    def saw(self, picture: Picture, reading: FaceReading, now: float) -> None:
        """Take the crop of a face; a frame with no face leaves none."""
        self._seen = None if reading.crop is None else (picture.at, reading.crop)
        self._is_new |= self._seen is not None
        self.forget(now)

    def take(self, now: float) -> Pair | None:
        """Return the newest window and the newest crop, once, if neither is stale."""
        self.forget(now)
        if not self._is_new or self._heard is None or self._seen is None:
            return None
        self._is_new = False
        (heard_at, window), (seen_at, crop) = self._heard, self._seen
        return Pair(window, crop, min(heard_at, seen_at))

    def fused(self, pair: Pair, probs: Float32, now: float) -> None:
        """Take the probabilities [7] of a pair; what came too late is void."""
        if not self._is_stale(pair.at, now):
            self.answers.add(probs, pair.at)

    def forget(self, now: float, *, hears: bool = True) -> None:
        """Let go of what has grown stale, and of the window where no sound arrives any more."""
        if self._heard is not None and (not hears or self._is_stale(self._heard[0], now)):
            self._heard = None
        if self._seen is not None and self._is_stale(self._seen[0], now):
            self._seen = None

    def _is_stale(self, at: float, now: float) -> bool:
        return now - at > self._stale_after
