"""Where a web page is from: scheme, host and port, compared exactly (RFC 6454)."""

import re
from typing import NamedTuple

_ORIGIN = re.compile(r"(https?)://(\[[\da-f:.]+\]|[\w.-]+)(?::(\d{1,5}))?", re.ASCII | re.IGNORECASE)
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """What a browser calls the same origin."""

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Origin":
        """Read `http(s)://host[:port]`.

        Raises:
            ValueError: It is none, or there is more to it.
        """
        match = _ORIGIN.fullmatch(text)
        if match is None:
            raise ValueError("expected an origin such as https://example.org, without anything behind it")
        scheme, host, port = match.groups()
        return cls(scheme.lower(), host.lower(), int(port) if port else _DEFAULT_PORTS[scheme.lower()])
