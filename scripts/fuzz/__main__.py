"""Coverage-guided fuzzing (atheris, libFuzzer) of what strangers' bytes reach first.

    pip install atheris==3.0.0
    python -m scripts.fuzz protocol --runs 10000000
    python -m scripts.fuzz jpeg --runs 1000000
    python -m scripts.fuzz session --runs 1000000

`protocol` is `app.protocol.decode`. `jpeg` is `models.image.decode_jpeg`: the header check, and OpenCV's decoder, of
which nothing is instrumented. `session` is `app.viewer.session.Session` under sequences of events, answers and time.

The run ends at the first escape, with the input in a file `crash-...` in --found; else it says how the inputs ended. It
starts from `tests/fuzz/corpus`, which the ordinary tests replay, and from what earlier runs put into --found.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from scripts.fuzz import CORPUS

NAMES = ("protocol", "jpeg", "session")
LONGEST = {"protocol": 2048, "jpeg": 4096, "session": 512}
SLOWEST = 10
"""Seconds for one input, beyond which it counts as an escape."""


def main() -> None:
    """Fuzz one target."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.fuzz", description=(__doc__ or "").split("\n", maxsplit=1)[0]
    )
    parser.add_argument("target", choices=NAMES)
    parser.add_argument("--runs", type=int, default=100_000, help="inputs to try")
    parser.add_argument("--found", type=Path, help="folder for new inputs and escapes; a new one otherwise")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    try:
        import atheris
    except ImportError:
        raise SystemExit("atheris is not installed: pip install atheris==3.0.0") from None

    with atheris.instrument_imports(include=["app", "models", "scripts.fuzz.targets"]):
        from scripts.fuzz.targets import TARGETS

    target = TARGETS[asked.target]
    outcomes: Counter[str] = Counter()
    started = time.monotonic()

    def one(data: bytes) -> None:
        outcomes[target(data)] += 1
        if outcomes.total() == asked.runs:
            _report(asked.target, outcomes, time.monotonic() - started)

    found = asked.found or Path(tempfile.mkdtemp(prefix=f"fuzz-{asked.target}-"))
    found.mkdir(parents=True, exist_ok=True)
    options = {
        "runs": asked.runs,
        "seed": asked.seed,
        "max_len": LONGEST[asked.target],
        "timeout": SLOWEST,
        "artifact_prefix": f"{found}/",
        "close_fd_mask": 2,  # libjpeg writes a line for each damaged picture
        "print_final_stats": 1,
    }
    words = CORPUS.parent / f"{asked.target}.dict"
    if words.is_file():
        options["dict"] = words
    print(f"New inputs, and the first escape if there is one: {found}", flush=True)
    # libFuzzer writes to the first folder.
    arguments = [*(f"-{name}={value}" for name, value in options.items()), str(found), str(CORPUS / asked.target)]
    atheris.Setup([sys.argv[0], *arguments], one)
    atheris.Fuzz()


def _report(name: str, outcomes: Counter[str], seconds: float) -> None:
    total = outcomes.total()
    print(f"{name}: {total:,} inputs without an escape, {total / seconds:,.0f} a second")
    for outcome, count in outcomes.most_common():
        print(f"  {count:>12,}  {outcome}")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
