"""The figures of the processes that this one has started (`FACE_PROCESSES`), which its own do not contain."""

import multiprocessing
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

_PROC: Final = Path("/proc")


class Used(NamedTuple):
    """What a process uses: seconds of a processor since it began, and resident bytes."""

    seconds: float
    memory: int


def used(pid: int) -> Used | None:
    """Return what a process uses, None where it is gone or the system has no `/proc`."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    after_name = stat.rpartition(")")[2].split()  # which may contain anything
    ticks, pages = int(after_name[11]) + int(after_name[12]), int(after_name[21])
    return Used(ticks / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE"))


class Children(Collector):
    """What they use together; the time of those that are gone still counts."""

    def collect(self) -> Iterator[Metric]:
        """Yield the figures of the moment."""
        pids = [child.pid for child in multiprocessing.active_children()]
        alive = [its for pid in pids if pid is not None and (its := used(pid)) is not None]
        gone = os.times()
        yield GaugeMetricFamily(
            "emotion_face_processes_memory_bytes",
            "Resident memory of the processes that look at faces.",
            sum(its.memory for its in alive),
        )
        yield CounterMetricFamily(
            "emotion_face_processes_cpu_seconds",
            "Their processor time, of those that are gone as well.",
            sum(its.seconds for its in alive) + gone.children_user + gone.children_system,
        )
