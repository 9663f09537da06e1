"""Whether a file of weights is the one that was published: `SHA256SUMS` beside it, as `sha256sum` writes and checks it.

What is not listed there is not checked: weights of somebody's own making may be put beside the others.
"""

import hashlib
import re
from pathlib import Path
from typing import Final

from models.artefact import ArtefactError

SUMS: Final = "SHA256SUMS"
_LINE: Final = re.compile(r"([0-9a-f]{64}) [ *](.+)")


def check_sum(path: Path) -> None:
    """Compare a file with its line in `SHA256SUMS`, if it has one.

    Raises:
        ArtefactError: It is another file, or the list cannot be read.
        OSError: The file cannot be read.
    """
    expected = _read(path.parent).get(path.name)
    if expected is not None and expected != _digest(path):
        raise ArtefactError(
            f"{path} is not the file that {SUMS} lists: it is damaged or was changed. Fetch it again, or, if you "
            f"changed it yourself: cd {path.parent} && sha256sum *.onnx *.pt > {SUMS}"
        )


def record_sum(path: Path) -> None:
    """Write a file's line into `SHA256SUMS`, in place of an older one."""
    lines = _read(path.parent) | {path.name: _digest(path)}
    fresh = path.parent / f"{SUMS}.tmp"
    fresh.write_text("".join(f"{digest}  {name}\n" for name, digest in sorted(lines.items())))
    fresh.replace(path.parent / SUMS)


def _read(folder: Path) -> dict[str, str]:
    """Return the digests of the folder's files by name; nothing where there is no list."""
    path = folder / SUMS
    if not path.is_file():
        return {}
    try:
        lines = [_LINE.fullmatch(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
    except UnicodeDecodeError:
        lines = [None]
    sums = {line[2]: line[1] for line in lines if line is not None}
    if len(sums) < len(lines):
        raise ArtefactError(f"{path} is damaged: a line is no digest and name, or a name is there twice")
    return sums


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
