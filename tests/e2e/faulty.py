"""The real server, whose models and clock do as a file says: `uvicorn faulty:app`.

The file named by FAULTS holds JSON: what each of `voice`, `face`, `detector`, `clock` is to do, see `orders`.
"""

import json
import os
import random
import time
from pathlib import Path
from typing import Any

import numpy as np

from app.inference.local import LocalInference
from app.server import create_app
from app.settings import load
from app.watch.telemetry import Telemetry
from models.detection import FaceDetector
from models.face_path import load_face_path
from models.loading import load_voice

FAULTS = Path(os.environ["FAULTS"])
real_time = time.time


def order(part: str) -> str | None:
    """What a part is to do now: None is its work; `raise`, `hang` until told otherwise, `nan`, `exit` its thread."""
    told: str | None = json.loads(FAULTS.read_text()).get(part)
    return told


def tell(orders: str) -> None:
    """Put other orders in place of these, at once for whoever reads them."""
    fresh = FAULTS.with_suffix(".done")
    fresh.write_text(orders)
    fresh.replace(FAULTS)


def obey(part: str) -> bool:
    """Do as told; return whether the answer is to be spoilt."""
    while order(part) == "hang":
        time.sleep(0.02)
    match order(part):
        case "raise":
            raise RuntimeError(f"{part} was told to fail")
        case "exit":
            tell("{}")  # once
            raise SystemExit
    return order(part) == "nan"


class Faulty:
    """A model that works, unless it is told to do something else."""

    def __init__(self, model: Any, part: str) -> None:
        self._model = model
        self._part = part

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def answer(self, *questions: Any) -> Any:
        spoilt = obey(self._part)
        probs, statistics = self._model.answer(*questions)
        return probs * (np.nan if spoilt else 1), statistics

    def predict(self, *questions: Any) -> Any:
        spoilt = obey(self._part)
        return self._model.predict(*questions) * (np.nan if spoilt else 1)


class FaultyDetector(FaceDetector):
    """A detector that works, unless it is told to do something else."""

    def detect(self, image: Any) -> Any:
        obey("detector")
        return super().detect(image)


def wall_clock() -> float:
    """The time of day, or any other."""
    if order("clock") == "jump":
        return real_time() + random.choice([-1e6, -3600, 0, 3600, 1e6])  # noqa: S311 - no secret
    return real_time()


settings = load()
telemetry = Telemetry(settings)
weights = settings.weights_dir
face, fallback = load_face_path(
    settings.face_model, engine="onnx", weights_dir=weights, detector_confidence=0.5, detector=FaultyDetector()
)
face.model = Faulty(face.model, "face")
models = LocalInference(
    Faulty(load_voice(settings.voice_model, engine="onnx", weights_dir=weights), "voice"),
    face,
    fallback=fallback,
    patience=settings.inference_timeout,
    observe=telemetry.called,
)
time.time = wall_clock
app = create_app(settings, models, telemetry)
