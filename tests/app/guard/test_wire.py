"""uvicorn's WebSocket with bounds: real sockets, an application that takes whatever comes."""

import asyncio
import base64
import contextlib
import gc
import socket
import weakref
from contextlib import asynccontextmanager

import pytest
import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st
from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError
from websockets.frames import Frame, Opcode

from app.guard.limits import Pace
from app.guard.wire import EXTENSION, MOST_FRAGMENTS, PORTION, Wire, apply_mask

SMALL = 65_536
PINGS = 16_000
PING = b"\x89\xfd" + bytes(4) + b"x" * 125


@asynccontextmanager
async def serving(protocol, application=None):
    """Give a server, its port, and the lengths of the messages that came; a text ends the connection."""
    lengths = asyncio.Queue()

    async def take(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            if "text" in message:
                return await send({"type": "websocket.close"})
            lengths.put_nowait(len(message["bytes"]))

    config = uvicorn.Config(
        application or take, port=0, ws=protocol, lifespan="off", log_config=None, ws_ping_interval=None
    )
    server = uvicorn.Server(config)
    listening = socket.create_server(("127.0.0.1", 0))
    running = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield server, listening.getsockname()[1], lengths
    finally:
        server.should_exit = server.force_exit = True
        await running
        listening.close()


async def waiting_to_be_read(protocol):
    """Return how much a server holds for a client that sends pings and reads nothing of what is answered."""
    all_came = asyncio.Event()

    class Counting(protocol):
        pings = 0

        def handle_ping(self):
            super().handle_ping()
            self.pings += 1
            if self.pings == PINGS:
                all_came.set()

    async with serving(Counting) as (server, port, _), asyncio.timeout(30):
        loop = asyncio.get_running_loop()
        with socket.socket() as raw:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
            raw.setblocking(False)
            await loop.sock_connect(raw, ("127.0.0.1", port))
            key = base64.b64encode(bytes(16)).decode()
            await loop.sock_sendall(
                raw,
                f"GET / HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode(),
            )
            assert b"101" in await loop.sock_recv(raw, 4096)
            (connection,) = server.server_state.connections
            transport = connection.transport
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL)
            await loop.sock_sendall(raw, PING * PINGS)
            await all_came.wait()
            return transport.get_write_buffer_size()


class Hurried(Wire):
    """As fast as it goes."""

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self._pace = Pace(1e9, 1e9)


async def test_pings_that_nobody_reads_the_answers_of_cost_no_memory():
    assert await waiting_to_be_read(Hurried) < 8 * SMALL


async def test_with_uvicorns_own_protocol_they_do():
    """Once this fails, uvicorn bounds it itself, and half of `Wire` can go."""
    assert await waiting_to_be_read(WebSocketsSansIOProtocol) > 16 * SMALL


async def test_a_ping_is_answered():
    async with serving(Wire) as (_, port, _), connect(f"ws://127.0.0.1:{port}", ping_interval=None) as client:
        async with asyncio.timeout(10):
            await (await client.ping())


@pytest.mark.parametrize("count", [1, 2, MOST_FRAGMENTS - 1])
async def test_a_message_may_come_in_fragments(count):
    """`websockets` adds an empty last one."""
    async with serving(Wire) as (_, port, lengths), connect(f"ws://127.0.0.1:{port}") as client:
        await client.send([b"ab"] * count)
        async with asyncio.timeout(10):
            assert await lengths.get() == 2 * count


@pytest.mark.parametrize("fragment", [b"", b"a"])
async def test_fragments_without_end_end_the_connection(fragment):
    async with serving(Wire) as (_, port, lengths), connect(f"ws://127.0.0.1:{port}") as client:
        with pytest.raises(ConnectionClosedError):
            async with asyncio.timeout(10):
                await client.send([fragment] * (MOST_FRAGMENTS + 1))
                await client.recv()
        assert client.close_code == 1009
        assert lengths.empty()


async def test_after_a_long_message_there_is_room_for_another():
    async with serving(Wire) as (_, port, lengths), connect(f"ws://127.0.0.1:{port}") as client:
        async with asyncio.timeout(10):
            for _ in range(3):
                await client.send([b"ab"] * (MOST_FRAGMENTS - 1))
                assert await lengths.get() == 2 * (MOST_FRAGMENTS - 1)


class Taking(Wire):
    """Lets the application take what does not begin with `no`."""

    async def run_asgi(self):
        self.came = []
        self.taken = asyncio.Event()
        self._shortcut.take = self.take_some
        await super().run_asgi()

    def take_some(self, message):
        if message.startswith(b"no"):
            return False
        self.came.append(("taken", message))
        self.taken.set()
        return True


@asynccontextmanager
async def taking(meanwhile=0):
    """Give a client, the `Taking` that serves it, and an event that is set by each message that is received."""
    wires, received = asyncio.Queue(), asyncio.Event()

    async def application(scope, receive, send):
        wire = scope["extensions"][EXTENSION].take.__self__
        await receive()
        await send({"type": "websocket.accept"})
        wires.put_nowait(wire)
        while (message := await receive())["type"] == "websocket.receive":
            for _ in range(meanwhile):
                await asyncio.sleep(0)
            wire.came.append(("received", message.get("text") or message["bytes"]))
            received.set()

    async with serving(Taking, application) as (_, port, _), connect(f"ws://127.0.0.1:{port}") as client:
        async with asyncio.timeout(10):
            yield client, await wires.get(), received


async def test_an_application_that_waits_may_take_binary_messages_as_they_are_parsed():
    async with taking() as (client, wire, received):
        for left in ("text", b"no", [b"in ", b"parts"]):
            await client.send(left)
            await received.wait()
            received.clear()
            await client.send(b"whole")
            await wire.taken.wait()
            wire.taken.clear()
    taken = ("taken", b"whole")
    assert wire.came == [("received", "text"), taken, ("received", b"no"), taken, ("received", b"in parts"), taken]


@pytest.mark.parametrize("meanwhile", [0, 1, 5])
async def test_messages_keep_their_order_whether_they_are_taken_or_received(meanwhile):
    messages = ["text", b"yes", b"no", b"yes 2", b"yes 3", b"no 2"] * 50 + [b"no more"]
    async with taking(meanwhile) as (client, wire, received):
        for message in messages:
            await client.send(message)
        while wire.came[-1:] != [("received", b"no more")]:
            await received.wait()
            received.clear()
    assert [message for _, message in wire.came] == messages


async def test_nothing_of_a_connection_that_is_lost_waits_for_the_garbage_collector():
    """But for what `websockets` itself holds in a circle."""
    wires = []

    class Remembered(Wire):
        def __init__(self, *arguments, **named):
            super().__init__(*arguments, **named)
            wires.append(weakref.ref(self))

    gc.disable()
    try:
        async with serving(Remembered) as (server, port, lengths), asyncio.timeout(10):
            async with connect(f"ws://127.0.0.1:{port}") as client:
                await client.send(b"message")
                await lengths.get()
            while server.server_state.tasks or server.server_state.connections:  # noqa: ASYNC110 - uvicorn has no event
                await asyncio.sleep(0.01)
            await asyncio.sleep(0)
            assert [wire() for wire in wires] == [None]
    finally:
        gc.enable()


HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)


@pytest.mark.parametrize(
    ("more", "answer"),
    [
        (b"Cookie: " + b"a" * 9000, b"HTTP/1.1 431 "),
        (b"\r\n".join(b"X-%d: a" % number for number in range(200)), b"HTTP/1.1 431 "),
        (b"Content-Length: 3", b""),
        (b"Transfer-Encoding: chunked", b""),
    ],
)
async def test_a_handshake_that_cannot_be_read_is_ended(more, answer):
    async with serving(Wire) as (_, port, _), asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HANDSHAKE + more + b"\r\n\r\n")
        assert (await reader.read()).startswith(answer)
        writer.close()


END, FIRST, NEXT = b"\x81\x80" + bytes(4), b"\x02\x80" + bytes(4), b"\x00\x80" + bytes(4)
BYE = b"\x88\x82" + bytes(4) + b"\x03\xe8"
NO_TEXT = b"\x81\x81" + bytes(4) + b"\xff"


@pytest.mark.parametrize(
    ("first", "then"), [(END, FIRST + NEXT * MOST_FRAGMENTS), (b"", NO_TEXT + BYE)], ids=["the server", "the client"]
)
async def test_what_is_wrong_after_a_farewell_ends_the_connection_at_once(first, then):
    faults = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    async with serving(Wire) as (_, port, _), asyncio.timeout(5):  # uvicorn alone waits for 10 s
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HANDSHAKE + b"\r\n")
        await reader.readuntil(b"\r\n\r\n")
        if first:
            writer.write(first)
            assert await reader.readexactly(2)
        writer.write(then)
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()
    assert faults == []


# --- portions ---

SHORTEST = b"\x8a\x80" + bytes(4)  # a pong of nothing


MASK = b"mask"  # not at random, so that a failure comes again


def frame(payload, opcode=Opcode.BINARY, *, fin=True):
    plain = Frame(opcode, payload, fin).serialize(mask=False)
    header = len(plain) - len(payload)
    return raw(plain[0], plain[1] | 0x80, plain[2:header], apply_mask(payload, MASK))


def raw(first, second, length, rest):
    """Return a frame, right or wrong: `length` is what its header says after the first two bytes, but the mask."""
    return bytes((first, second)) + length + (MASK if second & 0x80 else b"") + rest


MOST = 80_000
"""Bytes of a message, at most."""


def turns(parts, takes=None, *, parsed=False):
    """Give a `Wire` a handshake and then what comes, in these parts, and let it take all the turns that it wants.

    Args:
        parts: They are followed by a close.
        takes: Whether the application takes a message as it is parsed, if it does that at all.
        parsed: Whether every frame goes through the parser of `websockets`.

    Returns:
        The messages that the application gets, for each turn how often the parser was called and what it found, and
        the bytes that the client gets.
    """
    took, messages, let_in = [], [], asyncio.Event()

    def take_some(message):
        if takes(message):
            messages.append(message)
        return takes(message)

    class Watched(Hurried):
        calls = 0

        def handle_events(self):
            self.calls += 1
            super().handle_events()

        def _take_whole(self, data):
            return 0 if parsed else super()._take_whole(data)

        def _end_portion(self, frames):
            took.append((self.calls, frames))
            self.calls = 0
            super()._end_portion(frames)

    async def take(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        if takes:
            scope["extensions"][EXTENSION].take = take_some
        let_in.set()
        while (message := await receive())["type"] == "websocket.receive":
            messages.append(message["bytes"])

    async def main():
        config = Config(take, lifespan="off", log_config=None, ws_ping_interval=None, ws_max_size=MOST)
        config.load()
        here, there = socket.socketpair()
        state = ServerState()
        with there:
            loop = asyncio.get_running_loop()
            _, wire = await loop.connect_accepted_socket(lambda: Watched(config, state, {}), here)
            wire.data_received(HANDSHAKE + b"\r\n")
            await let_in.wait()
            for part in (*parts, frame(b"", Opcode.CLOSE)):
                wire.data_received(part)
                await asyncio.sleep(0)
            there.shutdown(socket.SHUT_WR)  # a frame that lacks something has the close in it
            await asyncio.gather(*state.tasks)
            there.setblocking(False)
            return b"".join(iter(lambda: there.recv(65_536), b""))

    said = asyncio.run(main())
    return messages, took[1:], said  # the first turn is the handshake's


PAYLOADS = st.builds(
    lambda size, seed: bytes((seed + number) % 256 for number in range(size)),
    st.integers(0, 8) | st.integers(120, 130) | st.integers(PORTION - 20, PORTION + 20) | st.integers(0, 5000),
    st.integers(0, 255),
)
"""About the lengths at which a header grows (RFC 6455, 5.2), and at which a portion ends."""


def sent(fragments, shortest):
    """Return a message as frames, with some of the shortest before each."""
    last = len(fragments) - 1
    return b"".join(
        SHORTEST * shortest + frame(payload, Opcode.CONT if at else Opcode.BINARY, fin=at == last)
        for at, payload in enumerate(fragments)
    )


def in_parts(stream, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    return [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]


TAKES = st.sampled_from([None, lambda _: True, lambda message: len(message) % 2 == 0])


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.lists(PAYLOADS, min_size=1, max_size=3), st.integers(0, 400)), max_size=5), TAKES, st.data()
)
def test_messages_are_the_same_however_their_bytes_come_and_turns_are_short(told, takes, data):
    stream = b"".join(sent(fragments, shortest) for fragments, shortest in told)
    messages, took, _ = turns(in_parts(stream, data), takes)
    assert messages == [b"".join(fragments) for fragments, _ in told]
    assert max(found for _, found in took) <= PORTION // len(SHORTEST) + 1


RIGHT = PAYLOADS.map(frame)
RAW = st.builds(
    raw, st.sampled_from([0x82, 0x02, 0x80, 0xC2, 0x92, 0x83, 0x89]),
    st.sampled_from([0x80, 0x83, 0x03, 0xFE, 0xFF]),
    st.sampled_from([b"", b"\0\3", b"\0" * 8, b"\xff" * 8]), st.binary(max_size=6),
)  # fmt: skip


UNMASKED = b"\x82\x03" + bytes(7)
TOO_LONG = frame(bytes(1 + MOST))


@settings(deadline=None)  # each plays two connections, beside whatever else the machine does
@given(st.lists(RIGHT | RAW | st.sampled_from([UNMASKED, TOO_LONG]), max_size=4), TAKES, st.data())
def test_what_is_wrong_is_answered_alike_whether_messages_are_taken_or_received(frames, takes, data):
    parts = in_parts(b"".join(frames), data)
    (messages, _, said), (usual, _, usually_said) = turns(parts, takes), turns(parts, parsed=True)
    # uvicorn drops what came in one portion with something wrong, and portions are not the same.
    assert all(one == other for one, other in zip(messages, usual, strict=False))
    assert said == usually_said


@pytest.mark.parametrize("parsed", [True, False])
@pytest.mark.parametrize("size", [PORTION + 1, 25_000, 70_000])
def test_a_long_frame_is_parsed_in_one_portion_and_the_shortest_behind_it_in_turns(size, parsed):
    messages, took, _ = turns([frame(bytes(size)) + SHORTEST * 2000], parsed=parsed)
    assert messages == [bytes(size)]
    assert took[0] == (int(parsed), 1)
    assert sum(found for _, found in took) == 2 + 2000
    assert max(found for _, found in took) <= PORTION // len(SHORTEST) + 1


def test_a_long_frame_whose_header_comes_in_two_parts_is_parsed_in_a_few_portions():
    long = frame(bytes(70_000))
    messages, took, _ = turns([long[:5], long[5:]])
    assert messages == [bytes(70_000)]
    assert sum(calls for calls, _ in took[:2]) <= 3


def test_of_messages_that_are_taken_each_has_a_turn_and_needs_no_parser():
    messages, took, _ = turns([frame(bytes(size)) for size in (5000, 0, 200)] + [frame(b"") * 3], lambda _: True)
    assert messages == [bytes(5000), b"", bytes(200), b"", b"", b""]
    assert took[:6] == [(0, 1)] * 6


def test_what_only_looks_like_a_message_is_none():
    inside = frame(b"inside")
    message = raw(0x82, 0x80 | len(inside), b"", inside)
    messages, _, _ = turns([message[:6], message[6:]], lambda _: True)
    assert messages == [apply_mask(inside, MASK)]


def test_a_message_amid_the_fragments_of_another_ends_the_connection():
    messages, _, said = turns([frame(b"begun", fin=False), frame(b"whole")], lambda _: True)
    assert messages == []
    assert b"expected a continuation frame" in said
