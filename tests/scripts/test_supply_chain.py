"""The bill of materials names what the locks pin; advisories are told of what they are about; documents are current."""

import base64
import json
import re
from importlib import metadata
from pathlib import Path
from typing import Any

import cv2
import pytest

from app.settings import ROOT
from models.image import decode_jpeg
from models.inference import InvalidImageError
from scripts.supply_chain import LOCKS, advisories, licences, served
from scripts.supply_chain.advisories import Finding, read
from scripts.supply_chain.databases import NPM, PYPI, Package, affects, search
from scripts.supply_chain.sbom import bill

NPM_LOCK: dict[str, dict[str, Any]] = json.loads((ROOT / "package-lock.json").read_text("utf-8"))["packages"]


def advisory(**changes: Any) -> dict[str, Any]:
    """Against versions 1.2 up to but not 1.4, and 2.0 alone."""
    ranges = [
        {"type": "GIT", "events": [{"introduced": "0"}]},
        {"type": "ECOSYSTEM", "events": [{"fixed": "1.4"}, {"introduced": "1.2"}]},
    ]
    affected = [{"package": {"ecosystem": PYPI, "name": "Some_Package"}, "ranges": ranges, "versions": ["2.0"]}]
    return {"id": "PYSEC-1", "aliases": ["CVE-1"], "modified": "2024-05-06T07:08:09Z", "affected": affected, **changes}


# --- the bill of materials ---


@pytest.mark.parametrize("lock", LOCKS)
def test_the_bill_names_what_the_locks_pin_and_nothing_else(lock: str) -> None:
    made = bill(lock)
    pinned = {
        f"pkg:pypi/{line.replace('==', '@')}" for line in re.findall(r"^\S+==\S+", (ROOT / lock).read_text(), re.M)
    }
    for place, entry in NPM_LOCK.items():
        if place and not entry.get("dev"):
            name = place.removeprefix("node_modules/").replace("@", "%40")
            pinned.add(f"pkg:npm/{name}@{entry['version']}")
    purls = [component["purl"] for component in made["components"]]
    assert sorted(purls) == sorted(pinned)
    assert all(component["name"] and component["version"] for component in made["components"])
    assert made == json.loads(json.dumps(made))


def test_the_bill_has_every_hash_that_the_locks_have() -> None:
    in_bill = re.findall(r'"([0-9a-f]{64,128})"', json.dumps(bill("requirements.lock")))
    in_locks = re.findall(r"sha256:(\w+)", (ROOT / "requirements.lock").read_text("utf-8"))
    in_locks += [
        base64.b64decode(entry["integrity"].partition("sha512-")[2]).hex()
        for place, entry in NPM_LOCK.items()
        if place and not entry.get("dev")
    ]
    assert sorted(in_bill) == sorted(in_locks)


def test_the_bill_says_of_nearly_every_component_what_its_licence_is() -> None:
    said = {
        component["name"]: licence.get("expression") or licence["license"]["name"]
        for lock in LOCKS
        for component in bill(lock)["components"]
        for licence in component["licenses"]
    }
    assert {name for name, licence in said.items() if licence == "not stated"} <= {"cuda-toolkit"}
    assert said["onnxruntime-web"] == "MIT"


# --- licences ---


def test_the_licences_are_listed_as_the_packages_state_them() -> None:
    try:
        text = licences.page()
    except metadata.PackageNotFoundError as error:
        pytest.skip(f"{error.name} is for another system")
    assert licences.PAGE.read_text("utf-8") == text


def test_what_browsers_are_served_is_listed_by_the_lock_of_npm() -> None:
    _, _, table = licences.PAGE.read_text("utf-8").partition("## For browsers")
    rows = re.findall(r"^\| (\S+) \| (\d\S*) \| (.+?) \| (yes)? ?\|$", table, re.MULTILINE)
    assert [row[:3] for row in rows] == [package[:3] for package in served()]
    wanted = json.loads((ROOT / "package.json").read_text("utf-8"))["dependencies"]
    assert {name: version for name, version, _, given in rows if given} == wanted


# --- advisories ---


@pytest.mark.parametrize(
    ("version", "told"), [("1.1", False), ("1.2", True), ("1.3.9", True), ("1.4", False), ("2.0", True), ("2.1", False)]
)
def test_an_advisory_is_about_the_versions_in_its_range_and_those_that_it_lists(version: str, told: bool) -> None:
    assert affects(advisory(), Package(PYPI, "some-package", version)) is told


def test_an_advisory_is_about_nothing_else() -> None:
    package = Package(PYPI, "some-package", "1.3")
    assert not affects(advisory(), package._replace(ecosystem=NPM))
    assert not affects(advisory(), package._replace(name="some"))
    assert not affects(advisory(withdrawn="2024-06-01T00:00:00Z"), package)


@pytest.mark.parametrize(("version", "told"), [("1.3", True), ("1.4", False), ("not a number", True)])
def test_the_last_version_may_be_told_and_what_cannot_be_compared_is(version: str, told: bool) -> None:
    events = [{"introduced": "0"}, {"last_affected": "1.3"}]
    affected = [
        {"package": {"ecosystem": NPM, "name": "@of/it"}, "ranges": [{"type": "SEMVER", "events": events}]},
    ]
    assert affects(advisory(affected=affected), Package(NPM, "@of/it", version)) is told


def test_a_copy_of_a_database_is_read_as_json_and_yaml(tmp_path: Path) -> None:
    (tmp_path / "vulns").mkdir()
    (tmp_path / "vulns" / "PYSEC-1.json").write_text(json.dumps(advisory(), indent=1))
    (tmp_path / "vulns" / "PYSEC-2.yaml").write_text(
        "id: PYSEC-2\nmodified: '2024-07-08T00:00:00Z'\naffected:\n- package:\n    name: some-package\n"
        "    ecosystem: PyPI\n  versions:\n  - '1.3'\n"
    )
    (tmp_path / "vulns" / "PYSEC-3.yaml").write_text("id: PYSEC-3\nmodified: 2023-01-01\naffected: []\n")
    (tmp_path / "README.md").write_text("no advisory")
    package, other = Package(PYPI, "some-package", "1.3"), Package(NPM, "some-package", "1.3")
    known = search(tmp_path, [package, other])
    assert (known.advisories, known.newest) == (3, "2024-07-08")
    assert {found: sorted(names) for found, names in known.against.items()} == {
        package: [("PYSEC-1", "CVE-1"), ("PYSEC-2",)]
    }
    with pytest.raises(FileNotFoundError, match="no advisory"):
        search(tmp_path / "nowhere", [package])


def test_pypi_s_page_of_another_version_tells_nothing() -> None:
    page = {
        "info": {"version": "1.3"},
        "vulnerabilities": [
            {"id": "PYSEC-1", "aliases": ["CVE-1"]},
            {"id": "PYSEC-0", "aliases": [], "withdrawn": "x"},
        ],
    }
    assert read("some-package", "1.3", page) == Finding("some-package", "1.3", [("PYSEC-1", "CVE-1")])
    assert read("some-package", "1.2", page).advisories is None


def test_each_advisory_wants_an_answer_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def nobody(package: str, version: str) -> Finding:
        raise OSError("no network")

    monkeypatch.setattr(advisories, "ask", nobody)
    monkeypatch.setattr("sys.argv", ["advisories"])
    with pytest.raises(SystemExit, match="nobody could be asked"):
        advisories.main()
    affected = [{"package": {"ecosystem": PYPI, "name": "protobuf"}, "ranges": [
        {"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}]}]  # fmt: skip
    for number, name in enumerate(("CVE-2026-0994", "CVE-1999-0001")):
        text = json.dumps(advisory(id=f"GHSA-{number}", aliases=[name], affected=affected))
        (tmp_path / f"{number}.json").write_text(text)
    monkeypatch.setattr("sys.argv", ["advisories", "--database", str(tmp_path)])
    with pytest.raises(SystemExit, match=r"not answered .*: protobuf [\d.]+: GHSA-1$"):
        advisories.main()
    said = capsys.readouterr().out
    assert "PyPI does not answer: no network" in said
    assert "2 advisories until 2024-05-06" in said
    (tmp_path / "1.json").unlink()
    advisories.main()


@pytest.mark.parametrize("begin", [b"\x00\x00\x00\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51", b"\xff\xd8\xff\x4f\xff\x51"])
def test_no_jpeg_2000_gets_to_opencv(begin: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its reader of those has CVE-2025-53644."""
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("it got there"))
    with pytest.raises(InvalidImageError):
        decode_jpeg(begin + bytes(100) + b"\xff\xd9")
