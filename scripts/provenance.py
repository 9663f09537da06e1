"""How an artefact came about, for its model card."""

import shlex
import sys
from pathlib import Path


def command_line() -> str:
    """Return the command that runs, without the folders of whoever runs it.

    Folders, and what is named by a whole path or one that goes up, have their names alone.
    """
    return shlex.join(["python", "-m", f"scripts.{Path(sys.argv[0]).stem}", *map(_short, sys.argv[1:])])


def _short(argument: str) -> str:
    option, equals, value = argument.partition("=") if argument.startswith("--") else ("", "", argument)
    path = Path(value)
    if not value or not (path.is_dir() or path.is_absolute() or ".." in path.parts):
        return argument
    return option + equals + (path.resolve() if path.name == ".." else path).name
