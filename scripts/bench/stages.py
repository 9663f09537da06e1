"""What each part of a result costs alone, on one core: where the time goes, and the floor under it.

The floor is what the models need: the detector, and ONNX Runtime on the batches that suit it best.
"""

import base64
import itertools
import json
import multiprocessing
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from scripts.bench.material import CHUNK, Material

BATCHES = (1, 2, 4, 8, 16, 32)
SECONDS = 0.4
"""That each part is run for, three times; the least time counts."""
ROUNDS = 3
PICTURES = 64
"""From all takes, at most."""


def measure(environment: Mapping[str, str], material: Material) -> dict[str, Any]:
    """Return milliseconds of processor time by part, in a process of its own: see `_measure`.

    Raises:
        RuntimeError: The process failed.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(there, dict(environment), material), daemon=True)
    process.start()
    there.close()
    try:
        answer: dict[str, Any] = here.recv()
        return answer
    except EOFError:
        raise RuntimeError("the stages could not be measured") from None
    finally:
        process.join(5)
        process.kill()


def _run(line: Connection, environment: dict[str, str], material: Material) -> None:
    line.send(_measure(environment, material))


def _measure(environment: dict[str, str], material: Material) -> dict[str, Any]:
    from app import protocol
    from app.inference.loading import load_models
    from app.settings import Settings
    from app.viewer.session import Session
    from models.face_path import DetectedFacePath, cut_out
    from models.image import decode_jpeg
    from models.inference import FaceReading

    given: dict[str, Any] = {name.lower(): value for name, value in environment.items()}
    settings = Settings(_env_file=None, **given | {"face_processes": 0})  # what is timed is timed here
    models = load_models(settings)
    path = models.face
    assert isinstance(path, DetectedFacePath)  # noqa: S101 - what `load_models` makes
    frames = material.frames[:: max(1, len(material.frames) // PICTURES)][:PICTURES]
    images = [decode_jpeg(frame) for frame in frames]
    found = [(image, face) for image in images if (face := path.detector.detect(image)) is not None]
    crops = np.stack([cut_out(image, face, path.framed) for image, face in found])
    sound = np.frombuffer(b"".join(material.chunks[:310]), "<i2")
    windows = np.stack([sound[at : at + 10 * CHUNK] for at in range(0, 30 * CHUNK * 10, CHUNK * 10)])

    chunk_json = json.dumps({"type": "audio", "id": 1, "pcm16": base64.b64encode(material.chunks[0]).decode()})
    frame_json = json.dumps({"type": "frame", "id": 1, "jpeg": base64.b64encode(frames[0]).decode()})
    chunk_binary = protocol.encode_binary(protocol.BINARY_AUDIO, 1, material.chunks[0])
    frame_binary = protocol.encode_binary(protocol.BINARY_FRAME, 1, frames[0])
    session = Session(settings, 0.0, models.voice.traits, path.model.traits)
    clock = itertools.count(0.0, 0.1)

    def chunk() -> None:
        session.receive_audio(windows[0][:CHUNK], 1, next(clock))

    def window() -> None:
        chunk()
        session.take_window(next(clock))

    for _ in range(11):
        chunk()
    reading = FaceReading(found[0][1].box, np.full(7, 1 / 7, np.float32))

    def result() -> protocol.Result:
        now = next(clock)
        session.receive_audio(windows[0][:CHUNK], 1, now)
        session.receive_frame(frames[0], 2, now)
        asked, picture = session.take_window(now), session.take_frame(now)
        if asked is not None:
            session.heard(asked, np.full(7, 1 / 7, np.float32), now)
        if picture is not None:
            session.saw(picture, reading, now)
        return session.result(now)

    shown = result()
    parts = {
        "messages, JSON": _best(
            lambda _: [protocol.decode(chunk_json) for _ in range(5)] + [protocol.decode(frame_json)]
        ),
        "messages, binary": _best(
            lambda _: [protocol.decode(chunk_binary) for _ in range(5)] + [protocol.decode(frame_binary)]
        ),
        "session: sound, window, smoothing, fusion": _best(lambda _: result()),
        "result to JSON": _best(lambda _: protocol.encode(shown)),
        "JPEG to pixels": _best(lambda turn: decode_jpeg(frames[turn % len(frames)])),
        "detector": _best(lambda turn: path.detector.detect(images[turn % len(images)])),
        "crop": _best(lambda turn: cut_out(*found[turn % len(found)], path.framed)),
    }
    face = {size: _best(lambda _, size=size: path.model.predict(np.resize(crops, (size, *crops.shape[1:])))) / size
            for size in BATCHES}  # fmt: skip
    voice = {size: _best(lambda _, size=size: models.voice.predict(np.resize(windows, (size, windows.shape[1])))) / size
             for size in BATCHES}  # fmt: skip
    path.close()
    return {
        "parts": {name: round(value, 4) for name, value in parts.items()},
        "face": {str(size): round(value, 4) for size, value in face.items()},
        "voice": {str(size): round(value, 4) for size, value in voice.items()},
        "floor": round(parts["detector"] + min(face.values()) + min(voice.values()), 4),
    }


def _best(call: Callable[[int], object]) -> float:
    """Return the processor time of a call in milliseconds: the least of several rounds' means."""
    call(0)
    least = float("inf")
    for _ in range(ROUNDS):
        began, until, calls = time.process_time(), time.monotonic() + SECONDS, 0
        while time.monotonic() < until:
            call(calls)
            calls += 1
        least = min(least, (time.process_time() - began) / calls)
    return least * 1000
