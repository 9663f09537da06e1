"""Recordings and pictures of one's own, sorted into folders by who speaks and by label."""

import logging
from collections import Counter
from pathlib import Path
from typing import Final

from models.crop import FER2013, Framing
from models.datasets import photographs
from models.datasets.clips import UNKNOWN, Clip, Pair
from models.datasets.layout import SOUNDS, files_below, missing
from models.detection import FaceDetector
from models.labels import LABELS, OTHER_NAMES

logger = logging.getLogger(__name__)

LAYOUT: Final = "anna/happy/1.wav (or .flac; films as .mp4), and for faces train/happy/1.jpg and val/happy/1.jpg"
SIDE: Final = 128
"""Of the crops that are kept of pictures, in pixels, where nobody says otherwise."""


def clips(root: Path) -> list[Clip]:
    """List one's own sounds, `WHO/LABEL/NAME.wav`; nobody's gender is known.

    Raises:
        DataLayoutError: There is none.
    """
    return [Clip(path, label, speaker, UNKNOWN) for path, label, speaker in _sorted(root, SOUNDS, "anna/happy/1.wav")]


def pairs(root: Path) -> list[Pair]:
    """List one's own films, `WHO/LABEL/NAME.mp4`, which have their sound in them.

    Raises:
        DataLayoutError: There is none.
    """
    found = _sorted(root, (".mp4",), "anna/happy/1.mp4")
    return [Pair(label, speaker, UNKNOWN, path, path) for path, label, speaker in found]


def faces(root: Path, split: str, per_class: int = 0, seed: int = 0, side: int = SIDE) -> photographs.Photographs:
    """Load one's own pictures, `SPLIT/LABEL/NAME.jpg`, of any size: each face is cut as the live path cuts it.

    Whoever sorts them sees to it that nobody is in both splits.

    Args:
        root: The folder of the splits.
        split: `train` or `val`.
        per_class: Draw at most this many of each label; 0 takes all.
        seed: Of the draw.
        side: Of the crops that are kept, in pixels.

    Raises:
        DataLayoutError: There is no such folder, or no face in its pictures.
    """
    if not (root / split).is_dir():
        raise missing(f"pictures of {split}", root, f"{split}/happy/1.jpg")
    detector = FaceDetector()
    try:
        return photographs.load(root / split, Framing(side, 3, FER2013), detector, per_class, seed)
    finally:
        detector.close()


def _sorted(root: Path, endings: tuple[str, ...], expected: str) -> list[tuple[Path, str, str]]:
    """Return each file, its label and its speaker."""
    found, others = [], Counter[str]()
    for path in files_below(root, endings):
        folders = path.relative_to(root).parent.parts
        name = folders[-1].lower() if folders else ""
        label = OTHER_NAMES.get(name, name)
        if label in LABELS and len(folders) > 1:
            found.append((path, label, f"own-{folders[0]}"))
        else:
            others[name] += 1
    if not found:
        raise missing("recordings of one's own", root, expected)
    if others:
        logger.warning("left out %s: not in a folder WHO/LABEL", ", ".join(f"{n} in {f!r}" for f, n in others.items()))
    return found
