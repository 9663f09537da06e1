"""From a face's box to the square picture that a face network was trained on.

A network sees what it learned only if the face sits in the crop as it did in training. `CropGeometry`
describes that framing relative to the detector's box; the constants below were measured.
"""

from dataclasses import dataclass
from math import ceil
from typing import Final

import cv2
import numpy as np

from models.inference import Box, UInt8


@dataclass(frozen=True, slots=True)
class CropGeometry:
    """Where the square crop lies, in units of the side of the detector's box.

    Attributes:
        scale: side of the crop.
        shift_x: from the box's centre to the crop's centre, positive to the right.
        shift_y: the same, positive downwards.
    """

    scale: float
    shift_x: float = 0.0
    shift_y: float = 0.0


@dataclass(frozen=True, slots=True)
class Framing:
    """The crops that a network takes: side in pixels, channels (1 is grey, 3 is RGB), and how a face lies in them."""

    size: int
    channels: int
    geometry: CropGeometry


FER2013: Final = CropGeometry(scale=1.19, shift_y=-0.11)
"""The framing of FER-2013's pictures: medians over 2,710 of 2,800 training pictures in which the detector
found the face (quartiles of the scale 1.07-1.33, of shift_y -0.14 to -0.06; shift_x is nil by symmetry).
Measured by `python -m scripts.measure_crop --fer2013 DIR --per-class 400`."""

AFFECTNET: Final = CropGeometry(scale=1.12, shift_y=-0.13)
"""The framing of AffectNet's annotated boxes, on which HSEmotion was trained (square, not levelled, stretched
to the network's size without a margin). Medians of the detector's box over the five training crops that the
authors show in their data preparation notebook (sb-ai-lab/EmotiEffLib, train_emotions.ipynb); scale 0.99-1.32."""


def apply_geometry(box: Box, geometry: CropGeometry, width: int, height: int) -> Box:
    """Return the square region that `geometry` takes around `box` in a frame of `width` x `height` pixels.

    It may reach beyond the frame.
    """
    side = float(np.sqrt(box.width * width * box.height * height))
    centre_x = (box.x + box.width / 2) * width + geometry.shift_x * side
    centre_y = (box.y + box.height / 2) * height + geometry.shift_y * side
    side *= geometry.scale
    return Box((centre_x - side / 2) / width, (centre_y - side / 2) / height, side / width, side / height)


def crop(image: UInt8, box: Box, geometry: CropGeometry, size: int, channels: int, roll: float = 0.0) -> UInt8:
    """Cut a face out of a frame.

    Beyond the frame's edge the nearest pixel is repeated. Shrinking averages areas (no aliasing).

    Args:
        image: RGB frame [H, W, 3], or a grey one [H, W] where the result is to be grey.
        box: the detector's box, in fractions of the frame.
        geometry: the framing that the network was trained on.
        size: side of the result in pixels.
        channels: 3 for RGB, 1 for grey (ITU-R BT.601 luma, as JPEG and FER-2013 use).
        roll: by how many radians the head leans clockwise, as seen; the crop leans with it.

    Returns:
        The crop [size, size, channels], UInt8.
    """
    height, width = image.shape[:2]
    region = apply_geometry(box, geometry, width, height)
    side = max(1, round(region.width * width))
    cut = _upright(image, region, side) if roll == 0.0 else _leaning(image, box, geometry, side, size, roll)
    interpolation = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    face = np.asarray(cv2.resize(cut, (size, size), interpolation=interpolation), np.uint8)
    return face if channels == 3 else to_grey(face)[:, :, None]


def to_grey(image: UInt8) -> UInt8:
    """Return the luma [H, W] of an RGB picture [H, W, 3]; of a grey one, the picture itself."""
    return image if image.ndim == 2 else np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)


def _upright(image: UInt8, region: Box, side: int) -> UInt8:
    height, width = image.shape[:2]
    columns = np.clip(round(region.x * width) + np.arange(side), 0, width - 1)
    rows = np.clip(round(region.y * height) + np.arange(side), 0, height - 1)
    return np.ascontiguousarray(image.take(rows, axis=0).take(columns, axis=1))


def _leaning(image: UInt8, box: Box, geometry: CropGeometry, side: int, size: int, roll: float) -> UInt8:
    """Cut a region of `side` pixels that is turned by `roll`.

    At the frame's own scale; where it is to be shrunk to less than half, as a multiple of `size` that is no coarser
    than two pixels of the frame. The mean of so many is as good as of all, and for a near face takes a third of the
    time.
    """
    fine = side if side <= 2 * size else size * ceil(side / (2 * size))
    step = side / fine
    height, width = image.shape[:2]
    cos, sin = np.cos(roll), np.sin(roll)
    unit = side / geometry.scale
    shift_x, shift_y = geometry.shift_x * unit, geometry.shift_y * unit
    centre_x = (box.x + box.width / 2) * width + cos * shift_x - sin * shift_y
    centre_y = (box.y + box.height / 2) * height + sin * shift_x + cos * shift_y
    across, down = step * cos, step * sin
    middle = (fine - 1) / 2
    from_crop = np.array(
        [
            [across, -down, centre_x - across * middle + down * middle],
            [down, across, centre_y - down * middle - across * middle],
        ]
    )
    turned = cv2.warpAffine(
        image, from_crop, (fine, fine), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(turned, np.uint8)
