"""What copies of advisory databases know of pinned packages: files in OSV's format, JSON or YAML, without a network."""

import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

PYPI: Final = "PyPI"
NPM: Final = "npm"

# Read before a file is parsed: few are about a package that is pinned, and YAML takes long.
_MODIFIED = re.compile(r"""\bmodified"?: *["']?(\d{4}-\d\d-\d\d)""")
_NAME = re.compile(r"""\bname"?: *["']?([^\s"',]+)""")


Names = tuple[str, ...]
"""One advisory's: its id, and those that others gave it."""


class Package(NamedTuple):
    """A pinned package of an ecosystem, as OSV calls it."""

    ecosystem: str
    name: str
    version: str


class Known(NamedTuple):
    """What a copy knows: how many advisories it has, the day of the newest, and the names of those against packages."""

    advisories: int
    newest: str
    against: dict[Package, list[Names]]


def search(folder: Path, packages: Collection[Package]) -> Known:
    """Return what a copy knows, such as a clone of pypa/advisory-database or of github/advisory-database.

    Raises:
        FileNotFoundError: There is no advisory in the folder.
    """
    names = {canonicalize_name(package.name) for package in packages}
    days: list[str] = []
    against: dict[Package, list[Names]] = {}
    for path, text in _texts(folder):
        if (modified := _MODIFIED.search(text)) is None:
            continue
        days.append(modified[1])
        if names.isdisjoint(map(canonicalize_name, _NAME.findall(text))):
            continue
        advisory = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
        for package in packages:
            if affects(advisory, package):
                against.setdefault(package, []).append((advisory["id"], *advisory.get("aliases", ())))
    if not days:
        raise FileNotFoundError(f"{folder} has no advisory in it")
    return Known(len(days), max(days), against)


def affects(advisory: dict[str, Any], package: Package) -> bool:
    """Return whether an advisory is about a package's version, as OSV says how to tell; not, where it is withdrawn."""
    return not advisory.get("withdrawn") and any(
        package.version in map(str, affected.get("versions", ()))
        or any(_within(package.version, each["events"]) for each in affected.get("ranges", ()) if each["type"] != "GIT")
        for affected in advisory.get("affected", ())
        if _is(affected.get("package", {}), package)
    )


def _texts(folder: Path) -> Iterator[tuple[Path, str]]:
    for path in folder.rglob("*"):
        if path.suffix in (".json", ".yaml", ".yml"):
            yield path, path.read_text("utf-8")


def _is(said: dict[str, str], package: Package) -> bool:
    same_name = canonicalize_name(said.get("name", "")) == canonicalize_name(package.name)
    return same_name and said["ecosystem"] == package.ecosystem


def _within(version: str, events: list[dict[str, str]]) -> bool:
    """Return whether a version lies within a range; also where that cannot be told, for a person to look at it."""
    try:
        ours = Version(version)
        passed = sorted(
            ((Version(at), kind) for event in events for kind, at in event.items()), key=lambda each: each[0]
        )
    except InvalidVersion:
        return True
    inside = False
    for at, kind in passed:
        if kind == "introduced" and ours >= at:
            inside = True
        elif (kind == "fixed" and ours >= at) or (kind == "last_affected" and ours > at):
            inside = False
    return inside
