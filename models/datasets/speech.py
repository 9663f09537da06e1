"""Emotional speech by the names of its data sets; `models.datasets.catalogue` has them all by name."""

from models.datasets.clips import Clip, read_clips
from models.datasets.media import read_sound
from models.datasets.ravdess import EMOTIONS as RAVDESS_EMOTIONS
from models.datasets.ravdess import clips as ravdess
from models.datasets.savee import EMOTIONS as SAVEE_EMOTIONS
from models.datasets.savee import clips as savee
from models.datasets.tess import EMOTIONS as TESS_EMOTIONS
from models.datasets.tess import clips as tess

__all__ = [
    "RAVDESS_EMOTIONS", "SAVEE_EMOTIONS", "TESS_EMOTIONS",
    "Clip", "ravdess", "read_clips", "read_sound", "savee", "tess",
]  # fmt: skip
