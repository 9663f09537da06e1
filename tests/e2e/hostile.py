"""Clients that know no measure, as processes of their own: `python hostile.py flood|churn|ask|hold HOST PORT ...`."""

import asyncio
import contextlib
import select
import socket
import struct
import sys
import time
from collections import Counter, deque

HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
TINY = {"empty": b"\x82\x80" + bytes(4), "nonsense": b"\x82\x81" + bytes(4) + b"\x09", "ping": b"\x89\x80" + bytes(4)}
BYE = b"\x88\x82" + bytes(4) + struct.pack(">H", 1000)


def flood(host: str, port: int, kind: str, seconds: float) -> str:
    """Send one frame as fast as the socket takes it, and come again when cut off; tell the connections and frames."""
    block = TINY[kind] * 40_000
    until = time.monotonic() + seconds
    connections = sent = 0
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection((host, port), 5) as raw:
            connections += 1
            raw.sendall(HANDSHAKE)
            raw.recv(65_536)
            raw.setblocking(False)
            while time.monotonic() < until:
                readable, writable, _ = select.select([raw], [raw], [], 0.1)
                if readable and not raw.recv(65_536):
                    break
                if writable:
                    sent += raw.send(block)
    return f"{connections} {sent // len(TINY[kind])}"


def churn(host: str, port: int, rate: float, seconds: float) -> str:
    """Open so many connections a second and end them: silent, in mid-handshake, after it; half by a reset.

    None is waited for; tell how many were opened, the seconds that took, and how many were refused or answered 101.
    """
    begin = last = time.monotonic()
    opened = refused = welcome = 0
    here: list[tuple[float, int, socket.socket]] = []
    while (now := time.monotonic()) < begin + seconds or here:
        while here and (here[0][0] <= now or len(here) > 1500):
            _, kind, raw = here.pop(0)
            answer = b""
            with contextlib.suppress(OSError):
                answer = raw.recv(4096)
                if kind == 3:
                    raw.send(BYE)
            refused += b" 429 " in answer[:16]
            welcome += b" 101 " in answer[:16]
            if opened % 2:  # without a word: a reset
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raw.close()
        if now < begin + seconds and opened < (now - begin) * rate:
            raw = socket.socket()
            raw.settimeout(0.05)  # the kernel answers, at once while its queue has room
            kind = opened % 4
            with contextlib.suppress(OSError):
                raw.connect((host, port))
                raw.setblocking(False)
                if kind:
                    raw.send(HANDSHAKE[:60] if kind == 1 else HANDSHAKE)
            opened, last = opened + 1, time.monotonic()
            here.append((now + 1.0, kind, raw))
        else:
            time.sleep(0.0005)
    return f"{opened} {last - begin:.2f} {refused} {welcome}"


async def ask(host: str, port: int, path: str, seconds: float) -> str:
    """Ask for that over a hundred connections as fast as answers come; tell how many came, and how many were 429."""
    until = time.monotonic() + seconds
    answers = Counter[bytes]()

    async def go_on() -> None:
        reader, writer = await asyncio.open_connection(host, port)
        with contextlib.closing(writer):
            while time.monotonic() < until:
                writer.write(b"GET %s HTTP/1.1\r\nHost: here\r\n\r\n" % path.encode())
                first, *fields = (await reader.readuntil(b"\r\n\r\n")).lower().splitlines()
                answers[first.split()[1]] += 1
                headers = dict(field.split(b": ", 1) for field in fields if field)
                await reader.readexactly(int(headers[b"content-length"]))
                if headers.get(b"connection") == b"close":
                    return

    async def come_again() -> None:
        while time.monotonic() < until:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await go_on()
            await asyncio.sleep(0.1)

    await asyncio.gather(*(come_again() for _ in range(100)))
    return f"{answers[b'200']} {answers[b'429']}"


def hold(host: str, port: int, rate: float, seconds: float) -> str:
    """Open so many connections a second, and keep each by a request now and then.

    Tell how many were kept at the same time, and how many were refused since there was room for nobody.
    """
    until = time.monotonic() + seconds
    held: deque[tuple[float, socket.socket]] = deque()  # the longest silent first, and since when
    statuses = Counter[bytes]()
    most = 0

    def ask(raw: socket.socket) -> None:
        with contextlib.suppress(OSError):
            raw.sendall(b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n")
            status = raw.recv(4096)[9:12]
            statuses[status] += 1
            if status == b"200":
                held.append((time.monotonic(), raw))

    while time.monotonic() < until:
        with contextlib.suppress(OSError):
            ask(socket.create_connection((host, port), 2))
        while held and held[0][0] < time.monotonic() - 3:
            ask(held.popleft()[1])
        most = max(most, len(held))
        time.sleep(1 / rate)
    return f"{most} {statuses[b'503']}"


if __name__ == "__main__":
    what, where, number, *rest = sys.argv[1:]
    match what:
        case "flood":
            print(flood(where, int(number), rest[0], float(rest[1])))
        case "churn":
            print(churn(where, int(number), float(rest[0]), float(rest[1])))
        case "ask":
            print(asyncio.run(ask(where, int(number), rest[0], float(rest[1]))))
        case "hold":
            print(hold(where, int(number), float(rest[0]), float(rest[1])))
