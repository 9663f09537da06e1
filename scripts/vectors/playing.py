"""Plays vectors against the Python classes: one player for each subject, a method for each step.

`tests/static/vectors.test.js` has the same players for the JavaScript classes, so what a step is called and takes is
the same there.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from app.device import SESSION
from app.protocol import SMOOTHING_BOUNDS, WEIGHT_BOUNDS, Calibrate, Configure
from app.settings import Settings
from app.viewer.calibration import NOBODY, neutral_offset
from app.viewer.fusion import late_fusion, sayable, top_k, top_label
from app.viewer.gate import is_silence
from app.viewer.hearing import Window
from app.viewer.ring_buffer import RingBuffer
from app.viewer.seeing import Picture
from app.viewer.session import Session
from app.viewer.smoothing import Smoother
from app.viewer.ticking import Schedule
from models.calibration import reference
from models.inference import Box, FaceReading, Float32, Int16, Traits
from models.labels import LABELS
from models.pooling import sharpened
from models.windows import rms

Numbers = Sequence[float]


def play(subject: str, case: Mapping[str, Any]) -> list[Any]:
    """Return what each step of a case gives.

    Args:
        subject: A key of `PLAYERS`.
        case: {setup, steps: [{do, with}]}; `setup` and `with` may be missing.
    """
    player = PLAYERS[subject](**case.get("setup", {}))
    return [getattr(player, step["do"])(**step.get("with", {})) for step in case["steps"]]


def make_sound(samples: int, level: int = 0, period: int = 1) -> Int16:
    """Make a saw of `period` samples between -level and level [samples]."""
    place = np.arange(samples) % period
    return (level * (2 * place - period) // period).astype(np.int16)


def make_statistics(mean: float, square: float, slope: float) -> Float32:
    """Make statistics [80] of a window: 40 means that rise from `mean`, 40 squares that rise from `square`."""
    rise = slope * np.arange(40)
    return np.concatenate([mean + rise, square + rise]).astype(np.float32)


def make_traits(
    sharpening: float = 0.0,
    neutral: Numbers | None = None,
    adaptive: bool = False,
    labels: Sequence[str] = LABELS,
) -> Traits:
    """Make what a model says of its answers."""
    return Traits(sharpening, None if neutral is None else tuple(neutral), adaptive, tuple(labels))


def _probs(numbers: Numbers | None) -> Float32 | None:
    return None if numbers is None else np.array(numbers, np.float32)


def _known(numbers: Numbers) -> Float32:
    return np.array(numbers, np.float32)


def _list(array: Float32 | None) -> list[float] | None:
    """Return numbers that say no more than a float32 does."""
    return None if array is None else [float(str(x)) for x in array]


def _gist(reference: Float32 | None) -> list[float] | None:
    """Return enough of a reference [80] to tell it from another."""
    return None if reference is None else _list(reference[[0, 1, 39, 40, 41, 79]])


class _Constants:
    """The labels, what a session's settings are by default, and what a viewer may set."""

    def labels(self) -> list[str]:
        return list(LABELS)

    def defaults(self) -> dict[str, float]:
        return {name: Settings.model_fields[name].default for name in SESSION}

    def bounds(self) -> dict[str, list[float]]:
        smoothing = list(SMOOTHING_BOUNDS)
        return {"fusion_weight": list(WEIGHT_BOUNDS), "voice_smoothing": smoothing, "face_smoothing": smoothing}

    def ranges(self) -> dict[str, list[float]]:
        """Return from where to where each of a session's settings may be, from what `Settings` is annotated with."""
        limits = {name: Settings.model_json_schema()["properties"][name] for name in SESSION}
        return {name: [its["minimum"], its["maximum"]] for name, its in limits.items()}


class _Rounding:
    """How the wire's numbers are rounded."""

    def rounded(self, value: float, digits: int) -> float:
        return round(value, digits)


class _Gate:
    """`app.viewer.gate`."""

    def rms(self, samples: Sequence[int]) -> float:
        return rms(np.array(samples, np.int16))

    def is_silence(self, samples: Sequence[int], threshold: float) -> bool:
        return is_silence(np.array(samples, np.int16), threshold)


class _Ring:
    """`app.viewer.ring_buffer`."""

    def __init__(self, capacity: int) -> None:
        self._ring = RingBuffer(capacity)

    def write(self, samples: Sequence[int]) -> list[int]:
        self._ring.write(np.array(samples, np.int16))
        return [self._ring.total, self._ring.oldest]

    def newest(self, count: int) -> list[int]:
        return [int(sample) for sample in self._ring.newest(count)]

    def clear(self) -> None:
        self._ring.clear()


class _Smoothing:
    """`app.viewer.smoothing`, and how its mean is sharpened."""

    def __init__(self, count: int = 1, interval: float = 0.5, lasting: float = 2.0, sharpening: float = 0.0) -> None:
        self._smoother = Smoother(count, interval, lasting, sharpening)

    def add(self, probs: Numbers, at: float) -> None:
        self._smoother.add(_known(probs), at)

    def mean(self, now: float) -> list[float] | None:
        return _list(self._smoother.mean(now))

    def resize(self, count: int) -> int:
        self._smoother.resize(count)
        return self._smoother.count

    def clear(self) -> None:
        self._smoother.clear()

    def factors(self, factors: Numbers | None) -> None:
        self._smoother.factors = _probs(factors)

    def sharpened(self, mean: Numbers, count: int, sharpening: float) -> list[float] | None:
        return _list(sharpened(_known(mean), count, sharpening))


class _Fusion:
    """`app.viewer.fusion`."""

    def late_fusion(
        self,
        voice: Numbers | None,
        face: Numbers | None,
        weight: float,
        voice_labels: Sequence[str] = LABELS,
        face_labels: Sequence[str] = LABELS,
    ) -> list[float] | None:
        return _list(late_fusion(_probs(voice), _probs(face), weight, voice_labels, face_labels))

    def sayable(
        self, voice: Numbers | None, face: Numbers | None, voice_labels: Sequence[str], face_labels: Sequence[str]
    ) -> list[str]:
        said = sayable(_probs(voice), _probs(face), voice_labels, face_labels)
        return [label for label in LABELS if label in said]

    def top_label(self, probs: Numbers) -> str:
        return top_label(_known(probs))

    def top_k(self, probs: Numbers, k: int = 5, labels: Sequence[str] = LABELS) -> list[dict[str, Any]]:
        return [{"label": label, "prob": prob} for label, prob in top_k(_known(probs), k, labels)]


class _Learning:
    """What neutral readings teach: `models.calibration.reference`, `app.viewer.calibration.neutral_offset`."""

    def reference(self, windows: Sequence[Mapping[str, float]]) -> list[float] | None:
        return _list(reference([make_statistics(**window) for window in windows]))

    def neutral_offset(self, answers: Sequence[Numbers], neutral: Numbers) -> list[float] | None:
        return _list(neutral_offset([_known(answer) for answer in answers], neutral))


class _Ticking:
    """`app.viewer.ticking`."""

    def __init__(self, interval: float, start: float) -> None:
        self._schedule = Schedule(interval, start)

    def next(self, now: float) -> dict[str, float]:
        due, missed = self._schedule.next(now)
        return {"due": due, "missed": missed}


class _Viewer:
    """`app.viewer.session`: a whole viewer, from sound and frames to results."""

    def __init__(
        self,
        now: float = 0.0,
        settings: Mapping[str, Any] | None = None,
        voice: Mapping[str, Any] | None = None,
        face: Mapping[str, Any] | None = None,
    ) -> None:
        # Not from the environment: a vector is the same everywhere.
        known = {**_Constants().defaults(), **(settings or {})}
        self._session = Session(
            Settings(_env_file=None, **known), now, make_traits(**voice or {}), make_traits(**face or {})
        )
        self._windows: list[Window] = []
        self._pictures: list[Picture] = []

    def receive_audio(self, at: float, id: int | None, sound: Mapping[str, int]) -> None:
        self._session.receive_audio(make_sound(**sound), id, at)

    def receive_frame(self, at: float, id: int | None, frame: str) -> None:
        self._session.receive_frame(frame.encode(), id, at)

    def take_window(self, at: float) -> dict[str, Any] | None:
        window = self._session.take_window(at)
        if window is None:
            return None
        self._windows.append(window)
        count = len(window.samples)
        return {
            "id": window.id,
            "at": window.at,
            "arrived": window.arrived,
            "samples": count,
            # Tells the samples and their order.
            "checksum": int((window.samples.astype(np.int64) * np.arange(1, count + 1)).sum()),
            "reference": None if window.reference is NOBODY else _gist(window.reference),
        }

    def take_frame(self, at: float) -> dict[str, Any] | None:
        picture = self._session.take_frame(at)
        if picture is None:
            return None
        self._pictures.append(picture)
        return {"frame": picture.jpeg.decode(), "id": picture.id, "at": picture.at}

    def heard(self, at: float, probs: Numbers, back: int = 0, described: Mapping[str, float] | None = None) -> None:
        """Answer the window that was taken last, or the one `back` before, with statistics or without."""
        if back >= len(self._windows):
            return
        window = self._windows[-1 - back]
        told = None if described is None else make_statistics(**described)
        self._session.heard(window, _known(probs), at, told)

    def saw(self, at: float, probs: Numbers | None = None, box: Sequence[float] | None = None, back: int = 0) -> None:
        """Answer the frame that was taken last, or the one `back` before."""
        if back < len(self._pictures):
            reading = FaceReading(None if box is None else Box(*box), _probs(probs))
            self._session.saw(self._pictures[-1 - back], reading, at)

    def configure(self, **wish: Any) -> dict[str, Any]:
        self._session.configure(Configure(**wish))
        return self._session.settings.model_dump(mode="json")

    def calibrate(self, at: float, action: str) -> dict[str, Any]:
        self._session.calibrate(Calibrate.model_validate({"action": action}), at)
        return self.calibration()

    def miss_results(self, count: int) -> None:
        self._session.miss_results(count)

    def result(self, at: float) -> dict[str, Any]:
        return self._session.result(at).model_dump(mode="json", exclude={"ms"})

    def calibration(self) -> dict[str, Any]:
        return self._session.calibration.model_dump(mode="json")

    def can_calibrate(self) -> bool:
        return self._session.can_calibrate

    def learnt(self) -> dict[str, list[float] | None]:
        learnt = self._session.learnt
        return {"reference": _gist(learnt.reference), "voice": _list(learnt.voice), "face": _list(learnt.face)}


PLAYERS: dict[str, Any] = {
    "constants": _Constants,
    "rounding": _Rounding,
    "gate": _Gate,
    "ring_buffer": _Ring,
    "smoothing": _Smoothing,
    "fusion": _Fusion,
    "learning": _Learning,
    "ticking": _Ticking,
    "session": _Viewer,
}
