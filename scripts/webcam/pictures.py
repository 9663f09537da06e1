"""Pictures of a camera or a video file, read by a thread of their own; only the newest is kept."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from models.inference import UInt8
from scripts.webcam.faults import DeviceError

USUAL_FPS: Final = 30.0
"""Taken for cameras and files that do not say."""
SIDES: Final = (640, 1280)
"""A picture's longer side is brought into this range: text must be legible, and drawing quick."""
LATE: Final = 0.1
"""Seconds by which a file's picture may come late before the next ones are skipped."""
LONGEST_SKIP: Final = 0.3
"""Seconds without a picture, at most, when the machine is too slow for the file."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture: BGR [H, W, 3], its number in the source (from 0, skipped ones counted), when it was taken."""

    image: UInt8
    number: int
    at: float


class Pictures:
    """A camera's or a video file's pictures, at the speed at which they were taken.

    Args:
        source: The number of a camera, or the path of a video file.
        mirror: Whether to swap left and right; None mirrors cameras, as people know themselves from mirrors.
        clock: Seconds, monotonic.
        pause: Waits so many seconds; for tests. None waits for real, or until the tool is closed.

    Attributes:
        is_camera: Whether the source is a camera.
        fps: Pictures a second, as far as the source says.
        skipped: Pictures of a file that were not shown, because the machine was too slow.

    Raises:
        DeviceError: There is no such camera or file, or it gives no picture.
    """

    def __init__(
        self,
        source: str,
        *,
        mirror: bool | None = None,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], object] | None = None,
    ) -> None:
        self.is_camera = source.isdecimal()
        self._source = source
        self._mirror = self.is_camera if mirror is None else mirror
        self._clock = clock
        self._closing = threading.Event()
        self._pause = pause or self._closing.wait
        self._capture = _open_camera(int(source)) if self.is_camera else _open_file(Path(source))
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if 1 <= fps <= 1000 else USUAL_FPS
        self.skipped = 0
        self._newest: Frame | None = None
        self._ended = False
        self._fault: DeviceError | None = None
        self._thread = threading.Thread(target=self._run, name="pictures", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def newest(self) -> Frame | None:
        """Return the newest picture; None before the first.

        Raises:
            DeviceError: The camera gives no more.
        """
        if self._fault is not None:
            raise self._fault
        return self._newest

    @property
    def ended(self) -> bool:
        """Whether the file's last picture was shown for its time."""
        return self._ended

    def close(self) -> None:
        """Stop reading, and let go of the camera."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2)  # a camera that hangs must not keep the tool from ending
        if not self._thread.is_alive():
            self._capture.release()

    def _run(self) -> None:
        started, number, shown_at = self._clock(), 0, -np.inf
        while not self._closing.is_set() and self._capture.grab():
            if not self.is_camera:
                wait = started + self._position(number) - self._clock()
                if wait < -LATE and self._clock() - shown_at < LONGEST_SKIP:
                    number += 1
                    self.skipped += 1
                    continue
                if wait > 0:
                    self._pause(wait)
            ok, image = self._capture.retrieve()
            if ok:
                shown_at = self._clock()
                self._newest = Frame(self._fitted(np.asarray(image, np.uint8)), number, shown_at)
            number += 1
        if self._closing.is_set():
            return
        if self.is_camera:
            self._fault = DeviceError(f"camera {self._source} gives no more pictures: was it unplugged?")
        elif self._newest is None:
            self._fault = DeviceError(f"{self._source}: no picture in it can be read")
        else:
            self._pause(max(0.0, started + number / self.fps - self._clock()))
        self._ended = True

    def _position(self, number: int) -> float:
        """Return the grabbed picture's time in the file: its own, or by its number where it has none."""
        own = float(self._capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000
        return own if own > 0 else number / self.fps

    def _fitted(self, image: UInt8) -> UInt8:
        longer = max(image.shape[:2])
        wanted = min(max(longer, SIDES[0]), SIDES[1])
        if wanted != longer:
            scale = wanted / longer
            interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
            image = np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=interpolation), np.uint8)
        return np.ascontiguousarray(image[:, ::-1]) if self._mirror else image


def _open_camera(number: int) -> cv2.VideoCapture:
    capture = cv2.VideoCapture(number)
    if not capture.isOpened():
        raise DeviceError(
            f"no camera {number}: is it plugged in, allowed, and not in use by another program? "
            "A video file will do as well: python -m scripts.webcam FILE"
        )
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # where the driver can: the newest picture, not one from its queue
    return capture


def _open_file(path: Path) -> cv2.VideoCapture:
    if not path.exists():
        raise DeviceError(f"{path}: there is no such file")
    capture = cv2.VideoCapture(str(path))
    if not capture.isOpened():
        raise DeviceError(f"{path}: not a video that can be read")
    capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)  # OpenCV 4.11 no longer turns a telephone's film by itself
    return capture
