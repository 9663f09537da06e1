"""Write the licence of every package that the lock files pin into docs/licences.md, as the packages state it.

python -m scripts.supply_chain.licences            # write
python -m scripts.supply_chain.licences --check    # only tell whether it is current
"""

import argparse
import sys
from importlib import metadata

from app.settings import ROOT
from scripts.supply_chain import LOCKS, pins

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
    return _INTRODUCTION + "".join(rows)


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
