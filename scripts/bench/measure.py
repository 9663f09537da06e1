"""One load on one server, and the search for the largest that it holds."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from scripts.bench.crowd import LEAVING, Crowd, Plan
from scripts.bench.material import Material
from scripts.bench.observed import Step, memory_per_viewer, summarise
from scripts.bench.search import largest
from scripts.bench.subject import Subject, cpu_seconds, machine_seconds

INTERVAL = 0.5
"""`RESULT_INTERVAL` of every server here."""
STARTING = 2.5
"""Seconds that processes of viewers need to start."""
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


def load(subject: Subject, conditions: Conditions, viewers: int, *, coming: float = COMING) -> Step:
    """Let so many viewers come, and measure once all are there."""
    arriving = max(2.0, viewers / coming)
    begin = time.monotonic() + STARTING
    start = begin + arriving + SETTLING
    end = start + conditions.seconds
    plan = Plan(subject.port, viewers, begin, arriving, end, conditions.binary, conditions.client_cores)
    crowd = Crowd(conditions.material, plan)
    time.sleep(max(0.0, start - time.monotonic()))
    before = _clocks(subject, crowd)
    time.sleep(max(0.0, end - time.monotonic()))
    after = _clocks(subject, crowd)
    memory = subject.memory_mb()
    wall, server, clients, machine = (now - then for now, then in zip(after, before, strict=True))
    step = summarise(crowd.logs(), start, end, INTERVAL)
    time.sleep(LEAVING)
    return replace(
        step,
        cpu_ms=round(server / step.results * 1000, 3) if step.results else None,
        server_cores=round(server / wall, 3),
        memory_mb=round(memory, 1),
        client_cores=round(clients / wall, 3),
        other_cores=round(max(0.0, machine - server - clients) / wall, 3),
    )


def capacity(subject: Subject, conditions: Conditions, first: int, most: int) -> dict[str, Any]:
    """Find the largest number of viewers that a server holds, and return it with every load on the way."""
    steps: list[Step] = []

    def holds(viewers: int) -> bool:
        for _ in range(conditions.tries):
            step = load(subject, conditions, viewers)
            steps.append(step)
            conditions.tell(line(step))
            if step.holds:
                return True
        return False

    return _found(largest(holds, first, most), steps, subject)


def given(subject: Subject, conditions: Conditions, numbers: list[int]) -> dict[str, Any]:
    """Measure these numbers of viewers, and no search."""
    steps = []
    for viewers in numbers:
        steps.append(load(subject, conditions, viewers))
        conditions.tell(line(steps[-1]))
    return _found(max((step.viewers for step in steps if step.holds), default=0), steps, subject)


def _found(viewers: int, steps: list[Step], subject: Subject) -> dict[str, Any]:
    return {
        "viewers": viewers,
        "steps": [step.as_dict() for step in steps],
        "memory_per_viewer_mb": memory_per_viewer(steps),
        "start_seconds": round(subject.start_seconds, 3),
    }


def admission(subject: Subject, conditions: Conditions, offered: int, rate: float) -> dict[str, Any]:
    """Let more viewers come than fit, so many a second, and see how those fare who are let in, from their coming on."""
    begin = time.monotonic() + STARTING
    end = begin + offered / rate + SETTLING + conditions.seconds
    plan = Plan(subject.port, offered, begin, offered / rate, end, conditions.binary, conditions.client_cores)
    logs = Crowd(conditions.material, plan).logs()
    refused = [log for log in logs if "full" in log.errors and not log.results]
    step = summarise([log for log in logs if log not in refused], begin, end, INTERVAL)
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


def cores(count: int | None) -> tuple[frozenset[int] | None, frozenset[int] | None]:
    """Return the cores of a server that is to have so many, and those left for viewers; all for both where none is.

    Raises:
        ValueError: There are not so many.
    """
    if count is None:
        return None, None
    usable = sorted(os.sched_getaffinity(0))
    if not 1 <= count <= len(usable):
        raise ValueError(f"a server cannot have {count} cores: there are {len(usable)}")
    rest = frozenset(usable[count:])
    return frozenset(usable[:count]), rest or None


def _clocks(subject: Subject, crowd: Crowd) -> tuple[float, float, float, float]:
    return time.monotonic(), subject.cpu_seconds(), cpu_seconds(crowd.pids), machine_seconds()
