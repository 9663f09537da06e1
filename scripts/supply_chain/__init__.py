"""What the program is made of besides its own code: pinned packages, their licences, what is known against them."""

import re
from pathlib import Path

from app.settings import ROOT

LOCKS = ("requirements.lock", "requirements-serve.lock", "requirements-cluster.lock")
"""The files that pin every package of a requirement set by version and hashes; the first and third hold the second."""

_PIN = re.compile(r"^([\w.-]+)==([^\s;\\]+)", re.MULTILINE)


def pins(path: Path | str) -> dict[str, str]:
    """Return the version of each package in a lock file, by its name."""
    return dict(_PIN.findall((ROOT / path).read_text("utf-8")))
