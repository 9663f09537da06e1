"""Tiny trees of the layouts that data sets are published in, made of real files."""

import struct
import zlib
from pathlib import Path

import av
import cv2
import numpy as np
import soundfile

from models.inference import UInt8
from models.labels import LABELS


def vast_png() -> bytes:
    """A picture that says of itself that it is larger than any reader takes."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    chunks = [header, b"IDAT" + zlib.compress(bytes(100)), b"IEND"]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks
    )


def write_sound(path: Path, seconds: float = 0.2, rate: int = 48_000, hertz: float = 300) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    times = np.arange(round(seconds * rate)) / rate
    soundfile.write(path, 0.5 * np.sin(2 * np.pi * hertz * times), rate)


def write_film(
    path: Path, *, seconds: float = 0.6, sound: bool = True, pictures: bool = True, still: UInt8 | None = None
) -> None:
    """Write a film of 10 pictures a second, with a tone of 300 Hz at 44.1 kHz in stereo.

    The pictures brighten evenly, or all are `still` (RGB).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    flash = path.suffix == ".flv"
    with av.open(str(path), "w") as container:
        tracks = []
        if pictures:
            track = container.add_stream("flv" if flash else "libx264", rate=10)
            count = round(seconds * 10)
            shades = [np.full((48, 64, 3), 40 + 160 * number // max(1, count - 1), np.uint8) for number in range(count)]
            shown = shades if still is None else [still] * count
            track.width, track.height, track.pix_fmt = shown[0].shape[1], shown[0].shape[0], "yuv420p"
            tracks.append((track, [av.VideoFrame.from_ndarray(picture, format="rgb24") for picture in shown]))
        if sound:
            track = container.add_stream("libmp3lame" if flash else "aac", rate=44_100, layout="stereo")
            times = np.arange(round(seconds * 44_100)) / 44_100
            wave = (0.5 * np.sin(2 * np.pi * 300 * times)).astype(np.float32)
            frame = av.AudioFrame.from_ndarray(np.stack([wave, wave]), format="fltp", layout="stereo")
            frame.sample_rate = 44_100
            tracks.append((track, [frame]))
        for track, frames in tracks:
            for frame in frames:
                container.mux(track.encode(frame))
            container.mux(track.encode(None))


def write_turned_film(path: Path, degrees: int, *, flipped: bool = False) -> UInt8:
    """Write a film as a telephone does that is held askew; return the picture [48 or 64, 64 or 48, 3] to be seen.

    Players turn what is stored counterclockwise by so many degrees, and then swap left and right if it is `flipped`.
    """
    stored = np.repeat(np.repeat(np.array([[20, 90], [160, 230]], np.uint8), 24, axis=0), 32, axis=1)
    stored = np.repeat(stored[..., None], 3, axis=2)
    with av.open(str(path), "w") as container:
        track = container.add_stream("libx264", rate=10)
        track.width, track.height, track.pix_fmt = 64, 48, "yuv420p"
        track.set_display_rotation(degrees, hflip=flipped)
        for _ in range(10):
            container.mux(track.encode(av.VideoFrame.from_ndarray(stored, format="rgb24")))
        container.mux(track.encode(None))
    turned = np.rot90(stored, degrees // 90)
    return turned[:, ::-1] if flipped else turned


def write_picture(path: Path, shade: int = 120, size: tuple[int, int] = (48, 48)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full(size, shade, np.uint8))


def random_picture(rng: np.random.Generator, side: int = 48) -> UInt8:
    return rng.integers(0, 256, (side, side), dtype=np.uint8)


def faces_tree(root: Path, per_label: int = 3) -> None:
    """Write FER-2013 in label folders."""
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        for label in LABELS:
            folder = root / split / label
            folder.mkdir(parents=True)
            for number in range(per_label):
                cv2.imwrite(str(folder / f"{number}.png"), random_picture(rng))
