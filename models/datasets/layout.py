"""What all data sets share: the error for a wrong layout, the search in a tree, tables, the draw of a few examples."""

import csv
from collections.abc import Collection, Iterator, Sequence
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


def read_table(path: Path, columns: Collection[str], heading: Sequence[str] | None = None) -> Iterator[dict[str, str]]:
    """Yield the rows of a table as `read_numbered` does, without their lines' numbers."""
    return (row for _, row in read_numbered(path, columns, heading))


def read_numbered(
    path: Path, columns: Collection[str], heading: Sequence[str] | None = None
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows of a table of comma-separated values, each with its line's number; a cell not there is empty.

    A byte order mark, blanks after commas and letters that are not UTF-8 are let pass.

    Args:
        path: The table.
        columns: Those that it must have.
        heading: The names of its columns where its first line does not say them.

    Raises:
        DataLayoutError: It lacks a column, or is no such table.
    """
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as lines:
        reader = csv.DictReader(lines, heading, restval="", skipinitialspace=True)
        try:
            if not set(columns) <= set(reader.fieldnames or ()):
                raise DataLayoutError(f"{path}: expected the columns {', '.join(columns)}")
            for row in reader:
                yield reader.line_num, row
        except csv.Error as error:
            raise DataLayoutError(f"{path}, line {reader.line_num}: {error}") from error


def name_file(path: Path, label: str, roots: Collection[Path]) -> str:
    """Return what names an example: its path within whichever of the roots it lies in, its label, its bytes' number.

    So a folder that was moved is the same, and one to which examples came or of which some were sorted anew is not.
    """
    within = next((path.relative_to(root) for root in roots if path.is_relative_to(root)), path)
    return f"{within.as_posix()} {label} {path.stat().st_size if path.is_file() else 0}"


def draw(items: Sequence[Item], count: int, rng: np.random.Generator) -> list[Item]:
    """Draw at most `count` items, in their order; 0 takes all."""
    if not count or len(items) <= count:
        return list(items)
    return [items[i] for i in sorted(rng.choice(len(items), count, replace=False))]
