"""One viewer, who sends what the page sends, when the page would, and notes when results come."""

import asyncio
import base64
import json
import struct
from collections import deque
from dataclasses import dataclass, field
from typing import Any, cast

from app.protocol import BINARY_AUDIO, BINARY_FRAME
from scripts.bench import wire
from scripts.bench.material import Material

CHUNK_SECONDS = 0.1
MOST_WAITING = 3
"""As in `static/js/pacing.js`."""
REMEMBERED = 200
"""Newest ids whose time of sending is known: 20 s of them."""


@dataclass(slots=True)
class Log:
    """What one viewer got. Times are seconds of `time.monotonic`, one clock for all processes of a machine.

    Attributes:
        results: Of each result: when it came; seconds since the newest sound and the newest frame that it is the
            first to use were sent, None where it uses no new one; and how many results the server says it owes.
        errors: Codes of errors, in order.
        closed: The code of the close frame; None while open, 1006 where there was none.
    """

    results: list[tuple[float, float | None, float | None, int]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    closed: int | None = None


class Envelopes:
    """The material, framed once for all viewers: a message is a head, an id and a tail."""

    def __init__(self, material: Material, *, binary: bool) -> None:
        self._binary = binary
        self._make = self._binary_part if binary else self._json_part
        self._chunks = material.chunks
        self._sounds: dict[tuple[int, int], tuple[bytes, bytes]] = {}  # made when they are first asked for
        parts = {payload: self._make("frame", "jpeg", BINARY_FRAME, payload) for payload in material.frames}
        self._takes = [[parts[payload] for payload in take] for take in material.takes]

    def sound(self, first: int, count: int) -> tuple[bytes, bytes]:
        """Return the head and the tail of a message with so many chunks in a row; after the last comes the first."""
        place = first % len(self._chunks), count
        if place not in self._sounds:
            payload = b"".join(self._chunks[(first + i) % len(self._chunks)] for i in range(count))
            self._sounds[place] = self._make("audio", "pcm16", BINARY_AUDIO, payload)
        return self._sounds[place]

    def picture(self, camera: int, at: int) -> tuple[bytes, bytes]:
        """Return the head and the tail of what one of the cameras shows at a time, in tenths of a second."""
        take = self._takes[camera % len(self._takes)]
        return take[at % len(take)]

    def message(self, part: tuple[bytes, bytes], number: int) -> bytes:
        """Return what goes over the wire."""
        head, tail = part
        middle = struct.pack("<I", number) if self._binary else b"%10d" % number
        return head + middle + tail

    @staticmethod
    def _binary_part(_: str, __: str, kind: int, payload: bytes) -> tuple[bytes, bytes]:
        return wire.header(wire.BINARY, 5 + len(payload)) + bytes([kind]), payload

    @staticmethod
    def _json_part(name: str, field_name: str, _: int, payload: bytes) -> tuple[bytes, bytes]:
        before = f'{{"type":"{name}","id":'.encode()
        after = b',"' + field_name.encode() + b'":"' + base64.b64encode(payload) + b'"}'
        return wire.header(wire.TEXT, len(before) + 10 + len(after)) + before, after


class Viewer(asyncio.Protocol):
    """Has a chunk of sound every 0.1 s, and sends sound and frames as `static/js/pacing.js` does, from `ready` on.

    Args:
        envelopes: What to send.
        begin: Where in it to begin.
        request: That opens the WebSocket.
        loop: The event loop.
    """

    def __init__(self, envelopes: Envelopes, begin: int, request: bytes, loop: asyncio.AbstractEventLoop) -> None:
        self.log = Log()
        self._envelopes, self._begin, self._request, self._loop = envelopes, begin, request, loop
        self._leaving = False
        self._reader = wire.Reader()
        self._transport: asyncio.Transport | None = None
        self._interval = 0.5
        self._sent: dict[str, deque[tuple[int, float]]] = {
            "audio": deque(maxlen=REMEMBERED),
            "frame": deque(maxlen=REMEMBERED),
        }
        self._used: dict[str, int] = {"audio": 0, "frame": 0}
        self._number = 0
        self._unused: int | None = None
        self._started = 0.0
        self._chunk = 0
        self._waiting = 0  # chunks
        self._waits_until = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._shutter: asyncio.TimerHandle | None = None

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for a WebSocket."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        at = self._loop.time()
        for opcode, payload in self._reader.feed(data):
            match opcode:
                case wire.TEXT:
                    self._take(json.loads(payload), at)
                case wire.PING:
                    self._write(wire.header(wire.PONG, len(payload)) + payload)
                case wire.CLOSE:
                    if not self._leaving:
                        self.log.closed = int.from_bytes(payload[:2], "big") if payload else 1005
                        self.leave()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop sending."""
        self._stop()
        if self.log.closed is None and not self._leaving:
            self.log.closed = 1006

    # --- the page ---

    def leave(self) -> None:
        """Close the connection."""
        self._leaving = True
        self._stop()
        if self._transport is not None and not self._transport.is_closing():
            self._write(wire.header(wire.CLOSE, 2) + struct.pack("!H", 1000))
            self._transport.close()

    def _take(self, message: dict[str, Any], at: float) -> None:
        match message["type"]:
            case "ready":
                self._interval = message["settings"]["result_interval"]
                self._started = at
                self._send_chunk()
                self._send_frame()
            case "error":
                self.log.errors.append(message["code"])
            case "result":
                used = message["used"]
                ages = [self._age(medium, used[medium], at) for medium in ("audio", "frame")]
                self.log.results.append((at, *ages, message["dropped"]["results"]))
                self._waits_until = at + self._interval / 2 - message["ms"]["total"] / 1000
                self._pace(used["frame"], message["ms"]["total"] / 1000)

    def _age(self, medium: str, number: int | None, at: float) -> float | None:
        """Return seconds since the sending of what a result is the first to use."""
        if number is None or number <= self._used[medium]:
            return None
        self._used[medium] = number
        sent = self._sent[medium]
        while sent and sent[0][0] < number:
            sent.popleft()
        return at - sent[0][1] if sent and sent[0][0] == number else None

    def _send_chunk(self) -> None:
        self._chunk += 1
        self._waiting += 1
        if self._loop.time() >= self._waits_until or self._waiting > MOST_WAITING:
            self._send("audio", self._envelopes.sound(self._begin + self._chunk - self._waiting, self._waiting))
            self._waiting = 0
        self._timer = self._loop.call_at(self._started + self._chunk * CHUNK_SECONDS, self._send_chunk)

    def _send_frame(self) -> None:
        self._unused = self._send("frame", self._envelopes.picture(self._begin, self._begin + self._chunk))
        # Should no result ever name this frame, go on at half speed.
        self._shutter = self._loop.call_later(2 * self._interval, self._send_frame)

    def _pace(self, used: int | None, server_seconds: float) -> None:
        """Send the next frame in the middle of the interval, once the last was used."""
        if self._unused is None or used is None or used < self._unused:
            return
        self._unused = None
        if self._shutter is not None:
            self._shutter.cancel()
        self._shutter = self._loop.call_later(max(0.0, self._interval / 2 - server_seconds), self._send_frame)

    def _send(self, medium: str, part: tuple[bytes, bytes]) -> int:
        self._number += 1
        self._write(self._envelopes.message(part, self._number))
        self._sent[medium].append((self._number, self._loop.time()))
        return self._number

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _stop(self) -> None:
        for timer in (self._timer, self._shutter):
            if timer is not None:
                timer.cancel()
