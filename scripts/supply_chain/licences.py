"""Write the licence of every package that the lock files pin into docs/licences.md, as the packages state it.

python -m scripts.supply_chain.licences            # write
python -m scripts.supply_chain.licences --check    # only tell whether it is current
"""

import argparse
import re
import sys
from importlib import metadata

from app.device import BINARIES, SCRIPTS
from app.settings import ROOT
from scripts.supply_chain import LOCKS, pins, served

PAGE = ROOT / "docs" / "licences.md"
LONGEST = 60
"""Characters of the field `License`, beyond which it is the text of a licence and not its name."""

_INTRODUCTION = """\
# Licences

What the pinned packages state in their own metadata, word for word; written by
`python -m scripts.supply_chain.licences`. *serve* marks those that `requirements-serve.txt` brings, *cluster* those of
`requirements-cluster.txt`, *alone* where `requirements.txt` does not bring them. This project's own
licence is [MIT](../LICENSE); the weights carry the terms of their data, and so do the published models that are
downloaded on request: see the README and the model cards. What the libraries inside some wheels (FFmpeg in PyAV and
OpenCV, libsndfile, PortAudio, libsoxr) are licensed under is in the wheels' own `licenses` folders, not in this table.

| package | version | licence | serve | cluster |
|---|---|---|---|---|
"""
_FOR_BROWSERS = """
## For browsers

What `npm ci --omit=dev` installs, as `package-lock.json` has it from the packages. *served* marks those whose files the
server gives to browsers that run the models themselves (`app/device.py`); the others come along with them. What is
compiled into their WebAssembly is not listed: the packages do not say.

| package | version | licence | served |
|---|---|---|---|
"""


def licence(package: str) -> str:
    """Return what an installed package says its licence is: as an SPDX expression, as a name, or by its classifiers.

    Raises:
        PackageNotFoundError: It is not installed.
    """
    said = metadata.metadata(package)
    name = (said.get("License") or "").strip()
    classes = [entry.split(" :: ")[-1] for entry in said.get_all("Classifier", []) if entry.startswith("License ::")]
    if expression := said.get("License-Expression"):
        return str(expression)
    if name and "\n" not in name and len(name) <= LONGEST:
        return name
    return "; ".join(classes) or "not stated"


def page() -> str:
    """Return the document."""
    full, serve, cluster = map(pins, LOCKS)

    def place(package: str) -> str:
        if package not in cluster:
            return ""
        return "yes" if package in full else "alone"

    rows = [
        f"| {package} | {version} | {licence(package)} | {'yes' if package in serve else ''} | {place(package)} |\n"
        for package, version in sorted({**full, **cluster}.items())
    ]
    given = {_package(path) for path in (*SCRIPTS.values(), *BINARIES.values())}
    for_browsers = [
        f"| {package.name} | {package.version} | {package.licence} | {'yes' if package.name in given else ''} |\n"
        for package in served()
    ]
    return _INTRODUCTION + "".join(rows) + _FOR_BROWSERS + "".join(for_browsers)


def listed() -> dict[str, str]:
    """Return the licence of each Python package that the document lists, by its name."""
    table = PAGE.read_text("utf-8").partition(_FOR_BROWSERS)[0]
    return dict(re.findall(r"^\| (\S+) \| \S+ \| (.+?) \| ", table, re.MULTILINE))


def _package(path: str) -> str:
    """Return the package that a file in `node_modules` is of."""
    return "/".join(path.split("/")[: 2 if path.startswith("@") else 1])


def main() -> None:
    """Parse the command line; write or compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; end with 1 where it is not current")
    options = parser.parse_args()
    try:
        text = page()
    except metadata.PackageNotFoundError as error:
        sys.exit(f"{error.name} is not installed here: pip install -r requirements-dev.txt")
    if options.check:
        sys.exit(None if PAGE.read_text("utf-8") == text else f"{PAGE.relative_to(ROOT)} is not current")
    PAGE.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
