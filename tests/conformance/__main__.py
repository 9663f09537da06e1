"""Print which clients the stream was tried with here, and how that went: python -m tests.conformance."""

import sys
import tempfile
from pathlib import Path

from tests.conformance.trial import CLIENT_LIST, Case, Outcome, cases, run_all, stage


def main() -> None:
    """Try all that are here, and print a table."""
    versions = {client: client.version() for client in CLIENT_LIST}
    here = tuple(client for client, version in versions.items() if version is not None)
    with tempfile.TemporaryDirectory() as folder, stage(Path(folder)) as run:
        outcomes = run_all(run, cases(here))
    print("| client | version | plain | deflate | nginx, plain | nginx, deflate |\n|---|---|---|---|---|---|")
    for client, version in versions.items():
        ways = [Case(client, through, deflate) for through in (False, True) for deflate in (False, True)]
        row = ["not here"] * 4 if version is None else [_word(way, outcomes.get(way)) for way in ways]
        print("|", " | ".join([client.name, version or "-", *row]), "|")
    if faults := {str(case): found for case, outcome in outcomes.items() if (found := outcome.faults(case))}:
        sys.exit("\n".join(f"{case}: {found}" for case, found in faults.items()))


def _word(case: Case, outcome: Outcome | None) -> str:
    if outcome is None:
        return "-"
    return "fails" if outcome.faults(case) else "yes"


if __name__ == "__main__":
    main()
