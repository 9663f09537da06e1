"""Write the fuzzer's first inputs into `tests/fuzz/corpus`: small, one for each kind of thing that a stranger may send.

python -m scripts.fuzz.seeds
"""

import base64
import json
import struct
from collections.abc import Iterator

import cv2
import numpy as np

from scripts.fuzz import CORPUS

WORDS = (
    *("type", "audio", "frame", "configure", "calibrate", "authenticate", "pcm16", "jpeg", "id", "fusion_weight"),
    *("voice_smoothing", "face_smoothing", "action", "start", "skip", "reset", "token", "NaN", "Infinity", "1e999"),
    *("null", "true", "4294967295", "4294967296", "AAAA", "/9j/", "\\\\u0000", "\\\\ud800", "[[", "{}"),
)


def _text(message: object) -> bytes:
    return b"\x01" + (message if isinstance(message, str) else json.dumps(message)).encode()


def _binary(kind: int, payload: bytes) -> bytes:
    return b"\x00" + struct.pack("<BI", kind, 7) + payload


def _protocol() -> Iterator[tuple[str, bytes]]:
    pcm, jpeg = (base64.b64encode(data).decode() for data in (bytes(8), b"\xff\xd8\xff\xe0"))
    yield "audio", _text({"type": "audio", "pcm16": pcm, "id": 1})
    yield "frame", _text({"type": "frame", "jpeg": jpeg, "id": 2})
    yield "configure", _text({"type": "configure", "fusion_weight": 0.6, "voice_smoothing": 5, "face_smoothing": 10})
    yield "calibrate", _text({"type": "calibrate", "action": "start"})
    yield "authenticate", _text({"type": "authenticate", "token": "0123456789abcdef"})
    yield "audio_binary", _binary(1, bytes(8))
    yield "frame_binary", _binary(2, b"\xff\xd8\xff\xe0")
    yield "wrong_tag", _binary(9, b"x")
    yield "odd_pcm", _binary(1, bytes(7))
    yield "short", b"\x00\x01\x02"
    yield "nothing", b""
    yield "png_as_jpeg", _binary(2, b"\x89PNG\r\n\x1a\n")
    yield "no_json", _text("hello")
    yield "cut_json", _text('{"type": "audio"')
    yield "deep", _text("[" * 900)
    yield "deep_field", _text('{"type": "configure", "x": ' + "[" * 100 + "]" * 100 + "}")
    yield "not_a_number", _text('{"type": "configure", "fusion_weight": NaN, "voice_smoothing": Infinity}')
    yield "huge_number", _text('{"type": "configure", "fusion_weight": 1e999, "voice_smoothing": ' + "9" * 400 + "}")
    yield "wrong_types", _text({"type": ["audio"], "pcm16": {"a": 1}, "id": True})
    yield "twice", _text('{"type": "audio", "type": "frame", "pcm16": "AAAA", "jpeg": "/9j/"}')
    yield "line_breaks", _text({"type": "audio", "pcm16": "AAAA\nAAAA"})
    yield "surrogate", b"\x03" + b'{"type": "\xff\xfe"}'
    yield "escaped_surrogate", _text('{"type": "authenticate", "token": "\\ud800"}')


def _picture(height: int = 24, width: int = 32, channels: int = 3) -> np.ndarray:
    ramp = np.arange(height * width * channels, dtype=np.uint32) * 37 % 256
    return ramp.astype(np.uint8).reshape(height, width, channels)


def _encode(picture: np.ndarray, *options: int) -> bytes:
    return bytes(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 60, *options])[1])


def _header(precision: int, height: int, width: int, components: int, marker: int = 0xC0) -> bytes:
    parts = b"".join(bytes([number, 0x11, 0]) for number in range(components))
    start = struct.pack(">BBHBHHB", 0xFF, marker, 8 + 3 * components, precision, height, width, components)
    return b"\xff\xd8" + start + parts


def _exif(jpeg: bytes, orientation: int) -> bytes:
    tiff = b"II*\0\x08\0\0\0" + struct.pack("<HHHIHHI", 1, 0x0112, 3, 1, orientation, 0, 0)
    body = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


def _hidden(jpeg: bytes, other: bytes, marker: int, length: int | None = None) -> bytes:
    """Put the segments of another JPEG before, in what this marker makes a segment of its own to some readers."""
    inside = other[2:-2]
    said = len(inside) + 2 if length is None else length
    return jpeg[:2] + bytes([0xFF, marker]) + struct.pack(">H", said) + inside + jpeg[2:]


def _sized(jpeg: bytes, height: int, width: int) -> bytes:
    """Say another size in the frame header; decoders fill what is missing with grey."""
    at = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:at] + struct.pack(">HH", height, width) + jpeg[at + 4 :]


def _jpeg() -> Iterator[tuple[str, bytes]]:
    baseline = _encode(_picture())
    progressive = _encode(_picture(), cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    yield "baseline", baseline
    yield "progressive", progressive
    yield "grey", _encode(_picture(channels=1))
    yield "restarts", _encode(_picture(), cv2.IMWRITE_JPEG_RST_INTERVAL, 1)
    yield "all_colour", _encode(_picture(), cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)
    yield "one_pixel", _encode(_picture(1, 1))
    yield "turned", _exif(baseline, 6)
    yield "turned_nowhere", _exif(baseline, 77)
    yield "cut", baseline[: len(baseline) // 2]
    yield "cut_with_an_end", baseline[: len(baseline) // 2] + b"\xff\xd9"
    yield "cut_progressive", progressive[: len(progressive) // 2] + b"\xff\xd9"
    yield "cmyk", _header(8, 24, 32, 4) + b"\xff\xd9"
    yield "twelve_bits", _header(12, 24, 32, 3, 0xC1) + b"\xff\xd9"
    yield "sixteen_bits_lossless", _header(16, 24, 32, 3, 0xC3) + b"\xff\xd9"
    yield "arithmetic", _header(8, 24, 32, 3, 0xC9) + b"\xff\xd9"
    yield "bomb", _header(8, 65_535, 65_535, 3) + b"\xff\xd9"
    yield "strip", _encode(np.zeros((1, 33_000, 1), np.uint8))
    yield "no_height", _header(8, 0, 32, 3) + b"\xff\xd9"
    yield "a_size_after_the_first", baseline[:2] + _header(8, 65_535, 65_535, 3)[2:] + baseline[2:]
    yield "a_size_before_the_last", baseline[:2] + _header(8, 16, 16, 3)[2:] + baseline[2:]
    yield "many_pixels", _sized(_encode(_picture(channels=1)), 512, 512)
    bomb = _sized(_encode(_picture(channels=1)), 8_000, 8_000)
    for marker in (0x00, 0x02, 0x01, 0xC8, 0xD0, 0xD8, 0xD9, 0xDA, 0xDC, 0xF0):
        yield f"hidden_{marker:02x}", _hidden(baseline, bomb, marker)
    yield "hidden_length_0", _hidden(baseline, bomb, 0xE1, 0)
    yield "hidden_length_1", _hidden(baseline, bomb, 0xFE, 1)
    yield "hidden_in_a_comment", _hidden(baseline, bomb, 0xFE)
    yield "png", bytes(cv2.imencode(".png", _picture())[1])
    yield "changes", bytes([0]) + bytes([1, 20, 200, 0, 200, 7]) * 3
    yield "changed_progressive", bytes([5, 2, 100, 9])
    yield "between", bytes([2]) + b"\xff\xfe\0\x04.."
    yield "between_restarts", bytes([15]) + b"\xff\x00\x02\x00"
    yield "gif", b"GIF89a\x01\0\x01\0\0\0\0;"


def _session() -> Iterator[tuple[str, bytes]]:
    second = bytes([1, 80, 60, 0, 16]) * 5  # sound, wait
    looks = (
        bytes([3, 9, 6]) + bytes([7, 0, 40, 10, 20, 30, 40, 50, 60, 70, 80]) + bytes([8, 0, 200, 9, 8, 7, 6, 5, 4, 3])
    )
    fuses = bytes([6, 9, 0, 1, 2, 3, 4, 5, 6, 7, 10])
    for variant in (0, 1, 2, 3, 16, 17):
        yield f"talk_{variant}", bytes([variant]) + (second + looks + fuses) * 4
        yield f"look_{variant}", bytes([variant]) + bytes([3, 9, 6, 8, 0, 200, 9, 8, 7, 6, 5, 4, 3, 10, 0, 60])
        yield f"calibrate_{variant}", bytes([variant, 5, 0]) + (second + looks + fuses) * 6 + bytes([5, 2, 10])
    yield "long_silence", bytes([0]) + second + bytes([0, 255, 10, 0, 250, 10])
    yield "late_answers", bytes([2]) + second + bytes([6, 0, 255]) + looks + fuses
    yield "settings", bytes([1, 4, 255, 255, 255, 4, 0, 199, 199, 10])


def main() -> None:
    """Write them, and the words that the protocol's inputs are made of."""
    for name, inputs in (("protocol", _protocol()), ("jpeg", _jpeg()), ("session", _session())):
        folder = CORPUS / name
        folder.mkdir(parents=True, exist_ok=True)
        for title, data in inputs:
            (folder / title).write_bytes(data)
    (CORPUS.parent / "protocol.dict").write_text("".join(f'"{word}"\n' for word in WORDS))


if __name__ == "__main__":
    main()
