"""From what viewers noted to the figures of one load. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from scripts.bench.viewer import Log

DELAY_LIMIT: Final = 0.25
"""Seconds within which 95 % of the results have to come."""
UNANSWERED_LIMIT: Final = 0.01
"""Share of results that may have no new answer about the voice, and likewise about the face."""
SLACK: Final = 0.1
"""Intervals by which a result may wander before the next is taken for missed."""
WARMING: Final = 2.0
"""Seconds of a viewer, from the first result on, that do not count: there is no window of sound yet."""


@dataclass(frozen=True)
class Quantiles:
    """Of delays, in milliseconds; None where there is none."""

    p50: float | None
    p95: float | None
    p99: float | None

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Quantiles":
        """Return those of delays in seconds."""
        if not len(seconds):
            return cls(None, None, None)
        return cls(*(round(float(value) * 1000, 1) for value in np.quantile(seconds, (0.5, 0.95, 0.99))))


@dataclass(frozen=True)
class Step:
    """What was seen with so many viewers.

    Attributes:
        viewers: Who came.
        served: Who were there to the end.
        results: In the time measured.
        missed: Results that should have come in between and did not.
        delay: From the newest sound or frame that a result is the first to use to the result.
        sound: The same for sound alone.
        frame: The same for frames alone. The page sends a frame half an interval before it is used, so that this
            includes as much of waiting.
        without_voice: Share of results that have no new answer about the voice.
        without_face: The same for the face.
        errors: Codes of errors, and how often.
        cpu_ms: Of the server's processes, for one result; filled in by who knows.
        server_cores: Cores that they used.
        memory_mb: Their resident memory.
        client_cores: Cores that the viewers used.
        other_cores: Cores that everything else on the machine used.
    """

    viewers: int
    served: int
    results: int
    missed: int
    delay: Quantiles
    sound: Quantiles
    frame: Quantiles
    without_voice: float
    without_face: float
    errors: dict[str, int]
    cpu_ms: float | None = None
    server_cores: float | None = None
    memory_mb: float | None = None
    client_cores: float | None = None
    other_cores: float | None = None

    @property
    def holds(self) -> bool:
        """Whether all viewers were served as they should be."""
        return not self.failure

    @property
    def failure(self) -> str:
        """Why not, in a few words; empty where they were."""
        if self.served < self.viewers or self.errors:
            return "viewers lost" if self.served < self.viewers else "errors"
        if not self.results or self.delay.p95 is None:
            return "no results"
        if self.delay.p95 > DELAY_LIMIT * 1000:
            return "delay"
        if self.missed:
            return "missed ticks"
        if max(self.without_voice, self.without_face) > UNANSWERED_LIMIT:
            return "late answers"
        return ""

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {**asdict(self), "holds": self.holds, "failure": self.failure}


def summarise(logs: Sequence[Log], start: float, end: float, interval: float) -> Step:
    """Return the figures of the results that came from `start` to `end`, due every `interval` seconds.

    A viewer who came later counts from `WARMING` after the first result.
    """
    sound: list[float] = []
    frame: list[float] = []
    newest: list[float] = []
    results = missed = 0
    for log in logs:
        begin = max(start, log.results[0][0] + WARMING) if log.results else start
        within = [result for result in log.results if begin <= result[0] < end]
        results += len(within)
        missed += _missed(within, begin, end, interval)
        for _, heard, seen, _ in within:
            fresh = [age for age in (heard, seen) if age is not None]
            sound += [] if heard is None else [heard]
            frame += [] if seen is None else [seen]
            newest += [min(fresh)] if fresh else []
    return Step(
        viewers=len(logs),
        served=sum(log.closed is None and bool(log.results) for log in logs),
        results=results,
        missed=missed,
        delay=Quantiles.of(newest),
        sound=Quantiles.of(sound),
        frame=Quantiles.of(frame),
        without_voice=_share(results - len(sound), results),
        without_face=_share(results - len(frame), results),
        errors=dict(Counter(code for log in logs for code in log.errors)),
    )


def _missed(results: Sequence[tuple[float, float | None, float | None, int]], start: float, end: float,
            interval: float) -> int:  # fmt: skip
    """Return what one viewer missed: by the gaps, the one up to the end included, or by the server's own count."""
    if not results:
        return max(0, int((end - start) / interval))
    times = [at for at, *_ in results]
    gaps = [*np.diff([start, *times, end])]
    by_gaps = sum(max(0, int(gap / interval - 0.5 - SLACK)) for gap in gaps)
    return max(by_gaps, results[-1][3] - results[0][3])


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 1.0


def memory_per_viewer(steps: Iterable[Step]) -> float | None:
    """Return megabytes of the server's memory for each viewer more; None where fewer than two steps tell.

    It is the slope of a line through the steps that hold and that are larger than all before them: a process keeps
    most of what an overload made it take.
    """
    points: list[tuple[int, float]] = []
    most = 0
    for step in steps:
        if step.holds and step.viewers > most and step.memory_mb is not None:
            points.append((step.viewers, step.memory_mb))
        most = max(most, step.viewers)
    if len(points) < 2:
        return None
    viewers, memory = zip(*points, strict=True)
    return round(float(np.polyfit(viewers, memory, 1)[0]), 3)
