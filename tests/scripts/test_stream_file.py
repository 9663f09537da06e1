import argparse
import subprocess
import sys
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from app.protocol import BINARY_AUDIO, BINARY_FRAME
from app.settings import ROOT
from scripts.stream_file import CHUNK, WIDTH, UnreadableFileError, address, jpeg, media
from tests.models.datasets.trees import write_turned_film

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


def test_a_telephones_film_is_sent_upright(tmp_path: Path) -> None:
    seen = write_turned_film(tmp_path / "clip.mp4", -90)
    pictures = [payload for _, kind, payload in media(tmp_path / "clip.mp4", 0.5) if kind == BINARY_FRAME]
    assert len(pictures) == 2
    for payload in pictures:
        picture = cv2.imdecode(np.frombuffer(payload, np.uint8), cv2.IMREAD_COLOR)
        assert picture.shape == seen.shape
        assert np.quantile(np.abs(picture - seen.astype(float)), 0.9) < 6


def test_a_picture_however_wide_is_made_narrower() -> None:
    sent = cv2.imdecode(np.frombuffer(jpeg(np.zeros((2, 3_000, 3), np.uint8)), np.uint8), cv2.IMREAD_COLOR)
    assert sent.shape == (1, WIDTH, 3)


def test_what_holds_nothing_is_named(tmp_path: Path) -> None:
    path = tmp_path / "nothing.mp4"
    path.write_bytes(b"no video")
    with pytest.raises(UnreadableFileError, match=r"nothing\.mp4"):
        list(media(path, 0.5))


def run(*arguments: str, before: str = "pass") -> subprocess.CompletedProcess[str]:
    code = f"import runpy, sys; {before}; runpy.run_module('scripts.stream_file', run_name='__main__', alter_sys=True)"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )


def test_without_pyav_the_file_that_brings_it_is_named(tmp_path: Path) -> None:
    done = run(str(tmp_path / "clip.mp4"), before="sys.modules['av'] = None")
    assert done.returncode == 1
    assert done.stderr == "scripts.stream_file needs the package av: pip install -r requirements.txt\n"


def test_a_missing_file_is_named_once_and_before_any_server_is_asked(tmp_path: Path) -> None:
    done = run(str(tmp_path / "gone.mp4"), "--url", "ws://127.0.0.1:9/ws")
    assert done.returncode == 1
    assert done.stderr == f"{tmp_path / 'gone.mp4'}: No such file or directory\n"


def test_where_there_is_no_server_it_says_how_to_start_one(tmp_path: Path) -> None:
    done = run(str(recording(tmp_path / "clip.mp4")), "--url", "http://127.0.0.1:9")
    assert done.returncode == 1
    assert done.stderr == "no server at ws://127.0.0.1:9/ws: start it with `uvicorn app:app`\n"


def test_help_shows_the_defaults() -> None:
    assert "(default: ws://127.0.0.1:8000/ws)" in " ".join(run("--help").stdout.split())


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("ws://host:1/any", "ws://host:1/any"),
        ("http://host:8000", "ws://host:8000/ws"),
        ("http://host:8000/", "ws://host:8000/ws"),
        ("http://host/ws", "ws://host/ws"),
        ("https://host/under/", "wss://host/under/ws"),
    ],
)
def test_the_address_of_the_page_will_do(given: str, taken: str) -> None:
    assert address(given) == taken


@pytest.mark.parametrize("given", ["host:8000", "ftp://host", "http://", ""])
def test_what_is_no_address_is_refused(given: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="no address"):
        address(given)
