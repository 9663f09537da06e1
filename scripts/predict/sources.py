"""Which files there are, and of which kind each is."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from scripts.predict.answer import Fault, named

Kind = Literal["picture", "sound", "film"]

UNREAD_PICTURES: Final = frozenset({".heic", ".heif"})
"""No library here reads them; they are looked for, so that they are named and not passed over."""
PICTURES: Final = UNREAD_PICTURES | {
    ".jpg", ".jpeg", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif",
}  # fmt: skip
SOUNDS: Final = frozenset(
    {".wav", ".flac", ".ogg", ".oga", ".opus", ".aif", ".aiff", ".au", ".caf", ".mp3", ".m4a", ".aac"}
)
FILMS: Final = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".flv", ".mpg", ".mpeg", ".mts", ".m2ts", ".3gp", ".wmv", ".ogv",
     ".amr", ".wma", ".mka", ".weba"}
)  # fmt: skip
"""What FFmpeg reads; the last ones are sounds that libsndfile does not."""


@dataclass(frozen=True, slots=True)
class Found:
    """Files in the order in which they were named (a folder's own by name), what is none, and how many were left out.

    Attributes:
        files: Each once.
        faults: Named by the user, but not there or empty.
        others: Files of folders that are of no kind.
    """

    files: tuple[Path, ...]
    faults: tuple[Fault, ...]
    others: int


def kind(path: Path) -> Kind:
    """Return how a file is read, by its ending; what has no known one goes to FFmpeg, which looks inside."""
    ending = path.suffix.lower()
    return "picture" if ending in PICTURES else "sound" if ending in SOUNDS else "film"


def find(paths: Sequence[Path]) -> Found:
    """Look at files, and into folders with all that are in them; hidden ones are passed over."""
    files: dict[Path, None] = {}
    faults: list[Fault] = []
    others = 0
    for path in paths:
        if path.is_dir():
            inside = _inside(path)
            known = [file for file in inside if file.suffix.lower() in PICTURES | SOUNDS | FILMS]
            others += len(inside) - len(known)
            if not known:
                faults.append(Fault(named(path), "no picture, sound or video in this folder"))
        else:
            known = [path]
        for file in known:
            if fault := _fault(file):
                faults.append(Fault(named(file), fault))
            else:
                files[file] = None
    return Found(tuple(files), tuple(faults), others)


def _inside(folder: Path) -> list[Path]:
    def shown(parts: Iterable[str]) -> bool:
        return not any(part.startswith(".") for part in parts)

    return sorted(
        path for path in folder.rglob("*") if path.is_file() and shown(path.relative_to(folder).parts)
    )  # fmt: skip


def _fault(file: Path) -> str | None:
    try:
        if not file.stat().st_size and file.is_file():
            return "the file is empty"
    except OSError as error:
        return "there is no such file" if isinstance(error, FileNotFoundError) else str(error.strerror)
    return None
