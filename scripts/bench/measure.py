"""One load on a server, or on several that share it, and the search for the largest that holds."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from scripts.bench.crowd import INTERVAL, LEAVING, Crowd, Plan
from scripts.bench.material import Material
from scripts.bench.observed import Step, memory_per_viewer, summarise
from scripts.bench.search import largest
from scripts.bench.subject import Subject, cpu_seconds, machine_seconds

SETTLING = 3.0
"""Seconds from when the last has come until something is measured: the first window is full after one."""
COMING = 50
"""Most viewers who come in a second."""


@dataclass(frozen=True)
class Conditions:
    """What is the same for all loads.

    Attributes:
        material: What viewers send.
        seconds: That are measured.
        binary: Whether viewers send binary messages.
        client_cores: Those that viewers may use; None for all.
        tries: How often a load may be tried until it holds.
        tell: Takes a line about each load.
    """

    material: Material
    seconds: float
    binary: bool
    client_cores: frozenset[int] | None
    tries: int
    tell: Callable[[str], None]


def load(servers: Sequence[Subject], conditions: Conditions, viewers: int, *, coming: float = COMING) -> Step:
    """Let so many viewers come, and measure once all are there."""
    arriving = max(2.0, viewers / coming)
    lasting = arriving + SETTLING + conditions.seconds
    plan = Plan(_ports(servers), viewers, arriving, lasting, conditions.binary, conditions.client_cores)
    crowd = Crowd(conditions.material, plan)
    start, end = crowd.begin + arriving + SETTLING, crowd.begin + lasting
    time.sleep(max(0.0, start - time.monotonic()))
    before = _clocks(servers, crowd)
    time.sleep(max(0.0, end - time.monotonic()))
    after = _clocks(servers, crowd)
    memory = sum(server.memory_mb() for server in servers)
    wall, served, clients, machine = (now - then for now, then in zip(after, before, strict=True))
    step = summarise(crowd.logs(), start, end, INTERVAL)
    time.sleep(LEAVING)
    return replace(
        step,
        cpu_ms=round(served / step.results * 1000, 3) if step.results else None,
        server_cores=round(served / wall, 3),
        memory_mb=round(memory, 1),
        client_cores=round(clients / wall, 3),
        other_cores=round(max(0.0, machine - served - clients) / wall, 3),
    )


def capacity(servers: Sequence[Subject], conditions: Conditions, first: int, most: int) -> dict[str, Any]:
    """Find the largest number of viewers that the servers hold together, and return it with every load on the way."""
    steps: list[Step] = []

    def holds(viewers: int) -> bool:
        for _ in range(conditions.tries):
            step = load(servers, conditions, viewers)
            steps.append(step)
            conditions.tell(line(step))
            if step.holds:
                return True
        return False

    return _found(largest(holds, first, most), steps, servers)


def given(servers: Sequence[Subject], conditions: Conditions, numbers: list[int]) -> dict[str, Any]:
    """Measure these numbers of viewers, and no search."""
    steps = []
    for viewers in numbers:
        steps.append(load(servers, conditions, viewers))
        conditions.tell(line(steps[-1]))
    return _found(max((step.viewers for step in steps if step.holds), default=0), steps, servers)


def _found(viewers: int, steps: list[Step], servers: Sequence[Subject]) -> dict[str, Any]:
    return {
        "viewers": viewers,
        "steps": [step.as_dict() for step in steps],
        "memory_per_viewer_mb": memory_per_viewer(steps),
        "start_seconds": round(max(server.start_seconds for server in servers), 3),
    }


def admission(servers: Sequence[Subject], conditions: Conditions, offered: int, rate: float) -> dict[str, Any]:
    """Let more viewers come than fit, so many a second, and see how those fare who are let in, from their coming on."""
    lasting = offered / rate + SETTLING + conditions.seconds
    plan = Plan(_ports(servers), offered, offered / rate, lasting, conditions.binary, conditions.client_cores)
    crowd = Crowd(conditions.material, plan)
    logs = crowd.logs()
    refused = [log for log in logs if "full" in log.errors and not log.results]
    step = summarise([log for log in logs if log not in refused], crowd.begin, crowd.begin + lasting, INTERVAL)
    closed_with = sorted({log.closed for log in refused if log.closed is not None})
    conditions.tell(f"{offered} viewers came, {len(refused)} were refused (closed with {closed_with})\n{line(step)}")
    return {
        "offered": offered,
        "refused": len(refused),
        "closed_with": closed_with,
        "admitted": step.as_dict(),
    }


def line(step: Step) -> str:
    """Return a step as a line for people."""
    return (
        f"{step.viewers:5d} viewers  p50 {step.delay.p50} p95 {step.delay.p95} p99 {step.delay.p99} ms  "
        f"missed {step.missed}  late {step.without_voice:.1%}/{step.without_face:.1%}  "
        f"CPU {step.cpu_ms} ms a result, {step.server_cores} cores (viewers {step.client_cores}, "
        f"others {step.other_cores})  {step.memory_mb} MB  {step.failure or 'holds'}"
    )


def cores(count: int | None, processes: int) -> tuple[list[frozenset[int]], frozenset[int]]:
    """Return the cores of each server, and those of the viewers.

    Args:
        count: Of cores for each server; viewers have the rest, or all where none is left. None: a single server has
            all, several have one each where there are as many, and viewers have all.
        processes: How many servers there are.

    Raises:
        ValueError: There are not so many cores, or no servers.
    """
    if processes < 1:
        raise ValueError(f"{processes} servers cannot be measured")
    usable = sorted(os.sched_getaffinity(0))
    everything = frozenset(usable)
    if count is None:
        if processes == 1 or processes > len(usable):
            return [everything] * processes, everything
        return [frozenset({core}) for core in usable[:processes]], everything
    taken = count * processes
    if not 1 <= taken <= len(usable):
        raise ValueError(f"--processes {processes} with --cores {count}: there are {len(usable)} cores")
    places = [frozenset(usable[at : at + count]) for at in range(0, taken, count)]
    return places, frozenset(usable[taken:]) or everything


def _ports(servers: Sequence[Subject]) -> tuple[int, ...]:
    return tuple(server.port for server in servers)


def _clocks(servers: Sequence[Subject], crowd: Crowd) -> tuple[float, float, float, float]:
    served = sum(server.cpu_seconds() for server in servers)
    return time.monotonic(), served, cpu_seconds(crowd.pids), machine_seconds()
