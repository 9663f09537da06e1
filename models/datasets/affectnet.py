"""AffectNet (Mollahosseini et al. 2017): faces from the web with eight expressions, in its three layouts.

Contempt is none of the seven labels and is left out, as are none, uncertain and no face.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.datasets.faces import FaceFiles
from models.datasets.layout import PICTURES, DataLayoutError, draw, find_below, missing, read_table
from models.labels import LABELS, OTHER_NAMES

logger = logging.getLogger(__name__)

EXPRESSIONS = (
    "neutral",
    "happy",
    "sad",
    "surprise",
    "fear",
    "disgust",
    "angry",
    "contempt",
    "none",
    "uncertain",
    "no face",
)
"""The official numbers of the expressions, 0-10."""
SPLITS = {
    "train": ("train_set", "training.csv", ("train",)),
    "val": ("val_set", "validation.csv", ("val", "validation")),
}
"""Official splits: the folder of the annotation layout, the table, and the names of the label layout's folder."""
LAYOUTS = (
    "train_set/images/0.jpg and train_set/annotations/0_exp.npy, or train/0/*.jpg (or train/neutral/*.jpg), "
    "or training.csv and Manually_Annotated_Images/ (val_set, val, validation.csv)"
)
IMAGES = "Manually_Annotated_Images"
_COLUMNS = (
    "subDirectory_filePath", "face_x", "face_y", "face_width", "face_height", "facial_landmarks", "expression",
    "valence", "arousal",
)  # fmt: skip

Found = tuple[Path, int, tuple[float, ...] | None]
"""A picture, the number of its expression, and its face's box."""


def load(root: Path, split: str, per_class: int = 0, seed: int = 0) -> FaceFiles:
    """List the faces of an official split; nothing is decoded.

    Annotations are a file a picture: the whole set's take about half a minute.

    Args:
        root: The folder with `train_set` and `val_set` (pictures and annotations in folders), with `train` and `val`
            (folders by the expression's number or name), or with `training.csv` and `validation.csv` (boxes in the
            pictures of `Manually_Annotated_Images`). Tables and pictures may lie up to two folders deeper.
        split: `train` or `val`; the authors keep their test set.
        per_class: Draw at most this many of each label; 0 takes all.
        seed: Of the draw.

    Raises:
        DataLayoutError: None of the layouts is there, or it holds no picture of the seven labels.
        ValueError: There is no such split.
    """
    if split not in SPLITS:
        raise ValueError(f"AffectNet has no split {split}: it has {', '.join(SPLITS)}")
    numbered, table_name, label_folders = SPLITS[split]
    images, annotations = root / numbered / "images", root / numbered / "annotations"
    table = find_below(root, table_name)
    labelled = next((folder for folder in _folders(root) if folder.name.lower() in label_folders), None)
    if images.is_dir() and annotations.is_dir():
        found = _annotated(images, annotations)
    elif table is not None:
        found = _tabled(table, root)
    elif labelled is not None:
        found = _labelled(labelled)
    else:
        raise missing(f"AffectNet {split}", root, LAYOUTS)
    return _faces(found, f"AffectNet {split} in {root}", per_class, np.random.default_rng(seed))


def _annotated(images: Path, annotations: Path) -> Iterator[Found]:
    without = 0
    for path in _pictures(images):
        note = annotations / f"{path.stem}_exp.npy"
        try:
            yield path, int(np.load(note).reshape(-1)[0]), None
        except FileNotFoundError:
            without += 1
        except (ValueError, IndexError, OSError, EOFError) as error:
            logger.warning("left out %s: %s", note, error)
    if without:
        logger.warning("left out %d pictures of %s without an annotation", without, images)


def _labelled(folder: Path) -> Iterator[Found]:
    for label_folder in _folders(folder):
        name = label_folder.name.lower()
        name = OTHER_NAMES.get(name, name)
        if not name.isdecimal() and name not in EXPRESSIONS:
            raise DataLayoutError(f"{label_folder} is none of AffectNet's expressions: {', '.join(EXPRESSIONS)}, 0-10")
        number = int(name) if name.isdecimal() else EXPRESSIONS.index(name)
        yield from ((path, number, None) for path in _pictures(label_folder))


def _tabled(table: Path, root: Path) -> Iterator[Found]:
    images = find_below(root, IMAGES)
    if images is None:
        raise missing(f"pictures of {table.name}", root, f"{IMAGES}/1/picture.jpg")
    absent = 0
    for row in _rows(table):
        try:
            number = int(row["expression"])
            # Pictures without a face have no box either.
            box = tuple(float(row[column]) for column in _COLUMNS[1:5]) if _name(number) in LABELS else None
        except (ValueError, TypeError) as error:
            logger.warning("left out %s of %s: %s", row[_COLUMNS[0]], table, error)
            continue
        if box and not (min(box[2:]) >= 1 and np.isfinite(box).all()):
            logger.warning("left out %s of %s: its box is %s", row[_COLUMNS[0]], table, box)
            continue
        path = images / row[_COLUMNS[0]]
        if box and not path.is_file():
            absent += 1
            continue
        yield path, number, box
    if absent:
        logger.warning("left out %d pictures that %s names and %s lacks", absent, table, images)


def _rows(table: Path) -> Iterator[dict[str, str]]:
    with table.open(encoding="utf-8-sig", errors="replace") as lines:
        first = lines.readline().split(",")
    # In some releases validation.csv has no heading.
    heading = _COLUMNS if len(first) == len(_COLUMNS) and _COLUMNS[0] not in first else None
    return read_table(table, (*_COLUMNS[:5], "expression"), heading)


def _faces(found: Iterable[Found], source: str, per_class: int, rng: np.random.Generator) -> FaceFiles:
    by_label: dict[str, list[Found]] = {label: [] for label in LABELS}
    left_out: Counter[str] = Counter()
    for item in found:
        name = _name(item[1])
        if name in by_label:
            by_label[name].append(item)
        else:
            left_out[name] += 1
    if left_out:
        counts = ", ".join(f"{name} {count}" for name, count in sorted(left_out.items()))
        logger.info("%s: left out what is none of the seven labels: %s", source, counts)
    kept = [(item, number) for number, label in enumerate(LABELS) for item in draw(by_label[label], per_class, rng)]
    if not kept:
        raise DataLayoutError(f"no picture of the seven labels: {source}; expected {LAYOUTS}")
    labels = np.array([number for _, number in kept], dtype=np.int64)
    return FaceFiles(tuple(item[0] for item, _ in kept), labels, _boxes([item for item, _ in kept]))


def _name(number: int) -> str:
    return EXPRESSIONS[number] if 0 <= number < len(EXPRESSIONS) else f"number {number}"


def _boxes(found: list[Found]) -> NDArray[np.float32] | None:
    boxes = [box for _, _, box in found if box is not None]
    return np.array(boxes, dtype=np.float32) if boxes else None


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.glob("*") if path.is_dir() and not path.name.startswith("."))


def _pictures(folder: Path) -> list[Path]:
    paths = (path for path in folder.iterdir() if path.suffix.lower() in PICTURES)
    return sorted(path for path in paths if not path.name.startswith("."))
