"""Hold the models in a browser against the server's: the same windows, crops, pictures and recordings through both.

python -m scripts.device_parity --ravdess-av DIR --ravdess DIR [--fer2013 DIR] [--clips N] [--threads N]

Needs a Chromium, `npm ci --omit=dev` and `requirements-dev.txt`. Prints, for each stage, the largest difference of a
probability, and how often both name the same label.
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from playwright.sync_api import sync_playwright

from app.device import DeviceError
from app.protocol import Result
from app.settings import Settings
from models.datasets.media import read_sound
from models.face_path import EMBEDDED_FACE, DetectedFacePath, load_face_path
from models.inference import SAMPLE_RATE, FaceReading, Float32, Int16, UInt8, VoiceModel
from models.labels import LABELS
from models.loading import load_voice
from scripts.device_page import DeviceEngine, device_engine
from scripts.evaluate.live import Event, picture_events, sound_events, stream
from scripts.stream_file import media

PATHS = ("voice", "face", "fused")


@dataclass
class Comparison:
    """What both said of the same inputs."""

    name: str
    differences: list[float] = field(default_factory=list)
    agreements: list[bool] = field(default_factory=list)

    def add(self, device: Float32 | None, server: Float32 | None) -> None:
        """Take two answers [7]; None is "there is no face"."""
        if device is None or server is None:
            self.agreements.append(device is server)
            return
        self.differences.append(float(np.abs(device - server).max()))
        self.agreements.append(bool(device.argmax() == server.argmax()))

    @property
    def largest(self) -> float:
        """The largest difference of a probability."""
        return max(self.differences, default=0.0)

    @property
    def agreement(self) -> float:
        """Share of the inputs for which both name the same label."""
        return float(np.mean(self.agreements)) if self.agreements else float("nan")

    def row(self) -> str:
        """Return a line of the table."""
        typical = float(np.median(self.differences)) if self.differences else 0.0
        share = f"{sum(self.agreements)} ({100 * self.agreement:.2f}%)"
        return f"| {self.name} | {len(self.agreements)} | {typical:.1e} | {self.largest:.1e} | {share} |"


HEAD = "| stage | inputs | median difference | largest difference | same label |\n|---|---|---|---|---|"


@dataclass(frozen=True)
class Server:
    """The server's own models."""

    settings: Settings
    voice: VoiceModel
    face: DetectedFacePath


def load_server(settings: Settings) -> Server:
    """Load what the server would, with the face model that devices get, and a detector that looks at each picture."""
    where: dict[str, Any] = {"engine": "onnx", "weights_dir": settings.weights_dir}
    confidence = settings.detector_confidence
    face, _ = load_face_path(settings.face_model, detector_confidence=confidence, **where)
    return Server(settings, load_voice(settings.voice_model, **where), face)


def compare_voice(engine: DeviceEngine, server: Server, windows: Iterable[Int16]) -> Comparison:
    """Give both networks the same windows [N], with and without somebody's own reference."""
    table = Comparison("voice network, the same windows")
    for window in windows:
        probs, statistics = engine.hear(window)
        answers, described = server.voice.answer(window[None])
        assert statistics is not None and described is not None  # noqa: S101 - the model that ships is adaptive
        table.add(probs, answers[0])
        reference = described[0]
        if np.abs(statistics - reference).max() > 1e-3 * max(1.0, float(np.abs(reference).max())):
            raise AssertionError("the statistics of a window differ")
        table.add(engine.hear(window, reference)[0], server.voice.predict(window[None], reference[None])[0])
    return table


def compare_face(engine: DeviceEngine, server: Server, crops: Iterable[UInt8]) -> Comparison:
    """Give both networks the same crops [size, size, channels]."""
    table = Comparison("face network, the same crops")
    for crop in crops:
        table.add(engine.classify(crop), server.face.model.predict(crop[None])[0])
    return table


def compare_pictures(engine: DeviceEngine, server: Server, jpegs: Iterable[bytes]) -> Comparison:
    """Give both face paths the same JPEGs: each decodes, detects and crops for itself."""
    table = Comparison("face path, the same JPEGs")
    for jpeg in jpegs:
        reading = server.face.analyse([jpeg])[0]
        if isinstance(reading, FaceReading):
            table.add(engine.see(jpeg)[0], reading.probs)
    return table


def compare_streams(
    engine: DeviceEngine, server: Server, recordings: Iterable[Sequence[Event]]
) -> tuple[Comparison, ...]:
    """Send both the same recordings, and compare every result that a viewer is shown."""
    tables = {path: Comparison(f"whole path, {path}") for path in PATHS}
    for events in recordings:
        wanted: list[Result] = list(stream(server.settings, events, server.voice, server.face))
        shown = engine.play(server.settings, events)
        if len(shown) != len(wanted):
            raise AssertionError(f"{len(shown)} results on the device, {len(wanted)} on the server")
        for device, result in zip(shown, wanted, strict=True):
            for path, table in tables.items():
                table.add(_probs(device[path]["probs"]), _probs(getattr(result, path).probs))
    return tuple(tables.values())


def _probs(named: dict[str, float]) -> Float32 | None:
    return np.array([named[label] for label in LABELS], np.float32) if named else None


def _recordings(ravdess_av: Path, ravdess: Path, interval: float, most: int) -> Iterator[list[Event]]:
    """Yield the clips, and the sequences of faces with the sound of their recordings."""
    for clip in sorted((ravdess_av / "clips").glob("*.mp4")):
        yield list(media(clip, interval))
    for folder in sorted((ravdess_av / "faces").iterdir())[:most]:
        sound = next((read_sound(path) for path in ravdess.glob(f"*/{folder.name}.*")), None)
        if sound is not None:
            jpegs = [path.read_bytes() for path in sorted(folder.glob("*.jpg"))]
            events = [*sound_events(sound), *picture_events(jpegs, len(sound) / SAMPLE_RATE)]
            yield sorted(events, key=lambda event: event[0])


def _windows(ravdess: Path, most: int) -> Iterator[Int16]:
    """Yield each recording's windows of a second, side by side."""
    for path in sorted((ravdess / "Actor_01").iterdir())[:most]:
        sound = read_sound(path)
        for start in range(0, len(sound) - SAMPLE_RATE, SAMPLE_RATE):
            yield sound[start : start + SAMPLE_RATE]


def _crops(fer2013: Path, most: int) -> Iterator[UInt8]:
    for folder in sorted((fer2013 / "test").iterdir()):
        for path in sorted(folder.glob("*.jpg"))[:most]:
            yield np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), np.uint8)[:, :, None]


def main() -> None:
    """Read the command line, compare, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ravdess-av", type=Path, required=True, metavar="DIR", help="has clips/ and faces/")
    parser.add_argument("--ravdess", type=Path, required=True, metavar="DIR", help="the sound of the faces")
    parser.add_argument("--fer2013", type=Path, metavar="DIR", help="crops for the face network")
    parser.add_argument("--clips", type=int, default=60, metavar="N", help="most recordings (%(default)s)")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="of WebAssembly (%(default)s)")
    said = parser.parse_args()
    settings = Settings(_env_file=None, face_model=EMBEDDED_FACE)
    server = load_server(settings)
    try:
        with sync_playwright() as playwright, device_engine(playwright, settings, said.threads) as engine:
            print(HEAD)
            print(compare_voice(engine, server, _windows(said.ravdess, said.clips)).row())
            if said.fer2013:
                print(compare_face(engine, server, _crops(said.fer2013, said.clips)).row())
            jpegs = sorted((said.ravdess_av / "faces").glob("*/*.jpg"))[:: max(1, 60 // said.clips) * 5]
            print(compare_pictures(engine, server, (path.read_bytes() for path in jpegs)).row())
            recordings = _recordings(said.ravdess_av, said.ravdess, settings.result_interval, said.clips)
            for table in compare_streams(engine, server, recordings):
                print(table.row())
    except DeviceError as fault:
        raise SystemExit(str(fault)) from None
    finally:
        server.face.close()


if __name__ == "__main__":
    main()
