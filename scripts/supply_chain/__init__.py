"""What the program is made of besides its own code: pinned packages, their licences, what is known against them."""

import json
import re
from pathlib import Path
from typing import NamedTuple

from app.settings import ROOT

LOCKS = ("requirements.lock", "requirements-serve.lock", "requirements-cluster.lock")
"""The files that pin every package of a requirement set by version and hashes; the first and third hold the second."""
NPM_LOCK = "package-lock.json"
"""The file that does so for what browsers are served."""

_PIN = re.compile(r"^([\w.-]+)==([^\s;\\]+)((?: \\\n +--hash=\S+)*)", re.MULTILINE)


class Npm(NamedTuple):
    """A package of npm, with what it says its licence is; `integrity` is its archive's SHA-512 in base64."""

    name: str
    version: str
    licence: str
    integrity: str


def pins(path: Path | str) -> dict[str, str]:
    """Return the version of each package in a lock file, by its name."""
    return {name: version for name, version, _ in _PIN.findall(_text(path))}


def hashes(path: Path | str) -> dict[str, list[str]]:
    """Return the SHA-256, in hexadecimal, of each file that there is of each package in a lock file, by its name."""
    return {name: re.findall(r"sha256:([0-9a-f]+)", files) for name, _, files in _PIN.findall(_text(path))}


def served(path: Path | str = NPM_LOCK) -> list[Npm]:
    """Return what `npm ci --omit=dev` installs by a lock file of npm, in the order of names."""
    entries: dict[str, dict[str, str]] = json.loads(_text(path))["packages"]
    return sorted(
        Npm(
            place.rpartition("node_modules/")[2],
            entry["version"],
            entry.get("license", "not stated"),
            entry["integrity"].removeprefix("sha512-"),
        )
        for place, entry in entries.items()
        if place and not entry.get("dev")
    )


def _text(path: Path | str) -> str:
    return (ROOT / path).read_text("utf-8")
