"""What uvicorn's own WebSocket leaves without a bound: what a client may make it parse, hold, and answer.

Frames that come as fast as the socket takes them, answers to pings that nobody reads, fragments of a message: none is
a message yet, so that no limit of a viewer counts it. `python -m app` uses this; uvicorn's own command does with
`--ws app.guard.wire:Wire`.
"""

import asyncio
from collections.abc import Callable, Generator
from typing import Any, Final

from uvicorn._types import ASGIReceiveEvent, ASGISendEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import State
from websockets.streams import StreamReader

from app.guard.limits import Pace
from app.guard.unread import Impatient

try:
    from websockets.speedups import apply_mask
except ImportError:  # it is compiled, and not for every platform
    from websockets.utils import apply_mask

MOST_FRAGMENTS: Final = 1024
"""Of one message: each costs something whatever its length, and an empty one never adds to the message's."""
FRAMES_PER_SECOND: Final = 1000
FRAMES_AT_ONCE: Final = 2 * MOST_FRAGMENTS
"""What is more waits in the socket: it is neither lost nor refused here, and its sender is held up."""
SHORTEST_FRAME: Final = 6
"""Bytes of a client's frame that holds nothing."""
WHOLE_BINARY: Final = 0x82
"""First byte of a binary message in one frame, without any extension's bits."""
MASKED: Final = 0x80
"""Bit of the second byte."""
EXTENSION: Final = "app.guard.wire"
"""By this the application knows, in a connection's `extensions`, that a `Wire` serves it; there lies a `Shortcut`."""
PORTION: Final = 1024
"""Bytes that are parsed before others have their turn, 170 of the shortest frames; or one long frame."""


class Shortcut:
    """From the parser to the application, without a queue and a task's turn between.

    Attributes:
        take: The application may put a function here, to which whole binary messages go as soon as they are parsed,
            while it has nothing else to receive and waits to. It returns whether it has taken the message, and raises
            nothing. What it has not is received as ever.
    """

    def __init__(self) -> None:
        self.take: Callable[[bytes], bool] | None = None


class Reader(StreamReader):
    """What the parser of `websockets` reads from, which knows how much the parser waits for."""

    def __init__(self) -> None:
        super().__init__()
        self._wanted = 0

    @property
    def is_between_frames(self) -> bool:
        """Whether what comes next begins a frame."""
        return not self._wanted and not self.buffer

    @property
    def missing(self) -> int:
        """How many bytes have to come before any frame can end; 0 where it is not known."""
        return max(0, self._wanted - len(self.buffer))

    def read_exact(self, n: int) -> Generator[None, None, bytearray]:
        """Return `n` bytes, when they have come: a part of a frame."""
        self._wanted = n
        return super().read_exact(n)

    def at_eof(self) -> Generator[None, None, bool]:
        """Return whether this is the end: asked between two frames."""
        self._wanted = 0
        return super().at_eof()


class Wire(Impatient, WebSocketsSansIOProtocol):
    """uvicorn's protocol, where no client has more than its turn, nor makes the server hold what it does not read.

    What was read from the socket is parsed in portions. The next one is parsed when the application has taken the
    messages of the last, others have had their turn, and frames have not come too fast; until then nothing is read.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._reader = self.conn.reader = Reader()
        self.conn.parser = self.conn.parse()  # anew, since the one that was begun reads from another
        next(self.conn.parser)
        self._unparsed = bytearray()
        self._came = 0  # frames of the last portion
        self._pace = Pace(FRAMES_PER_SECOND, FRAMES_AT_ONCE)
        self._turn: asyncio.TimerHandle | None = None
        self._patience = self.config.ws_max_size  # bytes that may come after the farewell
        self._shortcut = Shortcut()
        self._waits = False  # the application, for a message

    # --- what comes ---

    def data_received(self, data: bytes) -> None:
        """Take what came; who goes on for long after the server has closed is cut off."""
        if self.close_sent:
            self._patience -= len(data)
            if self._patience < 0:
                self.transport.abort()
                return
        is_next = self._turn is None and not self._unparsed
        if is_next and (size := self._take_whole(data)):  # nearly all that a page sends: it need not wait in a buffer
            self._unparsed += data[size:]
            self._end_portion(1)
            return
        self._unparsed += data
        if self._turn is None:
            self._parse()

    def handle_events(self) -> None:
        """Count the frames, then take them."""
        self._came += len(self.conn.events)
        super().handle_events()

    def handle_bytes(self, event: Frame) -> None:
        """Let the application take a whole message at once."""
        if not (event.fin and self._hand_over(bytes(event.data))):
            super().handle_bytes(event)

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

    def keepalive_timeout(self) -> None:
        """Give up who answers no pings; who has left something unread will not read the farewell either."""
        super().keepalive_timeout()
        if not self.writable.is_set():
            self.cut_off()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget what was not parsed, and of a message what has come of it."""
        super().connection_lost(exc)
        self._shortcut.take = None
        self.frames = []
        self._unparsed.clear()
        if self._turn is not None:
            self._turn.cancel()

    # --- what the application does ---

    async def run_asgi(self) -> None:
        """Run the application, and let it know whom it has to do with."""
        extensions: dict[str, object] = self.scope["extensions"]  # type: ignore[assignment]  # says uvicorn: of dicts
        extensions[EXTENSION] = self._shortcut  # and not this, which would be in a circle with its scope
        await super().run_asgi()

    async def receive(self) -> ASGIReceiveEvent:
        """Return the next message; after the last of a portion the next may be parsed."""
        self._waits = True
        try:
            message = await super().receive()
        finally:
            self._waits = False
        self._go_on()
        return message

    async def send(self, message: ASGISendEvent) -> None:
        """Send; after a farewell what comes is parsed until the client's own."""
        await super().send(message)
        self._go_on()

    # --- whose turn it is ---

    def _parse(self) -> None:
        self._turn = None
        self._came = 0
        while self._unparsed and not self._came and not self.transport.is_closing():
            if size := self._take_whole(self._unparsed):
                del self._unparsed[:size]
                self._came = 1
                break
            size = max(PORTION, self._reader.missing or self._next_frame())
            portion = self._unparsed[:size]
            del self._unparsed[:size]
            try:
                super().data_received(bytes(portion))
            except InvalidState:  # uvicorn, or a fragment too many, would end what has been ended already
                self.transport.abort()
        self._end_what_never_begins()
        self._end_portion(self._came)

    def _end_portion(self, frames: int) -> None:
        self._pace.count(frames, self.loop.time())
        self._go_on()

    def _take_whole(self, data: bytes | bytearray) -> int:
        """Take what begins `data` if it is a binary message in one frame, and all there; return its size, or 0.

        So the parser of `websockets`, much of whose time goes into frames of any other kind, has nothing to do with
        most of what viewers send. What is not quite so is left to it, with all that may be wrong about it.
        """
        if len(data) < SHORTEST_FRAME or data[0] != WHOLE_BINARY or not data[1] & MASKED:
            return 0
        if self.conn.state is not State.OPEN or not self._reader.is_between_frames or self.frames:
            return 0
        start, end = _payload(data)
        if not start <= end <= len(data) or end - start > self.config.ws_max_size:
            return 0
        message = apply_mask(data[start:end], data[start - 4 : start])
        if not self._hand_over(message):
            super().handle_bytes(Frame(Opcode.BINARY, message))
        return end

    def _hand_over(self, message: bytes) -> bool:
        """Let the application take a message at once where that leaves messages in their order; return if it did."""
        take = self._shortcut.take if self._waits and self.queue.empty() and not self.close_sent else None
        return take is not None and take(message)

    def _next_frame(self) -> int:
        """Return where the frame ends that begins what is not parsed yet, or 0 where that is not known."""
        is_known = self.handshake_complete and not self._reader.buffer and len(self._unparsed) >= SHORTEST_FRAME
        return _payload(self._unparsed)[1] if is_known else 0

    def _end_what_never_begins(self) -> None:
        """Refuse a handshake that `websockets` cannot read, of which uvicorn hears nothing and would wait for ever."""
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()

    def _go_on(self) -> None:
        """Read on, or see to it that the next portion has its turn."""
        if self.read_paused or self.transport.is_closing():
            return
        wait = self._pace.wait(self.loop.time())
        if not self._unparsed and not wait:
            self.transport.resume_reading()
            return
        self.transport.pause_reading()
        if self._turn is None:
            self._turn = self.loop.call_later(wait, self._parse)


def _payload(data: bytes | bytearray) -> tuple[int, int]:
    """Return where the payload begins and ends of the frame that begins `data`, `SHORTEST_FRAME` bytes of it or more.

    RFC 6455, section 5.2; a client's frames have a mask of four bytes, before the payload.
    """
    length = data[1] & 0x7F
    if length < 126:
        return SHORTEST_FRAME, SHORTEST_FRAME + length
    start = 8 if length == 126 else 14
    return start, start + int.from_bytes(data[2 : start - 4])
