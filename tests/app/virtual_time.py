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
        if not self._ready and self._scheduled:
            self._now = max(self._now, self._scheduled[0].when())
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
