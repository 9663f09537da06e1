"""What uvicorn's own HTTP leaves without a bound: connections and requests, how fast they come, and how long one takes.

`python -m app` uses this; uvicorn's own command does with `--http app.guard.entry:Entry`. How much is too much the
application says, in the state of its lifespan; without it this is uvicorn's protocol and nothing else.
"""

import asyncio
import ipaddress
import math
import sys
from collections.abc import Callable
from contextlib import ExitStack
from http import HTTPStatus
from typing import Final

from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import get_remote_addr

from app.guard.addresses import Addresses, counted
from app.guard.arrivals import Arrivals
from app.guard.unread import Impatient
from app.settings import Settings

STATE: Final = "entry_rules"
"""The rules' name in the state of the application's lifespan."""
RESERVED: Final = 64
"""Descriptors that are left to files, and to connections that are not counted."""
MOST_WAITING: Final = 32
"""Requests of a connection that may wait for the answers to those before them; browsers send one at a time."""
MOST_HEAD: Final = 16_384
"""Bytes of a request beside its body."""
PORTION: Final = 1024
"""Bytes that are parsed at once: so much of what follows a request too many is still looked at."""

_TOO_MANY: Final = HTTPStatus.TOO_MANY_REQUESTS
_TOO_LONG: Final = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
_FULL: Final = HTTPStatus.SERVICE_UNAVAILABLE
REFUSALS: Final = (_TOO_MANY, _TOO_LONG, _FULL)
_REFUSED: Final = "HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Length: 0\r\nRetry-After: 1\r\n\r\n"


class Rules:
    """Who may come in, how fast, and ask how often.

    Args:
        settings: The server's settings.
        descriptors: Files and connections that the process may have open at once.
        refused: Called with the status, one of `REFUSALS`, of whoever is refused here.

    Attributes:
        proxies: From which everybody comes, so that they are not counted.
        connects: Connections of an address in their time.
        requests: Requests of an address in their time.
        places: Open connections of an address.
        most: Open connections of all.
        timeout: Seconds in which a request, or the handshake of a stream, has to come, to its last byte.
    """

    def __init__(self, settings: Settings, descriptors: float, refused: Callable[[HTTPStatus], None]) -> None:
        self.refused = refused
        self.proxies = tuple(map(ipaddress.ip_network, settings.trusted_proxies))
        self.connects = Arrivals(settings.max_connects_per_address)
        self.requests = Arrivals(settings.max_requests_per_address)
        self.places = Addresses(settings.max_connections_per_address)
        self.most = descriptors - RESERVED
        self.timeout = settings.handshake_timeout


class Entry(Impatient, HttpToolsProtocol):
    """uvicorn's protocol, which refuses an address that comes or asks too often, and waits for no request for ever."""

    _address: str | None = None
    _head = 0  # bytes of the request, its body left out
    _is_over = False  # no more requests are taken
    _deadline: asyncio.TimerHandle | None = None

    # --- connections ---

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Take a connection, or refuse it before anything is made for it."""
        self._place = ExitStack()
        if refusal := self._refusal(transport):
            self.transport = transport
            self._refuse(refusal)
            return
        super().connection_made(transport)
        self._expect()

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection on: the rest is the stream's matter, but that it keeps its place until it is lost."""
        if self._is_over:
            return
        self._is_over = True
        self._relax()
        if self.flow.write_paused or not (self.cycle is None or self.cycle.response_complete):
            self.cut_off()  # else the answer before it would wait for ever for a reader, of whom nobody tells it
            return
        super().handle_websocket_upgrade()
        stream = self.transport.get_protocol()
        place, lost = self._place.pop_all(), stream.connection_lost

        def leave(exc: Exception | None) -> None:
            place.close()
            lost(exc)

        stream.connection_lost = leave  # type: ignore[method-assign]  # nobody but the stream is told any more

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._place.close()
        self._relax()
        super().connection_lost(exc)

    def _refusal(self, transport: asyncio.Transport) -> HTTPStatus | None:
        if (rules := self._rules) is None:
            return None
        client = get_remote_addr(transport)
        self._address = counted(client[0] if client else None, rules.proxies)
        if self._address is None:
            return None
        if len(self.connections) >= rules.most:
            return _FULL
        if not rules.connects.takes(self._address, self.loop.time()) or not rules.places.enter(self._address):
            return _TOO_MANY
        self._place.callback(rules.places.leave, self._address)
        return None

    def _refuse(self, status: HTTPStatus) -> None:
        if rules := self._rules:
            rules.refused(status)
        self.transport.write((_REFUSED % (status, status.phrase)).encode())
        self.transport.close()

    # --- requests ---

    def data_received(self, data: bytes) -> None:
        """Take what came; where nothing is being answered, it is the next request that begins."""
        if self.cycle is None or self.cycle.response_complete:
            self._expect()
        for begin in range(0, len(data), PORTION):
            if self._is_over or self.transport.is_closing():
                return
            portion = data[begin : begin + PORTION]
            self._head += len(portion)
            super().data_received(portion)
            if self._head > MOST_HEAD and self._rules and not self._is_over:
                self._refuse(_TOO_LONG)

    def on_message_begin(self) -> None:
        """Take the beginning of a request."""
        self._head = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Take a request; one too many is told so in its turn, and is the last of its connection."""
        if self._is_over:
            return
        if (rules := self._rules) and not self._may_ask(rules):
            rules.refused(_TOO_MANY)
            self._is_over = True
            self.app = _too_many
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        self._head -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Take the end of a request."""
        super().on_message_complete()
        self._relax()

    def _may_ask(self, rules: Rules) -> bool:
        if self.parser.should_upgrade() and self._should_upgrade():
            return True  # a stream is one connection, and was counted as that
        return len(self.pipeline) < MOST_WAITING and rules.requests.takes(self._address, self.loop.time())

    # --- time ---

    def _expect(self) -> None:
        if self._deadline is None and (rules := self._rules):
            self._deadline = self.loop.call_later(rules.timeout, self.transport.abort)

    def _relax(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    @property
    def _rules(self) -> Rules | None:
        return self.app_state.get(STATE)


def descriptors() -> float:
    """Return how many files and connections this process may have open at once."""
    if sys.platform == "win32":
        return math.inf
    import resource

    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return math.inf if most == resource.RLIM_INFINITY else most


async def _too_many(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    headers = [(b"connection", b"close"), (b"content-length", b"0"), (b"retry-after", b"1")]
    await send({"type": "http.response.start", "status": int(_TOO_MANY), "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
