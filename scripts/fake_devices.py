"""A real Chromium whose camera and microphone play files: for the browser tests and the screenshot.

Without a clip they show a public-domain portrait (scikit-image) and play a voice made by a source-filter
synthesiser, so that the whole way of the data can be tried with no person and no data set at hand.
Needs `requirements-dev.txt`.
"""

import os
import shutil
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
from playwright.sync_api import Browser, Playwright
from scipy.signal import lfilter
from skimage.data import astronaut

from models.inference import Box, Int16, UInt8

FLAGS = [
    "--no-sandbox",  # tests run as root in containers
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

SIZE = (640, 480)
RATE = 48_000  # what most devices give, so that the page has to resample
FRAMES_PER_SECOND = 30
SECONDS = 3
SYLLABLES_PER_SECOND = 4
VOWELS = [(730, 1090, 2440), (270, 2290, 3010), (570, 840, 2410), (530, 1840, 2480)]  # formants, Hz
HEAD = Box(20, 12, 320, 240)  # in pixels of the portrait


@dataclass(frozen=True)
class Media:
    """Files for Chromium's fake devices: MJPEG and WAV; both are repeated without end."""

    video: Path
    sound: Path


def person(folder: Path, clip: Path) -> Media:
    """The person in a video file with sound."""
    pictures, sound = _read_clip(clip)
    return Media(_write_mjpeg(folder / "person.mjpeg", pictures), _write_wav(folder / "person.wav", sound))


def portrait(folder: Path) -> Media:
    """A portrait and a voice that need no data."""
    return Media(
        _write_mjpeg(folder / "portrait.mjpeg", _portrait()),
        _write_wav(folder / "portrait.wav", portrait_voice()),
    )


def nobody(folder: Path) -> Media:
    """A grey wall and silence."""
    wall = np.full((SIZE[1], SIZE[0], 3), 128, np.uint8)
    return Media(
        _write_mjpeg(folder / "nobody.mjpeg", [wall] * FRAMES_PER_SECOND),
        _write_wav(folder / "nobody.wav", np.zeros(RATE, np.int16)),
    )


def portrait_face() -> Box:
    """Where the face is in `portrait`, as fractions of the frame: found by eye, give or take the sway."""
    left, top = (175 - HEAD.x) / HEAD.width, (70 - HEAD.y) / HEAD.height
    return Box(left, top, 100 / HEAD.width, 120 / HEAD.height)


def portrait_voice() -> Int16:
    """A lively voice: a gliding, slightly breathy pulse train through the formants of four vowels."""
    t = np.arange(SECONDS * RATE) / RATE
    pitch = 260 + 80 * np.sin(2 * np.pi * 0.9 * t)
    pulses = np.diff(np.floor(np.cumsum(pitch) / RATE), prepend=0) > 0
    source = pulses + 0.003 * np.random.default_rng(0).standard_normal(t.size)
    which = np.floor(t * SYLLABLES_PER_SECOND) % len(VOWELS)
    sound = np.zeros(t.size)
    for i, formants in enumerate(VOWELS):
        vowel = source
        for formant, bandwidth in zip(formants, (90, 110, 160), strict=True):
            radius = np.exp(-np.pi * bandwidth / RATE)
            vowel = lfilter([1.0], [1, -2 * radius * np.cos(2 * np.pi * formant / RATE), radius**2], vowel)
        sound += vowel / np.abs(vowel).max() * (which == i)
    sound *= np.clip(1.3 * np.sin(np.pi * SYLLABLES_PER_SECOND * t) ** 2 - 0.15, 0, 1)
    return (sound / np.abs(sound).max() * 0.5 * 32767).astype(np.int16)


def _read_clip(path: Path) -> tuple[list[UInt8], Int16]:
    with av.open(str(path)) as container:
        pictures = [_fit(frame.to_ndarray(format="bgr24")) for frame in container.decode(video=0)]
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
        parts = [part.to_ndarray()[0] for frame in container.decode(audio=0) for part in resampler.resample(frame)]
    return pictures, np.concatenate(parts)


def _portrait() -> list[UInt8]:
    """The head, swaying a little, and not in the middle, so that a mirrored box is told from another."""
    whole = cv2.cvtColor(astronaut(), cv2.COLOR_RGB2BGR)
    pictures = []
    for t in np.linspace(0, 2 * np.pi, SECONDS * FRAMES_PER_SECOND, endpoint=False):
        centre = (HEAD.x + HEAD.width / 2 + 4 * np.sin(t), HEAD.y + HEAD.height / 2 + 2 * np.sin(2 * t))
        pictures.append(_fit(cv2.getRectSubPix(whole, (int(HEAD.width), int(HEAD.height)), centre)))
    return pictures


def _fit(picture: UInt8) -> UInt8:
    """Scale to the camera's height and cut off what is wider."""
    width, height = SIZE
    scaled = cv2.resize(picture, (round(picture.shape[1] * height / picture.shape[0]), height))
    left = (scaled.shape[1] - width) // 2
    return np.ascontiguousarray(scaled[:, left : left + width])


def _write_mjpeg(path: Path, pictures: list[UInt8]) -> Path:
    path.write_bytes(b"".join(cv2.imencode(".jpg", picture)[1].tobytes() for picture in pictures))
    return path


def _write_wav(path: Path, sound: Int16) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(sound.tobytes())
    return path


def chromium_path() -> str:
    """Return the browser to use: CHROMIUM, or the system's."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if found is None:
        raise RuntimeError("no Chromium: install one, or set CHROMIUM to its path")
    return found


@contextmanager
def chromium(playwright: Playwright, media: Media | None, *, ask: bool = False) -> Iterator[Browser]:
    """Start a browser.

    Args:
        playwright: The driver.
        media: What camera and microphone give; None for a machine without either.
        ask: Whether permission is left to the context, instead of always given.
    """
    flags = list(FLAGS)
    if media is not None:
        flags += [
            "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-video-capture={media.video}",
            f"--use-file-for-fake-audio-capture={media.sound}",
        ]
    if not ask:
        flags.append("--use-fake-ui-for-media-stream")
    browser = playwright.chromium.launch(executable_path=chromium_path(), args=flags)
    try:
        yield browser
    finally:
        browser.close()
