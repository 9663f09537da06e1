"""What so many viewers need: processors, replicas, lines, money. Pure arithmetic on figures that are handed in."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

HOURS_OF_A_MONTH = 730


@dataclass(frozen=True)
class Part:
    """One kind of process.

    Attributes:
        name: What it is called.
        cpu_ms: Milliseconds of a processor that it needs for each second of each viewer.
        cores: That one process can keep busy.
        memory_mb: Of one process.
    """

    name: str
    cpu_ms: float
    cores: float = 1.0
    memory_mb: float = 0.0


@dataclass(frozen=True)
class Assumptions:
    """What is measured elsewhere, and what is chosen.

    Attributes:
        parts: The kinds of processes.
        load: Share of a processor's time that is planned for; the rest is for rushes and for what fails.
        up_kbit: That a viewer sends a second.
        down_kbit: That a viewer gets a second.
        vcpu_hour: Price of a processor for an hour.
        gb_out: Price of a gigabyte that leaves the data centre.
    """

    parts: Sequence[Part]
    load: float
    up_kbit: float
    down_kbit: float
    vcpu_hour: float
    gb_out: float


@dataclass(frozen=True)
class Need:
    """What so many viewers need.

    Attributes:
        viewers: How many at the same time.
        cores: Processors in all.
        replicas: Processes of each part, by name.
        memory_gb: Of all processes.
        up_gbit: A second that come in.
        down_gbit: A second that go out.
        hour: What an hour costs.
    """

    viewers: int
    cores: float
    replicas: dict[str, int]
    memory_gb: float
    up_gbit: float
    down_gbit: float
    hour: float


def need(viewers: int, given: Assumptions) -> Need:
    """Return what so many viewers need at the same time."""
    cores = {part.name: viewers * part.cpu_ms / 1000 / given.load for part in given.parts}
    replicas = {part.name: max(1, math.ceil(cores[part.name] / part.cores)) for part in given.parts}
    memory = sum(replicas[part.name] * part.memory_mb for part in given.parts) / 1000
    down = viewers * given.down_kbit / 1e6
    # Machines are paid by whole processors.
    whole = max(1, math.ceil(sum(cores.values())))
    hour = whole * given.vcpu_hour + down / 8 * 3600 * given.gb_out
    return Need(viewers, sum(cores.values()), replicas, memory, viewers * given.up_kbit / 1e6, down, hour)


def table(needs: Iterable[Need]) -> str:
    """Return the needs as a table in Markdown."""
    rows = list(needs)
    names = list(rows[0].replicas)
    head = ["viewers", "vCPU", *names, "memory GB", "in Gbit/s", "out Gbit/s", "$ an hour", "$ a viewer and month"]
    lines = [head, ["---:"] * len(head)]
    for row in rows:
        monthly = row.hour / row.viewers * HOURS_OF_A_MONTH
        lines.append(
            [
                f"{row.viewers:,}",
                _short(row.cores),
                *(f"{row.replicas[name]:,}" for name in names),
                _short(row.memory_gb),
                _short(row.up_gbit),
                _short(row.down_gbit),
                f"{row.hour:,.2f}",
                f"{monthly:,.2f}",
            ]
        )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
