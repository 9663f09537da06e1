"""How long one answer takes on one core, and how large an artefact is."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from models.conditions import face as conditions
from models.inference import SAMPLE_RATE, FaceModel, FacePath, UInt8, VoiceModel

WARM_UP = 20


def voice(model: VoiceModel, repeats: int) -> dict[str, float]:
    """Return milliseconds of one window of each length, MFCC included."""
    rng = np.random.default_rng(0)
    times = {}
    for seconds in (0.5, 1.0, 2.0, 4.0):
        window = rng.normal(0, 3000, (1, round(seconds * SAMPLE_RATE))).astype(np.int16)
        times[f"{seconds:g} s window"] = median_ms(lambda window=window: model.predict(window), repeats)  # type: ignore[misc]
    return times


def face(model: FaceModel, repeats: int) -> dict[str, float]:
    """Return milliseconds of one crop."""
    crop = np.random.default_rng(0).integers(0, 256, (1, model.size, model.size, model.channels), dtype=np.uint8)
    return {"face crop": median_ms(lambda: model.predict(crop), repeats)}


def face_path(path: FacePath, picture: UInt8, repeats: int) -> dict[str, float]:
    """Return milliseconds from a JPEG of 640 x 480 with a grey picture of a face in it to probabilities."""
    frame = conditions.jpeg(conditions.in_frame(picture, 208))
    return {"JPEG 640x480 to probabilities": median_ms(lambda: path.analyse([frame]), repeats)}


def median_ms(call: Callable[[], object], repeats: int) -> float:
    """Return the median time of a call in milliseconds, after a warm-up."""
    for _ in range(min(WARM_UP, repeats)):
        call()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return float(np.median(times)) * 1000


def size(weights_dir: Path, name: str) -> dict[str, int | str | None]:
    """Return the bytes and the SHA-256 of the served file, and the parameters trained (null without the `.pt`)."""
    graph, stored = weights_dir / f"{name}.onnx", weights_dir / f"{name}.pt"
    parameters = None
    if stored.is_file():
        from models.torch_engine import Calibrated

        parameters = sum(parameter.numel() for parameter in Calibrated.load(stored).network.parameters())
    if not graph.is_file():
        return {"parameters": parameters, "onnx_bytes": None, "sha256": None}
    served = graph.read_bytes()
    return {"parameters": parameters, "onnx_bytes": len(served), "sha256": hashlib.sha256(served).hexdigest()}
