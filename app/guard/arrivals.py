"""How often each address does something, before anything else is known of it. Pure: time is passed in."""

from collections import OrderedDict
from typing import Final

from app.guard.limits import Bucket

BURST_SECONDS: Final = 10.0
"""So much of the rate may come at once: a page has many parts, and after a restart everybody of a network comes."""
MOST_ADDRESSES: Final = 10_000
"""That are remembered; one more costs that which was quiet for longest."""


class Arrivals:
    """Counts what comes of each address in its time: connections, or requests.

    An address is forgotten when its rest has given it back all that it may do at once, with the next that comes.

    Args:
        rate: Of an address a second; 0 sets no limit.
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._burst = max(1.0, rate * BURST_SECONDS)
        self._buckets: OrderedDict[str, tuple[Bucket, float]] = OrderedDict()  # the quietest first, and since when

    def takes(self, address: str | None, now: float) -> bool:
        """Count one more of an address, as `counted` has it, unless it is one too many; return whether it is taken."""
        if not self._rate or address is None:
            return True
        self._forget(now)
        bucket, _ = self._buckets.pop(address, (None, now))
        bucket = bucket or Bucket(self._rate, self._burst, now)
        self._buckets[address] = bucket, now
        return bucket.take(1, now)

    def __len__(self) -> int:
        """Return how many addresses are remembered."""
        return len(self._buckets)

    def _forget(self, now: float) -> None:
        while self._buckets:
            _, since = next(iter(self._buckets.values()))
            if len(self._buckets) < MOST_ADDRESSES and now - since < self._burst / self._rate:
                return
            self._buckets.popitem(last=False)
