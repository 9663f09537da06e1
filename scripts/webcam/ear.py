"""The thread that listens: it opens the sound, cuts it, and asks the voice model."""

import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Final

from app.viewer.smoothing import Smoother
from models.inference import SAMPLE_RATE, Float32, VoiceModel
from models.windows import rms, stream_windows
from scripts.webcam.faults import DeviceError
from scripts.webcam.hearing import Heard, Hearing, Kind
from scripts.webcam.sounds import Sound

WINDOW: Final = 1.0
HOP: Final = 0.5
"""Seconds of a voice window, and from one to the next, as in the live stream."""


@dataclass(frozen=True, slots=True)
class Voice:
    """What was heard: probabilities [7] of the newest second (`window`) or of a recording; None for silence."""

    kind: Kind
    probs: Float32 | None


class Ear:
    """Listens in a thread of its own, all the time or only while it records.

    Args:
        sound: Opens the source of sound.
        model: The voice model; the thread owns it.
        silence_rms: Windows quieter than this (0 to 1) are silence.
        continuous: Whether to listen all the time.
    """

    def __init__(
        self, sound: Callable[[], Sound], model: VoiceModel, *, silence_rms: float, continuous: bool = False
    ) -> None:
        self._open = sound
        self._model = model
        self._silence = silence_rms
        self._continuous = continuous
        self._wanted = threading.Event()  # a recording
        self._wake = threading.Event()
        self._closing = False
        self._sound: Sound | None = None
        self._progress: float | None = None
        self._news: SimpleQueue[Voice | DeviceError | Exception] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="ear", daemon=True)

    def start(self) -> None:
        """Begin to listen, or to wait for `record`."""
        if self._continuous:
            self._wake.set()
        self._thread.start()

    def record(self) -> None:
        """Record two seconds from now on; while it records, nothing changes."""
        self._wanted.set()
        self._wake.set()

    @property
    def recording(self) -> float | None:
        """Seconds recorded so far, or None when there is no recording to wait for."""
        progress = self._progress
        return 0.0 if progress is None and self._wanted.is_set() else progress

    def news(self) -> list[Voice | DeviceError]:
        """Return what was heard, or why nothing can be, since the last call.

        Raises:
            Exception: What the model raised.
        """
        fresh: list[Voice | DeviceError] = []
        while True:
            try:
                item = self._news.get_nowait()
            except Empty:
                return fresh
            if not isinstance(item, Voice | DeviceError):
                raise item
            fresh.append(item)

    def close(self) -> None:
        """Stop listening and close the microphone."""
        self._closing = True
        if self._sound is not None:
            self._sound.close()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2)  # a driver that hangs must not keep the tool from ending

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            if self._closing:
                return
            try:
                self._listen()
            except DeviceError as fault:
                self._news.put(fault)
            except Exception as fault:  # whoever waits for news hears of it
                self._news.put(fault)
                return
            finally:
                self._wanted.clear()
                self._progress = None

    def _listen(self) -> None:
        hearing = Hearing(round(WINDOW * SAMPLE_RATE), round(HOP * SAMPLE_RATE) if self._continuous else 0)
        self._sound = self._open()
        with closing(self._sound.chunks()) as chunks:
            for chunk in chunks:
                if self._closing:
                    return
                if self._wanted.is_set():
                    hearing.record()
                self._answer(hearing, hearing.take(chunk))
                if not (self._continuous or self._wanted.is_set()):
                    return
        self._answer(hearing, hearing.finish())
        if self._wanted.is_set():
            raise DeviceError("nothing recorded: the sound has ended")

    def _answer(self, hearing: Hearing, complete: list[Heard]) -> None:
        for heard in complete:
            self._news.put(Voice(heard.kind, self._probs(heard)))
            if heard.kind == "recording":
                self._wanted.clear()
        self._progress = None if hearing.recorded is None else hearing.recorded / SAMPLE_RATE

    def _probs(self, heard: Heard) -> Float32 | None:
        """Return probabilities [7], as the stream would give them after its windows of these samples."""
        windows = stream_windows(heard.samples, WINDOW, HOP, self._silence)
        if max(map(rms, windows)) < self._silence:
            return None
        smoother = Smoother(len(windows), HOP, WINDOW, self._model.traits.sharpening)
        for number, probs in enumerate(self._model.predict(windows)):
            smoother.add(probs, number * HOP)
        return smoother.mean((len(windows) - 1) * HOP)
