"""Where the face is: MediaPipe's BlazeFace (Bazarevsky et al., 2019, arXiv:1907.05047).

The only module that imports MediaPipe. Its wheel (0.10.21) carries both BlazeFace networks.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from math import atan2
from typing import Any, Final

import numpy as np

from models.crop import CropGeometry, apply_geometry
from models.inference import Box, UInt8

# Read by glog and TensorFlow Lite when MediaPipe's library is loaded: errors only.
os.environ.setdefault("GLOG_minloglevel", "2")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from mediapipe.python.solutions import face_detection

SHORT_RANGE, FULL_RANGE = 0, 1

FULL_TO_SHORT: Final = CropGeometry(scale=0.955, shift_y=0.064)
"""The full-range network's box to the short-range network's, so that a box means the same whichever
found the face. Medians over 160 frames, measured by `python -m scripts.measure_crop --videos ...`."""

# Written by MediaPipe's native libraries at every start, whatever the log level.
_STARTUP_NOTICES: Final = (
    b"Created TensorFlow Lite XNNPACK delegate",
    b"written to STDERR",
    b"inference_feedback_manager.cc",
    b"gl_context",  # said where there is a display
)


@dataclass(frozen=True, slots=True)
class Detection:
    """One face: its box, the eyes' centres and the detector's confidence.

    All coordinates are fractions of the frame; the box may reach beyond it. "Right" is the person's own.
    """

    box: Box
    right_eye: tuple[float, float]
    left_eye: tuple[float, float]
    score: float

    def roll(self, width: int, height: int) -> float:
        """Return by how many radians the line of the eyes leans clockwise in a frame of that many pixels."""
        across = (self.left_eye[0] - self.right_eye[0]) * width
        down = (self.left_eye[1] - self.right_eye[1]) * height
        return atan2(down, across) if across > 0 else 0.0


class FaceDetector:
    """Finds the largest face. Not thread-safe: one thread owns an instance.

    The short-range network looks first (near faces, down to about an eighth of the frame's width); the
    full-range network only where that finds nothing (down to 40 pixels in 640 x 480, a face 3-4 m away).
    The full-range network alone would not do: it misses faces that fill the frame.
    """

    def __init__(self, confidence: float = 0.5) -> None:
        self._confidence = confidence
        self._graphs: dict[int, Any] = {}
        blank = np.zeros((64, 64, 3), np.uint8)
        with _without_startup_notices():
            for network in (SHORT_RANGE, FULL_RANGE):
                self._open(network)
            self.detect(blank)  # the graphs start with their first frame

    def detect(self, image: UInt8) -> Detection | None:
        """Return the largest face in an RGB frame [H, W, 3], or None."""
        faces = self.find(image, SHORT_RANGE)
        if not faces:
            height, width = image.shape[:2]
            faces = [
                replace(face, box=apply_geometry(face.box, FULL_TO_SHORT, width, height))
                for face in self.find(image, FULL_RANGE)
            ]
        return max(faces, key=lambda face: face.box.width, default=None)

    def find(self, image: UInt8, network: int) -> list[Detection]:
        """Return every face that one network (`SHORT_RANGE` or `FULL_RANGE`) finds, its box untouched."""
        try:
            detections = self._graphs[network].process(image).detections
        except (RuntimeError, ValueError):
            # A graph that failed once answers nothing any more: the next picture finds a new one.
            self._open(network)
            raise
        return [_parse(found) for found in detections or ()]

    def close(self) -> None:
        """Stop the graphs' threads and free them."""
        for graph in self._graphs.values():
            graph.close()

    def _open(self, network: int) -> None:
        dead = self._graphs.pop(network, None)
        self._graphs[network] = face_detection.FaceDetection(self._confidence, network)
        if dead is not None:
            with suppress(RuntimeError, ValueError):
                dead.close()


def _parse(found: Any) -> Detection:
    where = found.location_data
    box, points = where.relative_bounding_box, where.relative_keypoints
    right, left = points[face_detection.FaceKeyPoint.RIGHT_EYE], points[face_detection.FaceKeyPoint.LEFT_EYE]
    return Detection(
        box=Box(box.xmin, box.ymin, box.width, box.height),
        right_eye=(right.x, right.y),
        left_eye=(left.x, left.y),
        score=found.score[0],
    )


@contextmanager
def _without_startup_notices() -> Iterator[None]:
    """Keep the native libraries' start-up notices off stderr; everything else is passed on.

    They write to the file descriptor itself, so that is where they are caught.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as caught:
        os.dup2(caught.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            caught.seek(0)
            for line in caught:
                if not any(notice in line for notice in _STARTUP_NOTICES):
                    os.write(2, line)
