"""Faces as trainers and evaluators see them, whether they lie in memory or in files."""

import hashlib
import logging
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from models.crop import CropGeometry, crop, to_grey
from models.datasets import fer2013
from models.datasets.clips import check_labels
from models.datasets.layout import name_file
from models.datasets.near_duplicates import near_duplicates
from models.inference import Box, UInt8
from models.labels import LABELS

logger = logging.getLogger(__name__)

Mask = NDArray[np.bool_]
Index = NDArray[np.int64]

_AS_IT_IS = CropGeometry(scale=1.0)


class FaceSet(Protocol):
    """Pictures of faces with their labels. Who is in them is not known to any of these data sets."""

    @property
    def labels(self) -> Index:
        """Return the label of each [N], an index into `LABELS`."""
        ...

    def __len__(self) -> int: ...

    def select(self, keep: Mask | Index) -> Self:
        """Return the pictures that a mask or an index names."""
        ...

    def pictures(self) -> Iterator[UInt8 | None]:
        """Yield each picture [H, W] or [H, W, 3] as it was published; None for one that cannot be read."""
        ...

    def batch(self, index: Index, size: int, channels: int) -> tuple[UInt8, Index]:
        """Return the pictures [K, size, size, channels] of an index [M], and their labels [K].

        Pictures that cannot be read are named in the log and left out of both, so that K may be less than M.
        `channels` is 1 for grey or 3 for RGB.
        """
        ...

    def names(self, roots: Collection[Path]) -> Iterator[str]:
        """Yield what names each picture, so that other pictures are known as others: see `layout.name_file`."""
        ...


Faces = TypeVar("Faces", bound=FaceSet)


def with_labels(faces: Faces, labels: Collection[str]) -> Faces:
    """Keep the pictures of these labels; the numbers of the labels stay.

    Raises:
        ValueError: A label is none of the seven.
    """
    check_labels(labels)
    return faces.select(np.isin(faces.labels, [LABELS.index(label) for label in labels]))


def digest(picture: UInt8) -> bytes:
    """Return what names a picture [H, W] or [H, W, 3] by its luma, whichever way it is mirrored."""
    grey = to_grey(picture)
    ways = (np.ascontiguousarray(way).tobytes() for way in (grey, grey[:, ::-1]))
    return bytes(str(grey.shape), "ascii") + min(hashlib.blake2b(way, digest_size=16).digest() for way in ways)


def duplicates(train: FaceSet, held_out: FaceSet) -> Mask:
    """Return which pictures of `train` [N] `held_out` has too, pixel for pixel or mirrored.

    Where both are files, which may be hundreds of thousands, none is decoded: it is the same file that counts.
    """
    if isinstance(train, FaceFiles) and isinstance(held_out, FaceFiles):
        lengths = {_length(path) for path in held_out.paths}
        files = {_content(path) for path in held_out.paths}
        return np.array([_length(path) in lengths and _content(path) in files for path in train.paths], np.bool_)
    seen = {digest(picture) for picture in held_out.pictures() if picture is not None}
    return np.array([picture is not None and digest(picture) in seen for picture in train.pictures()], np.bool_)


def without_duplicates(train: Faces, held_out: FaceSet) -> Faces:
    """Leave out of `train` every picture that `held_out` has too (`duplicates`), and of FER-2013 near duplicates too.

    FER-2013 has many a photograph several times, not quite alike (`near_duplicates`). How alike two pictures of one are
    was looked up there; elsewhere, before one wall or levelled by their eyes, two people may be as much alike.
    """
    exact = duplicates(train, held_out)
    rest = train.select(~exact)
    near = np.zeros(len(rest), np.bool_)
    if isinstance(rest, fer2013.Faces) and isinstance(held_out, fer2013.Faces):
        near, _ = near_duplicates(rest.images, held_out.images)
    if exact.any() or near.any():
        logger.warning(
            "left out %d training pictures that the held-out split has too, and %d of the same photographs",
            exact.sum(),
            near.sum(),
        )
    return rest.select(~near)


def _length(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _content(path: Path) -> bytes:
    """Return what names a file by its bytes; a file that is not there by its name."""
    content = path.read_bytes() if path.is_file() else bytes(str(path), "utf-8", "surrogateescape")
    return hashlib.blake2b(content, digest_size=16).digest()


def read_picture(path: Path) -> UInt8 | None:
    """Read a picture as RGB [H, W, 3]; None where it cannot be decoded."""
    try:
        image = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    except cv2.error:  # larger than OpenCV allows
        return None
    return None if image is None else np.asarray(image, np.uint8)


@dataclass(frozen=True, slots=True)
class FaceFiles:
    """Faces in files, which are decoded when they are asked for.

    Attributes:
        paths: The pictures.
        labels: Of each [N], an index into `LABELS`.
        boxes: Where the face is: left, top, width and height in pixels [N, 4]; None where a picture is all face.
    """

    paths: tuple[Path, ...]
    labels: Index
    boxes: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.paths)

    def select(self, keep: Mask | Index) -> "FaceFiles":
        """Return the pictures that a mask or an index names."""
        index = np.flatnonzero(keep) if keep.dtype == np.bool_ else keep
        boxes = None if self.boxes is None else self.boxes[index]
        return FaceFiles(tuple(self.paths[i] for i in index), self.labels[index], boxes)

    def pictures(self) -> Iterator[UInt8 | None]:
        """Read each picture [H, W, 3]; None for one that cannot be read."""
        return map(read_picture, self.paths)

    def batch(self, index: Index, size: int, channels: int) -> tuple[UInt8, Index]:
        """Read the pictures [K, size, size, channels] of an index, and their labels [K]; see `FaceSet.batch`."""
        pictures, kept = [], []
        for i in index:
            image = read_picture(self.paths[i])
            if image is None:
                logger.warning("left out %s: not a picture", self.paths[i])
                continue
            box = self._box(int(i), *image.shape[:2])
            if box is None:
                logger.warning("left out %s: its box is not in the picture", self.paths[i])
                continue
            pictures.append(crop(image, box, _AS_IT_IS, size, channels))
            kept.append(i)
        if not pictures:
            return np.zeros((0, size, size, channels), np.uint8), np.zeros(0, np.int64)
        return np.stack(pictures), self.labels[kept]

    def names(self, roots: Collection[Path]) -> Iterator[str]:
        """Yield what names each picture by its file."""
        return (name_file(path, LABELS[label], roots) for path, label in zip(self.paths, self.labels, strict=True))

    def _box(self, i: int, height: int, width: int) -> Box | None:
        """Return the face's box in fractions of the picture; None where it is mostly beyond it."""
        if self.boxes is None:
            return Box(0.0, 0.0, 1.0, 1.0)
        x, y, w, h = (float(value) for value in self.boxes[i])
        if not (0 <= x + w / 2 < width and 0 <= y + h / 2 < height and w <= 2 * width and h <= 2 * height):
            return None
        return Box(x / width, y / height, w / width, h / height)


@dataclass(frozen=True, slots=True)
class Joined:
    """Two sets of pictures as one, the first one's in front; a `FaceSet`."""

    first: FaceSet
    second: FaceSet

    @property
    def labels(self) -> Index:
        """The label of each [N], an index into `LABELS`."""
        return np.concatenate([self.first.labels, self.second.labels])

    def __len__(self) -> int:
        return len(self.first) + len(self.second)

    def select(self, keep: Mask | Index) -> "Joined":
        """Return the pictures that a mask or a rising index names."""
        mask = np.zeros(len(self), np.bool_)
        mask[keep] = True
        return Joined(self.first.select(mask[: len(self.first)]), self.second.select(mask[len(self.first) :]))

    def pictures(self) -> Iterator[UInt8 | None]:
        """Yield each picture."""
        yield from self.first.pictures()
        yield from self.second.pictures()

    def batch(self, index: Index, size: int, channels: int) -> tuple[UInt8, Index]:
        """Return the pictures [K, size, size, channels] of an index, and their labels [K]; see `FaceSet.batch`."""
        parts = [self._one(int(i), size, channels) for i in index] or [self.first.batch(index, size, channels)]
        pictures, labels = zip(*parts, strict=True)
        return np.concatenate(pictures), np.concatenate(labels)

    def names(self, roots: Collection[Path]) -> Iterator[str]:
        """Yield what names each picture."""
        yield from self.first.names(roots)
        yield from self.second.names(roots)

    def _one(self, i: int, size: int, channels: int) -> tuple[UInt8, Index]:
        of, place = (self.first, i) if i < len(self.first) else (self.second, i - len(self.first))
        return of.batch(np.array([place]), size, channels)
