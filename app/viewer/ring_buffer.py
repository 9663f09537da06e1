"""A ring buffer of samples: the newest N, preallocated, no copy of the rest."""

import numpy as np

from models.inference import Int16


class RingBuffer:
    """The newest `capacity` samples of an endless sound.

    Attributes:
        capacity: Samples held.
        total: Samples ever written; a sample's position is its index in the endless sound.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.total = 0
        self._ring = np.zeros(capacity, dtype=np.int16)

    @property
    def oldest(self) -> int:
        """Position of the oldest sample still held."""
        return max(0, self.total - self.capacity)

    def write(self, samples: Int16) -> None:
        """Append samples [N]; the oldest leave."""
        kept = samples[-self.capacity :]
        start = (self.total + len(samples) - len(kept)) % self.capacity
        first = min(len(kept), self.capacity - start)
        self._ring[start : start + first] = kept[:first]
        self._ring[: len(kept) - first] = kept[first:]
        self.total += len(samples)

    def newest(self, count: int) -> Int16:
        """Return a copy of the newest `count` samples (fewer where fewer were written), oldest first."""
        count = min(count, self.total, self.capacity)
        end = self.total % self.capacity
        if count <= end:
            return self._ring[end - count : end].copy()
        return np.concatenate((self._ring[end - count :], self._ring[:end]))

    def clear(self) -> None:
        """Forget everything and start at position 0."""
        self.total = 0
        self._ring[:] = 0
