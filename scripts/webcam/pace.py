"""When to look at a picture, and how fast pictures come. Pure: time is passed in."""

from collections import deque
from typing import Final

FOLLOW: Final = 1 / 15
"""Seconds between two looks for where the face is: smooth to the eye, and half of a camera's pictures."""


class Pace:
    """Which pictures are looked at: for the face's place every `FOLLOW` seconds, for its label every N pictures."""

    def __init__(self, every: int) -> None:
        self._every = every
        self._labelled: int | None = None
        self._looked: float | None = None

    def wants_label(self, number: int) -> bool:
        """Whether the picture of this number is to be classified."""
        return self._labelled is None or number - self._labelled >= self._every

    def wants(self, number: int, at: float) -> bool:
        """Whether to look at this picture at all."""
        return self.wants_label(number) or self._looked is None or at - self._looked >= FOLLOW

    def look(self, number: int, at: float) -> bool:
        """Note that the picture is looked at; return whether it is to be classified."""
        label = self.wants_label(number)
        if label:
            self._labelled = number
        self._looked = at
        return label


class Rate:
    """Events a second, over the last `seconds`."""

    def __init__(self, seconds: float = 2.0) -> None:
        self._seconds = seconds
        self._times: deque[float] = deque()

    def tick(self, now: float) -> None:
        """Count an event."""
        self._times.append(now)

    def per_second(self, now: float) -> float:
        """Return the rate; 0 until there were two events."""
        while self._times and now - self._times[0] > self._seconds:
            self._times.popleft()
        if len(self._times) < 2:
            return 0.0
        return (len(self._times) - 1) / max(self._times[-1] - self._times[0], 1e-9)
