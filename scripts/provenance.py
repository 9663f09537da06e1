"""How an artefact came about, for its model card."""

import shlex
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path


def made_by(command: str, commits: Iterable[str]) -> str:
    """Return what a card says of the command, and of the commits that it ran at: the first, and others after it."""
    first, *later = dict.fromkeys(commits)
    again = f", taken up again at {', '.join(later)}" if later else ""
    return f"`{command}` at commit {first}{again}"


def commit() -> str:
    """Return the commit of the code that runs, `-dirty` where files differ from it; `unknown` without git or checkout.

    Ask before anything is written: what is published may lie in the checkout.
    """
    command = ["git", "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parent)  # noqa: S603 - fixed words
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


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
