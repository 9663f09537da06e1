"""What all data sets share: the error for a wrong layout, the search in a tree, the draw of a few of each label."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

Item = TypeVar("Item")

SOUNDS = (".wav", ".flac")
"""Endings of the sound files that data sets are published in, or are kept in without loss."""
PICTURES = (".jpg", ".jpeg", ".png")


class DataLayoutError(ValueError):
    """A data root does not have the layout that its data set is published in."""


def missing(what: str, root: Path, expected: str) -> DataLayoutError:
    """Return the error for a root in which a data set was not found; it names the layout that was expected."""
    about = "" if root.exists() else " (no such folder)"
    return DataLayoutError(f"no {what} below {root}{about}: expected {expected}")


def files_below(root: Path, endings: Collection[str]) -> list[Path]:
    """List the files with one of the endings (small letters, with dot), in order; what an archiver hid is no file."""
    return sorted(path for path in root.rglob("*") if path.suffix.lower() in endings and not path.name.startswith("."))


def find_below(root: Path, name: str) -> Path | None:
    """Return the file or folder of that name in `root` or at most two folders deeper, the nearest first."""
    for pattern in (name, f"*/{name}", f"*/*/{name}"):
        found = sorted(root.glob(pattern))
        if found:
            return found[0]
    return None


def draw(items: Sequence[Item], count: int, rng: np.random.Generator) -> list[Item]:
    """Draw at most `count` items, in their order; 0 takes all."""
    if not count or len(items) <= count:
        return list(items)
    return [items[i] for i in sorted(rng.choice(len(items), count, replace=False))]
