"""Ask PyPI what is known against the packages of a lock file, and say of which it does not tell.

python -m scripts.supply_chain.advisories [requirements-serve.lock]

`pip-audit` asks PyPI for the very version. Where only a package's own page can be had (through a mirror, say), that
speaks of the newest version alone: then this knows of those packages that are pinned at it, and names the others. It
ends with 1 where an advisory is not answered in docs/supply-chain.md.
"""

import argparse
import json
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from app.settings import ROOT
from scripts.supply_chain import LOCKS, pins

ANSWERS = ROOT / "docs" / "supply-chain.md"
SECONDS = 30


class Finding(NamedTuple):
    """What PyPI says of one pinned package: the ids of advisories, or None where it does not speak of that version."""

    package: str
    version: str
    advisories: tuple[str, ...] | None


def read(package: str, version: str, page: dict[str, Any]) -> Finding:
    """Return what a page of PyPI's JSON API says of a version: nothing, where it is about another one."""
    if page["info"]["version"] != version:
        return Finding(package, version, None)
    known = (entry for entry in page["vulnerabilities"] if not entry.get("withdrawn"))
    return Finding(
        package, version, tuple(sorted({name for entry in known for name in (entry["id"], *entry["aliases"])}))
    )


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


def main() -> None:
    """Parse the command line, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lock", nargs="?", default=LOCKS[0])
    options = parser.parse_args()
    with ThreadPoolExecutor(8) as pool:
        findings = list(pool.map(ask, *zip(*pins(options.lock).items(), strict=True)))
    told = [finding for finding in findings if finding.advisories is not None]
    untold = [f"{finding.package} {finding.version}" for finding in findings if finding.advisories is None]
    bad = [finding for finding in told if finding.advisories]
    answers = ANSWERS.read_text("utf-8")
    print(f"{len(findings)} packages; PyPI speaks of the version that is pinned of {len(told)}; advisories: {len(bad)}")
    for finding in bad:
        print(f"  {finding.package} {finding.version}: {', '.join(finding.advisories or ())}")
    if untold:
        print(f"not told of {len(untold)}: {', '.join(untold)}")
    if any(not any(name in answers for name in finding.advisories or ()) for finding in bad):
        sys.exit(f"an advisory is not answered in {ANSWERS.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
