"""Accuracy of the models that the server would serve, on your own copies of RAVDESS and FER-2013.

python -m scripts.quick_check --ravdess DIR --fer2013 DIR --per-class N [--json]
"""

import argparse
import json
import logging
import sys
from pathlib import Path
from typing import NoReturn

from app.inference.loading import LoadingError, load_models
from app.quick_check import find_examples, quick_check
from app.settings import load

MOST = 100_000


def count(text: str) -> int:
    """Read how many files of each label: a whole number from 0 to `MOST`.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    number = int(text) if text.isdecimal() and len(text) <= len(str(MOST)) else -1
    if not 0 <= number <= MOST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to {MOST}")
    return number


def main() -> None:
    """Parse the command line, check, print; exit with 2 where nothing could be measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ravdess", type=Path, help="folder with Actor_01 ... (default: RAVDESS_ROOT)")
    parser.add_argument("--fer2013", type=Path, help="folder with test/, or fer2013.csv (default: FER2013_ROOT)")
    parser.add_argument(
        "--per-class",
        type=count,
        metavar="N",
        help="at most this many files of each label; 0 takes all (default: QUICK_CHECK_PER_CLASS)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    given = {
        "ravdess_root": options.ravdess,
        "fer2013_root": options.fer2013,
        "quick_check_per_class": options.per_class,
    }
    settings = load().model_copy(update={name: value for name, value in given.items() if value is not None})
    examples = find_examples(settings)
    if not (examples.clips or examples.faces):  # said before a model is loaded, or even downloaded
        _nothing_measured(examples.notes)
    try:
        models = load_models(settings)
    except LoadingError as error:
        sys.exit(str(error))
    accuracy = quick_check(settings, examples, models.voice, models.face.model)
    if not accuracy.reports:
        _nothing_measured(accuracy.notes)
    if options.json:
        print(json.dumps(accuracy.as_dict()))
        return
    print(accuracy.table())
    print(*accuracy.notes, sep="\n")


def _nothing_measured(notes: list[str]) -> NoReturn:
    print(*notes, sep="\n", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
