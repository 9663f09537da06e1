"""What runs in a process of the face path (`app.inference.processes`). It imports little, so that it is there soon."""

import contextlib
import signal
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from app.watch.logs import use_json
from models.artefact import ArtefactError
from models.download import UnavailableError
from models.inference import Traits

if TYPE_CHECKING:
    from models.face_path import DetectedFacePath, Framed

FAULTS = (ArtefactError, UnavailableError, ImportError, OSError)
"""What hinders a model from being loaded, and is told in one line."""


class Order(NamedTuple):
    """Which face path to load: as in `models.face_path.load_face_path`, and `providers` for ONNX Runtime."""

    name: str
    engine: str
    providers: tuple[str, ...]
    weights_dir: Path
    threads: int
    detector_confidence: float
    max_pixels: int
    detect_every: int
    fusion: "Framed | None"


class Loaded(NamedTuple):
    """What the process says of the model that it has loaded."""

    name: str
    traits: Traits
    size: int
    channels: int
    fallback: str | None


def load(order: Order) -> "tuple[DetectedFacePath, str | None]":
    """Load a face path here; return it, and why it is not the preferred model (None where it is).

    Raises:
        one of `FAULTS`: It cannot be had.
    """
    from models.face_path import load_face_path

    wish = order._asdict()
    del wish["providers"]  # which are a whole process's choice
    return load_face_path(**wish)


def serve(line: Connection, order: Order, *, log_json: bool) -> None:
    """Load, say what was loaded or why not, then answer until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C comes to both: the server ends this one, in order
    if log_json:
        use_json()
    try:
        if order.engine == "onnx":
            from models.onnx_engine import choose_providers

            choose_providers(order.providers)
        path, fallback = load(order)
    except FAULTS as fault:
        line.send(str(fault))
        return
    model = path.model
    line.send(Loaded(path.name, model.traits, model.size, model.channels, fallback))
    tasks: dict[str, Any] = {"analyse": path.analyse, "classify": model.predict}
    with contextlib.suppress(EOFError, OSError):  # the other end has been closed
        while True:
            task, arguments = line.recv()
            try:
                answer = tasks[task](*arguments)
            except Exception:  # told whoever asked, who logs it
                answer = RuntimeError(f"in the process of the face path\n{traceback.format_exc()}")
            line.send(answer)
