"""Loads the models that the settings ask for.

The engines and the face path are imported where they are used: the server's other parts need none of them.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypedDict

from app.inference import face_process
from app.settings import LATE, Settings
from models import loading
from models.crop import Framing
from models.inference import FacePath, FusionModel, VoiceModel

if TYPE_CHECKING:
    from models.face_path import DetectedFacePath, Framed
    from models.onnx_engine import OnnxFusion
    from models.torch_engine import TorchFusion

MOST_FACE_THREADS: Final = 8
"""That are started unasked: the event loop has no time for more by then, and each makes the start a little longer."""


class LoadingError(RuntimeError):
    """The models cannot be loaded, for a reason that one line tells."""


class Models(NamedTuple):
    """Both paths' models, that of their fusion, and why the preferred face model could not be had.

    `fusion` is None for late fusion; `fallback` where the face model could be had. `more_faces` do as `face` does, each
    for a thread of its own.
    """

    voice: VoiceModel
    face: FacePath
    fusion: FusionModel | None
    fallback: str | None
    more_faces: tuple[FacePath, ...] = ()


def load_models(settings: Settings, lost: Callable[[], None] | None = None) -> Models:
    """Load all models; faces in processes of their own where the settings say so.

    Args:
        settings: Say which models.
        lost: Called whenever such a process was lost.

    Raises:
        LoadingError: an artefact is missing or damaged, or the engine is not installed.
    """
    fusion = load_fusion(settings)
    if settings.face_processes:
        return _with_processes(settings, fusion, lost)
    voice = load_voice(settings)
    face, fallback = load_face(settings, fusion)
    return Models(voice, face, fusion, fallback, _twins(face, settings))


def _with_processes(
    settings: Settings, fusion: "OnnxFusion | TorchFusion | None", lost: Callable[[], None] | None
) -> Models:
    from app.inference.processes import LostError, NotLoadedError, started

    framing = None if fusion is None else Framing(fusion.size, fusion.channels, fusion.geometry)
    try:
        with started(
            settings.face_processes,
            _order(settings, framing),
            settings.inference_timeout,
            log_json=settings.log_format == "json",
            lost=lost,
        ) as faces:
            voice = load_voice(settings)  # meanwhile
    except (LostError, NotLoadedError, OSError) as fault:
        raise LoadingError(f"The models cannot be loaded: {fault}") from fault
    return Models(voice, faces[0], fusion, faces[0].fallback, tuple(faces[1:]))


def _twins(face: "DetectedFacePath", settings: Settings) -> tuple[FacePath, ...]:
    from models.detection import FaceDetector

    count = (settings.face_threads or min(_cores(), MOST_FACE_THREADS)) - 1
    return tuple(face.twin(FaceDetector(settings.detector_confidence)) for _ in range(count))


def _cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def load_voice(settings: Settings) -> VoiceModel:
    """Load what hears; errors as in `load_models`."""
    with _loading(settings) as how:
        return loading.load_voice(settings.voice_model, **how)


def load_fusion(settings: Settings) -> "OnnxFusion | TorchFusion | None":
    """Load what hears and sees at once, None for late fusion; errors as in `load_models`."""
    if settings.fusion == LATE:
        return None
    with _loading(settings) as how:
        return loading.load_fusion(settings.fusion, **how)


def load_face(settings: Settings, fusion: "Framed | None") -> "tuple[DetectedFacePath, str | None]":
    """Load what sees; each reading has the face's crop as the fusion model takes it, if there is one.

    Returns:
        It, and why it is not the preferred model (None where it is).

    Raises:
        LoadingError: as in `load_models`.
    """
    with _loading(settings):
        return face_process.load(_order(settings, fusion))


def _order(settings: Settings, fusion: "Framed | None") -> face_process.Order:
    return face_process.Order(
        name=settings.face_model,
        engine=settings.inference_engine,
        providers=settings.onnx_providers,
        weights_dir=settings.weights_dir,
        threads=settings.inference_threads,
        detector_confidence=settings.detector_confidence,
        max_pixels=settings.max_frame_pixels,
        detect_every=settings.detect_every,
        fusion=fusion,
    )


class _How(TypedDict):
    engine: str
    weights_dir: Path
    threads: int


@contextmanager
def _loading(settings: Settings) -> Iterator[_How]:
    """Give what every model is loaded with; what hinders it becomes a `LoadingError`."""
    try:
        if settings.inference_engine == "onnx":
            from models.onnx_engine import choose_providers

            choose_providers(settings.onnx_providers)
        yield _How(
            engine=settings.inference_engine,
            weights_dir=settings.weights_dir,
            threads=settings.inference_threads,
        )
    except face_process.FAULTS as fault:
        raise LoadingError(f"The models cannot be loaded: {fault}") from fault
