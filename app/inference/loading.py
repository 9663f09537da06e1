"""Loads the models that the settings ask for."""

from typing import NamedTuple

from app.settings import LATE, Settings
from models.inference import FacePath, FusionModel, VoiceModel


class LoadingError(RuntimeError):
    """The models cannot be loaded, for a reason that one line tells."""


class Models(NamedTuple):
    """Both paths' models, that of their fusion, and why the preferred face model could not be had.

    `fusion` is None for late fusion; `fallback` where the face model could be had.
    """

    voice: VoiceModel
    face: FacePath
    fusion: FusionModel | None
    fallback: str | None


def load_models(settings: Settings) -> Models:
    """Load the models in this process.

    Raises:
        LoadingError: an artefact is missing or damaged, or the engine is not installed.
    """
    # Imported here, so that the server's other parts can be used and tested without any model.
    from models.artefact import ArtefactError
    from models.download import UnavailableError
    from models.face_path import load_face_path
    from models.loading import load_fusion, load_voice

    engine, weights, threads = settings.inference_engine, settings.weights_dir, settings.inference_threads
    try:
        voice = load_voice(settings.voice_model, engine=engine, weights_dir=weights, threads=threads)
        fusion = (
            None
            if settings.fusion == LATE
            else load_fusion(settings.fusion, engine=engine, weights_dir=weights, threads=threads)
        )
        face, fallback = load_face_path(
            settings.face_model,
            engine=engine,
            weights_dir=weights,
            detector_confidence=settings.detector_confidence,
            threads=threads,
            fusion=fusion,
        )
    except (ArtefactError, UnavailableError, ImportError, OSError) as fault:
        raise LoadingError(f"The models cannot be loaded: {fault}") from fault
    return Models(voice, face, fusion, fallback)
