"""A server that more people want to use than it can serve, in virtual time: who is in notices nothing of it."""

import asyncio
import random

import pytest
from arithmetic_models import FACE
from test_streaming import Answers, Viewer
from virtual_time import run

from app.settings import Settings
from app.streaming import Streaming
from app.watch.telemetry import Telemetry

COST = 0.05
"""Seconds of the one thread for each picture, two a second: ten viewers are all that it can do."""


class OneThread(Answers):
    """Answers one question after the other."""

    def __init__(self, telemetry):
        super().__init__()
        self._telemetry = telemetry
        self._thread = asyncio.Lock()

    async def _work(self, path):
        async with self._thread:
            await asyncio.sleep(COST)
            self._telemetry.called(path, 1, COST)


class House:
    def __init__(self, **changes):
        settings = Settings(_env_file=None, **changes)
        clock = asyncio.get_running_loop().time
        self.telemetry = Telemetry(settings, clock=clock)
        self.streaming = Streaming(settings, OneThread(self.telemetry), telemetry=self.telemetry, clock=clock)
        self.stayed, self.refused = [], []

    async def visit(self, arrival, seconds):
        """Come at a time, look into the camera for a while, and leave."""
        await asyncio.sleep(arrival)
        viewer = Viewer(self.streaming)
        await asyncio.sleep(0.01)
        if viewer.close_code is not None:
            self.refused.append((arrival, viewer))
            await viewer.end()
            return
        self.stayed.append((arrival, viewer))
        for number in range(1, int(2 * seconds)):
            viewer.send_frame(FACE, number)
            await asyncio.sleep(0.5)
        await viewer.leave()


def crowd(visits, **changes):
    """Let viewers come, [(arrival, seconds)]; return the house."""

    async def main():
        house = House(**changes)
        await asyncio.gather(*(house.visit(*visit) for visit in visits))
        return house

    return run(main())


def rush(count, within, *, until):
    """So many arrivals at random; all stay until the same time."""
    draw = random.Random(7)  # noqa: S311 - arrivals, no secrets
    arrivals = sorted(draw.uniform(0, within) for _ in range(count))
    return [(arrival, until - arrival) for arrival in arrivals]


def share_on_time(house):
    """Of the results of those who were in: how many had the face at most 200 ms after they were due."""
    on_time = [
        (result["at"] - arrival + 0.002) % 0.5 <= 0.202 and result["face"]["state"] == "ok"
        for arrival, viewer in house.stayed
        for result in viewer.results[2:]
    ]
    return sum(on_time) / len(on_time)


@pytest.mark.parametrize("within", [5, 15])
def test_who_is_in_gets_every_result_on_time_whoever_else_wants_to_come_in(within):
    house = crowd(rush(30, within, until=25))
    assert share_on_time(house) > 0.99
    assert all(viewer.results[-1]["dropped"]["results"] == 0 for _, viewer in house.stayed)
    assert house.refused


def test_without_admission_by_load_the_same_crowd_spoils_it_for_everybody():
    house = crowd(rush(30, 15, until=25), admission_load=0)
    assert not house.refused
    assert share_on_time(house) < 0.6


def test_the_house_is_used_up_to_its_limit():
    house = crowd(rush(30, 15, until=25))
    assert 5 <= len(house.stayed) <= 7


def test_who_is_not_let_in_is_told_so_and_closed_with_1013():
    house = crowd(rush(30, 15, until=25))
    for _, viewer in house.refused:
        assert [message["code"] for message in viewer.messages] == ["full"]
        assert viewer.close_code == 1013


def test_places_that_become_free_are_given_to_the_next_until_there_are_none():
    first = [(0.7 * n, 30 if n % 2 else 60) for n in range(8)]
    next_ones = [(42 + 1.1 * n, 20) for n in range(8)]
    house = crowd(first + next_ones, admission_load=1.0)  # seven and a half viewers, no close call
    let_in = [arrival for arrival, _ in house.stayed if arrival >= 42]
    kept_out = [arrival for arrival, _ in house.refused if arrival >= 42]
    assert 3 <= len(let_in) <= 5  # four have left
    assert max(let_in) < min(kept_out)  # not yes and no in turn
    assert share_on_time(house) > 0.99
