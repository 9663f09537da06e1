"""Write `tests/vectors/*.json`: what the viewer's logic answers, for Python and JavaScript to be held against.

python -m scripts.vectors            # write
python -m scripts.vectors --check    # only tell whether they are current
"""

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

from app.settings import ROOT
from scripts.vectors import cases, session_cases
from scripts.vectors.playing import play

TOLERANCE = 1e-6
"""Processors differ in the last place of a logarithm: what differs by less is current."""
FOLDER = ROOT / "tests" / "vectors"
SUBJECTS = {
    "constants": cases.constants,
    "rounding": cases.rounding,
    "gate": cases.gate,
    "ring_buffer": cases.ring_buffer,
    "smoothing": cases.smoothing,
    "fusion": cases.fusion,
    "learning": cases.learning,
    "ticking": cases.ticking,
    "session": session_cases.session,
}


def vectors(subject: str) -> list[dict[str, Any]]:
    """Return the cases of a subject, each step with what it `gives`."""
    played = []
    for case in SUBJECTS[subject]():
        gives = play(subject, case)
        steps = [{**step, "gives": given} for step, given in zip(case["steps"], gives, strict=True)]
        played.append({**case, "steps": steps})
    return played


def agree(one: Any, other: Any) -> bool:
    """Tell whether two answers are the same but for the last places of their numbers."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(agree(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(agree, one, other))
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=0.0, abs_tol=TOLERANCE)
    return bool(one == other)


def is_current(path: Path, words: str) -> bool:
    """Tell whether a file says what it would be written with."""
    return path.exists() and agree(json.loads(path.read_text("utf-8")), json.loads(words))


def text(played: list[dict[str, Any]]) -> str:
    """Return the cases as JSON, a step to a line."""
    blocks = []
    for case in played:
        head = json.dumps({key: value for key, value in case.items() if key != "steps"})
        steps = ",\n".join(f"  {json.dumps(step)}" for step in case["steps"])
        blocks.append(f'{head[:-1]}, "steps": [\n{steps}\n]}}')
    return "[\n" + ",\n".join(blocks) + "\n]\n"


def main() -> int:
    """Write or check the files; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.vectors", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing; fail where one is not current")
    check = parser.parse_args().check
    wanted: dict[Path, str] = {FOLDER / f"{subject}.json": text(vectors(subject)) for subject in SUBJECTS}
    old = [path for path, words in wanted.items() if not is_current(path, words)]
    for path in old:
        print(f"{path.name} {'is not current' if check else 'written'}")
        if not check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(wanted[path], "utf-8")
    return int(check and bool(old))


if __name__ == "__main__":
    sys.exit(main())
