"""What the server tells of itself: figures for Prometheus, log lines of visits, and the load that admission goes by.

The stream and the batchers report here what happens, and need not know who wants to know. All of it is counts, times
and states; nothing of it tells who a viewer is, or what was seen, heard or answered.
"""

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from http import HTTPStatus
from types import TracebackType
from typing import Final, Self

from starlette.websockets import WebSocketDisconnect

from app import protocol
from app.guard.admission import Admission
from app.settings import Settings
from app.viewer.session import Losses
from app.watch.logs import log_event
from app.watch.metrics import OPENMETRICS, REFUSALS, Metrics

LATE: Final = 0.05
"""Seconds after which a tick is late."""
_NO_CODES: Final = (1005, 1006)
"""What stands for a close without a code, or none at all (RFC 6455, 7.4.1); uvicorn does not tell them apart."""
HOLD: Final = 1.0
"""Seconds for which the figures' text is given again: to make it takes milliseconds, and anybody may ask for it."""


class Telemetry:
    """Of one server. Threads may report.

    Args:
        settings: The server's settings.
        clock: Monotonic seconds, the stream's.

    Attributes:
        metrics: The figures.
    """

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.admission = Admission(settings.admission_load, settings.result_interval / 2)
        self.metrics = Metrics(lambda: self.admission.load(clock()))
        self._texts: dict[bool, tuple[float, tuple[bytes, str]]] = {}  # by format, since when and what

    def called(self, path: str, size: int, seconds: float) -> None:
        """Take that the model of a path has just answered so many questions in one call, in so many seconds.

        It is this very thread that was busy: a path may have several.
        """
        self.admission.worked(path, threading.get_ident(), size, seconds, self._clock())
        self.metrics.batch_size[path].observe(size)
        self.metrics.batch_seconds[path].observe(seconds)

    def took(self, path: str, seconds: float) -> None:
        """Take that a model elsewhere has just answered a question, and was busy with it for so many seconds."""
        self.admission.took(path, seconds, self._clock())

    def admits(self) -> bool:
        """Return whether the load leaves room for one more viewer."""
        return self.admission.admits(self._clock())

    def figures(self, accept: str) -> tuple[bytes, str]:
        """Return what `Metrics.exposition` does, or did in the last `HOLD` seconds."""
        kind, now = OPENMETRICS in accept, self._clock()
        since, text = self._texts.get(kind, (-math.inf, (b"", "")))
        if now - since >= HOLD:
            text = self.metrics.exposition(accept)
            self._texts[kind] = now, text
        return text

    def dismissed(self, code: protocol.ErrorCode, cause: str | None = None) -> None:
        """Count somebody who is told an error and has to go, or was not let in; the cause where it is not the code."""
        self.metrics.errors[code].inc()
        if (cause or code) in REFUSALS:
            self.metrics.refusals[cause or code].inc()

    def turned_away(self, status: HTTPStatus) -> None:
        """Count a connection or a request that was refused before the application saw it, by its HTTP status."""
        self.metrics.turned_away[str(int(status))].inc()

    def visit(self, session: str) -> "Visit":
        """Return what to report of a viewer who is let in and gets the random name `session`."""
        return Visit(self.metrics, self.admission, session, self._clock)


class Visit:
    """One viewer's time on the server: the context lasts as long, and what ends it says how."""

    def __init__(self, metrics: Metrics, admission: Admission, session: str, clock: Callable[[], float]) -> None:
        self._metrics = metrics
        self._admission = admission
        self._session = session
        self._clock = clock
        self._began = 0.0
        self._received: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._results = 0
        self._losses = Losses()

    def __enter__(self) -> Self:
        self._began = self._clock()
        self._admission.came(self._began)
        self._metrics.viewers.inc()
        self._metrics.visits.inc()
        log_event("viewer_connected", session=self._session)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        now = self._clock()
        code = _close_code(fault)
        self._admission.went(now, settled=self._results > 0)
        self._metrics.viewers.dec()
        self._metrics.count_close(code)
        log_event(
            "viewer_left",
            session=self._session,
            seconds=round(now - self._began, 3),
            code=code,
            reason=fault.code if isinstance(fault, protocol.FarewellError) else None,
            received=dict(self._received),
            results=self._results,
            lost=self._losses._asdict(),
            errors=dict(self._errors),
        )

    def received(self, kind: str) -> None:
        """Count a message that was taken, by its type."""
        self._received[kind] += 1
        self._metrics.messages[kind].inc()

    def ticked(self, late: float, missed: int) -> None:
        """Take how late a tick begins, in seconds, and how many before it never did."""
        self._metrics.lateness.observe(late)
        if late > LATE:
            self._metrics.late_ticks.inc()
        if missed:
            self._metrics.missed_ticks.inc(missed)

    def result(self, result: protocol.Result, late: float, ages: Mapping[str, float], losses: Losses) -> None:
        """Take a result.

        Args:
            result: Its states and times are of interest.
            late: As of `Admission.answered`.
            ages: Seconds since the newest audio and the newest frame came that it is the first to show.
            losses: What the viewer has lost until now.
        """
        now = self._clock()
        self._admission.answered(late, now)
        if not self._results:
            self._admission.settled(now)
        self._results += 1
        metrics = self._metrics
        metrics.results.inc()
        for path, states in metrics.states.items():
            states[getattr(result, path).state].inc()
        for path, millis in result.ms:
            if path != "total" and millis is not None:
                metrics.inference[path].observe(millis / 1000)
        for medium, age in ages.items():
            metrics.delay[medium].observe(age)
        if losses != self._losses:
            for drops, lost, before in zip(metrics.drops, losses, self._losses, strict=True):
                drops.inc(lost - before)
            self._losses = losses

    def error(self, code: protocol.ErrorCode) -> None:
        """Count an error after which the stream goes on."""
        self._errors[code] += 1
        self._metrics.errors[code].inc()


def _close_code(fault: BaseException | None) -> int | None:
    """Return what a connection is closed with, by what ended the visit; None where nobody said."""
    match fault:
        case WebSocketDisconnect():
            return None if fault.code in _NO_CODES else fault.code
        case protocol.FarewellError():
            return protocol.CLOSE_CODES[fault.code]
        case Exception():
            return protocol.CLOSE_INTERNAL
    return None
