"""Finding a face again in its viewer's next frame without the detector, for a tenth of the time.

Around where the face was, the frame is searched for what the detector found there, by normalised cross-correlation
(Lewis, 1995, "Fast normalized cross-correlation"). That follows a face that has moved. Of one that has turned, come
nearer, been covered or left the correlation falls, and the detector has to look.
"""

from typing import Final

import cv2
import numpy as np

from models.crop import to_grey
from models.inference import Box, Located, Trace, UInt8

BOX: Final = 24
"""Pixels of the side of a face's box in the pictures that are compared."""
PATTERN: Final = 28
"""Of the side of what is searched for: the box with a narrow rim."""
REACH: Final = 44
"""Of the side of where it is searched: as far as a third of the box in each direction."""
ALIKE: Final = 0.85
"""Least correlation of a face that counts as the same, and in the same pose."""


def begin(image: UInt8, face: Located) -> Trace:
    """Return the trace of a face that the detector found in an RGB frame [H, W, 3]."""
    return Trace(face, _grey(image, face.box, PATTERN), image.shape[:2])


def follow(image: UInt8, trace: Trace) -> Trace | None:
    """Return the trace with the face's place in a frame; None where it is not there, or altered.

    Args:
        image: RGB [H, W, 3], or grey [H, W], which takes less time.
        trace: Of the frame before.
    """
    if image.shape[:2] != trace.shape:
        return None
    correlation = cv2.matchTemplate(_grey(image, trace.face.box, REACH), trace.pattern, cv2.TM_CCOEFF_NORMED)
    _, best, _, (across, down) = cv2.minMaxLoc(correlation)
    if best < ALIKE:
        return None
    height, width = image.shape[:2]
    middle, pixel = (REACH - PATTERN) / 2, trace.face.box.width * width / BOX
    moved = trace.face.moved((across - middle) * pixel / width, (down - middle) * pixel / height)
    return Trace(moved, trace.pattern, trace.shape, trace.frames + 1)


def _grey(image: UInt8, box: Box, side: int) -> UInt8:
    """Return what is around a box's centre, at the scale at which the box is `BOX` pixels wide [side, side]."""
    height, width = image.shape[:2]
    step = box.width * width / BOX / 2  # twice as fine, to be averaged
    left, top = ((box.x + box.width / 2) * width - side * step, (box.y + box.height / 2) * height - side * step)
    fine = cv2.warpAffine(
        image, np.array([[step, 0, left + step / 2], [0, step, top + step / 2]]), (2 * side, 2 * side),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    grey = cv2.resize(to_grey(np.asarray(fine, np.uint8)), (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(grey, np.uint8)
