"""SIGTERM and SIGINT: viewers are told first, then the server stops, and the process ends in time whatever hangs."""

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

TOLD_SECONDS: Final = 1.5
"""Who has not taken its farewell by then reads too slowly, or not at all."""
END_SECONDS: Final = 4.0
"""When the process ends at the latest, after the signal."""
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

log = logging.getLogger("uvicorn.error")  # the log that uvicorn shows

Drain = Callable[[float], Awaitable[int]]


@contextmanager
def stopping(drain: Drain) -> Iterator[None]:
    """Take the signals that ask the process to stop, as long as the context lasts, from within the event loop.

    The first calls `drain`, which sends viewers away and returns how many were not told in so many seconds; then what
    took the signal before (uvicorn) gets it. A second one gets there at once. After an orderly end the signal does not
    count as the reason: the process ends with 0.

    Signals come to the main thread alone: in another one this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    stop = _Stop(drain)
    try:
        yield
    finally:
        stop.over()


class _Stop:
    def __init__(self, drain: Drain) -> None:
        self._drain = drain
        self._loop = asyncio.get_running_loop()
        self._draining: asyncio.Task[None] | None = None  # kept, so that it is not collected
        self._heard = False
        self._before: dict[int, Any] = {number: signal.signal(number, self._hear) for number in _SIGNALS}

    def over(self) -> None:
        self._give_back()
        if self._heard and sys.platform != "win32":
            # uvicorn raises the signal once more when all is done, which would end the process by it.
            signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self._heard:
            self._pass_on(number)
            return
        self._heard = True
        end = threading.Timer(END_SECONDS, os._exit, (0,))
        end.daemon = True
        end.start()
        self._loop.call_soon_threadsafe(self._begin, number)

    def _begin(self, number: int) -> None:
        self._draining = self._loop.create_task(self._stop(number))

    async def _stop(self, number: int) -> None:
        try:
            if untold := await self._drain(TOLD_SECONDS):
                log.warning("%d viewers did not read why the server stops", untold)
        finally:
            self._pass_on(number)

    def _pass_on(self, number: int) -> None:
        if self._before:  # else somebody insisted meanwhile
            self._give_back()
            signal.raise_signal(number)

    def _give_back(self) -> None:
        while self._before:
            number, handler = self._before.popitem()
            if signal.getsignal(number) == self._hear:
                signal.signal(number, handler)
