"""Ask PyPI, and copies of advisory databases, what is known against what is pinned, and say of what they do not tell.

python -m scripts.supply_chain.advisories [requirements-serve.lock] [--database FOLDER ...]

`pip-audit` asks PyPI for the very version. Where only a package's own page can be had (through a mirror, say), that
speaks of the newest version alone: then this knows of those packages that are pinned at it, and names the others. A
copy of a database in OSV's format, such as a clone of pypa/advisory-database, knows of every version until the day that
it was made, and needs no network; that of github/advisory-database knows of the packages for browsers too. It ends with
1 where an advisory is not answered in docs/supply-chain.md, or nobody could be asked.
"""

import argparse
import json
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from app.settings import ROOT
from scripts.supply_chain import LOCKS, pins, served
from scripts.supply_chain.databases import NPM, PYPI, Names, Package, search

ANSWERS = ROOT / "docs" / "supply-chain.md"
SECONDS = 30


class Finding(NamedTuple):
    """What PyPI says of one pinned package: its advisories, or None where it does not speak of that version."""

    package: str
    version: str
    advisories: list[Names] | None


def read(package: str, version: str, page: dict[str, Any]) -> Finding:
    """Return what a page of PyPI's JSON API says of a version: nothing, where it is about another one."""
    if page["info"]["version"] != version:
        return Finding(package, version, None)
    known = [entry for entry in page["vulnerabilities"] if not entry.get("withdrawn")]
    return Finding(package, version, [(entry["id"], *entry["aliases"]) for entry in known])


def ask(package: str, version: str) -> Finding:
    """Return what PyPI says of a version.

    Raises:
        OSError: It does not answer.
    """
    for path in (f"{package}/{version}", package):
        try:
            with urllib.request.urlopen(f"https://pypi.org/pypi/{path}/json", timeout=SECONDS) as answer:
                return read(package, version, json.load(answer))
        except urllib.error.HTTPError as error:
            error.close()
    return Finding(package, version, None)


def ask_all(lock: str) -> list[Finding]:
    """Return what PyPI says of all packages in a lock file; of none, where it does not answer."""
    packages = pins(lock)
    try:
        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(ask, *zip(*packages.items(), strict=True)))
    except OSError as error:
        print(f"PyPI does not answer: {error}")
        return [Finding(package, version, None) for package, version in packages.items()]


def unanswered(against: dict[str, list[Names]]) -> list[str]:
    """Print what is known against which packages; return the advisories that nobody answered."""
    answers = ANSWERS.read_text("utf-8")
    every = [(package, names) for package, advisories in sorted(against.items()) for names in advisories]
    for package, names in every:
        print(f"  {package}: {', '.join(names)}")
    return [f"{package}: {names[0]}" for package, names in every if not any(name in answers for name in names)]


def main() -> None:
    """Parse the command line, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lock", nargs="?", default=LOCKS[0])
    parser.add_argument("--database", nargs="+", type=Path, default=[], metavar="FOLDER", help="copies of databases")
    options = parser.parse_args()
    findings = ask_all(options.lock)
    told = [finding for finding in findings if finding.advisories is not None]
    untold = [f"{finding.package} {finding.version}" for finding in findings if finding.advisories is None]
    bad = {f"{finding.package} {finding.version}": finding.advisories for finding in told if finding.advisories}
    print(f"{len(findings)} packages; PyPI speaks of the version that is pinned of {len(told)}; advisories: {len(bad)}")
    open_ones = unanswered(bad)
    if untold:
        print(f"not told of {len(untold)}: {', '.join(untold)}")
    packages = [Package(PYPI, *pin) for pin in pins(options.lock).items()]
    packages += [Package(NPM, package.name, package.version) for package in served()]
    for folder in options.database:
        known = search(folder, packages)
        against = {f"{package.name} {package.version}": found for package, found in known.against.items()}
        print(f"{folder}: {known.advisories} advisories until {known.newest}; packages with some: {len(against)}")
        open_ones += unanswered(against)
    if open_ones:
        sys.exit(f"not answered in {ANSWERS.relative_to(ROOT)}: {', '.join(sorted(set(open_ones)))}")
    if not told and not options.database:
        sys.exit("nobody could be asked")


if __name__ == "__main__":
    main()
