"""What one viewer may send, and how long it may stay. Pure: time is passed in."""

import math

from app.protocol import Audio, Event, FarewellError, Media, ProtocolError
from app.settings import BURST_SECONDS, Settings
from models.inference import SAMPLE_RATE


class Bucket:
    """A token bucket: `rate` a second on average, `burst` at once.

    Args:
        rate: Tokens a second; 0 sets no limit.
        burst: Tokens that a full bucket holds.
        now: The time at which it is full.
    """

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._level = burst
        self._at = now

    def take(self, amount: float, now: float) -> bool:
        """Take `amount` tokens, all or none of them; return whether they were there."""
        has_them = self.has(amount, now)
        if has_them:
            self.spend(amount)
        return has_them

    def has(self, amount: float, now: float) -> bool:
        """Return whether `amount` tokens are there."""
        if not self._rate:
            return True
        if now > self._at:  # a clock that is set back takes nothing away
            self._level = min(self._burst, self._level + (now - self._at) * self._rate)
        self._at = now
        return amount <= self._level

    def spend(self, amount: float) -> None:
        """Take tokens that are there."""
        if self._rate:
            self._level -= amount


class Pace:
    """How fast something may go that is not refused but has to wait.

    Args:
        rate: Of it a second, on average.
        burst: Of it at once, after a rest.
    """

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._ahead = burst / rate
        self._due = -math.inf

    def count(self, amount: float, now: float) -> None:
        """Count what has happened."""
        self._due = max(self._due, now - self._ahead) + amount / self._rate

    def wait(self, now: float) -> float:
        """Return the seconds until more may happen."""
        return max(0.0, self._due - now)


class Allowance:
    """What one viewer may still send, and how long it may still stay.

    Args:
        settings: The server's settings.
        now: The time at which the viewer came.
    """

    def __init__(self, settings: Settings, now: float) -> None:
        self._settings = settings
        self._came = self._newest_media = now
        self._messages = _per_second(settings.max_messages_per_second, now)
        self._bytes = _per_second(settings.max_bytes_per_second, now)
        self._sound = _per_second(settings.max_audio_rate, now)
        per_minute = settings.max_faults_per_minute
        self._faults = Bucket(per_minute / 60, per_minute, now)

    def receive(self, size: int, now: float) -> None:
        """Count a message of `size` bytes, before it is decoded.

        Raises:
            ProtocolError: It is one too many.
        """
        if not self._messages.take(1, now):
            limit = self._settings.max_messages_per_second
            raise ProtocolError("too_fast", f"{limit:g} messages a second are taken")
        if not self._bytes.take(size, now):
            raise ProtocolError("too_fast", f"{self._settings.max_bytes_per_second} bytes a second are taken")

    def take(self, event: Event, now: float) -> None:
        """Count what a message holds, before it is used.

        Raises:
            ProtocolError: It is more sound than the time that has passed.
        """
        if isinstance(event, Audio) and not self._sound.take(len(event.samples) / SAMPLE_RATE, now):
            rate = self._settings.max_audio_rate
            raise ProtocolError("too_fast", f"{rate:g} seconds of sound a second are taken")
        if isinstance(event, Media):
            self._newest_media = now

    def take_whole(self, event: Media, size: int, now: float) -> bool:
        """Count a message of `size` bytes and what it holds, all or nothing; return whether it is within the limits."""
        sound = len(event.pcm16) / 2 / SAMPLE_RATE if isinstance(event, Audio) else 0.0
        if not (self._messages.has(1, now) and self._bytes.has(size, now) and self._sound.has(sound, now)):
            return False
        self._messages.spend(1)
        self._bytes.spend(size)
        self._sound.spend(sound)
        self._newest_media = now
        return True

    def fault(self, now: float) -> None:
        """Count a message that could not be taken.

        Raises:
            FarewellError: It is one too many.
        """
        if not self._faults.take(1, now):
            limit = self._settings.max_faults_per_minute
            raise FarewellError("abuse", f"more than {limit} messages in a minute could not be taken")

    def stay(self, now: float) -> None:
        """See whether the viewer may stay.

        Raises:
            FarewellError: It has sent no sound and no picture for too long, or its time is over.
        """
        idle, length = self._settings.idle_timeout, self._settings.session_length
        if idle and now - self._newest_media >= idle:
            raise FarewellError("idle", f"no sound and no picture came for {idle:g} seconds")
        if length and now - self._came >= length:
            raise FarewellError("session_over", f"a session may last {length:g} seconds")


def _per_second(rate: float, now: float) -> Bucket:
    return Bucket(rate, rate * BURST_SECONDS, now)
