"""A good viewer, who streams in real time and misses nothing, and viewers whose manners are worse, byte by byte."""

import asyncio
import base64
import json
import os
import select
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self
from urllib.parse import urlsplit
from urllib.request import urlopen

import websockets

from tests.conformance.sample import sample
from tests.e2e.serving import Server

CHUNK = 3_200  # bytes: a tenth of a second
TEXT, BINARY, CLOSE, CONTINUED = 1, 2, 8, 0


class GoodViewer:
    """Streams sound ten times and a face twice a second until the context ends, and keeps what it is told."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.messages: list[dict[str, Any]] = []
        self.sent = 0

    @property
    def results(self) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["type"] == "result"]

    @property
    def errors(self) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["type"] == "error"]

    async def wait(self, results: int) -> None:
        """Wait for so many more results."""
        seen = len(self.results)
        async with asyncio.timeout(results + 5):
            while len(self.results) < seen + results:  # noqa: ASYNC110 - the receiver has no event of its own
                await asyncio.sleep(0.05)

    async def until_error(self) -> None:
        """Wait for the first error."""
        async with asyncio.timeout(20):
            while not self.errors:  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    async def until(self, state: str, since: int = 0, seconds: float = 20) -> None:
        """Wait for a result in which both together are `ok`, or the like, after so many results."""
        async with asyncio.timeout(seconds):
            while not any(result["fused"]["state"] == state for result in self.results[since:]):  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    async def __aenter__(self) -> Self:
        self._socket = await websockets.connect(self._address)
        self._tasks = [asyncio.create_task(self._send()), asyncio.create_task(self._receive())]
        await self.until("ok")
        return self

    async def __aexit__(self, *fault: object) -> None:
        sending, receiving = self._tasks
        sending.cancel()
        await self._socket.close()
        await asyncio.wait(self._tasks)
        if not sending.cancelled():
            sending.exception()  # what it is, the other task says
        if receiving.exception() and fault[0] is None:
            receiving.result()

    async def _send(self) -> None:
        voice, face = sample()
        voice = voice[: len(voice) // CHUNK * CHUNK]
        loop = asyncio.get_running_loop()
        started = loop.time()
        while True:
            at = self.sent * CHUNK % len(voice)
            self.sent += 1
            await self._socket.send(struct.pack("<BI", 1, self.sent) + voice[at : at + CHUNK])
            if self.sent % 5 == 1:
                await self._socket.send(struct.pack("<BI", 2, self.sent) + face)
            await asyncio.sleep(started + self.sent / 10 - loop.time())

    async def _receive(self) -> None:
        try:
            async for text in self._socket:
                self.messages.append(json.loads(text))
        except websockets.ConnectionClosed:
            if not self.errors or self.errors[-1]["recoverable"]:  # nobody has said why
                raise

    @property
    def farewell(self) -> tuple[str, int | None]:
        """The last error's code, and that of the close."""
        return self.errors[-1]["code"], self._socket.close_code

    def missed_nothing(self, *errors: str) -> None:
        """Check that each result came, in order, whole, and no error but these."""
        assert {error["code"] for error in self.errors} == set(errors), self.errors
        assert all(error["recoverable"] for error in self.errors)
        results = self.results
        times = [result["t"] for result in results]
        assert times == sorted(times)
        assert results[-1]["dropped"]["results"] == results[-1]["dropped"]["audio"] == 0, results[-1]
        assert len(results) == round(times[-1] / 0.5 - 0.25), times  # one for each half second, none missing
        for kind in ("audio", "frame"):
            ids = [result["used"][kind] for result in results if result["used"][kind] is not None]
            assert ids == sorted(ids)
        assert results[-1]["used"]["audio"] > self.sent - 20


def dial(host: str, port: int) -> socket.socket:
    """Connect with buffers that are soon full: a small one here, and for short segments the server's is small too."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
    raw.settimeout(10)
    raw.connect((host, port))
    return raw


def connect(address: str) -> socket.socket:
    """Open a WebSocket by hand, and return what is under it."""
    url = urlsplit(address)
    assert url.hostname is not None
    raw = dial(url.hostname, url.port or 80)
    key = base64.b64encode(os.urandom(16)).decode()
    raw.sendall(
        f"GET {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += raw.recv(1)  # no more than the head
    assert answer.startswith(b"HTTP/1.1 101")
    return raw


def frame(kind: int, payload: bytes, *, last: bool = True) -> bytes:
    """One frame of a client, masked with zeros."""
    size = struct.pack(">B", 128 | len(payload)) if len(payload) < 126 else struct.pack(">BH", 254, len(payload))
    return bytes([kind | (128 if last else 0)]) + size + bytes(4) + payload


class Listener:
    """Takes apart what the server sends over a WebSocket that was opened by hand."""

    def __init__(self, raw: socket.socket) -> None:
        self._raw = raw
        self._data = b""
        self.messages: list[dict[str, Any]] = []
        self.close_code: int | None = None

    def listen(self, seconds: float) -> None:
        """Take what comes within some seconds; 0 takes what is there."""
        while self.close_code is None and select.select([self._raw], [], [], seconds)[0]:
            part = self._raw.recv(65_536)
            if not part:
                return
            self._data += part
            self._take()

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        """The messages of one type."""
        return [message for message in self.messages if message["type"] == kind]

    def _take(self) -> None:
        while len(self._data) >= 4:
            kind, size, at = self._data[0] & 15, self._data[1], 2
            if size == 126:
                size, at = struct.unpack_from(">H", self._data, 2)[0], 4
            if len(self._data) < at + size:
                return
            payload, self._data = self._data[at : at + size], self._data[at + size :]
            if kind == TEXT:
                self.messages.append(json.loads(payload))
            elif kind == CLOSE:
                self.close_code = struct.unpack_from(">H", payload)[0]


async def has_viewers(server: Server, count: int, seconds: float = 15) -> None:
    """Wait until the server counts so many viewers."""

    def counted() -> int:
        try:
            with urlopen(f"{server.url}readyz", timeout=5) as answer:  # noqa: S310 - http
                viewers: int = json.load(answer)["viewers"]
        except TimeoutError:  # among very many connections the kernel loses one now and then
            return -1
        return viewers

    async with asyncio.timeout(seconds):
        while await asyncio.to_thread(counted) != count:  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.1)


@asynccontextmanager
async def watched(address: str, *errors: str) -> AsyncIterator[GoodViewer]:
    """Have a good viewer watch what happens, who must not be touched by it."""
    async with GoodViewer(address) as good:
        yield good
        await good.wait(2)  # what comes late comes now
    good.missed_nothing(*errors)
