"""Loads the models that the settings ask for."""

from typing import NamedTuple

from app.settings import Settings
from models.inference import FacePath, VoiceModel


class LoadingError(RuntimeError):
    """The models cannot be loaded, for a reason that one line tells."""


class Models(NamedTuple):
    """Both paths' models, and why the preferred face model could not be had (None where it could)."""

    voice: VoiceModel
    face: FacePath
    fallback: str | None


def load_models(settings: Settings) -> Models:
    """Load both models in this process.

    Raises:
        LoadingError: an artefact is missing or damaged, or the engine is not installed.
    """
    # Imported here, so that the server's other parts can be used and tested without any model.
    from models.artefact import ArtefactError
    from models.download import UnavailableError
    from models.face_path import load_face_path
    from models.loading import load_voice

    try:
        voice = load_voice(
            settings.voice_model,
            engine=settings.inference_engine,
            weights_dir=settings.weights_dir,
            threads=settings.inference_threads,
        )
        face, fallback = load_face_path(
            settings.face_model,
            engine=settings.inference_engine,
            weights_dir=settings.weights_dir,
            detector_confidence=settings.detector_confidence,
            threads=settings.inference_threads,
        )
    except (ArtefactError, UnavailableError, ImportError, OSError) as fault:
        raise LoadingError(f"The models cannot be loaded: {fault}") from fault
    return Models(voice, face, fallback)
