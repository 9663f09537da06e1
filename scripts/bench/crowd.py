"""Many viewers at once, in processes of their own."""

import asyncio
import gc
import math
import multiprocessing
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection

from scripts.bench import wire
from scripts.bench.material import Material
from scripts.bench.viewer import Envelopes, Log, Viewer

PER_PROCESS = 150
"""Viewers of one process: it needs a small part of a core for so many."""
LEAVING = 0.5
"""Seconds that viewers have to take their leave."""


@dataclass(frozen=True)
class Plan:
    """What a crowd does. Times are of `time.monotonic`.

    Attributes:
        ports: Of the servers, on this machine; viewers go to one after the other, in turn.
        viewers: How many.
        begin: When the first comes.
        arriving: Seconds until the last has come; they come evenly, so that their phases differ.
        until: When all leave.
        binary: Whether they send binary messages; else JSON.
        cores: Those that they may use; None for all.
    """

    ports: tuple[int, ...]
    viewers: int
    begin: float
    arriving: float
    until: float
    binary: bool
    cores: frozenset[int] | None = None


class Crowd:
    """Starts viewers, and brings home what they noted.

    Args:
        material: What they send.
        plan: What they do.
    """

    def __init__(self, material: Material, plan: Plan) -> None:
        count = max(1, math.ceil(plan.viewers / PER_PROCESS))
        context = multiprocessing.get_context("spawn")
        self._until = plan.until
        self._lines: list[Connection] = []
        self._processes = []
        for share in range(count):
            here, there = context.Pipe(duplex=False)
            numbers = range(share, plan.viewers, count)
            process = context.Process(target=_visit, args=(there, material, plan, numbers), daemon=True)
            process.start()
            there.close()
            self._lines.append(here)
            self._processes.append(process)

    @property
    def pids(self) -> list[int]:
        """Of the processes."""
        return [process.pid for process in self._processes if process.pid is not None]

    def logs(self) -> list[Log]:
        """Wait for the end, and return what each viewer noted.

        Raises:
            RuntimeError: A process of viewers failed.
        """
        logs: list[Log] = []
        try:
            for line in self._lines:
                if not line.poll(max(0.0, self._until - time.monotonic()) + 30):
                    raise RuntimeError("viewers do not come home")
                try:
                    logs += line.recv()
                except EOFError:
                    raise RuntimeError("a process of viewers failed") from None
        finally:
            for process in self._processes:
                process.join(5)
                process.kill()
        return logs


def _visit(line: Connection, material: Material, plan: Plan, numbers: Sequence[int]) -> None:
    if plan.cores is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, plan.cores)
    envelopes = Envelopes(material, binary=plan.binary)
    gc.freeze()
    gc.disable()  # a pause here would be taken for one of the server
    try:
        import uvloop
    except ImportError:
        line.send(asyncio.run(_stay(envelopes, plan, numbers)))
    else:
        line.send(uvloop.run(_stay(envelopes, plan, numbers)))


async def _stay(envelopes: Envelopes, plan: Plan, numbers: Sequence[int]) -> list[Log]:
    loop = asyncio.get_running_loop()
    # The loop's clock and `time.monotonic` may count from different moments.
    ahead = loop.time() - time.monotonic()
    viewers = []
    for number in numbers:
        await asyncio.sleep(plan.begin + plan.arriving * number / plan.viewers - time.monotonic())
        # Primes, so that two viewers hardly ever send the same at the same time.
        port = plan.ports[number % len(plan.ports)]
        viewer = Viewer(envelopes, 7919 * number, wire.request("127.0.0.1", port), loop)
        viewers.append(viewer)
        await loop.create_connection(lambda viewer=viewer: viewer, "127.0.0.1", port)  # type: ignore[misc]
    await asyncio.sleep(plan.until - time.monotonic())
    logs = [viewer.log for viewer in viewers]
    for viewer in viewers:
        viewer.leave()
    for log in logs:
        log.results = [(at - ahead, *rest) for at, *rest in log.results]
    await asyncio.sleep(LEAVING)
    return logs
