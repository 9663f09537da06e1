"""One picture and some seconds of sound, from camera and microphone."""

from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from models.inference import SAMPLE_RATE, Int16, UInt8
from scripts.webcam.faults import DeviceError
from scripts.webcam.pictures import Pictures
from scripts.webcam.sounds import Sound

PATIENCE: Final = 5.0
"""Seconds that a camera has for its first picture, counted in pauses."""
POLL: Final = 0.05


@dataclass(frozen=True, slots=True)
class Moment:
    """An RGB picture [H, W, 3] and a sound [N], None where the device did not do its part; `faults` say why."""

    picture: UInt8 | None
    sound: Int16 | None
    faults: tuple[DeviceError, ...]


def take(
    camera: Callable[[], Pictures],
    microphone: Callable[[], Sound],
    seconds: float,
    *,
    pause: Callable[[float], object],
    watch: Callable[[float], object] = lambda heard: None,
) -> Moment:
    """Record so many seconds of sound, and the picture of when half of them were heard.

    Without sound the picture is the first. What is missing does not keep the other from being taken.

    Args:
        camera: Opens the camera.
        microphone: Opens the sound.
        seconds: Of sound; one that ends earlier is shorter.
        pause: Waits so many seconds.
        watch: Is told how many seconds were heard.
    """
    faults: list[DeviceError] = []
    with ExitStack() as open_devices:
        pictures = None
        try:
            pictures = camera()
            open_devices.callback(pictures.close)
            pictures.start()
        except DeviceError as fault:
            faults.append(fault)
        middle: UInt8 | None = None
        sound: Int16 | None = None

        def look(heard: float) -> None:
            nonlocal middle
            watch(heard)
            if pictures is not None and middle is None and heard >= seconds / 2:
                middle = _newest(pictures)

        try:
            sound = _record(microphone(), seconds, look)
        except DeviceError as fault:
            faults.append(fault)
        if pictures is not None and middle is None:
            try:
                middle = _first(pictures, pause)
            except DeviceError as fault:
                faults.append(fault)
    return Moment(middle, sound, tuple(faults))


def _record(source: Sound, seconds: float, heard: Callable[[float], object]) -> Int16:
    wanted = round(seconds * SAMPLE_RATE)
    parts: list[Int16] = []
    count = 0
    try:
        with closing(source.chunks()) as chunks:
            for chunk in chunks:
                parts.append(chunk)
                count += len(chunk)
                heard(min(seconds, count / SAMPLE_RATE))
                if count >= wanted:
                    break
    finally:
        source.close()
    if count < SAMPLE_RATE // 10:
        raise DeviceError("less than 0.1 s of sound came")
    return np.concatenate(parts)[:wanted]


def _newest(pictures: Pictures) -> UInt8 | None:
    try:
        frame = pictures.newest()
    except DeviceError:  # told later, by `_first`
        return None
    return None if frame is None else np.asarray(cv2.cvtColor(frame.image, cv2.COLOR_BGR2RGB), np.uint8)


def _first(pictures: Pictures, pause: Callable[[float], object]) -> UInt8:
    waited = 0.0
    while (frame := pictures.newest()) is None:
        if waited > PATIENCE:
            raise DeviceError("the camera gives no picture")
        pause(POLL)
        waited += POLL
    return np.asarray(cv2.cvtColor(frame.image, cv2.COLOR_BGR2RGB), np.uint8)
