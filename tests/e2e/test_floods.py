"""Who sends, connects or dawdles without measure, and a good viewer who misses nothing; served by `python -m app`."""

import asyncio
import contextlib
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from app.guard.entry import RESERVED
from tests.e2e.serving import Module, Server
from tests.e2e.watching import connect, has_viewers, watched

HOSTILE = str(Path(__file__).parent / "hostile.py")


@pytest.fixture(scope="module")
def guarded() -> Iterator[Server]:
    # Everywhere, to have an address that counts.
    with Module(HOST="0.0.0.0", HANDSHAKE_TIMEOUT="1.5", MAX_REQUESTS_PER_ADDRESS="100") as running:  # noqa: S104
        yield running
        assert "--ws app.guard.wire:Wire" not in running.log()  # which it says where it is served without


async def hostile(what: str, host: str, server: Server, *more: str) -> list[float]:
    """Run such a client, and return the figures that it prints."""
    client = await asyncio.create_subprocess_exec(
        sys.executable, HOSTILE, what, host, str(server.port), *more, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await client.communicate()
    assert client.returncode == 0
    return [float(figure) for figure in said.split()]


@pytest.mark.parametrize("kind", ["empty", "nonsense", "ping"])
async def test_who_sends_as_fast_as_the_socket_takes_it_costs_nobody_a_result(guarded: Server, kind: str) -> None:
    async with watched(guarded.stream):
        connections, frames = await hostile("flood", "127.0.0.1", guarded, kind, "5")
    assert connections >= 1
    assert frames > 20_000  # a hundred times what it may send in these seconds, and it was still held up
    await has_viewers(guarded, 0)


def own_address() -> str:
    """An address of this machine at which it is a stranger to itself; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but its own loopback, which no limit counts")
        return str(probe.getsockname()[0])


async def test_a_thousand_connections_a_second_cost_nobody_a_result(
    guarded: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    address = own_address()
    async with watched(guarded.stream):
        opened, seconds, refused, welcome = await hostile("churn", address, guarded, "1100", "5")
    with capsys.disabled():
        print(f"\n{opened / seconds:.0f} connections a second, {refused:.0f} refused, {welcome:.0f} let in")
    assert 0 < welcome <= 200 + 20 * (seconds + 1)
    await has_viewers(guarded, 0, 40)

    def answer() -> bytes:
        with socket.create_connection((address, guarded.port), 5) as raw:
            raw.sendall(b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n")
            with contextlib.suppress(ConnectionError):
                return raw.recv(4096)
        return b""

    answers = [await asyncio.to_thread(answer) for _ in range(300)]  # of which 200 and some may come at once
    assert any(said.startswith(b"HTTP/1.1 429 ") for said in answers)
    assert any(said.startswith(b"HTTP/1.1 200 ") for said in answers)  # whose streams have left has its places again


@pytest.mark.parametrize("path", ["/protocol.json", "/metrics", "/static/js/main.js"])
async def test_requests_over_a_hundred_connections_cost_nobody_a_result(guarded: Server, path: str) -> None:
    began = time.monotonic()
    async with watched(guarded.stream):
        answered, refused = await hostile("ask", own_address(), guarded, path, "5")
    assert 200 < answered <= 1000 + 100 * (time.monotonic() - began)
    assert refused


async def test_nor_do_they_from_where_nothing_is_counted(guarded: Server) -> None:
    async with watched(guarded.stream):
        answered, refused = await hostile("ask", "127.0.0.1", guarded, "/protocol.json", "5")
    assert answered > 500
    assert not refused


class Cramped(Module):
    """The server with 256 descriptors, as a process has by default on some systems."""

    def command(self) -> list[str]:
        return ["sh", "-c", 'ulimit -n 256 && exec "$@"', "sh", *super().command()]

    @property
    def open(self) -> int:
        assert self._process is not None
        return len(list(Path(f"/proc/{self._process.pid}/fd").iterdir()))


BEING_TURNED_AWAY = 4
"""Connections that the server has taken from the system and not closed yet, at most."""


@pytest.mark.parametrize(("limit", "most"), [("150", 150), ("0", 256 - RESERVED)])
async def test_one_address_does_not_use_up_the_descriptors(limit: str, most: int) -> None:
    def answers() -> bool:
        with urlopen(f"{server.url}healthz", timeout=5) as answer:  # noqa: S310 - http
            return bool(answer.status == 200)

    with Cramped(HOST="0.0.0.0", MAX_CONNECTIONS_PER_ADDRESS=limit) as server:  # noqa: S104
        async with watched(server.stream):
            before = server.open
            holding = asyncio.create_task(hostile("hold", own_address(), server, "200", "8"))
            while not holding.done():
                assert await asyncio.to_thread(answers)
                assert server.open <= before + most + 1 + BEING_TURNED_AWAY
                await asyncio.sleep(0.2)
            held, full = await holding
    assert 0.8 * most < held <= most
    assert bool(full) is (limit == "0")


async def test_who_never_comes_to_the_end_of_a_request_is_let_go(guarded: Server) -> None:
    beginnings = [
        b"",
        b"\r\n",
        b"GET / HTTP/1.1\r\nHost: here\r\nX-Slow: ",
        b"GET /ws HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
        b"POST /ticket HTTP/1.1\r\nHost: here\r\nContent-Length: 1000\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\nGET /",
    ]

    def dawdle(beginning: bytes) -> float:
        """Send that and then a byte now and then; return the seconds until the connection was ended."""
        with socket.create_connection(("127.0.0.1", guarded.port), 5) as raw:
            began = time.monotonic()
            with contextlib.suppress(ConnectionError):
                raw.sendall(beginning)
                raw.settimeout(0.2)
                while time.monotonic() < began + 15:
                    with contextlib.suppress(TimeoutError):
                        if not raw.recv(4096):
                            break
                    if beginning:
                        raw.sendall(b"\n" if beginning == b"\r\n" else b"a")
            return time.monotonic() - began

    async with watched(guarded.stream):
        with contextlib.closing(connect(guarded.stream)) as silent:  # who has come in has all the time that it wants
            took = await asyncio.gather(*(asyncio.to_thread(dawdle, beginning) for beginning in beginnings))
            silent.settimeout(0.5)
            assert silent.recv(1)
    assert all(1.3 < seconds < 8 for seconds in took), took
