"""FER-2013 (Goodfellow et al. 2013): 48x48 grey faces, as label folders or as the original table."""

import hashlib
import logging
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.datasets.layout import PICTURES, DataLayoutError, draw, read_numbered
from models.inference import UInt8
from models.labels import LABELS, OTHER_NAMES

logger = logging.getLogger(__name__)

SIZE = 48
USAGES = {"train": "Training", "test": "PublicTest", "final": "PrivateTest"}
PUBLIC = 3589
"""Pictures of usage PublicTest."""
NAMED = 5
"""Most rows that a warning names by their lines."""
TABLES = ("fer2013.csv", "icml_face_data.csv")
"""The table's names: of the first release, and of the challenge's data in one file."""
_CSV_LABELS = {
    "0": "angry", "1": "disgust", "2": "fear", "3": "happy", "4": "sad", "5": "surprise", "6": "neutral",
}  # fmt: skip
"""The `emotion` column of the CSV release."""


@dataclass(frozen=True, slots=True)
class Faces:
    """Pictures [N, 48, 48] (UInt8 grey) and their labels [N] (index into `LABELS`); a `faces.FaceSet`.

    `usage` says of which part of the set they are: the official usage, or which folder where that is not known.
    """

    images: UInt8
    labels: NDArray[np.int64]
    usage: str = ""

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, keep: NDArray[np.bool_] | NDArray[np.int64]) -> "Faces":
        """Return the pictures that a mask or an index names."""
        return Faces(self.images[keep], self.labels[keep], self.usage)

    @property
    def public(self) -> bool:
        """Whether they are of usage PublicTest, and of no other."""
        return self.usage == USAGES["test"]

    @property
    def told(self) -> str:
        """What a card says of them where they are what a network is judged by."""
        usage = "(usage PublicTest in fer2013.csv)" if self.public else "of a folder that holds not PublicTest alone"
        return f"the {len(self)} pictures of the split `test` {usage}"

    def pictures(self) -> Iterator[UInt8]:
        """Yield each picture [48, 48]."""
        return iter(self.images)

    def batch(self, index: NDArray[np.int64], size: int, channels: int) -> tuple[UInt8, NDArray[np.int64]]:
        """Return the pictures [M, size, size, channels] of an index [M], and their labels [M]."""
        chosen = self.images[index]
        if size != SIZE:
            how = cv2.INTER_AREA if size < SIZE else cv2.INTER_LINEAR
            resized = [cv2.resize(image, (size, size), interpolation=how) for image in chosen]
            chosen = np.array(resized, np.uint8).reshape(-1, size, size)
        return np.repeat(chosen[..., None], channels, axis=3), self.labels[index]

    def names(self, roots: Collection[Path]) -> Iterator[str]:
        """Yield what names each picture by its pixels; the table has no files."""
        for image, label in zip(self.images, self.labels, strict=True):
            yield f"{hashlib.blake2b(image.tobytes(), digest_size=16).hexdigest()} {LABELS[label]}"


def load(root: Path, split: str, per_class: int = 0, seed: int = 0) -> Faces:
    """Load one split from label folders (`train/angry/*.jpg`) or from the table (`fer2013.csv`, column Usage).

    Args:
        root: The folder with `train` and `test`, the one with the table, or the table itself.
        split: `train` (usage Training), `test` (usage PublicTest) or `final` (usage PrivateTest). In some folder
            releases `test` holds 7,178 pictures: both, which nobody can tell apart there; `usage` then says so.
        per_class: Draw at most this many of each label before decoding; 0 takes all.
        seed: Of the draw.

    Raises:
        DataLayoutError: Neither layout is there, or it holds no picture.
        ValueError: There is no such split.
    """
    if split not in USAGES:
        raise ValueError(f"FER-2013 has no split {split}: it has {', '.join(USAGES)}")
    rng = np.random.default_rng(seed)
    for table in [root] if root.suffix == ".csv" else [root / name for name in TABLES]:
        if table.is_file():
            return _load_csv(table, split, per_class, rng)
    folder = root / split
    if not folder.is_dir():
        raise DataLayoutError(f"no FER-2013 in {root}: expected fer2013.csv or {split}/angry/*.jpg")
    images: list[UInt8] = []
    labels: list[int] = []
    by_label = _in_folders(folder)
    for index, label in enumerate(LABELS):
        for path in draw(by_label[label], per_class, rng):
            image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
            if image is None or image.shape != (SIZE, SIZE):
                logger.warning("left out %s: not a %dx%d picture", path, SIZE, SIZE)
                continue
            images.append(image.astype(np.uint8))
            labels.append(index)
    return _faces(images, labels, folder, _usage(folder, split, sum(map(len, by_label.values()))))


def _in_folders(folder: Path) -> dict[str, list[Path]]:
    """Return the pictures by label; what lies in folders of other names is named in the log, and so is what lacks."""
    by_label: dict[str, list[Path]] = {label: [] for label in LABELS}
    others = []
    for each in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        label = OTHER_NAMES.get(each.name.lower(), each.name.lower())
        if label in by_label:
            by_label[label] += sorted(path for path in each.iterdir() if path.suffix.lower() in PICTURES)
        else:
            others.append(each.name)
    if others:
        logger.warning("left out of %s what is in folders that are no label: %s", folder, ", ".join(others))
    if lacking := [label for label, paths in by_label.items() if not paths]:
        logger.warning("%s has no picture of %s", folder, ", ".join(lacking))
    return by_label


def _usage(folder: Path, split: str, count: int) -> str:
    """Return the official usage of a split in folders; of a `test` with other than PublicTest's number, what it is."""
    if split != "test" or count == PUBLIC:
        return USAGES[split]
    logger.warning("%s is not usage PublicTest, or not alone: it has %d pictures instead of %d", folder, count, PUBLIC)
    return f"split `test` of a folder, {count} pictures"


def _load_csv(table: Path, split: str, per_class: int, rng: np.random.Generator) -> Faces:
    rows: dict[str, list[tuple[int, str]]] = {label: [] for label in LABELS}
    left_out: list[str] = []
    for line, row in read_numbered(table, ("emotion", "pixels", "Usage")):
        if row["Usage"] != USAGES[split]:
            continue
        if row["emotion"] in _CSV_LABELS:
            rows[_CSV_LABELS[row["emotion"]]].append((line, row["pixels"]))
        else:
            left_out.append(f"line {line}: the emotion {row['emotion']!r} is none of 0-6")
    images: list[UInt8] = []
    labels: list[int] = []
    for index, label in enumerate(LABELS):
        for line, pixels in draw(rows[label], per_class, rng):
            try:
                images.append(np.array(pixels.split(), dtype=np.uint8).reshape(SIZE, SIZE))
            except (ValueError, OverflowError) as error:
                left_out.append(f"line {line}: {error}")
                continue
            labels.append(index)
    if left_out:
        more = f"; and {len(left_out) - NAMED} more" if len(left_out) > NAMED else ""
        logger.warning("left out of %s %s%s", table, "; ".join(left_out[:NAMED]), more)
    return _faces(images, labels, table, USAGES[split])


def _faces(images: list[UInt8], labels: list[int], source: Path, usage: str) -> Faces:
    if not images:
        raise DataLayoutError(f"no picture of usage {usage} that can be used in {source}")
    return Faces(np.stack(images), np.array(labels, dtype=np.int64), usage)
