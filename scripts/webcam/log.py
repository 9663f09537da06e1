"""The CSV log: one row for each thing that the window began to say."""

import csv
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from models.labels import LABELS
from scripts.webcam.board import Entry
from scripts.webcam.faults import DeviceError

COLUMNS: Final = ("time", "seconds", "part", "state", "label", "sure", *LABELS, "x", "y", "width", "height")
"""`time`: of the clock, ISO 8601; `seconds`: since the start; `part`: face, voice, fused or recording; the box in
fractions of the picture."""


class CsvLog:
    """Writes rows as they come, so that nothing is lost however the tool ends.

    Raises:
        DeviceError: The file is there already (no log is ever overwritten), or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file = path.open("x", newline="", encoding="utf-8", buffering=1)
        except FileExistsError:
            raise DeviceError(f"{path} is there already, and is not overwritten: name another file") from None
        except OSError as error:
            raise DeviceError(f"{path}: {error.strerror}") from error
        self._path = path
        self._rows = csv.writer(self._file, lineterminator="\n")
        self._write(COLUMNS)

    def add(self, entry: Entry, time: datetime, seconds: float) -> None:
        """Write an entry.

        Raises:
            DeviceError: The file cannot be written any more (the disk is full, say).
        """
        verdict, box = entry.verdict, entry.box
        self._write(
            (
                time.isoformat(timespec="milliseconds"),
                f"{seconds:.3f}",
                entry.part,
                entry.state,
                "" if verdict is None else verdict.label,
                "" if verdict is None else "yes" if verdict.sure else "no",
                *([""] * len(LABELS) if verdict is None else (f"{p:.4f}" for p in verdict.probs)),
                *([""] * 4 if box is None else (f"{side:.4f}" for side in (box.x, box.y, box.width, box.height))),
            )
        )

    def close(self) -> None:
        """Close the file."""
        with suppress(OSError):  # every row was written when it came; what could not be was told then
            self._file.close()

    def _write(self, row: tuple[str, ...]) -> None:
        try:
            self._rows.writerow(row)
        except OSError as error:
            self.close()
            raise DeviceError(f"{self._path}: {error.strerror}") from error
