"""How many viewers each address has; an address is known as long as it has one, and never written down."""

import ipaddress
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from app.protocol import FarewellError


class Addresses:
    """Counts viewers by address.

    Args:
        limit: Most viewers of one address; 0 sets no limit.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._viewers: Counter[str] = Counter()

    @contextmanager
    def room(self, host: str | None) -> Iterator[None]:
        """Hold a place for a viewer from `host` as long as the context lasts.

        Raises:
            FarewellError: There are as many from there as may be.
        """
        address = counted(host)
        if address is None or not self._limit:
            yield
            return
        if self._viewers[address] >= self._limit:
            raise FarewellError("address_full", f"{self._limit} viewers of one address are taken")
        self._viewers[address] += 1
        try:
            yield
        finally:
            self._viewers[address] -= 1
            if not self._viewers[address]:
                del self._viewers[address]


def counted(host: str | None) -> str | None:
    """Return what viewers are counted by, or None for this machine itself.

    Whoever has one IPv6 address has 2^64, so that these count by network. From this machine come tests and
    benchmarks, or a proxy that is not in TRUSTED_PROXIES, behind which everybody would be one.
    """
    try:
        address = ipaddress.ip_address(host or "")
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is None and not address.is_loopback:
            return str(ipaddress.ip_network((int(address), 64), strict=False))
        address = address.ipv4_mapped or address
    return None if address.is_loopback else str(address)
