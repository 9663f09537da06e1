"""From what was sampled and counted to figures and a verdict. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np

from scripts.soak.strangers import surprises

WARM_SHARE: Final = 0.25
"""Of the samples, from the beginning, that tell of memory not yet in use for the first time."""
RISE_MIB: Final = 16.0
RISE_SHARE: Final = 0.05
"""Memory is flat where its line rises by less than the larger of both, the second of its mean, from warm to the end."""
OBJECTS: Final = 1000
"""Python objects that the first viewers may leave behind; more follow them if each leaves one."""


@dataclass(frozen=True)
class Sample:
    """What the server's process held at a time."""

    at: float
    mib: float
    objects: int
    viewers: int
    load: float


@dataclass(frozen=True)
class Held:
    """What runs in the server's process, before anybody came and after all have left."""

    threads: tuple[str, ...]
    tasks: dict[str, int]


@dataclass(frozen=True)
class Figures:
    """What a soak showed."""

    seconds: float
    good: int
    good_left: list[int]
    results: int
    lost: int
    dropped: dict[str, int]
    answered: float
    delay_ms: tuple[float | None, float | None]
    errors: dict[str, int]
    churn: dict[str, int]
    strangers: dict[str, int]
    faults: dict[str, int]
    load: tuple[float, float]
    viewers: tuple[float, int]
    mib: tuple[float, float, float]
    objects: tuple[int, int]
    slope_mib_per_hour: float
    rise_mib: float
    before: Held
    after: Held
    wrong: list[str] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return them as JSON can say them."""
        return asdict(self)


def trend(samples: Sequence[Sample]) -> tuple[float, float]:
    """Return the slope of the memory in MiB a second, and what it rises by, over the samples that are warm."""
    warm = samples[int(len(samples) * WARM_SHARE) :]
    if len(warm) < 3:
        return 0.0, 0.0
    at = np.array([sample.at for sample in warm])
    slope = float(np.polyfit(at - at[0], [sample.mib for sample in warm], 1)[0])
    return slope, slope * float(at[-1] - at[0])


def leaked(before: Held, after: Held) -> list[str]:
    """Return threads and tasks that were not there before; the pool's idle threads come and go."""
    left = list(after.threads)
    for name in before.threads:
        if name in left:
            left.remove(name)
    threads = [f"thread {name}" for name in left if not name.startswith(("AnyIO worker", "asyncio_"))]
    tasks = [
        f"{count - before.tasks.get(name, 0)} of task {name}"
        for name, count in after.tasks.items()
        if count > before.tasks.get(name, 0)
    ]
    return threads + tasks


def verdict(figures: Figures) -> list[str]:
    """Return what is not as it should be."""
    wrong = []
    if not figures.good:
        wrong.append("nobody was let in")
    if figures.lost:
        wrong.append(f"{figures.lost} results of good viewers are unaccounted for")
    if figures.good_left:
        wrong.append(f"good viewers were closed: {figures.good_left}")
    if unknown := sorted(set(figures.errors) - {"inference_failed"}):
        wrong.append(f"good viewers were told {', '.join(unknown)}")
    if figures.churn.get("lost results"):
        wrong.append(f"{figures.churn['lost results']} results of those who came and went are unaccounted for")
    if strange := surprises(Counter(figures.strangers)):
        wrong.append(f"strangers were told what they should not be: {', '.join(strange)}")
    if figures.rise_mib > max(RISE_MIB, RISE_SHARE * figures.mib[1]):
        wrong.append(f"memory rises: {figures.rise_mib:.1f} MiB, {figures.slope_mib_per_hour:.1f} MiB an hour")
    before, after = figures.objects
    if after - before > OBJECTS:
        wrong.append(f"{after - before} Python objects more after all have left than before anybody came")
    wrong += [f"leaked: {what}" for what in leaked(figures.before, figures.after)]
    return wrong


def text(figures: Figures) -> str:
    """Return the figures for people."""
    low, mean, high = figures.mib
    p50, p95 = ("-" if value is None else f"{value:.0f}" for value in figures.delay_ms)
    lines = [
        f"{figures.seconds / 60:.1f} min; load {figures.load[0]:.2f} on average, {figures.load[1]:.2f} at most; "
        f"{figures.viewers[0]:.1f} viewers on average, {figures.viewers[1]} at most",
        f"good viewers: {figures.good} in all; {figures.results} results, {figures.lost} lost, "
        f"dropped as documented: {_listed(figures.dropped)}; {100 * figures.answered:.1f} % about voice and face",
        f"delay from a chunk to its result: {p50} ms, 95 % within {p95} ms; told: {_listed(figures.errors)}",
        f"came and went: {_listed(figures.churn)}",
        f"strangers: {_listed(figures.strangers)}",
        f"faults (calls that failed): {_listed(figures.faults)}",
        f"memory: {low:.0f} to {high:.0f} MiB, {mean:.0f} on average; {figures.slope_mib_per_hour:+.1f} MiB an hour, "
        f"{figures.rise_mib:+.1f} MiB in all, once warm; Python objects {figures.objects[0]} before, "
        f"{figures.objects[1]} after",
        f"threads {len(figures.before.threads)} before, {len(figures.after.threads)} after; "
        f"tasks {sum(figures.before.tasks.values())} before, {sum(figures.after.tasks.values())} after",
    ]
    return "\n".join([*lines, *(f"WRONG: {fault}" for fault in figures.wrong)])


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none"
