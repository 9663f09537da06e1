"""The figures of one server for Prometheus: what each is called, what it counts, how it is labelled.

Each label is one of a few words; none tells who a viewer is, or what was seen, heard or answered.
`docs/observability.md` lists the figures.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, TypeVar, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder

from app import protocol
from app.guard.entry import REFUSALS as AT_THE_ENTRY
from app.viewer.session import Losses
from app.watch.children import Children

Metric = TypeVar("Metric", Counter, Histogram)

REFUSALS: Final = ("origin_refused", "unauthorized", "address_full", "full", "load")
"""Why somebody was not let in: an error's code, or `load` where it is the measured load that `full` tells of."""

OPENMETRICS: Final = "application/openmetrics-text"
"""Media type of the format that Prometheus prefers."""

_STATUSES: Final = tuple(str(int(status)) for status in AT_THE_ENTRY)
_PATHS: Final = ("voice", "face", "fusion")
_MESSAGES: Final = ("audio", "frame", "configure", "calibrate", "authenticate")
_CLOSES: Final = ("1000", "1001", "1008", "1009", "1011", "1012", "none", "other")
_STATES: Final = {"voice": protocol.VoiceState, "face": protocol.FaceState, "fused": protocol.FusedState}
_DELAYS: Final = (0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0, 2.0)
_TIMES: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """The figures, in a registry of their own. Threads may count.

    Args:
        load: Returns the load of the moment.
    """

    def __init__(self, load: Callable[[], float]) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._registry.register(Children())
        self.faces_lost = self._count("face_processes_lost", "Processes for faces that crashed or hung.")

        Gauge("emotion_load", "The load of the moment.", registry=self._registry).set_function(load)
        self.viewers = Gauge("emotion_viewers", "Viewers of the moment.", registry=self._registry)
        self.visits = self._count("visits", "Viewers who were let in.")
        self.refusals = self._counts("refusals", "Viewers who were not let in.", "cause", REFUSALS)
        self.turned_away = self._counts(
            "turned_away", "Connections and requests that were refused before they were looked at.", "status", _STATUSES
        )
        self.closes = self._counts("closes", "Viewers who left, by close code.", "code", _CLOSES)
        self.messages = self._counts("messages", "Messages that were taken.", "type", _MESSAGES)
        self.errors = self._counts("errors", "Errors that viewers were told.", "code", get_args(protocol.ErrorCode))

        self.results = self._count("results", "Results that were made.")
        self.states = {
            path: self._counts(f"{path}_states", f"States of the {path} in results.", "state", get_args(states))
            for path, states in _STATES.items()
        }
        drops = Counter("emotion_drops", "What viewers lost.", ["what", "cause"], registry=self._registry)
        self.drops = [drops.labels(*name.split("_")) for name in Losses._fields]
        self.delay = self._measures(
            "delay_seconds",
            "From the arrival of the newest that is used to the result.",
            _DELAYS,
            "of",
            ("audio", "frame"),
        )
        self.inference = self._measures("inference_seconds", "From a question to its answer.", _TIMES, "path", _PATHS)
        self.batch_size = self._measures("batch_size", "Questions that share a model call.", _SIZES, "path", _PATHS)
        self.batch_seconds = self._measures("batch_seconds", "Time of a model call.", _TIMES, "path", _PATHS)

        self.lateness = self._measure("tick_lateness_seconds", "From when a tick is due to its begin.", _TIMES)
        self.late_ticks = self._count("late_ticks", "Ticks that began late.")
        self.missed_ticks = self._count("missed_ticks", "Ticks that never began, for the one before was that late.")

    def count_close(self, code: int | None) -> None:
        """Count a viewer who left, None where nobody said why; a client's own codes are too many to tell apart."""
        name = "none" if code is None else str(code)
        self.closes[name if name in _CLOSES else "other"].inc()

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """Return the figures as text, and its media type: OpenMetrics 1.0 where a client accepts that, else 0.0.4."""
        encode, media_type = choose_encoder(OPENMETRICS if OPENMETRICS in accept else "")
        return encode(self._registry), media_type

    def _count(self, name: str, words: str) -> Counter:
        return Counter(f"emotion_{name}", words, registry=self._registry)

    def _counts(self, name: str, words: str, label: str, values: Iterable[str]) -> Mapping[str, Counter]:
        return _each(Counter(f"emotion_{name}", words, [label], registry=self._registry), values)

    def _measure(self, name: str, words: str, buckets: Sequence[float]) -> Histogram:
        return Histogram(f"emotion_{name}", words, buckets=buckets, registry=self._registry)

    def _measures(
        self, name: str, words: str, buckets: Sequence[float], label: str, values: Iterable[str]
    ) -> Mapping[str, Histogram]:
        return _each(Histogram(f"emotion_{name}", words, [label], buckets=buckets, registry=self._registry), values)


def _each(metric: Metric, values: Iterable[str]) -> Mapping[str, Metric]:
    """Return a metric's child for each value of its label: 0 from the start, for a rate is of what was there before."""
    return {value: metric.labels(value) for value in values}
