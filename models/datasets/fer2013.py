"""FER-2013 (Goodfellow et al. 2013): 48x48 grey faces, as label folders or as the original table."""

import hashlib
import logging
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.datasets.layout import PICTURES, DataLayoutError, draw, read_table
from models.inference import UInt8
from models.labels import LABELS

logger = logging.getLogger(__name__)

SIZE = 48
USAGES = {"train": "Training", "test": "PublicTest", "final": "PrivateTest"}
TABLES = ("fer2013.csv", "icml_face_data.csv")
"""The table's names: of the first release, and of the challenge's data in one file."""
_CSV_LABELS = {
    "0": "angry", "1": "disgust", "2": "fear", "3": "happy", "4": "sad", "5": "surprise", "6": "neutral",
}  # fmt: skip
"""The `emotion` column of the CSV release."""


@dataclass(frozen=True, slots=True)
class Faces:
    """Pictures [N, 48, 48] (UInt8 grey) and their labels [N] (index into `LABELS`); a `faces.FaceSet`."""

    images: UInt8
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, keep: NDArray[np.bool_] | NDArray[np.int64]) -> "Faces":
        """Return the pictures that a mask or an index names."""
        return Faces(self.images[keep], self.labels[keep])

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
            releases `test` holds 7,178 pictures: both, which nobody can tell apart there.
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
    for index, label in enumerate(LABELS):
        paths = sorted(path for path in (folder / label).glob("*") if path.suffix.lower() in PICTURES)
        for path in draw(paths, per_class, rng):
            image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
            if image is None or image.shape != (SIZE, SIZE):
                logger.warning("left out %s: not a %dx%d picture", path, SIZE, SIZE)
                continue
            images.append(image.astype(np.uint8))
            labels.append(index)
    return _faces(images, labels, folder)


def _load_csv(table: Path, split: str, per_class: int, rng: np.random.Generator) -> Faces:
    rows: dict[str, list[str]] = {label: [] for label in LABELS}
    for row in read_table(table, ("emotion", "pixels", "Usage")):
        if row["Usage"] != USAGES[split]:
            continue
        if row["emotion"] not in _CSV_LABELS:
            raise DataLayoutError(f"{table}: the emotion {row['emotion']!r} is none of 0-6")
        rows[_CSV_LABELS[row["emotion"]]].append(row["pixels"])
    images: list[UInt8] = []
    labels: list[int] = []
    for index, label in enumerate(LABELS):
        for pixels in draw(rows[label], per_class, rng):
            try:
                images.append(np.array(pixels.split(), dtype=np.uint8).reshape(SIZE, SIZE))
            except (ValueError, OverflowError) as error:
                logger.warning("left out a row of %s: %s", table, error)
                continue
            labels.append(index)
    return _faces(images, labels, table)


def _faces(images: list[UInt8], labels: list[int], source: Path) -> Faces:
    if not images:
        raise DataLayoutError(f"no picture in {source}")
    return Faces(np.stack(images), np.array(labels, dtype=np.int64))
