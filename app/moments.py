"""Waiting for moments that viewers share."""

import asyncio
from collections.abc import Callable


class Moments:
    """One timer for all who wait for the same moment: they go on in one turn of the event loop, and so ask at once.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._coming: dict[int, asyncio.Event] = {}  # by the millisecond

    async def until(self, moment: float) -> None:
        """Wait for a moment of the clock; others have their turn even if it has passed."""
        wait = moment - self._clock()
        if wait <= 0:
            await asyncio.sleep(0)
            return
        key = round(moment * 1000)
        if key not in self._coming:
            self._coming[key] = asyncio.Event()
            asyncio.get_running_loop().call_later(wait, self._come, key)
        await self._coming[key].wait()

    def _come(self, key: int) -> None:
        self._coming.pop(key).set()
