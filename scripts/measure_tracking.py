"""Measure how well a face is followed from frame to frame, beside the detector that looks at each of them.

    python -m scripts.measure_tracking FILM ... [--interval 0.5] [--detect-every 8] [--face-model NAME]

Each film is played once from each of its first frames, as a viewer would send it. What is told is how often the face
was followed and not looked for, how far off that was, in sides of its box, whether the face model gave the same
answers, and the time of both.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

import cv2
import numpy as np

from app.settings import Settings
from models.face_path import DetectedFacePath, cut_out, load_face_path
from models.image import decode_jpeg
from models.inference import Float32, Located, Trace, UInt8
from models.tracking import begin, follow
from scripts.option_values import whole_number

WIDTH = 480
"""Pixels to which frames are shrunk, as the page does."""
QUALITY = 80
"""Of their JPEGs, likewise."""

Answer = TypeVar("Answer")


class Followed(NamedTuple):
    """A face that was followed: how far it had moved, how far off that was, and both answers [2, 7]."""

    moved: float
    missed: float
    probs: Float32


class Measurement:
    """What was seen so far.

    Args:
        path: Finds faces and classifies them.
        detect_every: Frames from one look of the detector to the next.
    """

    def __init__(self, path: DetectedFacePath, detect_every: int) -> None:
        self._path = path
        self._detect_every = detect_every
        self.frames = self.lost = 0
        self.followed: list[Followed] = []
        self.seconds: dict[str, list[float]] = {
            part: [] for part in ("detector", "following", "beginning", "colours", "grey")
        }

    def play(self, frames: list[bytes]) -> None:
        """Follow a face through the frames of one film, as JPEGs."""
        trace: Trace | None = None
        for jpeg in frames:
            self.frames += 1
            image = self._timed("colours", lambda jpeg=jpeg: decode_jpeg(jpeg))
            face = self._timed("detector", lambda image=image: self._path.detector.detect(image))
            fresh = None
            if trace is not None and trace.frames + 1 < self._detect_every:
                grey = self._timed("grey", lambda jpeg=jpeg: decode_jpeg(jpeg, grey=True))
                fresh = self._timed("following", lambda grey=grey, trace=trace: follow(grey, trace))
                self.lost += fresh is None
                if fresh is not None and face is not None:
                    # As the server does, where the network takes grey crops.
                    seen = grey if self._path.framed.channels == 1 else image
                    self._compare((image, seen), face, trace, fresh)
            if fresh is None and face is not None:
                fresh = self._timed("beginning", lambda image=image, face=face: begin(image, face))
            trace = fresh

    def _compare(self, images: tuple[UInt8, UInt8], face: Located, before: Trace, now: Trace) -> None:
        height, width = images[0].shape[:2]
        crops = [cut_out(image, one, self._path.framed) for image, one in zip(images, (face, now.face), strict=True)]
        probs = self._path.model.predict(np.stack(crops))

        def distance(one: Located, other: Located) -> float:
            across, down = one.box.x - other.box.x, one.box.y - other.box.y
            return float(np.hypot(across * width, down * height)) / (face.box.width * width)

        self.followed.append(Followed(distance(face, before.face), distance(face, now.face), probs))

    def _timed(self, what: str, ask: Callable[[], Answer]) -> Answer:
        started = time.perf_counter()
        answer = ask()
        self.seconds[what].append(time.perf_counter() - started)
        return answer

    def report(self) -> None:
        """Print it."""
        share = len(self.followed) / max(self.frames, 1)
        print(f"{self.frames} frames; followed in {len(self.followed)} ({share:.0%}), lost in {self.lost}")
        for name, title in (("moved", "faces moved by"), ("missed", "following and detector differ by")):
            middle, most = np.percentile([getattr(one, name) for one in self.followed], (50, 95))
            print(f"{title} {middle:.3f} of the box's side, 95 % by at most {most:.3f}")
        probs = np.stack([one.probs for one in self.followed])
        same = (probs[:, 0].argmax(axis=1) == probs[:, 1].argmax(axis=1)).mean()
        apart = np.abs(probs[:, 0] - probs[:, 1]).sum(axis=1).mean() / 2
        print(f"the same label in {same:.1%}; answers differ by {apart:.3f} on average (total variation)")
        medians = {what: float(np.median(times)) for what, times in self.seconds.items()}
        whole = medians["detector"]
        print(", ".join(f"{what} {1000 * t:.3f} ms ({t / whole:.2f})" for what, t in medians.items()))


def phases(film: Path, interval: float) -> Iterator[list[bytes]]:
    """Yield the frames of a film as JPEGs, `interval` seconds apart, beginning at each frame of the first interval."""
    video = cv2.VideoCapture(str(film))
    step = max(1, round(video.get(cv2.CAP_PROP_FPS) * interval))
    frames = []
    while True:
        there, frame = video.read()
        if not there:
            break
        height, width = frame.shape[:2]
        small = cv2.resize(frame, (WIDTH, WIDTH * height // width), interpolation=cv2.INTER_AREA)
        frames.append(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes())
    video.release()
    for first in range(step):
        yield frames[first::step]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("films", type=Path, nargs="+", metavar="FILM")
    parser.add_argument("--interval", type=float, default=0.5, help="seconds between frames")
    parser.add_argument("--detect-every", type=whole_number, default=Settings.model_fields["detect_every"].default)
    parser.add_argument("--face-model", default="fer_resnet")
    options = parser.parse_args()
    settings = Settings(_env_file=None)
    path, _ = load_face_path(
        options.face_model, engine="onnx", weights_dir=settings.weights_dir, detector_confidence=0.5
    )
    measurement = Measurement(path, options.detect_every)
    for film in options.films:
        if not film.is_file():
            parser.error(f"there is no film {film}")
        before = measurement.frames
        for frames in phases(film, options.interval):
            measurement.play(frames)
        if measurement.frames == before:
            parser.error(f"there are no pictures in {film}")
    if not measurement.followed:
        raise SystemExit("no face was followed")
    measurement.report()


if __name__ == "__main__":
    main()
