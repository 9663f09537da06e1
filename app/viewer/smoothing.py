"""A moving average of probabilities, by count and by age, made as sure as so many answers are."""

from collections import deque

import numpy as np

from models.inference import Float32
from models.pooling import sharpened


class Smoother:
    """The mean of the newest `count` readings that are not older than `count * interval` seconds.

    Age matters because a stall must not leave an old mood on the screen. The newest reading alone stays for
    `lasting` seconds at least, so that readings which come more slowly than `interval` leave no gaps.
    The mean of n readings is sharpened by `sharpening`, see `models.pooling.sharpened`.

    Attributes:
        count: Readings that are averaged.
        factors: What each reading is multiplied by [7] before it is averaged (and made probabilities again), or None.
            They may change at any time: the readings are kept as they came, so that a mean never joins two scales.
    """

    def __init__(self, count: int, interval: float, lasting: float, sharpening: float = 0.0) -> None:
        self.count = count
        self.factors: Float32 | None = None
        self._interval = interval
        self._lasting = lasting
        self._sharpening = sharpening
        self._readings: deque[tuple[float, Float32]] = deque(maxlen=count)

    def resize(self, count: int) -> None:
        """Average over another number of readings from now on; the newest are kept."""
        self.count = count
        self._readings = deque(self._readings, maxlen=count)

    def add(self, probs: Float32, at: float) -> None:
        """Take a reading [7] of what was captured at time `at`; readings come in that order."""
        self._readings.append((at, probs))

    def clear(self) -> None:
        """Forget all readings."""
        self._readings.clear()

    def mean(self, now: float) -> Float32 | None:
        """Return the sharpened mean [7] of what is left at time `now`, or None."""
        while self._readings and now - self._readings[0][0] > self._life():
            self._readings.popleft()
        if not self._readings:
            return None
        answers = [probs for _, probs in self._readings]  # not stacked: for so few rows that is most of the work
        if self.factors is not None:
            weighed = [probs * self.factors for probs in answers]
            answers = [probs / probs.sum() for probs in weighed]
        mean = np.asarray(sum(answers) / len(answers), dtype=np.float32)
        return sharpened(mean, len(answers), self._sharpening)

    def _life(self) -> float:
        """Return for how many seconds the oldest reading counts."""
        span = self.count * self._interval
        return span if len(self._readings) > 1 else max(span, self._lasting)
