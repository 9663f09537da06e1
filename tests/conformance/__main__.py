"""Print which clients the stream was tried with here, and how that went: python -m tests.conformance."""

import argparse
import sys
import tempfile
from itertools import product
from pathlib import Path

from tests.conformance.trial import CLIENT_LIST, KINDS, Case, Outcome, cases, run_all, stage


def main() -> None:
    """Try all that are here, and print a table."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    versions = {client: client.version() for client in CLIENT_LIST}
    here = tuple(client for client, version in versions.items() if version is not None)
    with tempfile.TemporaryDirectory() as folder, stage(Path(folder)) as run:
        outcomes = run_all(run, cases(here))
    print("| client | version | server | plain | deflate | nginx, plain | nginx, deflate |")
    print("|---|---|---|---|---|---|---|")
    for (client, version), kind in product(versions.items(), KINDS):
        ways = [Case(client, kind, through, deflate) for through, deflate in product((False, True), repeat=2)]
        row = ["not here"] * 4 if version is None else [_word(way, outcomes.get(way)) for way in ways]
        print("|", " | ".join([client.name, version or "-", f"`{kind.command}`", *row]), "|")
    if faults := {str(case): found for case, outcome in outcomes.items() if (found := outcome.faults(case))}:
        sys.exit("\n".join(f"{case}: {found}" for case, found in faults.items()))


def _word(case: Case, outcome: Outcome | None) -> str:
    if outcome is None:
        return "-"
    return "fails" if outcome.faults(case) else "yes"


if __name__ == "__main__":
    main()
