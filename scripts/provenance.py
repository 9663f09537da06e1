"""How an artefact came about, for its model card."""

import shlex
import sys
from pathlib import Path


def command_line() -> str:
    """Return the command that runs, its folders and what is named by a whole path by their names alone."""
    arguments = [Path(text).name if Path(text).is_dir() or Path(text).is_absolute() else text for text in sys.argv[1:]]
    return shlex.join(["python", "-m", f"scripts.{Path(sys.argv[0]).stem}", *arguments])
