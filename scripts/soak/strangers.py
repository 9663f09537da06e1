"""Clients that mean no good, or do not know better: each does one thing, and says how the server took it."""

import asyncio
import contextlib
import json
import random
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from scripts.bench import wire

PATIENCE: Final = 15.0
PNG: Final = b"\x89PNG\r\n\x1a\n" + bytes(200)


class NotInError(Exception):
    """The server has let nobody in; the words are the code that it gave."""


class Line:
    """An open WebSocket, by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._messages = wire.Reader()
        self._waiting: list[tuple[int, bytes]] = []

    async def raw(self, data: bytes) -> None:
        """Send bytes."""
        self._writer.write(data)
        await self._writer.drain()

    async def text(self, words: str) -> None:
        """Send a text message."""
        await self.raw(wire.header(wire.TEXT, len(words.encode())) + words.encode())

    async def binary(self, payload: bytes) -> None:
        """Send a binary message."""
        await self.raw(wire.header(wire.BINARY, len(payload)) + payload)

    async def until_in(self) -> None:
        """Wait for `ready`.

        Raises:
            NotInError: Something else came first.
        """
        told = await self.until("ready")
        if told != "ready":
            raise NotInError(told)

    async def until(self, *words: str) -> str:
        """Read until a message of one of these types, an error with one of these codes, or the end; return which."""
        while True:
            while self._waiting:
                opcode, payload = self._waiting.pop(0)
                if opcode == wire.CLOSE:
                    return str(int.from_bytes(payload[:2], "big"))
                if opcode == wire.TEXT:
                    message = json.loads(payload)
                    if (found := {message["type"], message.get("code")} & set(words)) or message.get("code") == "full":
                        return str(found.pop()) if found else "full"
            data = await self._reader.read(65_536)
            if not data:
                return "cut"
            self._waiting += self._messages.feed(data)


@contextlib.asynccontextmanager
async def line(port: int, *, origin: str | None = None, small: bool = False) -> AsyncIterator[Line]:
    """Open a WebSocket; reset the connection in the end."""
    raw = socket.socket()
    if small:  # the server's buffer for short segments is no larger than it has to be
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=raw, limit=4096 if small else 65_536)
    try:
        asking = wire.request("127.0.0.1", port)
        if origin is not None:
            asking = asking[:-2] + f"Origin: {origin}\r\n\r\n".encode()
        opened = Line(reader, writer)
        await opened.raw(asking)
        if origin is None:
            await opened.until_in()
        yield opened
    finally:
        writer.transport.abort()


async def nonsense(port: int, draw: random.Random) -> str:
    """Say what is no message."""
    async with line(port) as it:
        said = ("{", "[" * 5000, '{"type": 7}', '{"type": "audio", "pcm16": "!"}', "x" * draw.randrange(1, 5000))
        for words in said:
            await it.text(words)
            told = await it.until("invalid_json", "invalid_message", "unknown_type", "invalid_base64")
        return told


async def no_pictures(port: int, draw: random.Random) -> str:
    """Send as a JPEG what is none, again while nothing is said of it: of a frame that grew stale nothing is."""
    async with line(port) as it:
        for payload in (PNG, b"\xff\xd8" + draw.randbytes(draw.randrange(1, 20_000)), b"\xff\xd8\xff\xd9"):
            told = "no answer"
            while told == "no answer":
                await it.binary(b"\x02" + bytes(4) + payload)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(2):
                        told = await it.until("invalid_image", "inference_failed")
        return told


async def half_a_sample(port: int, draw: random.Random) -> str:
    """Send sound of an odd number of bytes."""
    async with line(port) as it:
        await it.binary(b"\x01" + bytes(4) + draw.randbytes(2 * draw.randrange(1, 2000) + 1))
        return await it.until("invalid_audio")


async def too_big(port: int, _: random.Random) -> str:
    """Send a message beyond the limit."""
    async with line(port) as it:
        await it.binary(bytes(1_500_000))
        return await it.until("too_big")


async def flood(port: int, draw: random.Random) -> str:
    """Send far too much until the connection is ended."""
    async with line(port) as it:
        block = b"".join(wire.header(wire.TEXT, 8) + draw.randbytes(4).hex().encode() for _ in range(300))
        with contextlib.suppress(ConnectionError):
            for _ in range(10):
                await it.raw(block)
        return await it.until("abuse")


async def deaf(port: int, draw: random.Random) -> str:
    """Send sound and pings and read nothing of what comes, until the connection is cut."""
    async with line(port, small=True) as it:
        ping = wire.header(wire.PING, 125) + bytes(125)
        while True:
            await it.raw(ping * 80)
            await it.binary(b"\x01" + bytes(4) + draw.randbytes(3200))
            await asyncio.sleep(0.1)


async def half_open(port: int, _: random.Random) -> str:
    """Begin a handshake and do not end it."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /ws HTTP/1.1\r\nHost: ")
    await asyncio.sleep(5)
    writer.transport.abort()
    return "gave up"


async def unfinished(port: int, draw: random.Random) -> str:
    """Begin a long message and do not end it."""
    async with line(port) as it:
        await it.raw(b"\x02" + wire.header(wire.BINARY, 60_000)[1:] + draw.randbytes(60_000))
        for _ in range(10):
            await it.raw(b"\x00" + wire.header(wire.BINARY, 60_000)[1:] + bytes(60_000))
        await asyncio.sleep(3)
        return "gave up"


async def crumbs(port: int, _: random.Random) -> str:
    """Send a message in empty fragments."""
    async with line(port) as it:
        await it.raw(b"\x01" + wire.header(wire.TEXT, 1)[1:] + b"{")
        with contextlib.suppress(ConnectionError):
            for _ in range(20):
                await it.raw((b"\x00" + wire.header(wire.TEXT, 0)[1:]) * 100)
        return await it.until("1009")


async def byte_by_byte(port: int, _: random.Random) -> str:
    """Send a good message slowly."""
    async with line(port) as it:
        words = b'{"type":"configure","fusion_weight":7}'
        for byte in wire.header(wire.TEXT, len(words)) + words:
            await it.raw(bytes([byte]))
            await asyncio.sleep(0.02)
        return await it.until("invalid_message")


async def elsewhere(port: int, _: random.Random) -> str:
    """Be a page of another address."""
    async with line(port, origin="https://elsewhere.example") as it:
        return await it.until("origin_refused")


async def no_http(port: int, draw: random.Random) -> str:
    """Speak another protocol."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(draw.randbytes(2000) + b"\r\n\r\n")
    said = await reader.read(100)
    writer.transport.abort()
    return "400" if b" 400 " in said else "cut"


async def rush(port: int, _: random.Random) -> str:
    """Connect and leave, a hundred times."""
    for _ in range(100):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(wire.request("127.0.0.1", port))
        writer.transport.abort()
    return "gave up"


STRANGERS: Final[tuple[Callable[[int, random.Random], Awaitable[str]], ...]] = (
    nonsense, no_pictures, half_a_sample, too_big, flood, deaf, half_open, unfinished, crumbs, byte_by_byte, elsewhere,
    no_http, rush,
)  # fmt: skip
EXPECTED: Final = {
    "nonsense": {"invalid_json", "invalid_message", "unknown_type", "invalid_base64"},
    "no_pictures": {"invalid_image", "inference_failed"},
    "half_a_sample": {"invalid_audio"},
    "too_big": {"too_big"},
    "flood": {"abuse", "cut"},
    "deaf": {"cut"},
    "half_open": {"gave up"},
    "unfinished": {"gave up"},
    "crumbs": {"1009", "cut"},
    "byte_by_byte": {"invalid_message"},
    "elsewhere": {"origin_refused"},
    "no_http": {"400"},
    "rush": {"gave up"},
}
"""What each may be told, but for `full`; `cut` where it reads nothing, or sends on to a server that has closed."""


async def pester(port: int, draw: random.Random, tally: Counter[str]) -> None:
    """Be one stranger after the other until cancelled; count what each was told."""
    while True:
        stranger = draw.choice(STRANGERS)
        name = getattr(stranger, "__name__", "")
        try:
            async with asyncio.timeout(PATIENCE):
                told = await stranger(port, draw)
        except NotInError as refused:
            told = str(refused)
        except TimeoutError:
            told = "no answer"
        except OSError:
            told = "cut"
        tally[f"{name}: {told}"] += 1
        await asyncio.sleep(draw.uniform(0.2, 2))


def surprises(tally: Counter[str]) -> list[str]:
    """Return what a stranger was told and should not have been."""
    told = ((entry, *entry.split(": ")) for entry in tally)
    return sorted(entry for entry, name, word in told if word not in EXPECTED[name] | {"full"})
