import asyncio

from app.moments import Moments
from tests.app import virtual_time


def test_who_wait_for_one_moment_go_on_in_one_turn_and_not_before():
    went = []

    async def wait(moments, moment):
        await moments.until(moment)
        went.append(asyncio.get_running_loop().time())
        await asyncio.sleep(0)
        went.append("turn")

    async def main():
        moments = Moments(asyncio.get_running_loop().time)
        await asyncio.gather(*(wait(moments, moment) for moment in (0.5, 1.0, 1.0 + 1e-9, 1.0)))

    virtual_time.run(main())
    assert went == [0.5, "turn", 1.0, 1.0, 1.0, "turn", "turn", "turn"]


def test_a_moment_that_has_passed_is_not_waited_for_but_others_have_their_turn():
    order = []

    async def other():
        order.append("other")

    async def main():
        loop = asyncio.get_running_loop()
        moments = Moments(loop.time)
        await moments.until(1.0)
        task = asyncio.create_task(other())
        await moments.until(0.5)
        order.append(loop.time())
        await task

    virtual_time.run(main())
    assert order == ["other", 1.0]


def test_who_leaves_before_the_moment_takes_nobody_along():
    async def main():
        loop = asyncio.get_running_loop()
        moments = Moments(loop.time)
        leaving, staying = (asyncio.create_task(moments.until(1.0)) for _ in range(2))
        await asyncio.sleep(0)
        leaving.cancel()
        await staying
        return leaving.cancelled(), loop.time()

    assert virtual_time.run(main()) == (True, 1.0)
