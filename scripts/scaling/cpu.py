"""What a running server's processes need for each viewer. Linux, by `/proc`."""

import os
import re
import socket
import time
from collections.abc import Sequence
from pathlib import Path

from scripts.bench.crowd import Crowd, Plan
from scripts.bench.material import gather

COMING = 6.0
"""Seconds until all viewers are there and have their first results."""
_TICKS = os.sysconf("SC_CLK_TCK")


class NoProcessError(ValueError):
    """There is nothing to measure."""


def measure(port: int, patterns: Sequence[str], viewers: int, seconds: float) -> str:
    """Return a table of processor milliseconds for each second of each viewer, what is needed for nobody left out.

    Raises:
        NoProcessError: No process matches one of the patterns.
        ConnectionError: Nobody listens on the port.
    """
    with socket.create_connection(("127.0.0.1", port)):
        pass
    if missing := [pattern for pattern, pids in _clocks(patterns).items() if not pids]:
        raise NoProcessError(f"no process has a command line that matches {missing[0]}")
    material = gather(None, None)
    idle = _spent(patterns, seconds)
    crowd = Crowd(material, Plan((port,), viewers, 1.0, COMING + seconds, binary=True))
    time.sleep(max(0.0, crowd.begin + COMING - time.monotonic()))
    busy = _spent(patterns, seconds)
    logs = crowd.logs()
    results = sum(len(log.results) for log in logs) / len(logs)
    rows = [(pattern, (busy[pattern] - idle[pattern]) / viewers * 1000, idle[pattern] * 1000) for pattern in patterns]
    rows.append(("sum", *(sum(row[column] for row in rows) for column in (1, 2))))
    lines = ["| processes | ms for each viewer and second | ms a second with nobody |", "|---|---:|---:|"]
    lines += [f"| `{name}` | {each:.1f} | {nobody:.1f} |" for name, each, nobody in rows]
    return "\n".join([*lines, "", f"{viewers} viewers, {results:.0f} results each; {material.source}"])


def _spent(patterns: Sequence[str], seconds: float) -> dict[str, float]:
    """Return the processors' share, in seconds a second, of the processes that match each pattern."""
    before, start = _clocks(patterns), time.monotonic()
    time.sleep(seconds)
    after, passed = _clocks(patterns), time.monotonic() - start
    return {name: sum(now - before[name].get(pid, 0.0) for pid, now in after[name].items()) / passed for name in after}


def _clocks(patterns: Sequence[str]) -> dict[str, dict[int, float]]:
    """Return the seconds that each process has used so far, by pattern and process id."""
    found: dict[str, dict[int, float]] = {pattern: {} for pattern in patterns}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = folder.joinpath("cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            user, system = folder.joinpath("stat").read_text().rpartition(")")[2].split()[11:13]
        except OSError:  # it has just ended
            continue
        for pattern in patterns:
            if int(folder.name) != os.getpid() and re.search(pattern, line):
                found[pattern][int(folder.name)] = (int(user) + int(system)) / _TICKS
    return found
