"""What is fuzzed: each target takes bytes, and raises only where the server would be hurt.

A target returns a word for how the input ended, so that a run can tell how much of it got through.
"""

import math
from collections.abc import Callable
from typing import Final, get_args

import numpy as np

from app import protocol
from app.protocol import Calibrate, Configure, ErrorCode, ProtocolError, decode
from app.settings import Settings
from app.viewer.fusing import Pair
from app.viewer.hearing import Window
from app.viewer.seeing import Picture
from app.viewer.session import Session
from models.calibration import REFERENCE
from models.image import MAX_SIDE, OTHER_SIZE, decode_jpeg
from models.inference import Box, FaceReading, Float32, InvalidImageError, Traits
from models.labels import LABELS
from scripts.fuzz import CORPUS

MAX_FRAME_BYTES: Final = 16_384
MAX_PIXELS: Final = 65_536
"""As for the server, but small: what is cut off at a limit is cut off at any."""


class EscapeError(AssertionError):
    """Something got through that must not."""


def expect(holds: bool, what: str) -> None:
    """Raise an `EscapeError` unless something holds."""
    if not holds:
        raise EscapeError(what)


WHOLE_JPEGS: Final = tuple(
    (CORPUS / "jpeg" / name).read_bytes() for name in ("baseline", "progressive", "grey", "restarts", "turned")
)
MANY_PIXELS: Final = (CORPUS / "jpeg" / "many_pixels").read_bytes()

# --- protocol ---


def fuzz_protocol(data: bytes) -> str:
    """One message: the first byte says whether the rest is binary (even) or text (odd)."""
    message: str | bytes = data[1:]
    if data[:1] and data[0] % 2:
        message = data[1:].decode("utf-8", "surrogateescape" if data[0] % 4 == 3 else "replace")
    try:
        event = decode(message, max_frame_bytes=MAX_FRAME_BYTES)
    except ProtocolError as error:
        expect(error.code in get_args(ErrorCode), f"unlisted code {error.code}")
        expect(error.code not in protocol.CLOSE_CODES, f"{error.code} is not recoverable")
        expect(0 < len(error.message) <= 200, "the error's words are too many")
        protocol.encode(protocol.Error(code=error.code, message=error.message, recoverable=True)).encode()
        return error.code
    match event:
        case protocol.Audio():
            expect(event.samples.dtype == np.int16 and len(event.samples) > 0, "no samples")
        case protocol.Frame():
            expect(len(event.jpeg) <= MAX_FRAME_BYTES, "the frame is too big")
        case protocol.Configure():
            weight = event.fusion_weight
            expect(weight is None or 0 <= weight <= 1, f"weight {weight}")
            expect(all(n is None or 1 <= n <= 50 for n in (event.voice_smoothing, event.face_smoothing)), "smoothing")
        case protocol.Calibrate() | protocol.Authenticate():
            pass
    return event.type


# --- JPEG ---


def fuzz_jpeg(data: bytes) -> str:
    """One frame: its header is checked, and what passes is decoded.

    The decoder's own code is not instrumented, so that nothing leads the fuzzer deep into it. Input that does not begin
    like a JPEG is therefore a list of changes to a whole one, or what stands between its start and another one of
    many pixels, which must not be read. Half of the others are decoded in grey.
    """
    first = data[0] if data else 0xFF
    jpeg = data if first == 0xFF else _made(first, data[1:])
    try:
        image = decode_jpeg(jpeg, max_pixels=MAX_PIXELS, grey=first % 2 == 1)
    except InvalidImageError as error:
        expect(str(error) != OTHER_SIZE, OTHER_SIZE)
        expect(0 < len(str(error)) <= 200, "the error's words are too many")
        return str(error) if str(error).isalpha() else str(error).translate(_WITHOUT_DIGITS)
    expect(image.dtype == np.uint8 and image.shape[2:] == (() if first % 2 else (3,)), f"{image.dtype} {image.shape}")
    expect(0 < image.shape[0] * image.shape[1] <= MAX_PIXELS, f"{image.shape} has too many pixels")
    expect(max(image.shape) <= MAX_SIDE, f"{image.shape} is too long")
    return "decoded"


def _made(kind: int, data: bytes) -> bytes:
    whole = WHOLE_JPEGS[kind // 4 % len(WHOLE_JPEGS)]
    if kind // 2 % 2:
        return whole[:2] + data + MANY_PIXELS[2:-2] + whole[2:]
    return _changed(whole, data)


def _changed(jpeg: bytes, changes: bytes) -> bytes:
    """Put bytes of other values at places: two bytes for a place, one for the value."""
    damaged = bytearray(jpeg)
    for at in range(0, len(changes) - 2, 3):
        damaged[int.from_bytes(changes[at : at + 2], "big") % len(jpeg)] = changes[at + 2]
    return bytes(damaged)


_WITHOUT_DIGITS: Final = str.maketrans("", "", "0123456789")


# --- session ---

_NEUTRAL: Final = tuple(np.full(len(LABELS), 1 / len(LABELS)).tolist())
_VARIANTS: Final = (
    (Traits(), Traits(), Traits()),
    (Traits(adaptive=True, sharpening=0.4), Traits(neutral=_NEUTRAL, sharpening=0.2), Traits()),
    (Traits(neutral=_NEUTRAL), Traits(labels=LABELS[:4]), Traits(labels=LABELS[2:])),
    (Traits(labels=("angry", "happy")), Traits(labels=("fear", "sad")), Traits(labels=("neutral", "sad"))),
)
_SETTINGS: Final = (
    Settings(_env_file=None, voice_window=0.5, calibration_seconds=3),
    Settings(_env_file=None, voice_smoothing=1, face_smoothing=1, silence_rms=0, result_interval=0.1, stale_after=0.5),
)


class _Reader:
    """Bytes as numbers: beyond the end everything is 0."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1] if self._at <= len(self._data) else 0

    def probs(self) -> Float32:
        """Seven probabilities, zeros and ones among them."""
        raw = np.array([self.byte() for _ in LABELS], np.float32)
        return raw / raw.sum() if raw.sum() else np.full(len(LABELS), 1 / len(LABELS), np.float32)


class _Play:
    """Plays a script to a session: what a viewer sends, what the models answer, when, in any order."""

    def __init__(self, data: bytes) -> None:
        self._read = _Reader(data)
        first = self._read.byte()
        voice, face, fusion = _VARIANTS[first % len(_VARIANTS)]
        self._now = 1000.0
        self._session = Session(_SETTINGS[first // 16 % 2], self._now, voice, face, fusion)
        self._windows: list[Window] = []
        self._pictures: list[Picture] = []
        self._pairs: list[Pair] = []
        self._dropped = protocol.Dropped()
        self._number = 0

    def run(self) -> str:
        steps = (
            self._wait, self._sound, self._sound, self._picture, self._configure, self._calibrate, self._take,
            self._hear, self._see, self._fuse, self._result, self._miss,
        )  # fmt: skip
        while self._read.left > 0:
            steps[self._read.byte() % len(steps)]()
        return self._result()

    def _wait(self) -> None:
        step = self._read.byte()
        self._now += step / 64 if step < 250 else 10.0 ** (step - 248)

    def _sound(self) -> None:
        length, amplitude = 1 + self._read.byte() * 100, self._read.byte() * 257 // 2
        self._number += 1
        samples = np.full(length, amplitude, np.int16)
        samples[::2] *= -1
        self._session.receive_audio(samples, self._number if amplitude % 2 else None, self._now)

    def _picture(self) -> None:
        self._number += 1
        self._session.receive_frame(bytes([self._read.byte()]), self._number, self._now)

    def _configure(self) -> None:
        weight, voice, face = (self._read.byte() for _ in range(3))
        self._session.configure(
            Configure(
                fusion_weight=weight / 254 if weight < 255 else None,
                voice_smoothing=1 + voice % 50 if voice < 200 else None,
                face_smoothing=1 + face % 50 if face < 200 else None,
            )
        )

    def _calibrate(self) -> None:
        action = ("start", "skip", "reset")[self._read.byte() % 3]
        if self._session.can_calibrate:
            self._session.calibrate(Calibrate.model_validate({"action": action}), self._now)

    def _take(self) -> None:
        if window := self._session.take_window(self._now):
            self._windows.append(window)
        if picture := self._session.take_frame(self._now):
            self._pictures.append(picture)
        if pair := self._session.take_pair(self._now):
            self._pairs.append(pair)

    def _hear(self) -> None:
        if self._windows:
            window = self._windows.pop(self._read.byte() % len(self._windows))
            mean, square = (np.full(REFERENCE // 2, self._read.byte() / 16 - 8, np.float32) for _ in range(2))
            told = np.concatenate([mean, square + mean**2]) if self._read.byte() % 2 else None
            self._session.heard(window, self._read.probs(), self._now, told)

    def _see(self) -> None:
        if self._pictures:
            picture = self._pictures.pop(self._read.byte() % len(self._pictures))
            kind = self._read.byte()
            box = Box(kind / 100 - 0.5, 0.1, 0.3, 0.4)
            crop = np.full((8, 8, 1), kind, np.uint8)
            reading = FaceReading() if kind % 3 == 0 else FaceReading(box, self._read.probs(), crop)
            self._session.saw(picture, reading, self._now)

    def _fuse(self) -> None:
        if self._pairs:
            pair = self._pairs.pop(self._read.byte() % len(self._pairs))
            self._session.fused(pair, self._read.probs(), self._now)

    def _miss(self) -> None:
        self._session.miss_results(self._read.byte())

    def _result(self) -> str:
        result = self._session.result(self._now)
        protocol.encode(self._session.calibration).encode()
        protocol.encode(protocol.Configured(settings=self._session.settings)).encode()
        expect(protocol.decode_server(protocol.encode(result)) == result, "a result changes on the wire")
        for part in (result.voice, result.face, result.fused):
            values = list(part.probs.values())
            expect(all(math.isfinite(p) and 0 <= p <= 1 for p in values), f"probabilities {values}")
            expect(not values or abs(sum(values) - 1) < 0.002, f"they sum to {sum(values)}")
            expect((part.label is None) == (not values), "a label without probabilities, or these without one")
        expect(0 <= result.level <= 1, f"level {result.level}")
        for name, count in result.dropped:
            expect(count >= getattr(self._dropped, name), f"dropped.{name} falls")
        self._dropped = result.dropped
        return result.fused.state


def fuzz_session(data: bytes) -> str:
    """A whole stream: events, answers that come late or never, and time."""
    return _Play(data).run()


TARGETS: Final[dict[str, Callable[[bytes], str]]] = {
    "protocol": fuzz_protocol,
    "jpeg": fuzz_jpeg,
    "session": fuzz_session,
}
