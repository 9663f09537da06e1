"""What a model looks like to whoever serves it: arrays in, probabilities out.

Nothing here imports a framework; `models.onnx_engine` and `models.torch_engine` fulfil these protocols.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from models.labels import LABELS

Float32 = NDArray[np.float32]
Int16 = NDArray[np.int16]
UInt8 = NDArray[np.uint8]

SAMPLE_RATE = 16_000
"""Samples a second of every waveform in this project (mono)."""
MAX_PIXELS = 1920 * 1080
"""Default limit on width x height of a frame: full HD."""


class Box(NamedTuple):
    """A face's bounding box; all four numbers are fractions of the frame's width and height."""

    x: float
    y: float
    width: float
    height: float

    def moved(self, across: float, down: float) -> "Box":
        """Return this box, moved by these fractions of the frame's width and height."""
        return Box(self.x + across, self.y + down, self.width, self.height)


class Located(Protocol):
    """Anything that says where a face is."""

    @property
    def box(self) -> Box:
        """Its box, as MediaPipe's short-range network would draw it."""
        ...

    def roll(self, width: int, height: int) -> float:
        """By how many radians it leans clockwise in a frame of that many pixels; 0 where that is not known."""
        ...

    def moved(self, across: float, down: float) -> Self:
        """Return the same face, moved by these fractions of the frame's width and height."""
        ...


class Trace(NamedTuple):
    """What finds a face again in its viewer's next frame (`models.tracking`).

    Attributes:
        face: Where it was in the newest frame.
        pattern: How it looked when the detector found it [28, 28], grey.
        shape: Of both frames [H, W]: in one of other proportions the face's box would be squeezed.
        frames: In which it has been followed since.
    """

    face: Located
    pattern: UInt8
    shape: tuple[int, ...]
    frames: int = 0


class FaceReading(NamedTuple):
    """What the face path found in one frame: all fields are None where there is no face.

    `probs` has shape [7] in the order of `labels.LABELS` and sums to one. `crop` is the crop as a fusion network
    takes it [size, size, channels]; None where nobody asked for it. `trace` helps to find this face in the next frame;
    None where the detector looks at each.
    """

    box: Box | None = None
    probs: Float32 | None = None
    crop: UInt8 | None = None
    trace: Trace | None = None


class InvalidImageError(ValueError):
    """The bytes are not a JPEG that can be decoded. Viewers are told the message: it quotes none of their bytes."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What a model says of its own answers, for whoever pools them or fits them to a person.

    Attributes:
        sharpening: How far answers in a row are evidence of their own: the mean of n of them is raised to the power
            `n ** sharpening`. 0: they repeat each other.
        neutral: The model's mean answer [7] to neutral people whom it does not know; None where nobody measured it.
        adaptive: Whether a voice model takes references (`models.calibration`).
        labels: Those that it can say, in the order of `LABELS`; the others' probabilities are always zero.
    """

    sharpening: float = 0.0
    neutral: tuple[float, ...] | None = None
    adaptive: bool = False
    labels: tuple[str, ...] = LABELS


class VoiceModel(Protocol):
    """Voice windows to probabilities. Not thread-safe: one thread owns it."""

    name: str
    traits: Traits
    heard: frozenset[str]
    """Speakers whom it was trained on or chosen by (`ravdess-02`): accuracy must not be measured on them."""

    def answer(self, windows: Int16, references: Float32 | None = None) -> tuple[Float32, Float32 | None]:
        """Map windows [B, N] (Int16 mono, 16 kHz, 0.5-4 s) to probabilities [B, 7] and statistics [B, 80].

        `references` [B, 80] say who speaks: zeros, or None, for nobody known. A model that is not adaptive does
        not look at them, and has no statistics, which are what `models.calibration` goes by.
        """
        ...

    def predict(self, windows: Int16, references: Float32 | None = None) -> Float32:
        """Return the probabilities alone."""
        ...


class FaceModel(Protocol):
    """Face crops to probabilities. Several threads may ask it at once: nothing of a call may stay in it."""

    name: str
    traits: Traits
    size: int
    """Side of the square crop in pixels."""
    channels: int
    """1 for grey, 3 for RGB."""

    def predict(self, crops: UInt8) -> Float32:
        """Map crops [B, size, size, channels] (UInt8) to probabilities [B, 7]."""
        ...


class FusionModel(Protocol):
    """Voice windows and face crops, heard and seen together, to probabilities. Not thread-safe: one thread owns it."""

    name: str
    traits: Traits
    heard: frozenset[str]
    """Speakers whom it was trained on or chosen by, its voice network included."""
    size: int
    """Side of the square crop in pixels."""
    channels: int
    """1 for grey, 3 for RGB."""

    def predict(self, windows: Int16, crops: UInt8) -> Float32:
        """Map windows [B, N] (as for `VoiceModel`) and crops [B, size, size, channels] to probabilities [B, 7].

        A window and its crop are of the same moment.
        """
        ...


class FacePath(Protocol):
    """JPEG frames to readings: decode, detect, crop, classify. Not thread-safe: one thread owns it."""

    name: str
    model: FaceModel
    """What classifies the crops."""

    def analyse(
        self, jpegs: Sequence[bytes], traces: Sequence[Trace | None] = ()
    ) -> list[FaceReading | InvalidImageError]:
        """Return one outcome for each JPEG [B], in order; a bad picture never spoils its neighbours.

        `traces` [B] are of the frames before, each of its own viewer; without them the detector looks at all.
        """
        ...

    def close(self) -> None:
        """Free what it holds; it analyses nothing afterwards."""
        ...
