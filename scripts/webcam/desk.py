"""The display thread's loop: newest picture, newest readings, keys. It never waits for a model."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

import cv2
import numpy as np

from models.face_path import DetectedFacePath
from models.inference import FaceReading, UInt8
from scripts.webcam.board import Board, Entry
from scripts.webcam.drawing import Meters, draw
from scripts.webcam.ear import Ear
from scripts.webcam.faults import DeviceError
from scripts.webcam.log import CsvLog
from scripts.webcam.pace import Pace, Rate
from scripts.webcam.pictures import Frame, Pictures
from scripts.webcam.worker import Worker

KEY_WAIT_MS: Final = 8
REDRAW: Final = 0.1
"""Seconds until the same picture is drawn again, for what else changes in the window."""
FIRST_PICTURE: Final = 10.0
"""Seconds to wait for the first picture."""


class Window(Protocol):
    """What the loop needs of `scripts.webcam.screen.Screen`."""

    def show(self, picture: UInt8) -> None:
        """Show a BGR picture."""
        ...

    def key(self, milliseconds: int) -> str | None:
        """Return the key that was pressed, after so many milliseconds at most."""
        ...

    @property
    def closed(self) -> bool:
        """Whether the user closed it."""
        ...


@dataclass(frozen=True, slots=True)
class Look:
    """A question for the face thread, and how it was answered."""

    frame: Frame
    classify: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """The face thread's answer: what is in the picture, and the seconds it took."""

    look: Look
    reading: FaceReading
    seconds: float


def looker(path: DetectedFacePath) -> Callable[[Look], Seen]:
    """Return what the face thread does."""

    def look(question: Look) -> Seen:
        began = time.perf_counter()
        picture = np.asarray(cv2.cvtColor(question.frame.image, cv2.COLOR_BGR2RGB), np.uint8)
        reading = path.look(picture, classify=question.classify)
        return Seen(question, reading, time.perf_counter() - began)

    return look


class Desk:
    """Joins the parts.

    Args:
        pictures: The camera or the file, started.
        faces: Answers looks at pictures.
        ear: Listens, started.
        board: Knows what to show.
        window: Shows it.
        log: Where entries go, or None.
        every: Classify every so many pictures.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        pictures: Pictures,
        faces: Worker[Look, Seen],
        ear: Ear,
        board: Board,
        window: Window,
        *,
        log: CsvLog | None = None,
        every: int = 10,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pictures, self._faces, self._ear = pictures, faces, ear
        self._board, self._window, self._log = board, window, log
        self._clock = clock
        self._began = clock()
        self._pace = Pace(every)
        self._shown, self._labels = Rate(), Rate()
        self._milliseconds: float | None = None

    def run(self) -> None:
        """Show pictures until `q`, the window's closing, or the end of the file.

        Raises:
            DeviceError: The camera or the log fails. What fails of the microphone is shown in the window.
        """
        drawn: Frame | None = None
        drawn_at = self._clock()
        while True:
            now = self._clock()
            self._read(now)
            frame = self._pictures.newest()
            if frame is None:
                if now - self._began > FIRST_PICTURE:
                    raise DeviceError("no picture came: is the camera in use by another program?")
            else:
                self._look(frame)
                if frame is not drawn or now - drawn_at >= REDRAW:
                    if frame is not drawn:
                        self._shown.tick(now)
                    self._window.show(draw(frame.image, self._board.view(now), self._meters(now)))
                    drawn, drawn_at = frame, now
            key = self._window.key(KEY_WAIT_MS)
            if key == "q" or (drawn is not None and self._window.closed):
                return
            if key == "a":
                self._ear.record()
            if self._pictures.ended and self._ear.recording is None:
                self._read(self._clock())  # what the recording said
                return

    def _look(self, frame: Frame) -> None:
        if self._faces.free and self._pace.wants(frame.number, frame.at):
            self._faces.ask(Look(frame, self._pace.look(frame.number, frame.at)))

    def _read(self, now: float) -> None:
        if (seen := self._faces.answer()) is not None:
            self._milliseconds = 1000 * seen.seconds
            if seen.reading.probs is not None:
                self._labels.tick(now)
            self._note(self._board.saw(seen.reading, seen.look.frame.at, now), now)
        for voice in self._ear.news():
            if isinstance(voice, DeviceError):
                self._board.tell(str(voice), now)
            else:
                self._note(self._board.heard(voice, now), now)

    def _note(self, entries: list[Entry], now: float) -> None:
        if self._log is not None:
            for entry in entries:
                self._log.add(entry, datetime.now().astimezone(), now - self._began)

    def _meters(self, now: float) -> Meters:
        return Meters(
            fps=self._shown.per_second(now),
            labels=self._labels.per_second(now),
            milliseconds=self._milliseconds,
            recording=self._ear.recording,
        )
