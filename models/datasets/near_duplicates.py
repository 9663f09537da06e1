"""Pictures of one photograph that are not the same pixel for pixel: cut a little otherwise, brighter, saved anew."""

import cv2
import numpy as np
from numpy.typing import NDArray

from models.inference import Float32, UInt8

SIDE = 24
"""Pixels to which pictures are shrunk: what differs between two copies of a photograph is mostly finer."""
ALIKE = 0.93
"""Correlation above which two pictures pass for one photograph. Looked at one by one, 135 of the 136 pairs of FER-2013
(usage Training and PublicTest) from here to 0.95 are one photograph; at 0.92 they are 27 of 29, at 0.90 26 of 40."""
BLOCK = 1024
"""Training pictures that are compared at once, so that memory grows with the held-out pictures alone."""


def near_duplicates(train: UInt8, held_out: UInt8, alike: float = ALIKE) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which training pictures show a photograph that is held out, and which held-out ones one trained on.

    Two pictures are one photograph if Pearson's correlation of their pixels, shrunk to 24 x 24, is above `alike`, as
    they are or with one of them mirrored. Brightness and contrast make no difference to it, and a picture of one even
    grey is like no other.

    Args:
        train: Grey [N, H, W].
        held_out: Grey [M, H, W]; its size may be another.
        alike: From -1 to 1.

    Returns:
        A mask [N] of `train` and a mask [M] of `held_out`.
    """
    both_ways = np.concatenate([_standardised(held_out), _standardised(held_out[:, :, ::-1])])
    of_train, of_held_out = np.zeros(len(train), np.bool_), np.zeros(len(both_ways), np.bool_)
    for start in range(0, len(train), BLOCK):
        close = _standardised(train[start : start + BLOCK]) @ both_ways.T > alike
        of_train[start : start + BLOCK] = close.any(axis=1)
        of_held_out |= close.any(axis=0)
    return of_train, of_held_out.reshape(2, -1).any(axis=0)


def _standardised(pictures: UInt8) -> Float32:
    """Return shrunk pictures as vectors [N, 576] of mean 0 and length 1, whose products are correlations."""
    small = [cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for picture in pictures]
    vectors = np.array(small, np.float32).reshape(len(small), SIDE * SIDE)
    vectors -= vectors.mean(axis=1, keepdims=True)
    # Less than a grey level in all is rounding, and no picture.
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1.0)
    return vectors
