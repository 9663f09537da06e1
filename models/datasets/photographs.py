"""Photographs of faces, of any size, cut as the live path cuts its frames: more pictures to train on.

They come without an official split, so that nothing is ever judged by them.
"""

import logging
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from models.crop import Framing
from models.datasets.faces import Index, Mask, read_picture
from models.datasets.layout import (
    PICTURES,
    DataLayoutError,
    draw,
    files_below,
    find_below,
    missing,
    name_file,
    read_table,
)
from models.face_path import Detector, cut_out
from models.inference import Box, UInt8
from models.labels import LABELS, OTHER_NAMES

logger = logging.getLogger(__name__)

LAYOUT = "angry/*.jpg, happy/*.jpg and so on, or legend.csv (columns image and emotion) with its pictures"
TABLE = "legend.csv"

SMALL = 128
"""Smaller pictures are taken to be all face, and are given surroundings."""
FACE, CANVAS = 208, 480
"""Then they are enlarged to FACE pixels in the middle of a square of CANVAS pixels: the detector expects a face with
surroundings, and is at its best where the face is about two fifths of the frame."""


@dataclass(frozen=True, slots=True)
class Photographs:
    """Faces that were cut out, in memory; a `faces.FaceSet`.

    Attributes:
        crops: RGB [N, size, size, 3].
        labels: Of each [N], an index into `LABELS`.
        paths: Where each is.
    """

    crops: UInt8
    labels: Index
    paths: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, keep: Mask | Index) -> "Photographs":
        """Return the pictures that a mask or an index names."""
        kept = np.arange(len(self))[keep]
        return Photographs(self.crops[keep], self.labels[keep], tuple(self.paths[i] for i in kept))

    def pictures(self) -> Iterator[UInt8 | None]:
        """Read each photograph [H, W, 3], whole."""
        return map(read_picture, self.paths)

    def batch(self, index: Index, size: int, channels: int) -> tuple[UInt8, Index]:
        """Return the pictures [M, size, size, channels] of an index [M], and their labels [M]."""
        chosen = [_as_asked(picture, size, channels) for picture in self.crops[index]]
        return np.array(chosen, np.uint8).reshape(-1, size, size, channels), self.labels[index]

    def names(self, roots: Collection[Path]) -> Iterator[str]:
        """Yield what names each photograph by its file."""
        return (name_file(path, LABELS[label], roots) for path, label in zip(self.paths, self.labels, strict=True))


def load(root: Path, framing: Framing, detector: Detector, per_label: int = 0, seed: int = 0) -> Photographs:
    """Find the face in each photograph and cut it out, levelled by its eyes; photographs without one are left out.

    Args:
        root: A folder with folders of pictures that are named after labels, at any depth, or with a table of them.
        framing: Size and framing of the crops; they are kept in colour.
        detector: Finds the faces.
        per_label: Draw at most this many of each label; 0 takes all.
        seed: Of the draw.

    Raises:
        DataLayoutError: Neither layout is there, or no picture has a face.
    """
    table = find_below(root, TABLE)
    by_label: dict[str, list[Path]] = {label: [] for label in LABELS}
    others = Counter[str]()
    for path, name in _tabled(table, root) if table else _in_folders(root):
        label = OTHER_NAMES.get(name.lower(), name.lower())
        if label in by_label:
            by_label[label].append(path)
        else:
            others[name] += 1
    if not any(by_label.values()):
        raise missing("photographs", root, LAYOUT)
    rng = np.random.default_rng(seed)
    crops: list[UInt8] = []
    labels: list[int] = []
    paths: list[Path] = []
    without = 0
    for number, label in enumerate(LABELS):
        for path in draw(by_label[label], per_label, rng):
            cut = _cut(path, framing, detector)
            if cut is None:
                without += 1
                continue
            crops.append(cut)
            labels.append(number)
            paths.append(path)
    if not crops:
        raise DataLayoutError(f"no face in any photograph of {root}")
    if others or without:
        told = "".join(f", {count} in {name!r}" for name, count in sorted(others.items()))
        logger.warning("left out photographs of %s: %d without a face%s", root, without, told)
    return Photographs(np.stack(crops), np.array(labels, np.int64), tuple(paths))


def on_canvas(picture: UInt8) -> tuple[UInt8, Box]:
    """Enlarge a picture that is all face in the middle of a grey canvas; return the canvas and where it lies.

    The picture is grey [H, W] or RGB [H, W, 3], the canvas RGB.
    """
    canvas = np.full((CANVAS, CANVAS, 3), 127, np.uint8)
    start = (CANVAS - FACE) // 2
    large = cv2.resize(picture, (FACE, FACE), interpolation=cv2.INTER_CUBIC)
    canvas[start : start + FACE, start : start + FACE] = large[:, :, None] if large.ndim == 2 else large
    return canvas, Box(start / CANVAS, start / CANVAS, FACE / CANVAS, FACE / CANVAS)


def _as_asked(picture: UInt8, size: int, channels: int) -> UInt8:
    if size != len(picture):
        how = cv2.INTER_AREA if size < len(picture) else cv2.INTER_LINEAR
        picture = np.asarray(cv2.resize(picture, (size, size), interpolation=how), np.uint8)
    return picture if channels == 3 else np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)[:, :, None]


def _cut(path: Path, framing: Framing, detector: Detector) -> UInt8 | None:
    picture = read_picture(path)
    if picture is None:
        logger.warning("left out %s: not a picture", path)
        return None
    if max(picture.shape[:2]) < SMALL:
        picture, _ = on_canvas(picture)
    face = detector.detect(picture)
    return None if face is None else cut_out(picture, face, framing)


def _in_folders(root: Path) -> Iterator[tuple[Path, str]]:
    return ((path, path.parent.name) for path in files_below(root, PICTURES))


def _tabled(table: Path, root: Path) -> Iterator[tuple[Path, str]]:
    pictures = {path.name: path for path in files_below(root, PICTURES)}
    absent = 0
    seen = set[str]()
    for row in read_table(table, ("image", "emotion")):
        path = pictures.get(row["image"])
        if path is None:
            absent += 1
        elif path.name not in seen:
            seen.add(path.name)
            yield path, row["emotion"]
    if absent:
        logger.warning("left out %d pictures that %s names and %s lacks", absent, table, root)
