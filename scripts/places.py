"""Whether results can be written where they are to go: seen before hours are spent on them."""

import os
import tempfile
from pathlib import Path

from models.artefact import IN_INTEGERS


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


def check_free(weights: Path, name: str, *, overwrite: bool) -> None:
    """Refuse to replace an artefact or its card, unless that is what is wanted.

    Raises:
        SystemExit: There is one of that name in the folder.
    """
    there = [path.name for ending in (".pt", ".onnx", ".md") if (path := weights / f"{name}{ending}").exists()]
    if not there or overwrite:
        return
    integers = weights / f"{name}{IN_INTEGERS}.onnx"
    left = f"; {integers.name}, made of it, would be of another network then" if integers.exists() else ""
    raise SystemExit(
        f"{weights} has {', '.join(there)} already: give another --name or --weights DIR, or --overwrite{left}"
    )


def tell_written(weights: Path, name: str, kind: str) -> None:
    """Say which files an artefact was written to, and which one in integers is not of it any more."""
    integers = weights / f"{name}{IN_INTEGERS}.onnx"
    anew = f"`python -m scripts.quantise_{kind} {name}` makes it anew"
    left = f"; {integers.name} is of another network now: {anew}" if integers.exists() else ""
    print(f"wrote {weights / name}.pt, {name}.onnx and {name}.md{left}")


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
