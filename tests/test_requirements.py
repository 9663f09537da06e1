"""The requirement sets agree with each other, and the lock files with them."""

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from scripts.supply_chain import LOCKS
from scripts.supply_chain import pins as locked

ROOT = Path(__file__).resolve().parents[1]
NAMED = {
    "fastapi", "uvicorn", "websockets", "torch", "librosa", "mediapipe", "hsemotion", "timm", "numpy",
    "pydantic-settings", "pytest",
}  # fmt: skip
PIN = re.compile(r"^([A-Za-z0-9_.-]+)(?:\[[a-z]+\])?==(\S+)", re.MULTILINE)
ENTRY = re.compile(r"^[\w.-]+==\S+(?: \\\n    --hash=sha256:[0-9a-f]{64})+\n", re.MULTILINE)


def text_of(name: str) -> str:
    """What a requirements file says, with what it takes in by `-r`."""
    text = (ROOT / name).read_text()
    return text + "".join(map(text_of, re.findall(r"^-r (\S+)", text, re.MULTILINE)))


def pins(name: str) -> dict[str, str]:
    return {package.lower(): version for package, version in PIN.findall(text_of(name))}


def entries(lock: str) -> set[str]:
    return set(ENTRY.findall((ROOT / lock).read_text()))


def needed(roots: dict[str, str], requirements: str) -> set[str]:
    """Return the names of what the packages that requirement lines name bring along, by what is installed here."""
    lines = re.findall(r"^([A-Za-z][^\s#]*==[^\s#]+)", text_of(requirements), re.MULTILINE)
    waiting = [Requirement(line) for line in lines]
    assert {canonicalize_name(each.name) for each in waiting} == {canonicalize_name(name) for name in roots}
    seen: set[tuple[str, str]] = set()
    while waiting:
        wanted = waiting.pop()
        for extra in ("", *wanted.extras):
            if (key := (canonicalize_name(wanted.name), extra)) not in seen:
                seen.add(key)
                brought = map(Requirement, metadata.requires(wanted.name) or [])
                waiting += [each for each in brought if each.marker is None or each.marker.evaluate({"extra": extra})]
    return {name for name, _ in seen}


def test_the_full_set_holds_the_slim_one_and_the_constraints_hold_both() -> None:
    serve, full, every = pins("requirements-serve.txt"), pins("requirements.txt"), pins(".ci/constraints.txt")
    assert serve.items() <= full.items() <= every.items()
    assert set(full) >= NAMED
    assert pins("requirements-dev.txt").items() <= every.items()


def test_the_slim_set_has_no_training_framework() -> None:
    for slim in (pins("requirements-serve.txt"), locked("requirements-serve.lock")):
        assert not set(slim) & {"torch", "torchvision", "timm", "hsemotion", "librosa"}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_what_its_requirements_and_the_constraints_pin(lock: str) -> None:
    wanted, every = pins(lock.replace(".lock", ".txt")), pins(".ci/constraints.txt")
    assert wanted.items() <= locked(lock).items() <= every.items()


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_all_that_its_requirements_bring_along_and_nothing_else(lock: str) -> None:
    requirements = lock.replace(".lock", ".txt")
    brought = needed(pins(requirements), requirements)
    # What only other systems' wheels ask for (CUDA on Linux, say) is in the lock whatever this machine is.
    assert brought <= set(locked(lock))
    assert set(locked(lock)) <= brought | {name for name in locked(lock) if name.startswith(("nvidia-", "cuda-"))}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_line_of_a_lock_has_hashes_and_none_an_address(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert len(entries(lock)) == len(locked(lock)) > 50
    assert not [line for line in ENTRY.sub("", text).splitlines() if not line.startswith("#")]
    assert "://" not in text
    assert "--index" not in text


def test_what_is_proven_of_the_full_lock_and_of_the_cluster_s_holds_for_the_slim_one() -> None:
    full, serve, cluster = map(entries, LOCKS)
    assert serve <= full
    assert serve <= cluster


def test_the_licences_of_exactly_the_locked_packages_are_listed() -> None:
    rows = re.findall(
        r"^\| (\S+) \| (\S+) \| (.+?) \| (yes)? ?\| (yes|alone)? ?\|$",
        (ROOT / "docs/licences.md").read_text(),
        re.MULTILINE,
    )
    full, serve, cluster = map(locked, LOCKS)
    listed = {package: version for package, version, *_ in rows if package not in ("package", "---")}
    assert listed == {**full, **cluster}
    assert {package for package, _, _, mark, _ in rows if mark} == set(serve)
    assert {package for package, *_, mark in rows if mark} == set(cluster)
    assert {package for package, *_, mark in rows if mark == "alone"} == set(cluster) - set(full)
    unstated = {package for package, _, licence, *_ in rows if licence == "not stated"}
    assert unstated <= {"cuda-toolkit"}


def test_pip_takes_every_pinned_package_on_both_pythons() -> None:
    """uv goes past an upper bound of `Requires-Python`, pip does not."""
    refused = {}
    for package in pins(".ci/constraints.txt"):
        try:
            said = metadata.metadata(package).get("Requires-Python")
        except metadata.PackageNotFoundError:  # other systems' packages
            continue
        if said and not all(SpecifierSet(said).contains(version) for version in ("3.11.9", "3.12.9")):
            refused[package] = said
    assert refused == {}


def test_the_project_allows_the_pythons_that_the_locks_are_made_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ">=3.11,<3.13"
