"""Say what voice and face say: in files, or now, in front of camera and microphone.

    python -m scripts.predict FILE|FOLDER ...  [--json FILE] [--csv FILE] [--plot FILE.png|FOLDER]
    python -m scripts.predict [--camera N|FILE] [--microphone mic|FILE] [--seconds S] ...

Pictures, sound, and videos with or without sound. A video's or a sound's moments are those that a viewer of the
stream would have been shown, from the same session; below them is what is said of the whole. Without a file one
picture and four seconds of sound are taken. Models and their settings come from `.env`, as for the server. A bad file
is named, the rest goes on. Exit status: 0, all is well; 1, something could not be used; 2, a wrong command line.
Labels are those of acted data sets: expressions are not feelings.
"""

import argparse
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tqdm import tqdm

from app.settings import LATE, Settings, load
from scripts.predict.answer import Answer, Fault
from scripts.predict.outputs import OutputError, Outputs

if TYPE_CHECKING:
    from app.inference.loading import Models
    from scripts.predict.predictor import Predictor

INTERRUPTED: Final = 130
DEVICE_OPTIONS: Final = ("camera", "microphone", "seconds")
SECONDS: Final = (0.5, 60.0)


def main() -> None:
    """Read the command line, predict, write."""
    parser = arguments()
    wish = parser.parse_args()
    given = [f"--{name}" for name in DEVICE_OPTIONS if getattr(wish, name) is not None]
    if wish.files and given:
        parser.error(f"{', '.join(given)}: for camera and microphone, not for files")
    try:
        sys.exit(run(wish, load()))
    except OutputError as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def arguments() -> argparse.ArgumentParser:
    """Return what the command line may hold."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.predict", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "files", nargs="*", type=Path, metavar="FILE", help="picture, sound, video, or a folder of them"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures; - is the standard output")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write three rows a moment; - is the standard output")
    parser.add_argument("--plot", type=Path, metavar="FILE.png|FOLDER", help="draw the file's moments; each file's")
    parser.add_argument("--camera", metavar="N|FILE", help="number of a camera, or a video (default: 0)")
    parser.add_argument(
        "--microphone", metavar="mic|FILE", help="what is heard (default: a --camera video's own sound, or mic)"
    )
    parser.add_argument("--seconds", type=_seconds, metavar="S", help="of sound to take (default: 4)")
    parser.add_argument("--face-model", metavar="NAME", help="instead of FACE_MODEL")
    parser.add_argument("--voice-model", metavar="NAME", help="instead of VOICE_MODEL")
    parser.add_argument("--fusion", metavar="late|NAME", help="instead of FUSION")
    return parser


def run(wish: argparse.Namespace, settings: Settings) -> int:
    """Do what the command line says; return the exit status.

    Raises:
        OutputError: An output cannot be written.
    """
    # Imported here, so that --help and a wrong option are answered at once.
    from app.inference.loading import LoadingError
    from models.face_path import DetectedFacePath
    from scripts.predict.predictor import Predictor
    from scripts.predict.sources import find

    outputs = Outputs(wish.json, wish.csv, wish.plot)
    found = find(wish.files)
    devices = [Path(name) for name in (wish.camera, wish.microphone) if name]
    outputs.prepare([*found.files, *devices], len(found.files))
    answers: list[Answer] = []
    faults: list[Fault] = []
    status = 0

    def take(outcomes: Sequence[Answer | Fault]) -> None:
        for outcome in outcomes:
            if isinstance(outcome, Fault):
                faults.append(outcome)
                tqdm.write(str(outcome), file=sys.stderr)
                continue
            answers.append(outcome)
            if not outputs.to_stdout:
                from scripts.predict.text import table

                tqdm.write(table(outcome) + "\n", file=sys.stdout)

    take(found.faults)
    if found.others:
        print(f"left out, being no picture, sound or video: {found.others}", file=sys.stderr)
    if wish.files and not found.files:
        outputs.write(answers, faults, {}, settings)
        return 1
    try:
        models = _models(wish, settings)
    except LoadingError as error:
        print(error, file=sys.stderr)
        return 1
    voice, face, fusion = models.voice, models.face, models.fusion
    assert isinstance(face, DetectedFacePath)  # noqa: S101 - what `load_models` loads
    predictor = Predictor(settings, voice, face, fusion)
    try:
        if wish.files:
            for outcome in _files(predictor, found.files):
                take([outcome])
        else:
            take(_now(predictor, wish))
    except KeyboardInterrupt:  # what is there is written
        status = INTERRUPTED
    finally:
        face.close()
    names = {"voice": voice.name, "face": face.name, "fusion": LATE if fusion is None else fusion.name}
    outputs.write(answers, faults, names, settings)
    return status or int(bool(faults))


def _files(predictor: "Predictor", files: Sequence[Path]) -> Iterator[Answer | Fault]:
    from scripts.predict.answer import named
    from scripts.predict.predictor import length
    from scripts.predict.sources import kind

    for path in tqdm(files, unit="file", leave=False, disable=None if len(files) > 1 else True):
        total = None if kind(path) == "picture" or not sys.stderr.isatty() else length(path)
        # With a {bar} in it tqdm cuts the line where the terminal ends; a name that wraps could not be cleared.
        form = "{percentage:3.0f}%|{bar:30}| {n:.1f}/{total:.1f} s  {desc}" if total else "{desc}{bar}"
        with tqdm(total=total, desc=named(Path(path.name)), bar_format=form, leave=False, disable=None) as bar:
            yield predictor.file(path, lambda done: bar.update(min(done, total or done) - bar.n))  # noqa: B023 - called at once


def _now(predictor: "Predictor", wish: argparse.Namespace) -> list[Answer | Fault]:
    from scripts.predict.moment import take
    from scripts.webcam.__main__ import sound_source
    from scripts.webcam.pictures import Pictures
    from scripts.webcam.sounds import MICROPHONE, Sound

    camera = wish.camera or "0"
    is_camera = camera.isdecimal()
    seconds = wish.seconds or 4.0

    def hear() -> "Sound":
        return sound_source(camera, wish.microphone, is_camera=is_camera)(time.monotonic())

    source = f"camera {camera}" if is_camera else camera
    if wish.microphone or is_camera:
        heard = "microphone" if (wish.microphone or MICROPHONE) == MICROPHONE else wish.microphone
        source = f"{source} + {heard}"
    with tqdm(total=seconds, bar_format="listening |{bar}| {n:.1f}/{total:.1f} s", leave=False, disable=None) as bar:
        moment = take(
            lambda: Pictures(camera, mirror=False),
            hear,
            seconds,
            pause=threading.Event().wait,
            watch=lambda done: bar.update(done - bar.n),
        )
    # The webcam tool's own words, but for how a file is named here.
    told = [str(fault).replace("python -m scripts.webcam FILE", "--camera FILE") for fault in moment.faults]
    outcomes: list[Answer | Fault] = [Fault(source, words) for words in told]
    if moment.picture is not None or moment.sound is not None:
        outcomes.append(predictor.moment(source, moment.picture, moment.sound))
    return outcomes


def _models(wish: argparse.Namespace, settings: Settings) -> "Models":
    from app.inference.loading import load_models

    named = {"voice_model": wish.voice_model, "face_model": wish.face_model, "fusion": wish.fusion}
    return load_models(settings.model_copy(update={name: model for name, model in named.items() if model}))


def _seconds(text: str) -> float:
    number = float(text)
    if not SECONDS[0] <= number <= SECONDS[1]:
        raise argparse.ArgumentTypeError(f"must be between {SECONDS[0]:g} and {SECONDS[1]:g}")
    return number


if __name__ == "__main__":
    main()
