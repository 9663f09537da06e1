"""Accuracy of the models that the server would serve, on your own copies of RAVDESS and FER-2013.

python -m scripts.quick_check --ravdess DIR --fer2013 DIR --per-class N [--json]
"""

import argparse
import json
import logging
from pathlib import Path

from app.loading import load_models
from app.quick_check import quick_check
from app.settings import Settings, load_settings


def main() -> None:
    """Parse the command line, check, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ravdess", type=Path, help="folder with Actor_01 ... (default: RAVDESS_ROOT)")
    parser.add_argument("--fer2013", type=Path, help="folder with test/, or fer2013.csv (default: FER2013_ROOT)")
    parser.add_argument("--per-class", type=int, help="at most this many files of each label; 0 takes all")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    given = {
        "ravdess_root": options.ravdess,
        "fer2013_root": options.fer2013,
        "quick_check_per_class": options.per_class,
    }
    settings: Settings = load_settings(**{name: value for name, value in given.items() if value is not None})
    models = load_models(settings)
    accuracy = quick_check(settings, models.voice, models.face.model)
    print(json.dumps(accuracy.as_dict()) if options.json else accuracy.table())


if __name__ == "__main__":
    main()
