"""Print the figures of the model cards, from the weights and the data, through the code that serves.

    python -m scripts.evaluate [voice] [face] [fusion] [speed] [--ravdess DIR] [--fer2013 DIR] [--ravdess-av DIR]
                               [--savee DIR] [--concat NAME] [--folds NAME ...] [--neutral-clips N] [--json FILE]
                               [--figures DIR] [--quick]

Without a part all four are measured, as far as their data are given. A voice model is only ever measured on
people it has not heard: with --folds each of those models on the speakers that it alone has not heard, pooled
and one by one (a cross-validation), otherwise the model that serves on whoever it has not heard. What can be calibrated
to a person is measured again after a calibration on that person's own neutral clips.
"""

import argparse
import json
import logging
import sys
from pathlib import Path

from app.settings import load
from models.artefact import ArtefactError
from models.datasets.layout import DataLayoutError
from models.download import UnavailableError
from models.face_path import EMBEDDED_FACE
from scripts.evaluate.answers import LeakageError
from scripts.evaluate.card import PARTS, Card, needed
from scripts.places import check_file, check_folder


def main() -> None:
    """Parse the command line, measure, print."""
    settings = load()
    parser = argparse.ArgumentParser(
        prog="python -m scripts.evaluate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all when none is named")
    parser.add_argument("--ravdess", type=Path, default=settings.ravdess_root, help="folder with Actor_01 ...")
    parser.add_argument("--fer2013", type=Path, default=settings.fer2013_root, help="folder with test/, or the CSV")
    parser.add_argument("--ravdess-av", type=Path, help="folder with faces/CLIP/NN.jpg and clips/*.mp4")
    parser.add_argument("--savee", type=Path, help="folder with DC_a01.wav or DC/a01.wav")
    parser.add_argument(
        "--voice-model", default=settings.voice_model, metavar="NAME", help="the voice model that serves"
    )
    parser.add_argument("--face-model", default=EMBEDDED_FACE, metavar="NAME", help="default: %(default)s")
    parser.add_argument("--concat", metavar="NAME", help="a fusion model, to be put beside late fusion on real clips")
    parser.add_argument(
        "--folds", nargs="+", metavar="NAME", help="voice models of a cross-validation, e.g. folds/NAME_fold0"
    )
    parser.add_argument(
        "--actors", nargs="+", type=int, metavar="N", help="only these of RAVDESS; a heard one is refused"
    )
    parser.add_argument(
        "--split", choices=("test", "final"), default="test", help="of FER-2013: PublicTest, PrivateTest"
    )
    parser.add_argument(
        "--neutral-clips", type=int, default=4, metavar="N",
        help="calibrate on at most so many of a speaker's own neutral clips (default: %(default)s); 0: not at all",
    )  # fmt: skip
    parser.add_argument("--weights", type=Path, default=settings.weights_dir, help="folder of the models")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure to this file")
    parser.add_argument(
        "--figures", type=Path, metavar="DIR", help="write confusion matrices and reliability diagrams here"
    )
    parser.add_argument("--quick", action="store_true", help="a small sample: to try the command, not to report")
    options = parser.parse_args()
    unknown = set(options.parts) - set(PARTS)
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    if lacking := [f"{part} needs {option}" for part in options.parts if (option := needed(part, options))]:
        parser.error("; ".join(lacking))
    if options.neutral_clips < 0:
        parser.error("--neutral-clips is at least 0")
    check_file(options.json)
    if options.figures:
        check_folder(options.figures)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    card = Card(options, settings.model_copy(update={"weights_dir": options.weights, "inference_threads": 1}))
    try:
        card.run(options.parts or PARTS)
    except (LeakageError, DataLayoutError, ArtefactError, UnavailableError) as error:
        sys.exit(str(error))
    if options.json:
        options.json.write_text(json.dumps(card.kept, indent=1, allow_nan=False))


if __name__ == "__main__":
    main()
