"""Sound and pictures of the files that data sets are published in. PyAV is needed for films only, never to serve."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr

from models.inference import SAMPLE_RATE, Int16, UInt8

FILMS = (".mp4", ".flv", ".avi", ".mkv", ".mov", ".webm", ".m4a", ".aac", ".mp3")
"""Endings of the files that PyAV reads; all others are libsndfile's."""


class UnreadableMediaError(ValueError):
    """A file holds no sound, or no picture, that can be decoded."""


def read_sound(path: Path) -> Int16:
    """Read the sound of a sound file or a film as Int16 mono at 16 kHz.

    Raises:
        UnreadableMediaError: There is none, or it cannot be decoded to its end.
        ModuleNotFoundError: It is a film, and PyAV is not installed.
    """
    sound = _film_sound(path) if path.suffix.lower() in FILMS else _file_sound(path)
    if not len(sound):
        raise UnreadableMediaError(f"{path}: no sound in it")
    return sound


def read_frames(path: Path, count: int) -> UInt8:
    """Read `count` pictures [count, H, W, 3] (RGB, upright) of a film.

    Each is from the middle of one of `count` equal parts. A film of fewer pictures gives all that it has.

    Raises:
        UnreadableMediaError: There are no pictures, or they cannot be decoded.
        ModuleNotFoundError: PyAV is not installed.
    """
    with _opened(path) as container:
        total = sum(packet.size > 0 for packet in container.demux(_track(path, container.streams.video, "picture")))
    wanted = {(2 * part + 1) * total // (2 * count) for part in range(count)}
    frames = []
    with _opened(path) as container:
        for number, frame in enumerate(container.decode(_track(path, container.streams.video, "picture"))):
            if number in wanted:
                frames.append(upright(frame))
            if number >= max(wanted):
                break
    if not frames:
        raise UnreadableMediaError(f"{path}: no picture in it")
    return np.stack(frames)


def upright(frame: Any, pixels: str = "rgb24") -> UInt8:
    """Return a decoded picture [H, W, 3] as players show it: telephones store how it is to be turned and mirrored.

    Args:
        frame: PyAV's.
        pixels: `rgb24` or `bgr24`.
    """
    picture: UInt8 = frame.to_ndarray(format=pixels)
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is not None:
        # From stored to shown coordinates: x' = a x + c y, y' = b x + d y (ISO 14496-12, 6.2.2; row by row).
        a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5]
        if abs(a) < abs(b):
            picture, a, d = picture.swapaxes(0, 1), c, b
        picture = picture[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
    return np.ascontiguousarray(picture)


def _file_sound(path: Path) -> Int16:
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise UnreadableMediaError(f"{path}: {error}") from error
    mono = samples.mean(axis=1)
    if not np.isfinite(mono).all():
        raise UnreadableMediaError(f"{path}: some of its samples are no numbers")
    if rate != SAMPLE_RATE:
        mono = soxr.resample(mono, rate, SAMPLE_RATE, quality="HQ")
    sound: Int16 = np.clip(np.round(mono * 32768.0), -32768, 32767).astype(np.int16)
    return sound


def _film_sound(path: Path) -> Int16:
    import av

    resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
    parts = [np.zeros(0, np.int16)]
    with _opened(path) as container:
        for frame in (*container.decode(_track(path, container.streams.audio, "sound")), None):
            parts += [part.to_ndarray().ravel().astype(np.int16) for part in resampler.resample(frame)]
    return np.concatenate(parts)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    import av

    try:
        with av.open(str(path)) as container:
            yield container
    except (av.FFmpegError, OSError) as error:
        raise UnreadableMediaError(f"{path}: {error.strerror or error}") from error


def _track(path: Path, tracks: Any, what: str) -> Any:
    if not tracks:
        raise UnreadableMediaError(f"{path}: no {what} in it")
    return tracks[0]
