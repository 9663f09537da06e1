"""What uvicorn's own WebSocket leaves without a bound: answers to pings that nobody reads, and fragments of a message.

Neither is a message yet, so that no limit of a viewer counts it. `python -m app` uses this; uvicorn's own command does
with `--ws app.guard.wire:Wire`.
"""

from typing import Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame

MOST_FRAGMENTS: Final = 1024
"""Of one message: each costs something whatever its length, and an empty one never adds to the message's."""


class Wire(WebSocketsSansIOProtocol):
    """uvicorn's protocol, whose memory does not grow with what a client sends and does not read."""

    def handle_ping(self) -> None:
        """Answer, unless what was said before still waits to be read; RFC 6455 wants the newest ping answered only."""
        answer = b"".join(self.conn.data_to_send())
        if self.writable.is_set():
            self.transport.write(answer)

    def handle_cont(self, event: Frame) -> None:
        """Take a fragment, unless there are too many: then the connection ends with 1009."""
        if len(self.frames) >= MOST_FRAGMENTS:
            self.frames = []
            if not self.transport.is_closing():
                self.conn.send_close(CloseCode.MESSAGE_TOO_BIG, f"a message may have {MOST_FRAGMENTS} fragments")
                self.handle_parser_exception()
            return
        super().handle_cont(event)
