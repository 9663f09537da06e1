"""Whether results can be written where they are to go: seen before hours are spent on them."""

import os
import tempfile
from pathlib import Path


def check_folder(folder: Path) -> None:
    """Make a folder where there is none.

    Raises:
        SystemExit: Nothing can be written there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise SystemExit(f"nothing can be written to {folder}: {error.strerror}") from error


def check_file(path: Path | None) -> None:
    """Make a file's folder where there is none; None is a file that nobody wants.

    Raises:
        SystemExit: It is a folder itself, or cannot be written.
    """
    if path is None:
        return
    if path.is_dir():
        raise SystemExit(f"{path} is a folder, not a file")
    if not path.exists():
        check_folder(path.parent)
    elif not os.access(path, os.W_OK):
        raise SystemExit(f"{path} cannot be written")
