"""Good viewers, whose results are counted, and others who come and go."""

import asyncio
import random
from collections import Counter, deque
from typing import Any, Final, NamedTuple

from scripts.bench import wire
from scripts.bench.viewer import Envelopes, Viewer

RECENT: Final = 20
OPENS_WITHIN: Final = 20.0


class Mark(NamedTuple):
    """What one result says of those before it: its time, how many came with it, how many the server says it owes."""

    t: float
    came: int
    dropped: int


class Good(Viewer):
    """A viewer as the page is, who also counts what there should have been."""

    def __init__(self, envelopes: Envelopes, begin: int, request: bytes, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(envelopes, begin, request, loop)
        self.interval = 0.0
        self.states: Counter[str] = Counter()
        self.dropped: dict[str, int] = {}
        self._came = 0
        self._marks: deque[Mark] = deque(maxlen=RECENT)

    def _take(self, message: dict[str, Any], at: float) -> None:
        super()._take(message, at)
        if message["type"] == "ready":
            self.interval = message["settings"]["result_interval"]
        elif message["type"] == "result":
            self._came += 1
            self.states[message["fused"]["state"]] += 1
            self.dropped = message["dropped"]
            self._marks.append(Mark(message["t"], self._came, message["dropped"]["results"]))

    def vanish(self) -> None:
        """Leave without a word: the connection is reset, perhaps in the middle of a message."""
        self._leaving = True
        self._stop()
        if self._transport is not None:
            self._transport.abort()

    @property
    def lost(self) -> int:
        """How many results neither came nor are among those that the server says were dropped."""
        return lost(list(self._marks), self.interval)


def lost(marks: list[Mark], interval: float) -> int:
    """Return how many results are unaccounted for.

    The nth is due at n intervals and has a `t` of at least that. One that is late may have the `t` of its successor, so
    that the least of the newest marks counts.
    """
    if not marks:
        return 0
    return max(0, min(int(mark.t / interval + 1e-6) - mark.came - mark.dropped for mark in marks))


async def come(port: int, envelopes: Envelopes, begin: int) -> Good | None:
    """Return a viewer who has had a result, or None where the server does not let one in."""
    loop = asyncio.get_running_loop()
    _, viewer = await loop.create_connection(
        lambda: Good(envelopes, begin, wire.request("127.0.0.1", port), loop), "127.0.0.1", port
    )
    deadline = loop.time() + OPENS_WITHIN
    try:
        while not viewer.log.results and viewer.log.closed is None and loop.time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    except asyncio.CancelledError:
        viewer.vanish()
        raise
    if viewer.log.closed is None and viewer.log.results:
        return viewer
    viewer.leave()
    return None


async def churn(port: int, envelopes: Envelopes, draw: random.Random, tally: Counter[str]) -> None:
    """Come, stay for some seconds, and leave in one way or another, again and again until cancelled."""
    while True:
        viewer = await come(port, envelopes, draw.randrange(1000))
        if viewer is None:
            tally["refused"] += 1
        else:
            try:
                await asyncio.sleep(draw.uniform(0.5, 10))
                tally["closed by the server" if viewer.log.closed is not None else "stayed"] += 1
                tally["results"] += len(viewer.log.results)
                tally["lost results"] += viewer.lost
            finally:
                if draw.random() < 0.5:
                    viewer.leave()
                else:
                    viewer.vanish()
        await asyncio.sleep(draw.uniform(0, 2))
