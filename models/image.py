"""JPEG bytes to pixels, refusing what is not a JPEG or is too large before any pixel is decoded."""

import struct
from typing import Final, NamedTuple

import cv2
import numpy as np

from models.inference import MAX_PIXELS, InvalidImageError, UInt8

MAX_SCANS: Final = 24
"""Most scans of a JPEG: each is a pass over all pixels. Encoders of progressive JPEGs make about ten."""

MAX_SIDE: Final = 4096
"""Longest side of a picture. OpenCV's warps take none from 32,767 on (inside MediaPipe's graphs that ended the
process), and the crop of a face may have such a side squared."""

OTHER_SIZE: Final = "the picture has another size than its header says"

_START, _SCAN, _END = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"
# Start-of-frame markers of the JPEGs that browsers and cameras make: baseline, extended, progressive.
_SUPPORTED_FRAMES: Final = frozenset({0xC0, 0xC1, 0xC2})
# Segments that may come before: Huffman and quantisation tables, restart interval, APP0-15, comment. Decoders pass
# over other bytes in search of a marker (FF 00 is none to libjpeg, whatever its length says): where they could go on
# reading at another place than this module does, they would find another size.
_BEFORE: Final = frozenset({0xC4, 0xDB, 0xDD, *range(0xE0, 0xF0), 0xFE})


class JpegHeader(NamedTuple):
    """What the frame header says of the picture."""

    width: int
    height: int
    components: int


def read_header(jpeg: bytes) -> JpegHeader:
    """Read the size of a JPEG from its frame header (ITU-T T.81, annex B), decoding nothing.

    Raises:
        InvalidImageError: not a JPEG, or a kind that is not supported.
    """
    if jpeg[:2] != _START:
        raise InvalidImageError("not a JPEG")
    at = 2
    while at + 4 <= len(jpeg) and jpeg[at] == 0xFF:
        marker, length = jpeg[at + 1], int.from_bytes(jpeg[at + 2 : at + 4], "big")
        if marker == 0xFF:  # fill byte
            at += 1
        elif marker in _BEFORE and length >= 2:
            at += 2 + length
        elif marker in _SUPPORTED_FRAMES and at + 10 <= len(jpeg):
            precision, height, width, components = struct.unpack_from(">BHHB", jpeg, at + 4)
            if precision != 8 or not width or not height:
                break
            return JpegHeader(width, height, components)
        else:
            break
    raise InvalidImageError("not a JPEG that can be decoded")


def decode_jpeg(jpeg: bytes, *, max_pixels: int = MAX_PIXELS, grey: bool = False) -> UInt8:
    """Decode a grey or colour JPEG.

    An EXIF orientation is applied, so that the picture is upright as a browser would show it.

    Args:
        jpeg: the file's bytes.
        max_pixels: limit on width x height, checked before decoding.
        grey: whether luma is enough, which takes less than half the time.

    Returns:
        RGB pixels [height, width, 3], or with `grey` luma [height, width] (ITU-R BT.601); UInt8.

    Raises:
        InvalidImageError: not a JPEG, cut short, larger than `max_pixels`, longer than `MAX_SIDE`, of more than
            `MAX_SCANS` scans, or CMYK.
    """
    header = read_header(jpeg)
    if header.width * header.height > max_pixels:
        raise InvalidImageError(f"the picture is {header.width} x {header.height}, larger than {max_pixels} pixels")
    if max(header.width, header.height) > MAX_SIDE:
        raise InvalidImageError(
            f"the picture is {header.width} x {header.height}, a side longer than {MAX_SIDE} pixels"
        )
    if header.components not in (1, 3):
        raise InvalidImageError("only grey and RGB JPEGs are supported, not CMYK")
    # In a scan's data FF is followed by 00, so that no scan is missed by looking for the marker alone. What it
    # finds besides is a thumbnail's scan, or chance (one in 65536 bytes) in other metadata.
    if jpeg.count(_SCAN) > MAX_SCANS:
        raise InvalidImageError(f"the JPEG has more than {MAX_SCANS} scans")
    # A cut JPEG decodes to a picture with a grey lower part; that must not be shown to a model.
    if _END not in jpeg[-64:]:
        raise InvalidImageError("the JPEG is cut short")
    kind = cv2.IMREAD_GRAYSCALE if grey else cv2.IMREAD_COLOR_RGB
    try:
        image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), kind)
    except cv2.error:
        image = None
    if image is None:
        raise InvalidImageError("not a JPEG that can be decoded")
    if sorted(image.shape[:2]) != sorted(header[:2]):  # an EXIF orientation may swap the sides
        raise InvalidImageError(OTHER_SIZE)  # too late for the memory; `read_header` is to see that it never happens
    return np.asarray(image, np.uint8)
