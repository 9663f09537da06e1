"""What every client sends: a synthesised voice and a portrait, as files that any language can read."""

import functools
import tempfile
from pathlib import Path

import av
import numpy as np

from scripts.fake_devices import portrait

VOICE, FACE = "voice.pcm", "face.jpg"


@functools.cache
def sample() -> tuple[bytes, bytes]:
    """Return three seconds of PCM16 at 16 kHz, and one JPEG."""
    with tempfile.TemporaryDirectory() as folder:
        media = portrait(Path(folder))
        pictures = media.video.read_bytes()
        with av.open(str(media.sound)) as container:
            resampler = av.AudioResampler(format="s16", layout="mono", rate=16_000)
            parts = [part.to_ndarray()[0] for frame in container.decode(audio=0) for part in resampler.resample(frame)]
    return np.concatenate(parts).astype("<i2").tobytes(), pictures[: pictures.index(b"\xff\xd9") + 2]


def write(folder: Path) -> None:
    """Write both into a folder."""
    voice, face = sample()
    (folder / VOICE).write_bytes(voice)
    (folder / FACE).write_bytes(face)
