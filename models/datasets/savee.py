"""SAVEE (Haq & Jackson 2010): four British men, 480 sentences."""

import re
from pathlib import Path

from models.datasets.clips import Clip
from models.datasets.layout import SOUNDS, files_below, missing

EMOTIONS = {
    "a": "angry",
    "d": "disgust",
    "f": "fear",
    "h": "happy",
    "n": "neutral",
    "sa": "sad",
    "su": "surprise",
}
SPEAKERS = ("DC", "JE", "JK", "KL")
_NAME = re.compile(rf"(?:({'|'.join(SPEAKERS)})_?)?(sa|su|[adfhn])\d+\.(?:wav|flac)", re.IGNORECASE)


def clips(root: Path) -> list[Clip]:
    """List SAVEE clips: `AudioData/DC/a01.wav` as published, or `DC_a01.wav` in one folder.

    Raises:
        DataLayoutError: No clip of that naming lies below `root`.
    """
    found: dict[tuple[str, str], Clip] = {}
    for path in files_below(root, SOUNDS):
        match = _NAME.fullmatch(path.name)
        if not match:
            continue
        speaker = (match.group(1) or path.parent.name).upper()
        if speaker in SPEAKERS:
            sentence = path.stem.upper().removeprefix(speaker).removeprefix("_")
            clip = Clip(path, EMOTIONS[match.group(2).lower()], f"savee-{speaker.lower()}", "male")
            found.setdefault((speaker, sentence), clip)
    if not found:
        raise missing("SAVEE speech", root, "DC/a01.wav or DC_a01.wav")
    return list(found.values())
