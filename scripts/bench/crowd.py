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
STARTING = 60.0
"""Most seconds that a process of viewers may take to start."""
INTERVAL = 0.5
"""`RESULT_INTERVAL` of every server here."""
GOLDEN = (5**0.5 - 1) / 2
"""Its multiples, whole parts left out, are spread evenly however many there are."""
LEAVING = 0.5
"""Seconds that viewers have to take their leave."""


@dataclass(frozen=True)
class Plan:
    """What a crowd does.

    Attributes:
        ports: Of the servers, on this machine; viewers go to one after the other, in turn.
        viewers: How many.
        arriving: Seconds in which they come: evenly, but each at a moment of the interval of its own, as people do.
        lasting: Seconds from the first's coming until all leave.
        binary: Whether they send binary messages; else JSON.
        cores: Those that they may use; None for all.
    """

    ports: tuple[int, ...]
    viewers: int
    arriving: float
    lasting: float
    binary: bool
    cores: frozenset[int] | None = None

    def coming(self, number: int) -> float:
        """Return when a viewer comes, in seconds from when the first may.

        Who come at even distances of, say, 20 ms have their results due at only 25 moments of the half second.
        """
        even = self.arriving * number / self.viewers
        return even + INTERVAL * ((number * GOLDEN - even / INTERVAL) % 1.0)


class Crowd:
    """Starts viewers, and brings home what they noted.

    Args:
        material: What they send.
        plan: What they do.

    Attributes:
        begin: When the first comes, by `time.monotonic`: as soon as all processes are ready.

    Raises:
        RuntimeError: A process does not start.
    """

    def __init__(self, material: Material, plan: Plan) -> None:
        count = max(1, math.ceil(plan.viewers / PER_PROCESS))
        context = multiprocessing.get_context("spawn")
        self._lines: list[Connection] = []
        self._processes = []
        for share in range(count):
            here, there = context.Pipe()
            numbers = range(share, plan.viewers, count)
            process = context.Process(target=_visit, args=(there, material, plan, numbers), daemon=True)
            process.start()
            there.close()
            self._lines.append(here)
            self._processes.append(process)
        for line in self._lines:
            if not line.poll(STARTING):
                raise RuntimeError("viewers do not start")
            self._received(line)
        self.begin = time.monotonic() + 0.1
        self._until = self.begin + plan.lasting
        for line in self._lines:
            line.send(self.begin)

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
                logs += self._received(line)
        finally:
            for process in self._processes:
                process.join(5)
                process.kill()
        return logs

    @staticmethod
    def _received(line: Connection) -> list[Log]:
        try:
            logs: list[Log] = line.recv()
        except EOFError:
            raise RuntimeError("a process of viewers failed") from None
        return logs


def _visit(line: Connection, material: Material, plan: Plan, numbers: Sequence[int]) -> None:
    if plan.cores is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, plan.cores)
    envelopes = Envelopes(material, binary=plan.binary)
    gc.freeze()
    gc.disable()  # a pause here would be taken for one of the server
    try:
        from uvloop import run
    except ImportError:
        from asyncio import run
    line.send([])  # ready
    line.send(run(_stay(envelopes, plan, numbers, line.recv())))


async def _stay(envelopes: Envelopes, plan: Plan, numbers: Sequence[int], begin: float) -> list[Log]:
    loop = asyncio.get_running_loop()
    # The loop's clock and `time.monotonic` may count from different moments.
    ahead = loop.time() - time.monotonic()
    viewers = []
    for number in sorted(numbers, key=plan.coming):
        await asyncio.sleep(begin + plan.coming(number) - time.monotonic())
        # Primes, so that two viewers hardly ever send the same at the same time.
        port = plan.ports[number % len(plan.ports)]
        viewer = Viewer(envelopes, 7919 * number, wire.request("127.0.0.1", port), loop)
        viewers.append(viewer)
        await loop.create_connection(lambda viewer=viewer: viewer, "127.0.0.1", port)  # type: ignore[misc]
    await asyncio.sleep(begin + plan.lasting - time.monotonic())
    logs = [viewer.log for viewer in viewers]
    for viewer in viewers:
        viewer.leave()
    for log in logs:
        log.results = [(at - ahead, *rest) for at, *rest in log.results]
    await asyncio.sleep(LEAVING)
    return logs
