"""Where the face is: MediaPipe's BlazeFace (Bazarevsky et al., 2019, arXiv:1907.05047).

MediaPipe's wheel (0.10.21) carries both BlazeFace networks. Its graphs around them are not used: LiteRT runs the
networks on the thread that asks, and what comes before and after, which is little, follows MediaPipe's calculators
step by step. That takes less time, and MediaPipe's modules, slow to import, are never loaded.
"""

import importlib.util
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from math import atan2
from pathlib import Path
from typing import Final, NamedTuple

import cv2
import numpy as np

from models.crop import CropGeometry, apply_geometry
from models.inference import Box, Float32, UInt8

SHORT_RANGE, FULL_RANGE = 0, 1

FULL_TO_SHORT: Final = CropGeometry(scale=0.955, shift_y=0.064)
"""The full-range network's box to the short-range network's, so that a box means the same whichever
found the face. Medians over 160 frames, measured by `python -m scripts.measure_crop --videos ...`."""

LEAST_CONFIDENCE: Final = (0.5, 0.6)
"""What the short-range and the full-range network report at least, as in MediaPipe's graphs."""

SAME_FACE: Final = 0.3
"""Finds that overlap the best one by more (intersection over union) are of the same face, and are averaged with it."""

# Written by LiteRT at every start, whatever the log level.
_STARTUP_NOTICES: Final = (b"Created TensorFlow Lite XNNPACK delegate",)


class Detection(NamedTuple):
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

    def moved(self, across: float, down: float) -> "Detection":
        """Return the same face, moved by these fractions of the frame's width and height."""
        eyes = [(x + across, y + down) for x, y in (self.right_eye, self.left_eye)]
        return Detection(self.box.moved(across, down), eyes[0], eyes[1], self.score)


class FaceDetector:
    """Finds the largest face. Not thread-safe: one thread owns an instance.

    The short-range network looks first (near faces, down to about an eighth of the frame's width); the
    full-range network only where that finds nothing (down to 40 pixels in 640 x 480, a face 3-4 m away).
    The full-range network alone would not do: it misses faces that fill the frame.
    """

    def __init__(self, confidence: float = 0.5) -> None:
        files = (
            ("face_detection_short_range", 128, ((8, 2), (16, 6))),
            ("face_detection_full_range_sparse", 192, ((4, 1),)),
        )
        with _without_startup_notices():
            self._networks = [
                _Network(*file, max(confidence, least)) for file, least in zip(files, LEAST_CONFIDENCE, strict=True)
            ]

    def detect(self, image: UInt8) -> Detection | None:
        """Return the largest face in an RGB frame [H, W, 3], or None."""
        faces = self.find(image, SHORT_RANGE)
        if not faces:
            height, width = image.shape[:2]
            faces = [
                face._replace(box=apply_geometry(face.box, FULL_TO_SHORT, width, height))
                for face in self.find(image, FULL_RANGE)
            ]
        return max(faces, key=lambda face: face.box.width, default=None)

    def find(self, image: UInt8, network: int) -> list[Detection]:
        """Return every face that one network (`SHORT_RANGE` or `FULL_RANGE`) finds, its box untouched."""
        return self._networks[network].find(image)

    def close(self) -> None:
        """Free the networks."""
        self._networks.clear()


class _Network:
    """One of MediaPipe's networks, with the calculators of its graph: image to tensor, tensors to detections.

    Args:
        name: Of the file in MediaPipe's wheel.
        size: Side of the picture that it takes.
        grids: Of its finds, in order: pixels from one place to the next, and finds in each place.
        confidence: Least of a find that counts.
    """

    def __init__(self, name: str, size: int, grids: tuple[tuple[int, int], ...], confidence: float) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._size = size
        self._confidence = confidence
        self._places = np.concatenate([_places(size // stride, count) for stride, count in grids])
        self._interpreter = Interpreter(str(networks_folder() / f"{name}.tflite"), num_threads=1)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        outputs = {int(output["shape"][-1]): output["index"] for output in self._interpreter.get_output_details()}
        self._scores, self._shapes = outputs[1], outputs[16]

    def find(self, image: UInt8) -> list[Detection]:
        """Return every face in an RGB frame [H, W, 3], the surest first."""
        height, width = image.shape[:2]
        side = max(height, width)
        left, top, scale = (width - side) / 2, (height - side) / 2, side / self._size
        # The frame in the middle of a black square, and no smoothing: what the networks take.
        square = cv2.warpAffine(
            image, np.array([[scale, 0, left], [0, scale, top]]), (self._size, self._size),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_CONSTANT,
        )  # fmt: skip
        self._interpreter.set_tensor(self._input, square[None] * np.float32(2 / 255) - np.float32(1))
        self._interpreter.invoke()
        raw = self._interpreter.get_tensor(self._scores)[0, :, 0].clip(-50, 50)
        scores = 1 / (1 + np.exp(-raw))
        sure = np.flatnonzero(scores >= self._confidence)
        if not len(sure):
            return []
        sure = sure[np.argsort(-scores[sure], kind="stable")]
        shapes = self._interpreter.get_tensor(self._shapes)[0, sure].reshape(-1, 8, 2) / self._size
        shapes[:, 0] += self._places[sure]  # the centre; then width and height; then six points of the face
        shapes[:, 2:] += self._places[sure, None]
        corners = np.concatenate([shapes[:, 0] - shapes[:, 1] / 2, shapes[:, 0] + shapes[:, 1] / 2], axis=1)
        points = np.concatenate([corners.reshape(-1, 2, 2), shapes[:, 2:4]], axis=1)  # with right eye and left eye
        points = (points * side + (left, top)) / (width, height)
        return [_detection(*face) for face in _faces(points, corners, scores[sure])]


def networks_folder() -> Path:
    """Return the folder of the networks in MediaPipe's wheel, importing nothing of it.

    Raises:
        ModuleNotFoundError: MediaPipe is not installed.
    """
    found = importlib.util.find_spec("mediapipe")
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError("the package mediapipe is not installed", name="mediapipe")
    return Path(found.submodule_search_locations[0], "modules", "face_detection")


def _places(cells: int, count: int) -> Float32:
    """Return the centres [cells * cells * count, 2] of a grid's cells, row by row, each `count` times."""
    centres = (np.arange(cells, dtype=np.float32) + 0.5) / cells
    down, across = np.meshgrid(centres, centres, indexing="ij")
    return np.repeat(np.stack([across, down], axis=2).reshape(-1, 2), count, axis=0)


def _faces(points: Float32, corners: Float32, scores: Float32) -> Iterator[tuple[Float32, float]]:
    """Yield each face's points [4, 2] and score: all finds [N] of it, weighed by their scores.

    `points` [N, 4, 2] are averaged where `corners` [N, 4] (left, top, right, bottom) overlap. The surest is first.
    """
    while len(scores):
        common = np.minimum(corners[:, 2:], corners[0, 2:]) - np.maximum(corners[:, :2], corners[0, :2])
        overlap = np.maximum(common, 0).prod(axis=1)
        areas = np.maximum(corners[:, 2:] - corners[:, :2], 0).prod(axis=1)
        same = overlap > SAME_FACE * np.maximum(areas + areas[0] - overlap, 1e-12)
        same[0] = True
        yield np.average(points[same], axis=0, weights=scores[same]), float(scores[0])
        points, corners, scores = points[~same], corners[~same], scores[~same]


def _detection(points: Float32, score: float) -> Detection:
    (left, top), (right, bottom), right_eye, left_eye = points.tolist()
    return Detection(
        Box(left, top, right - left, bottom - top), (right_eye[0], right_eye[1]), (left_eye[0], left_eye[1]), score
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
