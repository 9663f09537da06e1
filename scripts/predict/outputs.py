"""Where answers go, besides the table: checked before the work begins, written when it ends."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from app.settings import Settings
from scripts.predict.answer import Answer, Fault
from scripts.predict.tables import write_csv, write_json

STDOUT: Final = Path("-")


class OutputError(RuntimeError):
    """An output cannot be written, or must not be; the message is for the user."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """What the user asked for; `-` is the standard output.

    Attributes:
        json: A file.
        csv: A file.
        plot: A PNG, for one source; or a folder, for a PNG of each.
    """

    json: Path | None = None
    csv: Path | None = None
    plot: Path | None = None

    @property
    def to_stdout(self) -> bool:
        """Whether the standard output is taken, so that no table belongs there."""
        return STDOUT in (self.json, self.csv)

    def prepare(self, sources: Sequence[Path], count: int) -> None:
        """Make the folders, and see that nothing stands in the way.

        Args:
            sources: The files that are read; none is ever overwritten.
            count: How many answers there may be.

        Raises:
            OutputError: Something does.
        """
        if self.json == self.csv == STDOUT:
            raise OutputError("--json - and --csv - cannot both have the standard output")
        if self.plot == STDOUT:
            raise OutputError("--plot needs a file or a folder")
        if self._is_picture() and count > 1:
            raise OutputError(f"--plot {self.plot}: {count} files need a folder, not one .png")
        files = [path for path in (self.json, self.csv, self.plot if self._is_picture() else None) if path]
        kept = {path.resolve() for path in sources}
        for path in files:
            if path == STDOUT:
                continue
            if path.resolve() in kept:
                raise OutputError(f"{path} is one of the files to look at, and is not overwritten")
            if path.is_dir():
                raise OutputError(f"{path} is a folder, not a file")
            _make(path.parent)
        if len({path.resolve() for path in files}) < len(files):
            raise OutputError("two outputs have the same name")
        if self.plot is not None and not self._is_picture():
            _make(self.plot)

    def write(
        self, answers: Sequence[Answer], faults: Sequence[Fault], models: dict[str, str], settings: Settings
    ) -> None:
        """Write all that was asked for.

        Raises:
            OutputError: A file cannot be written.
        """
        if self.json is not None:
            with _opened(self.json) as file:
                write_json(file, answers, faults, models, settings)
        if self.csv is not None:
            with _opened(self.csv) as file:
                write_csv(file, answers)
        if self.plot is not None:
            self._draw(self.plot, answers)

    def _draw(self, plot: Path, answers: Sequence[Answer]) -> None:
        from scripts.predict.plots import draw  # here, because matplotlib takes a second

        names: set[str] = set()
        for answer in answers:
            path = plot
            if not self._is_picture():
                name, number = Path(answer.source).name, 1
                while (free := f"{name}{f'-{number}' if number > 1 else ''}.png") in names:
                    number += 1
                names.add(free)
                path = plot / free
            try:
                draw(answer, path)
            except OSError as error:
                raise OutputError(f"{path}: {error.strerror}") from error

    def _is_picture(self) -> bool:
        return self.plot is not None and self.plot.suffix.lower() == ".png" and not self.plot.is_dir()


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    if path == STDOUT:
        yield sys.stdout
        return
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            yield file
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror}") from error


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: {error.strerror}") from error
