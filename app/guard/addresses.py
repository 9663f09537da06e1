"""How many places each address takes; an address is known as long as it takes one, and never written down."""

import ipaddress
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from app.protocol import FarewellError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Addresses:
    """Counts places by address.

    Args:
        limit: Most places of one address; 0 sets no limit.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken: Counter[str] = Counter()

    def enter(self, address: str | None) -> bool:
        """Take a place for an address, as `counted` has it, until it leaves; return whether there was one."""
        if address is None or not self._limit:
            return True
        if self._taken[address] >= self._limit:
            return False
        self._taken[address] += 1
        return True

    def leave(self, address: str | None) -> None:
        """Give back what `enter` has taken."""
        if address is None or not self._limit:
            return
        self._taken[address] -= 1
        if not self._taken[address]:
            del self._taken[address]

    @contextmanager
    def room(self, host: str | None) -> Iterator[None]:
        """Hold a place for a viewer from `host` as long as the context lasts.

        Raises:
            FarewellError: There are as many from there as may be.
        """
        address = counted(host)
        if not self.enter(address):
            raise FarewellError("address_full", f"{self._limit} viewers of one address are taken")
        try:
            yield
        finally:
            self.leave(address)


def counted(host: str | None, proxies: Iterable[Network] = ()) -> str | None:
    """Return what `host` is counted by, or None for this machine itself, and for proxies, from which everybody comes.

    Whoever has one IPv6 address has 2^64, so that these count by network. From this machine come tests and
    benchmarks, or a proxy that is not in TRUSTED_PROXIES, behind which everybody would be one.
    """
    try:
        address = ipaddress.ip_address(host or "")
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    if address.is_loopback or any(address in proxy for proxy in proxies):
        return None
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(address), 64), strict=False))
    return str(address)
