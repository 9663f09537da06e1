"""Conditions that a face is evaluated in: dim light, blur, a tilted head, dark glasses, distance.

Pictures are grey [H, W] or RGB [H, W, 3]; points are (x, y) in pixels.
"""

from math import hypot

import cv2
import numpy as np

from models.inference import UInt8

GREY = 127
"""Of what surrounds a picture that is set into a frame."""


def dim(picture: UInt8, rng: np.random.Generator, light: float = 0.2, noise: float = 3.0) -> UInt8:
    """Leave a share `light` of the light, and add the camera's noise (standard deviation in grey levels)."""
    dark = picture * light + rng.normal(0.0, noise, picture.shape)
    return np.clip(np.round(dark), 0, 255).astype(np.uint8)


def blur(picture: UInt8, deviation: float) -> UInt8:
    """Put it out of focus: a Gaussian of that standard deviation in pixels."""
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), deviation), np.uint8)


def roll(picture: UInt8, degrees: float) -> UInt8:
    """Turn it about its centre, counter-clockwise; the edge's pixels fill the corners."""
    height, width = picture.shape[:2]
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1.0)
    turned = cv2.warpAffine(picture, turn, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(turned, np.uint8)


def glasses(picture: UInt8, right_eye: tuple[float, float], left_eye: tuple[float, float]) -> UInt8:
    """Cover both eyes as dark glasses would: two bars of 0.8 x 0.45 eye distances, and the bridge between them."""
    across = np.subtract(left_eye, right_eye)
    distance = hypot(*across)
    along = across / max(distance, 1e-6) * distance
    down = np.array([-along[1], along[0]])
    covered = picture.copy()
    middle = np.add(right_eye, left_eye) / 2
    for centre, width, height in ((right_eye, 0.8, 0.45), (left_eye, 0.8, 0.45), (middle, 0.4, 0.12)):
        corners = [centre + sx * width / 2 * along + sy * height / 2 * down
                   for sx, sy in ((-1, -1), (1, -1), (1, 1), (-1, 1))]  # fmt: skip
        # Sixteenths of a pixel: a face of 48 pixels has eyes of four.
        cv2.fillPoly(covered, [np.round(np.array(corners) * 16).astype(np.int32)], (20, 20, 20), cv2.LINE_AA, 4)
    return covered


def in_frame(picture: UInt8, side: int, width: int = 640, height: int = 480) -> UInt8:
    """Set a square grey picture, scaled to `side` pixels, into the middle of a grey RGB frame [height, width, 3]."""
    frame = np.full((height, width, 3), GREY, np.uint8)
    interpolation = cv2.INTER_AREA if side < len(picture) else cv2.INTER_CUBIC
    top, left = (height - side) // 2, (width - side) // 2
    scaled = cv2.resize(picture, (side, side), interpolation=interpolation)
    frame[top : top + side, left : left + side] = scaled[:, :, None]
    return frame


def jpeg(frame: UInt8, quality: int = 85) -> bytes:
    """Encode an RGB frame [H, W, 3]."""
    done, buffer = cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError("the frame could not be encoded")
    return bytes(buffer)
