"""How many connections each address opens, before anything else is known of them. Pure: time is passed in."""

import ipaddress
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from app.guard.addresses import counted
from app.guard.limits import Bucket

BURST_SECONDS: Final = 10.0
"""So much of the rate may come at once: a page has many parts, and after a restart everybody of a network comes."""
MOST_ADDRESSES: Final = 10_000
"""That are remembered; one more costs that which was quiet for longest."""


class Arrivals:
    """Counts the connections of each address in their time.

    An address is forgotten when its rest has given it back all that it may do at once, with the next connection.

    Args:
        rate: Connections of an address a second; 0 sets no limit.
        proxies: Addresses or networks from which everybody's connections come, so that they are not counted.
    """

    def __init__(self, rate: float, proxies: Iterable[str] = ()) -> None:
        self._rate = rate
        self._burst = max(1.0, rate * BURST_SECONDS)
        self._proxies = tuple(map(ipaddress.ip_network, proxies))
        self._buckets: OrderedDict[str, tuple[Bucket, float]] = OrderedDict()  # the quietest first, and since when

    def takes(self, host: str | None, now: float) -> bool:
        """Count one more connection, unless it is one too many; return whether it may stay."""
        address = counted(host)
        if not self._rate or address is None or self._is_proxy(address):
            return True
        self._forget(now)
        bucket, _ = self._buckets.pop(address, (None, now))
        bucket = bucket or Bucket(self._rate, self._burst, now)
        self._buckets[address] = bucket, now
        return bucket.take(1, now)

    def __len__(self) -> int:
        """Return how many addresses are remembered."""
        return len(self._buckets)

    def _is_proxy(self, address: str) -> bool:
        if not self._proxies:
            return False
        try:
            network = ipaddress.ip_network(address)
        except ValueError:
            return False
        return any(
            network.version == proxy.version and network.overlaps(proxy)  # an IPv6 client is a /64 here
            for proxy in self._proxies
        )

    def _forget(self, now: float) -> None:
        while self._buckets:
            _, since = next(iter(self._buckets.values()))
            if len(self._buckets) < MOST_ADDRESSES and now - since < self._burst / self._rate:
                return
            self._buckets.popitem(last=False)
