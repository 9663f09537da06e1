"""An event loop whose time jumps to the next timer: hours pass in milliseconds, in the same order each run."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Value = TypeVar("Value")


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    _now = 0.0

    def time(self) -> float:
        return self._now

    def _run_once(self) -> None:
        if not self._ready:
            waited_for = (timer.when() for timer in self._scheduled if not timer.cancelled())
            self._now = max(self._now, min(waited_for, default=self._now))
        super()._run_once()


def run(main: Coroutine[Any, Any, Value]) -> Value:
    """Run to the end in virtual time; no task may be left over."""
    loop = VirtualTimeLoop()
    try:
        value = loop.run_until_complete(main)
        assert not asyncio.all_tasks(loop), "leaked tasks"
        return value
    finally:
        loop.close()
