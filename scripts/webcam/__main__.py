"""A window with what a camera or a video file sees, and what face and voice look and sound like.

python -m scripts.webcam [CAMERA | FILE] [--voice] [--csv FILE]

Keys: `a` records two seconds and says what the voice sounded like, `q` quits. Nothing is stored, unless --csv asks
for a log, which holds labels and numbers, no pictures and no sound. Models and their settings come from `.env`, as
for the server. Labels are those of acted data sets: expressions are not feelings.
"""

import argparse
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from app.settings import Settings, load
from models.inference import VoiceModel
from scripts.webcam.faults import DeviceError
from scripts.webcam.sounds import MICROPHONE, Microphone, Sound, SoundFile, has_sound

if TYPE_CHECKING:
    from models.face_path import DetectedFacePath

INTERRUPTED = 130


def main() -> None:
    """Read the command line, and run until the user quits."""
    wish = parse(sys.argv[1:])
    try:
        run(wish, load())
    except DeviceError as fault:
        sys.exit(str(fault))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.webcam", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", nargs="?", default="0", help="number of a camera, or a video file (default: 0)")
    parser.add_argument(
        "--detector", choices=("mediapipe", "haar"), default="mediapipe", help="finds the face (default: mediapipe)"
    )
    parser.add_argument(
        "--every", type=_count, default=10, metavar="N", help="classify every N pictures (default: %(default)s)"
    )
    parser.add_argument(
        "--smoothing", type=_count, default=5, metavar="N", help="labels that are averaged (default: %(default)s)"
    )
    parser.add_argument(
        "--hold", type=_seconds, default=0.7, metavar="S", help="seconds a lost face is kept (default: %(default)s)"
    )
    parser.add_argument(
        "--confidence",
        type=_share,
        default=0.4,
        metavar="P",
        help="a label less probable than this is shown as unsure (default: %(default)s)",
    )
    parser.add_argument("--voice", action="store_true", help="listen all the time, and fuse face and voice")
    parser.add_argument(
        "--sound",
        metavar="mic|FILE",
        help="what is heard (default: a video file's own sound if it has any; otherwise the microphone)",
    )
    parser.add_argument("--csv", type=Path, metavar="FILE", help="log to a new file")
    parser.add_argument("--face-model", metavar="NAME", help="instead of FACE_MODEL")
    parser.add_argument("--voice-model", metavar="NAME", help="instead of VOICE_MODEL")
    parser.add_argument(
        "--mirror", action=argparse.BooleanOptionalAction, help="swap left and right (default: cameras only)"
    )
    return parser.parse_args(arguments)


def run(wish: argparse.Namespace, settings: Settings) -> None:
    """Open everything, show the window, close everything.

    Raises:
        DeviceError: Something is not there; the message says what.
    """
    # Imported here, so that --help and a wrong option are answered at once.
    from scripts.webcam.board import Board
    from scripts.webcam.desk import Desk, looker
    from scripts.webcam.ear import Ear
    from scripts.webcam.log import CsvLog
    from scripts.webcam.pictures import Pictures
    from scripts.webcam.screen import Screen
    from scripts.webcam.worker import Worker

    with ExitStack() as closing:
        pictures = Pictures(wish.source, mirror=wish.mirror)
        closing.callback(pictures.close)
        sound = sound_source(wish.source, wish.sound, is_camera=pictures.is_camera)
        screen = Screen()
        closing.callback(screen.close)
        face, voice, fallback = _models(wish, settings)
        closing.callback(face.close)
        log = CsvLog(wish.csv) if wish.csv else None
        if log is not None:
            closing.callback(log.close)
        board = Board(
            confidence=wish.confidence,
            hold=wish.hold,
            smoothing=wish.smoothing,
            interval=wish.every / pictures.fps,
            weight=settings.fusion_weight,
            continuous=wish.voice,
            face=face.model.traits,
            voice=voice.traits,
        )
        if fallback is not None:
            board.tell(fallback, time.monotonic())
        faces = Worker("faces", looker(face))
        closing.callback(faces.close)
        epoch = time.monotonic()
        ear = Ear(lambda: sound(epoch), voice, silence_rms=settings.silence_rms, continuous=wish.voice)
        closing.callback(ear.close)
        pictures.start()
        ear.start()
        Desk(pictures, faces, ear, board, screen, log=log, every=wish.every).run()


def sound_source(source: str, wish: str | None, *, is_camera: bool) -> Callable[[float], Sound]:
    """Return what opens the sound, given when the pictures begin.

    Args:
        source: Of the pictures.
        wish: `mic`, a file, or None for what fits the pictures.
        is_camera: Whether the pictures come from a camera.

    Raises:
        DeviceError: There is no such file, or no sound in it.
    """
    if wish is None:
        wish = MICROPHONE if is_camera or not has_sound(Path(source)) else source
    if wish == MICROPHONE:
        return lambda epoch: Microphone()
    path = Path(wish)
    if not path.exists():
        raise DeviceError(f"{path}: there is no such file")
    if not has_sound(path):
        raise DeviceError(f"{path}: no sound in it that can be read")
    return lambda epoch: SoundFile(path, epoch)


def _models(wish: argparse.Namespace, settings: Settings) -> tuple["DetectedFacePath", VoiceModel, str | None]:
    from models.artefact import ArtefactError
    from models.download import UnavailableError
    from models.face_path import load_face_path
    from models.haar import HaarDetector
    from models.loading import load_voice

    engine, folder, threads = settings.inference_engine, settings.weights_dir, settings.inference_threads
    try:
        voice = load_voice(wish.voice_model or settings.voice_model, engine=engine, weights_dir=folder, threads=threads)
        face, fallback = load_face_path(
            wish.face_model or settings.face_model,
            engine=engine,
            weights_dir=folder,
            detector_confidence=settings.detector_confidence,
            threads=threads,
            detector=HaarDetector() if wish.detector == "haar" else None,
        )
    except (ArtefactError, UnavailableError, ImportError, OSError) as fault:
        raise DeviceError(f"The models cannot be loaded: {fault}") from fault
    return face, voice, fallback


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def _share(text: str) -> float:
    number = float(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError("must be between 0 and 1")
    return number


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 <= number <= 60:
        raise argparse.ArgumentTypeError("must be between 0 and 60")
    return number


if __name__ == "__main__":
    main()
