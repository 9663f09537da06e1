"""What uvicorn's own HTTP leaves without a bound: how fast connections come, and how long one may take to ask.

`python -m app` uses this; uvicorn's own command does with `--http app.guard.entry:Entry`. How much is too much the
application says, in the state of its lifespan; without it this is uvicorn's protocol and nothing else.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import get_remote_addr

from app.guard.arrivals import Arrivals
from app.guard.unread import Impatient

STATE: Final = "entry_rules"
"""The rules' name in the state of the application's lifespan."""
_TOO_MANY: Final = b"HTTP/1.1 429 Too Many Requests\r\nConnection: close\r\nContent-Length: 0\r\nRetry-After: 1\r\n\r\n"


@dataclass(frozen=True)
class Rules:
    """Who may come in how fast."""

    arrivals: Arrivals
    timeout: float
    """Seconds in which a request, or the handshake of a stream, has to come, to its last byte."""


class Entry(Impatient, HttpToolsProtocol):
    """uvicorn's protocol, which refuses an address that connects too often, and waits for no request for ever."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Take a connection, or refuse it before anything is made for it."""
        rules = self._rules
        client = get_remote_addr(transport)
        if rules and not rules.arrivals.takes(client[0] if client else None, self.loop.time()):
            self.transport = transport
            transport.write(_TOO_MANY)
            transport.close()
            return
        super().connection_made(transport)
        self._expect()

    def data_received(self, data: bytes) -> None:
        """Take what came; where nothing is being answered, it is the next request that begins."""
        if self.cycle is None or self.cycle.response_complete:
            self._expect()
        super().data_received(data)

    def on_message_complete(self) -> None:
        """Take the end of a request."""
        super().on_message_complete()
        self._relax()

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection on; the rest is the stream's matter."""
        self._relax()
        if self.flow.write_paused or not (self.cycle is None or self.cycle.response_complete):
            self.cut_off()  # else the answer before it would wait for ever for a reader, of whom nobody tells it
            return
        super().handle_websocket_upgrade()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._relax()
        super().connection_lost(exc)

    @property
    def _rules(self) -> Rules | None:
        return self.app_state.get(STATE)

    def _expect(self) -> None:
        if self._deadline is None and (rules := self._rules):
            self._deadline = self.loop.call_later(rules.timeout, self.transport.abort)

    def _relax(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
