"""A moving average of probabilities, by count and by age."""

from collections import deque

import numpy as np

from models.inference import Float32


class Smoother:
    """The mean of the newest `count` readings that are not older than `count * interval` seconds.

    Age matters because a stall must not leave an old mood on the screen.
    """

    def __init__(self, count: int, interval: float) -> None:
        self.count = count
        self._interval = interval
        self._readings: deque[tuple[float, Float32]] = deque(maxlen=count)

    def resize(self, count: int) -> None:
        """Average over another number of readings from now on; the newest are kept."""
        self.count = count
        self._readings = deque(self._readings, maxlen=count)

    def add(self, probs: Float32, now: float) -> None:
        """Take a reading [7]."""
        self._readings.append((now, probs))

    def clear(self) -> None:
        """Forget all readings."""
        self._readings.clear()

    def mean(self, now: float) -> Float32 | None:
        """Return the mean [7] of what is left at time `now`, or None."""
        oldest = now - self.count * self._interval
        while self._readings and self._readings[0][0] < oldest:
            self._readings.popleft()
        if not self._readings:
            return None
        return np.asarray(np.mean([probs for _, probs in self._readings], axis=0), dtype=np.float32)
