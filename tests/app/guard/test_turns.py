"""Requests in turn, in virtual time: how many begin while everybody else waits for one turn."""

import asyncio

from virtual_time import run

from app.guard.turns import Turns


def begun_within(kind, turns, seconds=0.0):
    """Let a hundred come at once, each of which takes so long; return how many have begun after so many turns."""

    async def main():
        begun = []

        async def serve(*_):
            begun.append(asyncio.get_running_loop().time())
            await asyncio.sleep(seconds)

        app = Turns(serve)
        tasks = [asyncio.create_task(app({"type": kind}, None, None)) for _ in range(100)]
        for _ in range(turns):
            await asyncio.sleep(0)
        count = len(begun)
        await asyncio.gather(*tasks)
        assert len(begun) == 100
        assert set(begun) == {0.0}  # nobody waits for the end of another
        return count

    return run(main())


def test_requests_begin_one_after_the_other_with_turns_between():
    assert 1 <= begun_within("http", 20) <= 20
    assert 1 <= begun_within("http", 20, seconds=60) <= 20


def test_streams_do_not_wait():
    assert begun_within("websocket", 2) == 100
