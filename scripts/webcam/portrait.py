"""A video with sound that needs no data: a public-domain portrait that sways, and a synthesised voice.

For the tests and the screenshot. Needs `requirements-dev.txt`.
"""

import tempfile
from pathlib import Path

import av
import cv2
import numpy as np
import soundfile

from models.inference import UInt8
from scripts import fake_devices

FPS = fake_devices.FRAMES_PER_SECOND


def write_portrait(path: Path, seconds: int, *, faceless: tuple[float, float] = (0, 0), sound: bool = True) -> None:
    """Write an MP4 of 640 x 480 at 30 pictures a second.

    Args:
        path: Of the video.
        seconds: Its length.
        faceless: From when to when, in seconds, nobody is there.
        sound: Whether there is a voice in it.
    """
    with tempfile.TemporaryDirectory() as folder:
        media = fake_devices.portrait(Path(folder))
        pictures = _pictures(media.video)
        voice, rate = soundfile.read(media.sound, dtype="int16")
    wall = np.full_like(pictures[0], 128)
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=FPS, bit_rate=4_000_000)
        video.width, video.height, video.pix_fmt = *fake_devices.SIZE, "yuv420p"
        speech = container.add_stream("aac", rate=rate, layout="mono") if sound else None
        for number in range(seconds * FPS):
            there = not faceless[0] <= number / FPS < faceless[1]
            picture = pictures[number % len(pictures)] if there else wall
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(video.encode())
        if speech is not None:
            frame = av.AudioFrame.from_ndarray(np.resize(voice, seconds * rate)[None], format="s16", layout="mono")
            frame.sample_rate = rate
            container.mux(speech.encode(frame))
            container.mux(speech.encode())


def _pictures(path: Path) -> list[UInt8]:
    capture, pictures = cv2.VideoCapture(str(path)), []
    while (read := capture.read())[0]:
        pictures.append(np.asarray(read[1], np.uint8))
    capture.release()
    return pictures
