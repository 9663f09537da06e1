"""When results are due: a schedule that neither drifts nor piles up."""

import math
from typing import Final

SLOTS: Final = 10
"""Moments of an interval at which results are due: viewers who share one ask at once, and so share calls of a model."""

ROUNDING: Final = 1e-6
"""Of a moment, so that who comes at one need not wait for the next."""


def slot(now: float, interval: float) -> float:
    """Return the next of the moments that all viewers share, at `interval / SLOTS` seconds from each other."""
    step = interval / SLOTS
    return math.ceil(now / step - ROUNDING) * step


class Schedule:
    """Due times `start + n * interval`, n = 1, 2, ...

    Who comes late gets the newest due time that has passed; those before it are missed, not made up for.
    """

    def __init__(self, interval: float, start: float) -> None:
        self._interval = interval
        self._start = start
        self._tick = 0

    def next(self, now: float) -> tuple[float, int]:
        """Return the next due time, and how many due times were missed to get there."""
        due = self._tick + 1
        self._tick = max(due, math.floor((now - self._start) / self._interval))
        return self._start + self._tick * self._interval, self._tick - due
