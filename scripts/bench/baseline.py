"""The textbook server, for comparison: the same models, weights, detector and protocol, and nothing thought through.

python -m scripts.bench.baseline

One handler for each viewer takes messages, keeps samples in a deque of Python's, and, when a result is due,
decodes, runs librosa's MFCC and eager PyTorch in the event loop, and sends. Settings are the server's own, as far as
they say which models to load and where to listen.
"""

import base64
import json
import struct
import time
from collections import deque
from typing import Any

import cv2
import librosa
import numpy as np
import torch
import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

from app.protocol import BINARY_AUDIO
from app.settings import Settings, load
from models.detection import FaceDetector
from models.face_path import cut_out
from models.features import HOP_LENGTH, N_FFT, N_MELS, N_MFCC, WIN_LENGTH
from models.inference import SAMPLE_RATE
from models.labels import LABELS
from models.loading import load_face
from models.torch_engine import Calibrated


class Recogniser:
    """Both models and the detector."""

    def __init__(self, settings: Settings) -> None:
        self.voice = Calibrated.load(settings.weights_dir / f"{settings.voice_model}.pt", "voice")
        self.face = load_face(
            settings.face_model,
            engine="torch",
            weights_dir=settings.weights_dir,
            threads=settings.inference_threads,  # of PyTorch as a whole; small networks lose by more than one
        )
        self.detector = FaceDetector(settings.detector_confidence)

    @torch.no_grad()
    def hear(self, samples: deque[int]) -> np.ndarray:
        """Return the probabilities [7] of the newest second."""
        sound = np.array(list(samples), np.float32) / 32768
        mfcc = librosa.feature.mfcc(
            y=sound, sr=SAMPLE_RATE, n_mfcc=N_MFCC, n_fft=N_FFT, win_length=WIN_LENGTH, hop_length=HOP_LENGTH,
            n_mels=N_MELS, pad_mode="constant",
        )  # fmt: skip
        network: Any = self.voice.network
        logits = network.classify(torch.from_numpy(mfcc.astype(np.float32))[None])
        return torch.softmax(logits / self.voice.info.temperature, dim=1)[0].numpy()

    @torch.no_grad()
    def see(self, jpeg: bytes) -> tuple[Any, np.ndarray | None]:
        """Return the face's box and its probabilities [7], None where there is no face."""
        image = cv2.cvtColor(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        face = self.detector.detect(np.asarray(image, np.uint8))
        if face is None:
            return None, None
        return face.box, self.face.predict(cut_out(np.asarray(image, np.uint8), face, self.face)[None])[0]


def create_app(settings: Settings) -> FastAPI:
    """Build the server."""
    app = FastAPI()
    recogniser = Recogniser(settings)
    # librosa compiles what it needs when it is first called, which takes seconds: no viewer is to wait for that.
    recogniser.hear(deque(range(SAMPLE_RATE), maxlen=SAMPLE_RATE))

    @app.get("/readyz")
    def readyz() -> dict[str, str]:
        return {"status": "ready"}

    @app.websocket("/ws")
    async def stream(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_json({"type": "ready", "settings": {"result_interval": settings.result_interval}})
        samples: deque[int] = deque(maxlen=SAMPLE_RATE)
        voices: deque[np.ndarray] = deque(maxlen=settings.voice_smoothing)
        faces: deque[np.ndarray] = deque(maxlen=settings.face_smoothing)
        jpeg: bytes | None = None
        box = None
        heard = pictured = seen = None
        due = time.monotonic() + settings.result_interval
        try:
            while True:
                kind, number, payload = _decode(await socket.receive())
                if kind == "audio":
                    samples.extend(np.frombuffer(payload, "<i2").tolist())
                    heard = number
                else:
                    jpeg, pictured = payload, number
                started = time.monotonic()
                if started < due:
                    continue
                while due <= started:
                    due += settings.result_interval
                if len(samples) == samples.maxlen:
                    voices.append(recogniser.hear(samples))
                if jpeg is not None:
                    box, probs = recogniser.see(jpeg)
                    jpeg, seen = None, pictured
                    if probs is not None:
                        faces.append(probs)
                voice = np.mean(voices, axis=0) if voices else None
                face = np.mean(faces, axis=0) if faces else None
                fused = voice if face is None else face
                if voice is not None and face is not None:
                    fused = settings.fusion_weight * voice + (1 - settings.fusion_weight) * face
                await socket.send_json(
                    {
                        "type": "result",
                        "voice": _named(voice),
                        "face": {**_named(face), "box": box and [box.x, box.y, box.width, box.height]},
                        "fused": _named(fused),
                        "used": {"audio": heard if voices else None, "frame": seen},
                        "dropped": {"frames": 0, "audio": 0, "results": 0},
                        "ms": {"total": round((time.monotonic() - started) * 1000, 1)},
                    }
                )
        except WebSocketDisconnect:
            pass

    return app


def _decode(message: Any) -> tuple[str, int, bytes]:
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message["code"])
    if (data := message.get("bytes")) is not None:
        kind, number = struct.unpack_from("<BI", data)
        return "audio" if kind == BINARY_AUDIO else "frame", number, data[5:]
    said = json.loads(message["text"])
    return said["type"], said["id"], base64.b64decode(said["pcm16" if said["type"] == "audio" else "jpeg"])


def _named(probs: np.ndarray | None) -> dict[str, Any]:
    if probs is None:
        return {"label": None, "probs": {}}
    return {"label": LABELS[int(probs.argmax())], "probs": dict(zip(LABELS, map(float, probs), strict=True))}


def main() -> None:
    """Run until interrupted."""
    settings = load()
    uvicorn.run(create_app(settings), host="127.0.0.1", port=settings.port, ws_per_message_deflate=False)


if __name__ == "__main__":
    main()
