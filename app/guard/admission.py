"""Whether one more viewer may come in, by the load that is measured. Pure: time is passed in.

Two things are measured, each over about the last `SPAN` seconds. How busy each model's thread is: that grows with the
viewers, so that what one more will cost is known before it has come. And how late results are, beyond what the models
take to answer: that tells of all that the first does not see, such as a processor that others use as well.
"""

import math
import threading
from collections import defaultdict
from typing import Final

SPAN: Final = 4.0
"""Seconds that count: what is as long ago has faded to 37 %, the rest of the way in the same manner."""
RESUME: Final = 0.85
"""Who was full takes viewers again when the load is below this share of the limit: no yes and no in turn."""
UNMEASURED: Final = 8
"""Viewers who may come before anything is measured of them; beyond, there may be twice as many as were measured."""

FULL: Final = 0.75
"""Share of its time for which the busiest model's thread counts as never resting: processors are full before it is, of
the event loop, the other models and what else there is. On two cores results were late from 0.7 to 0.75 on."""
TAIL: Final = 2.0
"""The latest twentieth of the results is at least so many times as late as their mean, and it is them that viewers
notice: with the usual `ADMISSION_LOAD` nobody comes in while results are 0.1 s late on average."""

LEAST: Final = 0.25
"""Viewers below whom what is measured tells too little to make a cost of."""


class Fading:
    """An amount per second, in which the newest counts most: a first-order low-pass filter."""

    def __init__(self) -> None:
        self._rate = 0.0
        self._at = -math.inf

    def add(self, amount: float, now: float, over: float = 0.0) -> None:
        """Take an amount that came about evenly over so many seconds until `now`."""
        share = 1 / SPAN if over <= 0 else -math.expm1(-over / SPAN) / over
        self._rate = self.rate(now) + amount * share
        self._at = max(self._at, now)

    def rate(self, now: float) -> float:
        """Return the amount per second at `now`."""
        return self._rate * math.exp(-max(0.0, now - self._at) / SPAN)


class Admission:
    """Measures the load, and says whether it leaves room for one more viewer.

    The load is 0 where nothing is done, and 1 where a model's thread hardly rests (`FULL`) or results take all the time
    that they have. Viewers are faded in and out as their cost is, so that the ratio of both is the cost of one, however
    many of them have just come, once they have had a result. Threads may call it.

    Args:
        limit: The highest load, 0 to 1, that may be expected with one viewer more; 0 admits everybody.
        time: Seconds that a result has.
    """

    def __init__(self, limit: float, time: float) -> None:
        self._limit = limit
        self._time = time
        self._viewers = 0
        self._settled = 0  # of them, those who have had a result
        self._counted_at = 0.0
        self._measured = Fading()  # of them again, as far as what they cost is measured
        self._busy: defaultdict[str, dict[int, Fading]] = defaultdict(dict)  # of each path, each thread
        self._seconds: defaultdict[str, Fading] = defaultdict(Fading)  # of each path's calls
        self._questions: defaultdict[str, Fading] = defaultdict(Fading)
        self._results, self._lateness = Fading(), Fading()
        self._is_full = False
        self._lock = threading.Lock()

    # --- what happens ---

    def came(self, now: float) -> None:
        """Count a viewer who came in."""
        self._count(now, viewers=1)

    def settled(self, now: float) -> None:
        """Count a viewer who has its first result."""
        self._count(now, settled=1)

    def went(self, now: float, *, settled: bool) -> None:
        """Count a viewer who left, and whether it has had a result."""
        self._count(now, viewers=-1, settled=-settled)

    def worked(self, path: str, thread: int, questions: int, seconds: float, now: float) -> None:
        """Take that one of a path's threads was busy with so many questions for so long, until `now`."""
        with self._lock:
            self._busy[path].setdefault(thread, Fading()).add(seconds, now, over=seconds)
            self._seconds[path].add(seconds, now, over=seconds)
            self._questions[path].add(questions, now)

    def took(self, path: str, seconds: float, now: float) -> None:
        """Take for how long a model elsewhere was busy with a question; how busy it is with all nobody tells."""
        with self._lock:
            self._seconds[path].add(seconds, now)
            self._questions[path].add(1, now)

    def answered(self, late: float, now: float) -> None:
        """Take how many seconds after it was due a result was there.

        All that it has, where it lacks an answer; `math.inf` where those before it were never made.
        """
        with self._lock:
            self._results.add(1.0, now)
            self._lateness.add(self._share(late, now), now)

    # --- what follows ---

    def load(self, now: float) -> float:
        """Return the load."""
        with self._lock:
            return min(1.0, max(self._busiest(now), self._late(now)))

    def admits(self, now: float) -> bool:
        """Return whether there is room for one more viewer."""
        if self._limit == 0:
            return True
        self._count(now)
        with self._lock:
            measured = self._measured.rate(now)
            expected = self._busiest(now) / max(LEAST, measured) * (self._viewers + 1)
            late = self._late(now)
            stays_full = self._is_full and max(self._busiest(now), late) > RESUME * self._limit
            self._is_full = self._viewers > 0 and (stays_full or max(expected, late) > self._limit)
            return not self._is_full and self._viewers < UNMEASURED + 2 * measured

    def _busiest(self, now: float) -> float:
        return max((busy.rate(now) for path in self._busy.values() for busy in path.values()), default=0.0) / FULL

    def _share(self, late: float, now: float) -> float:
        """Return how late that is, 0 to 1, beyond what a question to each model takes: a slow model is no load."""
        if late == math.inf:
            return 1.0
        needed = sum(
            seconds.rate(now) / (self._questions[path].rate(now) or math.inf) for path, seconds in self._seconds.items()
        )
        if needed >= self._time:  # every result goes without: of that only what the threads do tells anything
            return 0.0
        return min(1.0, max(0.0, late - needed) / (self._time - needed))

    def _late(self, now: float) -> float:
        """Return how late the latest twentieth is, about, 1 at most; next to no results are not late."""
        return min(1.0, TAIL * self._lateness.rate(now) / max(self._results.rate(now), 1 / SPAN))

    def _count(self, now: float, *, viewers: int = 0, settled: int = 0) -> None:
        with self._lock:
            passed = max(0.0, now - self._counted_at)
            self._measured.add(self._settled * passed, now, over=passed)
            self._counted_at += passed
            self._viewers += viewers
            self._settled += settled
