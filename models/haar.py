"""Where the face is, the older way: a cascade of Haar features (Viola & Jones, 2001; OpenCV's `frontalface_alt2`).

For comparison with systems that use it, and for machines where MediaPipe does not run. It sees upright faces from
the front only, and misses more of them than BlazeFace (`models.detection`) does.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import cv2.data
import numpy as np

from models.crop import CropGeometry, apply_geometry
from models.inference import Box, UInt8

CASCADE: Final = "haarcascade_frontalface_alt2.xml"
"""Of the four frontal cascades in OpenCV's wheel the one that found nearly as many FER-2013 faces as `default` in
three fifths of its time, and nothing else beside them."""

HAAR_TO_SHORT: Final = CropGeometry(scale=0.87, shift_x=0.01, shift_y=0.105)
"""The cascade's box to that of MediaPipe's short-range network, so that a box means the same whichever found the
face. Medians over 2,174 of 2,800 FER-2013 training pictures in which both found it (quartiles of the scale 0.81-0.93,
of shift_y 0.08-0.13). Measured by `python -m scripts.webcam.measure_haar --fer2013 DIR`."""

LONG_SIDE: Final = 480
"""Larger pictures are shrunk to this many pixels: the cascade's time grows with their area."""
SMALLEST: Final = 1 / 12
"""Least side of a face, as a share of the picture's longer side: 53 pixels in 640 x 480."""


@dataclass(frozen=True, slots=True)
class HaarFace:
    """One face: a box like MediaPipe's, and how many neighbouring windows agreed on it."""

    box: Box
    votes: int

    def roll(self, width: int, height: int) -> float:
        """Return 0: a cascade says nothing of the eyes, and finds upright faces only."""
        return 0.0

    def moved(self, across: float, down: float) -> "HaarFace":
        """Return the same face, moved by these fractions of the frame's width and height."""
        return HaarFace(self.box.moved(across, down), self.votes)


class HaarDetector:
    """Finds the largest face. Not thread-safe: one thread owns an instance.

    Args:
        votes: Least number of neighbouring windows that agree on a face; fewer find more, wrong ones among them.
    """

    def __init__(self, votes: int = 3) -> None:
        self._cascade = cv2.CascadeClassifier(cv2.data.haarcascades + CASCADE)
        self._votes = votes

    def detect(self, image: UInt8) -> HaarFace | None:
        """Return the largest face in an RGB frame [H, W, 3], or None."""
        face = max(self.find(image), key=lambda face: face.box.width, default=None)
        if face is None:
            return None
        height, width = image.shape[:2]
        return HaarFace(apply_geometry(face.box, HAAR_TO_SHORT, width, height), face.votes)

    def find(self, image: UInt8) -> list[HaarFace]:
        """Return every face in an RGB frame, its box as the cascade gives it."""
        height, width = image.shape[:2]
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        shrink = min(1.0, LONG_SIDE / max(height, width))
        if shrink < 1:
            grey = cv2.resize(grey, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
        least = round(max(grey.shape) * SMALLEST)
        boxes, votes = self._cascade.detectMultiScale2(
            grey, scaleFactor=1.1, minNeighbors=self._votes, minSize=(least, least)
        )
        height, width = grey.shape
        return [
            HaarFace(Box(x / width, y / height, w / width, h / height), int(count))
            for (x, y, w, h), count in zip(np.asarray(boxes).reshape(-1, 4), votes, strict=True)
        ]

    def close(self) -> None:
        """Nothing to free: there for whoever takes either detector."""
