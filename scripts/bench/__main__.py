"""How many viewers this machine holds, what a result costs, and how a textbook server compares, in one run.

python -m scripts.bench [--ravdess DIR --ravdess-av DIR] [--baseline] [--face b2] [--save FILE.json] [--plot FILE.png]
python -m scripts.bench --viewers 20 40 [--json]
python -m scripts.bench --processes 2
python -m scripts.bench --admission 200
python -m scripts.bench --show FILE.json ... [--into docs/performance.md]

It starts the real server as a process, and viewers as others, who send real frames and a real voice as the page does
(without data: a portrait and a made voice). A number of viewers holds if 95 % of the results come within 250 ms of
the newest sound or frame in them, none is missed, nobody gets an error, and all but 1 % have a new answer of each
model. With `--processes N` there are N servers, each on a core of its own where there are as many; the viewers are
dealt out to them in turn, and what is told is of all of them together. Linux.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.settings import ROOT
from scripts.bench import measure, networks, report, stages
from scripts.bench.material import NoMaterialError, gather
from scripts.bench.subject import OPEN, started
from scripts.option_values import whole_number
from scripts.places import check_file
from scripts.server_settings import add_set, settings_of

MOST = 4096
"""Viewers beyond whom nothing is tried."""
PARTS = ("server", "baseline", "admission")
"""What a saved run has at least one of."""


def main() -> None:
    """Parse the command line, measure, print."""
    options = _parser().parse_args()
    if options.show:
        text = report.tables(map(_saved, options.show))
        if options.into:
            options.into.write_text(report.between_marks(options.into.read_text(), text))
        else:
            print(text)
        return
    if not sys.platform.startswith("linux"):
        sys.exit("scripts.bench reads /proc: it runs on Linux only")
    check_file(options.save)
    check_file(options.plot)
    run: dict[str, Any] = {}
    try:
        _measure(run, options, lambda text: print(text, file=sys.stderr, flush=True))
    except (NoMaterialError, ModuleNotFoundError, ValueError, RuntimeError) as error:
        sys.exit(str(error))
    finally:  # what is measured stays, whatever comes after
        if options.save and not run.keys().isdisjoint(PARTS):
            options.save.write_text(json.dumps(run, indent=1) + "\n")
    if options.plot:
        report.plot(run, options.plot)
    print(report.tables([run]))


def _saved(path: Path) -> dict[str, Any]:
    try:
        run: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        sys.exit(f"{path} cannot be read: {error}")
    if run.keys().isdisjoint(PARTS):
        sys.exit(f"{path} is no run that --save kept")
    return run


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ravdess", type=Path, metavar="DIR", help="RAVDESS speech (default: a made voice)")
    parser.add_argument("--ravdess-av", type=Path, metavar="DIR", help="MP4s of a person (default: a portrait)")
    faces, voices = networks.FACES, networks.VOICES
    parser.add_argument("--face", choices=faces, default=faces[0], help="the face model; b2 is as large as HSEmotion's")
    parser.add_argument("--voice", choices=voices, default=voices[0], help="the voice model")
    parser.add_argument("--baseline", action="store_true", help="measure the textbook server as well")
    parser.add_argument(
        "--viewers", type=whole_number, nargs="+", metavar="N", help="these numbers of viewers (default: search)"
    )
    parser.add_argument(
        "--first", type=whole_number, default=8, metavar="N", help="where the search begins (default: 8)"
    )
    parser.add_argument(
        "--admission", type=whole_number, metavar="N", help="let so many come, and the server refuse some"
    )
    parser.add_argument("--rate", type=float, default=4.0, metavar="N", help="of them a second (default: 4)")
    parser.add_argument("--seconds", type=float, default=10.0, help="measured for each number (default: 10)")
    parser.add_argument("--tries", type=whole_number, default=2, help="of a number that does not hold (default: 2)")
    parser.add_argument(
        "--cores", type=whole_number, metavar="N", help="give each server so many cores, and viewers the others"
    )
    parser.add_argument("--processes", type=whole_number, default=1, metavar="N", help="servers that share the viewers")
    add_set(parser)
    messages = parser.add_mutually_exclusive_group()
    messages.add_argument("--binary", action="store_true", help="binary messages, as the page sends (the default)")
    messages.add_argument("--json", action="store_true", help="JSON messages")
    parser.add_argument("--save", type=Path, metavar="FILE.json")
    parser.add_argument("--plot", type=Path, metavar="FILE.png")
    parser.add_argument("--show", type=Path, nargs="+", metavar="FILE.json", help="print the tables of saved runs")
    parser.add_argument("--into", type=Path, metavar="FILE.md", help="put them there, between its marks, instead")
    return parser


def _measure(run: dict[str, Any], options: argparse.Namespace, tell: Callable[[str], None]) -> None:
    """Measure what the options ask for, and put each part into `run` once it is there."""
    material = gather(options.ravdess_av, options.ravdess)
    places, client_cores = measure.cores(options.cores, options.processes)
    conditions = measure.Conditions(material, options.seconds, not options.json, client_cores, options.tries, tell)
    run |= {
        "machine": _machine(),
        "commit": _commit(),
        "face": options.face,
        "voice": options.voice,
        "messages": "JSON" if options.json else "binary",
        "processes": len(places),
        "server_cores": None if places[0] == os.sched_getaffinity(0) else len(places[0]),
        "source": material.source,
        "seconds": options.seconds,
        "settings": options.set,
    }
    extra = settings_of(options.set)
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = ({**chosen, **extra} for chosen in networks.prepare(options.face, options.voice, Path(folder)))
        if options.admission:
            limits = {name: value for name, value in OPEN.items() if name != "ADMISSION_LOAD"}
            with started("app", {**limits, **ours}, places) as servers:
                run["admission"] = measure.admission(servers, conditions, options.admission, options.rate)
            return
        kinds = [("server", "app", ours, places)]
        if options.baseline:  # one process in any case, on the cores of all of ours
            kinds.append(("baseline", "scripts.bench.baseline", theirs, [frozenset[int]().union(*places)]))
        for name, module, chosen, where in kinds:
            with started(module, {**OPEN, **chosen}, where) as servers:
                tell(f"{name}: ready after {' and '.join(f'{server.start_seconds:.2f}' for server in servers)} s")
                if options.viewers:
                    run[name] = measure.given(servers, conditions, options.viewers)
                else:
                    run[name] = measure.capacity(servers, conditions, options.first, MOST)
        run["stages"] = stages.measure(ours, material)


def _machine() -> dict[str, Any]:
    names = [text.partition(":")[2].strip() for text in Path("/proc/cpuinfo").read_text().splitlines()
             if text.startswith("model name")]  # fmt: skip
    return {
        "processor": names[0] if names else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
    }


def _commit() -> str:
    """Return the commit measured, with a `+` where files differ from it; `unknown` outside a checkout."""
    try:
        said = subprocess.run(
            ["git", "describe", "--always", "--dirty=+"],  # noqa: S607
            cwd=ROOT, capture_output=True, text=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return said.stdout.strip()


if __name__ == "__main__":
    main()
