"""What viewers send: frames of a person, and a voice that hardly pauses; real where there is data, else made."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import cv2
import numpy as np

from app.protocol import BINARY_FRAME
from models.datasets import ravdess
from models.datasets.media import read_sound
from models.inference import SAMPLE_RATE, Int16
from models.windows import rms, speech_span
from scripts.stream_file import WIDTH, jpeg, media

CHUNK = SAMPLE_RATE // 10
"""Samples that the page sends at a time."""
SOUND_SECONDS = 60
LEVEL = 0.05
"""RMS of each clip, 0 to 1."""
PAUSE = 0.005
"""RMS below which 0.1 s are a pause."""
PICTURE_INTERVAL = 0.1
"""Seconds between two pictures of a take, as between two chunks of sound."""


class NoMaterialError(ValueError):
    """A folder that was given has no film in it."""


@dataclass(frozen=True)
class Material:
    """What all viewers draw from, each beginning at another place.

    Attributes:
        takes: What one camera shows, over and over, by 0.1 s: JPEGs as the page makes them, at most 480 pixels wide.
        chunks: Sound in a row, PCM16 of 0.1 s each.
        source: Where it is from, in words.
    """

    takes: tuple[tuple[bytes, ...], ...]
    chunks: tuple[bytes, ...]
    source: str

    @property
    def frames(self) -> tuple[bytes, ...]:
        """Each picture once."""
        return tuple(dict.fromkeys(chain.from_iterable(self.takes)))


def gather(films: Path | None, speech: Path | None) -> Material:
    """Return what viewers send.

    Args:
        films: Folder with MP4s of a person, or with a folder `clips` of them; None draws a portrait.
        speech: RAVDESS; None makes a voice.

    Raises:
        NoMaterialError: There is no film in a folder.
        DataLayoutError: There is no RAVDESS speech in a folder.
        ModuleNotFoundError: Films need PyAV; a portrait and a voice scikit-image and SciPy (requirements-dev.txt).
    """
    takes = (tuple(_portrait()),) if films is None else tuple(_film(film) for film in _films(films))
    sound = _voice() if speech is None else _speech(speech)
    chunks = tuple(_chunks(sound))
    seen = "a public-domain portrait that sways" if films is None else f"{len(takes)} films, forth and back"
    heard = "a synthesised voice" if speech is None else "RAVDESS speech, without pauses, its clips equally loud"
    return Material(takes, chunks, f"{seen}; {heard}")


def _films(folder: Path) -> list[Path]:
    films = sorted((folder / "clips" if (folder / "clips").is_dir() else folder).glob("*.mp4"))
    if not films:
        raise NoMaterialError(f"{folder}: no MP4 in it")
    return films


def _film(path: Path) -> tuple[bytes, ...]:
    """Return a film's pictures forth and back: a camera that looks at somebody makes no cuts."""
    pictures = [payload for _, kind, payload in media(path, PICTURE_INTERVAL) if kind == BINARY_FRAME]
    if not pictures:
        raise NoMaterialError(f"{path}: no pictures in it")
    return tuple(pictures + pictures[-2:0:-1])


def _speech(root: Path) -> Int16:
    """Return clips of all labels in turn, without the pauses at their ends."""
    clips = ravdess.clips(root)
    rng = np.random.default_rng(0)
    parts, length = [], 0
    for index in rng.permutation(len(clips)):
        sound = read_sound(clips[index].path)
        start, end = speech_span(sound)
        parts.append(_levelled(sound[start:end]))
        length += end - start
        if length >= SOUND_SECONDS * SAMPLE_RATE:
            break
    return without_pauses(np.concatenate(parts))


def without_pauses(sound: Int16) -> Int16:
    """Leave out every 0.1 s that is a pause, so that no window is silence, about which no model is asked."""
    chunks = sound[: len(sound) // CHUNK * CHUNK].reshape(-1, CHUNK)
    return chunks[[rms(chunk) >= PAUSE for chunk in chunks]].ravel()


def _levelled(sound: Int16) -> Int16:
    """Bring a clip to `LEVEL`: some are so quiet that windows of them would be taken for silence, and not asked for."""
    factor = LEVEL / max(rms(sound), 1e-4)
    return np.clip(sound * factor, -32768, 32767).astype(np.int16)


def _chunks(sound: Int16) -> Iterator[bytes]:
    for start in range(0, len(sound) - CHUNK + 1, CHUNK):
        yield sound[start : start + CHUNK].astype("<i2").tobytes()


def _portrait() -> list[bytes]:
    from skimage.data import astronaut

    whole = cv2.cvtColor(astronaut(), cv2.COLOR_RGB2BGR)
    frames = []
    for turn in np.linspace(0, 2 * np.pi, 40, endpoint=False):
        centre = (180 + 8 * np.sin(turn), 132 + 4 * np.sin(2 * turn))
        cut = cv2.getRectSubPix(whole, (320, 240), centre)
        frames.append(jpeg(cv2.resize(cut, (WIDTH, WIDTH * 3 // 4), interpolation=cv2.INTER_CUBIC)))
    return frames


def _voice() -> Int16:
    """Return a gliding, breathy pulse train through the formants of vowels in turn."""
    from scipy.signal import lfilter

    rng = np.random.default_rng(0)
    t = np.arange(SOUND_SECONDS * SAMPLE_RATE) / SAMPLE_RATE
    pulses = np.diff(np.floor(np.cumsum(200 + 80 * np.sin(2 * np.pi * 0.7 * t)) / SAMPLE_RATE), prepend=0) > 0
    source = pulses + 0.01 * rng.standard_normal(t.size)
    sound = np.zeros(t.size)
    vowels = ((730, 1090, 2440), (270, 2290, 3010), (570, 840, 2410), (530, 1840, 2480))
    for which, formants in enumerate(vowels):
        vowel = source
        for formant in formants:
            radius = np.exp(-np.pi * 120 / SAMPLE_RATE)
            vowel = lfilter([1.0], [1, -2 * radius * np.cos(2 * np.pi * formant / SAMPLE_RATE), radius**2], vowel)
        sound += vowel / np.abs(vowel).max() * (np.floor(4 * t) % len(vowels) == which)
    return (sound * 0.4 * 32767).astype(np.int16)
