"""TESS (Pichora-Fuller & Dupuis 2020): two Canadian women, 200 words in each of seven emotions."""

import re
from pathlib import Path

from models.datasets.clips import Clip
from models.datasets.layout import SOUNDS, files_below, missing

EMOTIONS = {
    "angry": "angry",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happy",
    "neutral": "neutral",
    "sad": "sad",
    "ps": "surprise",  # pleasant surprise
}
AGES = {"oa": 64, "ya": 26}
"""Years of the older and the younger talker, as published."""
# Copies number the words (`9testOAF_young_fear4.wav`), and one published name lacks its F.
_NAME = re.compile(rf"(?:\d*test)?(OA|YA)F?_([a-z]+)_({'|'.join(EMOTIONS)})\d*\.(?:wav|flac)", re.IGNORECASE)


def clips(root: Path) -> list[Clip]:
    """List TESS clips: `TESS Toronto emotional speech set data/OAF_angry/OAF_back_angry.wav`, or in any folders.

    The common archive holds the whole set twice, one copy within the other: a word is listed once for each
    talker and emotion.

    Raises:
        DataLayoutError: No clip of that naming lies below `root`.
    """
    found: dict[tuple[str, ...], Clip] = {}
    for path in files_below(root, SOUNDS):
        match = _NAME.fullmatch(path.name)
        if match:
            talker, word, emotion = (part.lower() for part in match.groups())
            clip = Clip(path, EMOTIONS[emotion], f"tess-{talker}f", "female", AGES[talker])
            found.setdefault((talker, word, emotion), clip)
    if not found:
        raise missing("TESS speech", root, "OAF_angry/OAF_back_angry.wav")
    return list(found.values())
