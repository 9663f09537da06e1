"""The checkpoint of a training run: what it goes on from when it was killed, and how it came about."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

NAME: Final = "last.pt"
"""Of the file in a run's folder."""


class OtherRunError(ValueError):
    """A folder holds the checkpoint of a run with other data, another recipe or another network."""


class DamagedRunError(ValueError):
    """A run's checkpoint cannot be read."""


@dataclass(frozen=True, slots=True)
class Origin:
    """How a run came about: the command that started it, and the commits of the code that trained its epochs."""

    command: str
    commits: tuple[str, ...]


UNKNOWN: Final = Origin("unknown", ("unknown",))


def read(path: Path, device: torch.device) -> dict[str, Any]:
    """Read a checkpoint; its tensors go to `device`.

    Raises:
        DamagedRunError: It cannot be read.
    """
    try:
        state = torch.load(path, map_location=device, weights_only=True)
        return {**state, "identity": dict(state["identity"])}
    except Exception as error:  # whatever the damage makes it raise, with advice that nobody should follow
        raise DamagedRunError(
            f"{path} is no checkpoint that can be read: remove it to begin anew, or put a whole copy of it back"
        ) from error


def check(path: Path, known: Mapping[str, Any], identity: Mapping[str, Any]) -> None:
    """Refuse a checkpoint that is not of the run that it would be gone on with.

    Args:
        path: The checkpoint.
        known: What makes its run what it is.
        identity: What makes this one what it is.

    Raises:
        OtherRunError: They differ; it says in what.
    """
    if differs := [name for name in {**known, **identity} if known.get(name, ...) != identity.get(name, ...)]:
        raise OtherRunError(
            f"{path} is of another run, with other {', '.join(differs)}: remove it, or train into another folder"
        )


def origin_of(run_dir: Path) -> Origin:
    """Return how the run came about that `fit` left in a folder.

    Raises:
        DamagedRunError: Its checkpoint cannot be read.
    """
    state = read(run_dir / NAME, torch.device("cpu"))
    return Origin(state["command"], tuple(state["commits"]))


def write(path: Path, state: dict[str, Any]) -> None:
    """Write beside the file and rename, so that a kill in mid-write leaves the last whole checkpoint."""
    fresh = path.with_suffix(".tmp")
    torch.save(state, fresh)
    fresh.replace(path)
