from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from app.protocol import BINARY_AUDIO, BINARY_FRAME
from scripts.stream_file import CHUNK, UnreadableFileError, media

RATE = 16_000
SECONDS = 3
EVENT = 2.0
"""When the screen turns white and the tone begins."""


def recording(path: Path, *, start: int = 0, sound_late: float = 0.0) -> Path:
    """Black and quiet until `EVENT`, white and loud afterwards; the clock begins at `start` seconds."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg2video" if path.suffix == ".ts" else "mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = container.add_stream("aac", rate=RATE, layout="mono")
        for number in range(SECONDS * 25):
            white = np.full((48, 64, 3), 255 * (number / 25 >= EVENT), np.uint8)
            picture = av.VideoFrame.from_ndarray(white, format="bgr24")
            picture.pts = start * 25 + number
            container.mux(video.encode(picture))
        for first in range(round(sound_late * RATE), SECONDS * RATE, 1024):
            at = np.arange(first, first + 1024) / RATE
            tone = (8000 * np.sin(2 * np.pi * 440 * at) * (at >= EVENT)).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(tone[None], format="s16", layout="mono")
            frame.sample_rate, frame.pts = RATE, start * RATE + first
            container.mux(audio.encode(frame))
        container.mux(video.encode())
        container.mux(audio.encode())
    return path


def events(path: Path) -> tuple[float, float]:
    """Return when the sound and when the picture changes, on the clock of `media`."""
    messages = list(media(path, 0.1))
    loud = [at - CHUNK / RATE for at, kind, pcm in messages if kind == BINARY_AUDIO and is_loud(pcm)]
    white = [at for at, kind, jpeg in messages if kind == BINARY_FRAME and is_white(jpeg)]
    assert all(-0.1 <= at <= SECONDS + 0.3 for at, _, _ in messages)
    return loud[0], white[0]


def is_loud(pcm: bytes) -> bool:
    return bool(np.abs(np.frombuffer(pcm, "<i2").astype(int)).mean() > 1500)


def is_white(jpeg: bytes) -> bool:
    return bool(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE).mean() > 128)


@pytest.mark.parametrize("start", [0, 3600])
@pytest.mark.parametrize("sound_late", [0.0, 1.0])
def test_sound_and_pictures_are_in_time_wherever_the_files_clock_begins(
    tmp_path: Path, start: int, sound_late: float
) -> None:
    sound, picture = events(recording(tmp_path / "clip.ts", start=start, sound_late=sound_late))
    assert sound == pytest.approx(EVENT, abs=0.2)
    assert picture == pytest.approx(EVENT, abs=0.2)


def test_an_mp4_is_in_time_as_well(tmp_path: Path) -> None:
    sound, picture = events(recording(tmp_path / "clip.mp4"))
    assert sound == pytest.approx(EVENT, abs=0.2)
    assert picture == pytest.approx(EVENT, abs=0.2)


def test_what_holds_nothing_is_named(tmp_path: Path) -> None:
    path = tmp_path / "nothing.mp4"
    path.write_bytes(b"no video")
    with pytest.raises(UnreadableFileError, match=r"nothing\.mp4"):
        list(media(path, 0.5))
