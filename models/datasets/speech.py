"""Emotional speech: RAVDESS, SAVEE and TESS clips with their speaker, gender and label."""

import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from models.datasets.layout import DataLayoutError
from models.inference import SAMPLE_RATE, Int16

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Clip:
    """One recording: where it lies, who speaks, and what was acted."""

    path: Path
    label: str
    speaker: str
    gender: str


RAVDESS_EMOTIONS = {
    "01": "neutral",
    "02": "neutral",  # calm, merged into neutral: seven labels on the wire
    "03": "happy",
    "04": "sad",
    "05": "angry",
    "06": "fear",
    "07": "disgust",
    "08": "surprise",
}
_RAVDESS_NAME = re.compile(r"03-01-(0[1-8])-0[12]-0[12]-0[12]-([0-2]\d)\.(?:wav|flac)", re.IGNORECASE)

SAVEE_EMOTIONS = {
    "a": "angry",
    "d": "disgust",
    "f": "fear",
    "h": "happy",
    "n": "neutral",
    "sa": "sad",
    "su": "surprise",
}
_SAVEE_NAME = re.compile(r"(?:(DC|JE|JK|KL)_?)?(sa|su|[adfhn])\d+\.(?:wav|flac)", re.IGNORECASE)

TESS_EMOTIONS = {
    "angry": "angry",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happy",
    "neutral": "neutral",
    "sad": "sad",
    "ps": "surprise",  # pleasant surprise
}
# Copies number the words (`9testOAF_young_fear4.wav`), and one published name lacks its F.
_TESS_NAME = re.compile(rf"(?:\d*test)?(OA|YA)F?_([a-z]+)_({'|'.join(TESS_EMOTIONS)})\d*\.(?:wav|flac)", re.IGNORECASE)


def ravdess(root: Path, actors: Iterable[int] | None = None) -> list[Clip]:
    """List RAVDESS speech clips (Livingstone & Russo 2018), `Actor_NN/03-01-EE-II-SS-RR-AA.wav|flac`.

    The actor is read from the file name: copies are in circulation in which a clip lies in the folder of
    another actor. A clip that is present twice is listed once.

    Args:
        root: The folder that holds the `Actor_NN` folders.
        actors: Keep only these; all when None.

    Raises:
        DataLayoutError: No clip of that naming lies below `root`.
    """
    wanted = None if actors is None else {f"{actor:02d}" for actor in actors}
    found: dict[str, Clip] = {}
    for path in sorted(root.rglob("03-01-*")):
        match = _RAVDESS_NAME.fullmatch(path.name)
        if match and path.stem not in found:
            emotion, actor = match.groups()
            gender = "male" if int(actor) % 2 else "female"
            found[path.stem] = Clip(path, RAVDESS_EMOTIONS[emotion], f"ravdess-{actor}", gender)
    if not found:
        raise DataLayoutError(f"no RAVDESS speech below {root}: expected Actor_01/03-01-01-01-01-01-01.wav")
    return [clip for clip in found.values() if wanted is None or clip.speaker[-2:] in wanted]


def savee(root: Path) -> list[Clip]:
    """List SAVEE clips (Haq & Jackson 2010): `DC/a01.wav` as published, or `DC_a01.wav` in one folder.

    Raises:
        DataLayoutError: No clip of that naming lies below `root`.
    """
    clips = []
    for path in sorted(root.rglob("*")):
        match = _SAVEE_NAME.fullmatch(path.name)
        if match:
            speaker = (match.group(1) or path.parent.name).upper()
            clips.append(Clip(path, SAVEE_EMOTIONS[match.group(2).lower()], f"savee-{speaker.lower()}", "male"))
    if not clips:
        raise DataLayoutError(f"no SAVEE speech below {root}: expected DC/a01.wav or DC_a01.wav")
    return clips


def tess(root: Path) -> list[Clip]:
    """List TESS clips (Pichora-Fuller & Dupuis 2020) of two women, `OAF_back_angry.wav`, in any folders.

    The common archive holds the whole set twice, one copy within the other: a word is listed once for each
    talker and emotion.

    Raises:
        DataLayoutError: No clip of that naming lies below `root`.
    """
    found: dict[tuple[str, ...], Clip] = {}
    for path in sorted(root.rglob("*")):
        match = _TESS_NAME.fullmatch(path.name)
        if match:
            speaker, word, emotion = (part.lower() for part in match.groups())
            clip = Clip(path, TESS_EMOTIONS[emotion], f"tess-{speaker}f", "female")
            found.setdefault((speaker, word, emotion), clip)
    if not found:
        raise DataLayoutError(f"no TESS speech below {root}: expected OAF_back_angry.wav")
    return list(found.values())


def read_sound(path: Path) -> Int16:
    """Read a sound file as Int16 mono at 16 kHz.

    Raises:
        soundfile.LibsndfileError: The file is not a sound file.
    """
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono = samples.mean(axis=1)
    if rate != SAMPLE_RATE:
        mono = soxr.resample(mono, rate, SAMPLE_RATE, quality="HQ")
    sound: Int16 = np.clip(np.round(mono * 32768.0), -32768, 32767).astype(np.int16)
    return sound


def read_clips(clips: Iterable[Clip]) -> Iterator[tuple[Clip, Int16]]:
    """Read clips one by one; a file that cannot be read is named in the log and left out."""
    for clip in clips:
        try:
            yield clip, read_sound(clip.path)
        except (soundfile.LibsndfileError, OSError) as error:
            logger.warning("left out %s: %s", clip.path, error)
