"""Who leaves unread what it was sent, in virtual time; with real sockets in `tests/e2e/test_who_reads_nothing.py`."""

import asyncio
import socket
import struct

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState
from virtual_time import run

from app.guard.entry import Entry
from app.guard.unread import PORTION, STATE
from app.guard.wire import Wire

LIMIT = 20.0


class Line(asyncio.Transport):
    """A connection on which nothing happens but what the test says."""

    def __init__(self, raw):
        super().__init__({"socket": raw})
        self.raw, self.ended, self.limits, self.size = raw, None, None, 1

    def set_write_buffer_limits(self, high=None, low=None):
        self.limits = high, low

    def write(self, data):
        pass

    def get_write_buffer_size(self):
        return self.size

    def close(self):
        self.ended = self.ended or "closed"

    def abort(self):
        lingers, seconds = struct.unpack("ii", self.raw.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8))
        self.ended = "reset" if lingers and not seconds else "aborted"

    def is_closing(self):
        return self.ended is not None


async def never(scope, receive, send):
    """An application that nobody asks."""


def visit(protocol, meet, **state):
    """Let a protocol have a connection, and `meet(protocol)` do what it likes; return how the connection ended."""

    async def main():
        config = Config(never, lifespan="off", log_config=None)
        config.load()
        with socket.socket() as raw:
            line = Line(raw)
            served = protocol(config, ServerState(), state)
            served.connection_made(line)
            await meet(served)
            served.connection_lost(None)
        return line

    return run(main())


BOTH = pytest.mark.parametrize("protocol", [Entry, Wire])


@BOTH
@pytest.mark.parametrize(("seconds", "end"), [(LIMIT - 1, None), (LIMIT + 1, "reset")])
def test_what_is_unread_for_too_long_ends_the_connection_by_a_reset(protocol, seconds, end):
    async def meet(served):
        served.pause_writing()
        await asyncio.sleep(seconds)
        assert served.transport.ended == end

    assert visit(protocol, meet, **{STATE: LIMIT}).limits == (0, None)


@BOTH
def test_who_reads_all_of_it_now_and_then_stays(protocol):
    async def meet(served):
        for _ in range(10):
            served.pause_writing()
            await asyncio.sleep(LIMIT - 1)
            served.resume_writing()
            await asyncio.sleep(2 * LIMIT)
        assert served.transport.ended is None

    visit(protocol, meet, **{STATE: LIMIT})


@BOTH
@pytest.mark.parametrize(("taken", "times"), [(PORTION, 10), (PORTION - 1, 1)])
def test_who_takes_a_portion_each_time_may_take_long_for_all_of_it(protocol, taken, times):
    async def meet(served):
        served.transport.size = 10 * PORTION
        served.pause_writing()
        await asyncio.sleep(1)
        looks = 0
        while served.transport.size and not served.transport.ended:
            served.transport.size -= taken
            await asyncio.sleep(LIMIT)
            looks += 1
        assert looks == times

    visit(protocol, meet, **{STATE: LIMIT})


@BOTH
def test_without_a_limit_nothing_is_done(protocol):
    async def meet(served):
        served.pause_writing()
        await asyncio.sleep(100 * LIMIT)
        assert served.transport.ended is None

    assert visit(protocol, meet).limits is None


@pytest.mark.parametrize(("unread", "end"), [(False, "closed"), (True, "reset")])
def test_who_answers_no_pings_is_told_so_only_where_it_may_read_that(unread, end):
    async def meet(served):
        if unread:
            served.pause_writing()
        served.keepalive_timeout()
        assert served.transport.ended == end

    visit(Wire, meet, **{STATE: LIMIT})
