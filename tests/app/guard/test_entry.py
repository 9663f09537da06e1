"""uvicorn's HTTP with bounds, in virtual time: connections in memory, an application that answers whatever is asked."""

import asyncio
from collections import Counter

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState
from virtual_time import run

from app.guard.entry import MOST_HEAD, MOST_WAITING, PORTION, RESERVED, STATE, Entry, Rules
from app.guard.wire import Wire
from app.settings import Settings

ASK = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
STRANGER, OTHER = "192.0.2.1", "192.0.2.2"


async def answer(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass
        return
    await asyncio.sleep(0.01)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


class Server:
    def __init__(self, *, rules=True, descriptors=10_000, **changes):
        self._config = Config(answer, ws=Wire, lifespan="off", log_config=None, ws_ping_interval=None)
        self._config.load()
        self._state = ServerState()
        self.connections = []
        self.refused = Counter()
        self.rules = Rules(
            Settings(_env_file=None, **changes), descriptors, lambda status: self.refused.update([status])
        )
        self._app_state = {STATE: self.rules} if rules else {}

    def connect(self, host=STRANGER):
        loop = asyncio.get_running_loop()
        entry = Entry(self._config, self._state, self._app_state, loop)
        self.connections.append(Connection(entry, host, loop))
        return self.connections[-1]

    @property
    def open(self):
        return len(self._state.connections)


class Connection(asyncio.Transport):
    """A client's end of a connection, and the transport of the server's."""

    def __init__(self, entry, host, loop):
        super().__init__({"peername": (host, 4711), "sockname": ("192.0.2.100", 80)})
        self._protocol, self._loop, self._is_closing = entry, loop, False
        self.said = b""
        entry.connection_made(self)

    def get_protocol(self):
        return self._protocol

    def set_protocol(self, protocol):
        self._protocol = protocol

    def write(self, data):
        self.said += data

    def close(self):
        if not self._is_closing:
            self._is_closing = True
            self._loop.call_soon(lambda: self._protocol.connection_lost(None))

    abort = close

    def is_closing(self):
        return self._is_closing

    def pause_reading(self):
        pass

    def resume_reading(self):
        pass

    async def ask(self, data=ASK, seconds=0.05):
        """Send that, and return the statuses of all that is answered in some time."""
        before = len(self.said)
        if not self._is_closing:
            self._protocol.data_received(data)
        await asyncio.sleep(seconds)
        return [int(line.split()[1]) for line in self.said[before:].split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]


def served(visit, **changes):
    """Run `visit(server)` in virtual time; when all have left, the server has nobody in its counts."""

    async def main():
        server = Server(**changes)
        await visit(server)
        for connection in server.connections:
            connection.close()
        await asyncio.sleep(1)
        told = [int(line.split()[1]) for connection in server.connections for line in connection.said.split(b"\r\n")
                if line.startswith(b"HTTP/1.1 ")]  # fmt: skip
        assert server.refused == Counter(status for status in told if status >= 400)
        assert not server.open
        assert not server.rules.places._taken

    run(main())


def test_an_address_may_ask_so_often_over_whatever_connections():
    async def visit(server):
        one, two, other = server.connect(), server.connect(), server.connect(OTHER)
        for _ in range(10):
            assert await one.ask(seconds=0.011) == await two.ask(seconds=0.011) == [200]
        assert await one.ask() == [429]
        assert one.is_closing()
        assert b"connection: close" in one.said.lower()
        assert b"retry-after: 1" in one.said.lower()
        assert await other.ask() == [200]
        await asyncio.sleep(0.5)
        assert await two.ask() == [200]
        assert await two.ask() == [429]
        assert await server.connect().ask() == [429]

    served(visit, max_requests_per_address=2)  # and twenty at once


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "10.1.2.3"])
def test_this_machine_and_proxies_may_ask_and_connect_as_they_like(host):
    async def visit(server):
        for connection in [server.connect(host) for _ in range(50)]:
            assert await connection.ask() == await connection.ask() == [200]

    limits = {"max_connections_per_address": 1, "max_viewers_per_address": 1, "trusted_proxies": ("10.0.0.0/8",)}
    rates = dict.fromkeys(("max_connects_per_address", "max_requests_per_address"), 0.1)
    served(visit, descriptors=RESERVED, **limits, **rates)


def test_zero_sets_no_limit():
    async def visit(server):
        said = await asyncio.gather(*(server.connect().ask(ASK * 10, seconds=1) for _ in range(300)))
        assert said == [[200] * 10] * 300

    names = ("max_connects_per_address", "max_requests_per_address", "max_connections_per_address")
    served(visit, **dict.fromkeys(names, 0))


def test_requests_that_come_at_once_are_answered_in_turn_and_too_many_end_the_connection():
    async def visit(server):
        connection = server.connect()
        assert await connection.ask(ASK * MOST_WAITING, seconds=1) == [200] * MOST_WAITING
        said = await connection.ask(ASK * 100_000, seconds=1)
        assert said == [200] * (MOST_WAITING + 1) + [429]
        assert connection.is_closing()

    served(visit)


def test_a_request_that_is_too_many_and_too_long_is_refused_once():
    async def visit(server):
        assert await server.connect().ask() == [200]
        long = b"GET / HTTP/1.1\r\nX-Long: ".ljust(MOST_HEAD + PORTION, b"a") + b"\r\n\r\n"
        assert await server.connect().ask(long) == [429]

    served(visit, max_requests_per_address=0.1)  # and one at once


def test_what_follows_a_request_too_many_is_not_taken():
    async def visit(server):
        connection = server.connect()
        assert await connection.ask(ASK + ASK + HANDSHAKE + ASK * 1000, seconds=1) == [200, 429]
        assert server.open == 0

    served(visit, max_requests_per_address=0.1)  # and one at once


CHUNKED = b"POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("beginning", "more"),
    [
        (b"", b"\r\n"),
        (b"GET /", b"a"),
        (b"GET / HTTP/1.1\r\nX-Long: ", b"a"),
        (b"GET / HTTP/1.1\r\n", b"X-Many: a\r\n"),
        (CHUNKED, b"1\r\na\r\n"),
        (CHUNKED + b"0\r\n", b"X-Many: a\r\n"),
    ],
)
def test_a_request_without_end_ends_the_connection(beginning, more):
    async def visit(server):
        connection = server.connect()
        said = await connection.ask(beginning)
        for _ in range(2 * MOST_HEAD // 1000):
            said += await connection.ask(more * (1000 // len(more)), seconds=0)
        assert said[-1] == 431
        assert connection.is_closing()

    served(visit)


def test_a_body_is_no_head():
    async def visit(server):
        connection = server.connect()
        size = 10 * MOST_HEAD
        head = f"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: {size}\r\n\r\n".encode()
        assert await connection.ask(head + bytes(size)) == [200]
        assert await connection.ask() == [200]

    served(visit)


def test_an_address_has_so_many_connections_and_a_stream_is_one_until_its_end():
    async def visit(server):
        connections = [server.connect() for _ in range(3)]
        assert await connections[0].ask(HANDSHAKE) == [101]
        assert server.connect().said.startswith(b"HTTP/1.1 429 ")
        assert await server.connect(OTHER).ask() == [200]
        for connection in connections[::-1]:  # the stream last
            connection.close()
            await asyncio.sleep(0)
            next_one = server.connect()
            assert await next_one.ask() == [200]
            assert server.connect().said.startswith(b"HTTP/1.1 429 ")

    served(visit, max_connections_per_address=3, max_viewers_per_address=3)


def test_twenty_viewers_behind_one_address_come_at_once():
    """Each with its browser's six connections, over which it loads the page and all that device mode has."""

    async def come(server):
        browser = [server.connect() for _ in range(6)]
        for _ in range(20):
            said = await asyncio.gather(*(connection.ask(seconds=0.15) for connection in browser))
            assert said == [[200]] * 6
        assert await server.connect().ask(HANDSHAKE) == [101]

    async def visit(server):
        await asyncio.gather(*(come(server) for _ in range(Settings(_env_file=None).max_viewers_per_address)))

    served(visit)


def test_descriptors_are_left_to_this_machine_and_to_files():
    async def visit(server):
        strangers = [server.connect(f"192.0.2.{number}") for number in range(3)]
        assert server.connect(OTHER).said.startswith(b"HTTP/1.1 503 ")
        assert await server.connect("127.0.0.1").ask() == [200]
        strangers[0].close()
        await asyncio.sleep(10)
        assert await server.connect(OTHER).ask() == [200]

    served(visit, descriptors=RESERVED + 3)


def test_without_rules_it_is_uvicorns_protocol():
    async def visit(server):
        said = await asyncio.gather(*(server.connect().ask(ASK * 10, seconds=1) for _ in range(300)))
        assert said == [[200] * 10] * 300

    served(visit, rules=False)
