"""Builds the inference that the settings ask for."""

from app.inference import LocalInference
from app.settings import Settings


def load_inference(settings: Settings) -> LocalInference:
    """Load both models in this process and give each a batcher."""
    # Imported here, so that the server's pure parts can be used and tested without any model.
    from models.face_path import load_face_path
    from models.loading import load_voice

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
    return LocalInference(voice, face, fallback=fallback, max_batch=settings.max_batch)
