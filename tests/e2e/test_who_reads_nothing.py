"""Who reads nothing of what it is sent: `python -m app` lets go of each, and a good viewer misses nothing."""

import asyncio
import contextlib
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.serving import Module, Server
from tests.e2e.watching import connect, dial, has_viewers, watched

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

COUNT = 5
LIMIT = 2.0
PING = b"\x89\xfd" + bytes(4) + b"x" * 125
BIG = b"GET /docs/assets/swagger-ui-bundle.js HTTP/1.1\r\nHost: here\r\n"
HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


@pytest.fixture(scope="module")
def served() -> Iterator[Server]:
    with Module(UNREAD_TIMEOUT=str(LIMIT)) as running:
        yield running


def descriptors(server: Server) -> int:
    """Return how many files and connections the server's process has open."""
    return len(list(Path(f"/proc/{server.pid}/fd").iterdir()))


def kept(server: Server, clients: list[socket.socket]) -> int:
    """Return how many of the connections the kernel still has at the server's end, in whatever state."""
    rows = [row.split()[1:3] for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    there = {(int(here[-4:], 16), int(away[-4:], 16)) for here, away in rows}
    return sum((server.port, client.getsockname()[1]) in there for client in clients)


def ask(server: Server, words: bytes) -> socket.socket:
    """Connect and say this."""
    raw = dial("127.0.0.1", server.port)
    raw.sendall(words)
    return raw


def nothing(_: socket.socket) -> None:
    """Do nothing."""


async def deaf(
    server: Server,
    come: Callable[[], socket.socket],
    go_on: Callable[[socket.socket], object] = nothing,
    *,
    stay: bool = True,
) -> None:
    """Have some come, and go on five times a second, beside a good viewer; see that they may, and that none is left."""
    async with watched(server.stream):
        before = await asyncio.to_thread(descriptors, server)
        with contextlib.ExitStack() as ending:
            clients = [ending.enter_context(contextlib.closing(await asyncio.to_thread(come))) for _ in range(COUNT)]
            if stay:
                await asyncio.sleep(LIMIT / 2)
                assert await asyncio.to_thread(descriptors, server) >= before + COUNT
                assert await asyncio.to_thread(kept, server, clients) == COUNT
            async with asyncio.timeout(LIMIT + 8):
                while descriptors(server) > before or kept(server, clients):
                    for client in clients:
                        client.setblocking(False)
                        with contextlib.suppress(OSError):
                            go_on(client)
                    await asyncio.sleep(0.2)
        await has_viewers(server, 1)


async def test_a_viewer_who_reads_nothing_is_let_go_with_all_that_was_kept_for_it(served: Server) -> None:
    def come() -> socket.socket:
        raw = connect(served.stream)
        raw.sendall(PING * 1500)
        return raw

    await deaf(served, come, lambda raw: raw.send(PING * 100))


@pytest.mark.parametrize(
    "asked",
    [
        BIG + b"\r\n",
        BIG + b"Connection: close\r\n\r\n",
        b"GET /protocol.json HTTP/1.1\r\nHost: here\r\n\r\n" * 40,
    ],
    ids=["one answer", "the last answer", "many answers"],
)
async def test_who_reads_no_answer_is_let_go_with_all_that_was_kept_for_it(served: Server, asked: bytes) -> None:
    await deaf(served, lambda: ask(served, asked))


async def test_who_reads_an_answer_by_sips_is_let_go(served: Server) -> None:
    await deaf(served, lambda: ask(served, BIG + b"\r\n"), lambda raw: raw.recv(2000))


async def test_who_asks_for_the_stream_with_an_answer_unread_is_let_go_at_once(served: Server) -> None:
    """Of that answer nobody would tell uvicorn when it can go on, nor when its reader is gone."""

    def come() -> socket.socket:
        raw = ask(served, BIG + b"\r\n")
        answer = b""
        while b"\r\n\r\n" not in answer[:-1]:  # until the file has begun
            answer += raw.recv(1)
        raw.sendall(HANDSHAKE)
        return raw

    await deaf(served, come, stay=False)
