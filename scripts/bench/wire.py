"""A WebSocket client (RFC 6455) that costs next to nothing, so that the processor is left to the server.

The benchmark's viewers share their machine with the server. What is sent is framed beforehand, and masked with zeros,
which leaves the payload as it is; what comes is cut into messages and no more.
"""

import base64
import os
import struct
from collections.abc import Iterator
from typing import Final

TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA

_MASK: Final = b"\0\0\0\0"


def request(host: str, port: int, path: str = "/ws") -> bytes:
    """Return the request that opens a WebSocket; no extension is offered."""
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


def header(opcode: int, length: int) -> bytes:
    """Return what goes before a client's message of so many bytes: one frame, masked with zeros."""
    first = 0x80 | opcode
    if length < 126:
        return struct.pack("!BB", first, 0x80 | length) + _MASK
    if length < 1 << 16:
        return struct.pack("!BBH", first, 0x80 | 126, length) + _MASK
    return struct.pack("!BBQ", first, 0x80 | 127, length) + _MASK


class Reader:
    """Cuts what a server sends into messages. A message in several frames is not understood: none here sends such."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._open = False

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield (opcode, payload) of each whole message, the answer to `request` left out.

        Raises:
            ConnectionError: The server does not open a WebSocket, or its message is in several frames.
        """
        self._buffer += data
        if not self._open:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            status = bytes(self._buffer[: self._buffer.find(b"\r\n")])
            if b" 101 " not in status + b" ":
                raise ConnectionError(f"the server says {status.decode(errors='replace')}")
            del self._buffer[: end + 4]
            self._open = True
        while (message := self._next()) is not None:
            yield message

    def _next(self) -> tuple[int, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        if not buffer[0] & 0x80 or buffer[0] & 0x70 or buffer[1] & 0x80:
            raise ConnectionError("the server's frame is a part, compressed or masked")
        length, start = buffer[1], 2
        if length == 126:
            length, start = int.from_bytes(buffer[2:4], "big"), 4
        elif length == 127:
            length, start = int.from_bytes(buffer[2:10], "big"), 10
        if len(buffer) < start + length:
            return None
        opcode, payload = buffer[0] & 0x0F, bytes(buffer[start : start + length])
        del buffer[: start + length]
        return opcode, payload
