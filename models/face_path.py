"""The face path: JPEG frames in, face boxes and probabilities out."""

import logging
from collections.abc import Sequence
from itertools import repeat
from pathlib import Path
from typing import Final, Protocol, cast

import cv2
import numpy as np

from models import hsemotion
from models.crop import CropGeometry, crop
from models.detection import FaceDetector
from models.download import UnavailableError
from models.image import decode_jpeg
from models.inference import MAX_PIXELS, FaceModel, FaceReading, InvalidImageError, Located, Trace, UInt8
from models.loading import load_face
from models.tracking import begin, follow

logger = logging.getLogger(__name__)

AUTO: Final = "auto"
EMBEDDED_FACE: Final = "fer_resnet"
"""The face model that ships with the project; `auto` falls back to it."""


class Framed(Protocol):
    """Anything that says which crops it takes, a fusion model among it."""

    @property
    def size(self) -> int:
        """Their side in pixels."""
        ...

    @property
    def channels(self) -> int:
        """1 for grey, 3 for RGB."""
        ...

    @property
    def geometry(self) -> CropGeometry:
        """How a face lies in them."""
        ...


class FramedFaceModel(FaceModel, Framed, Protocol):
    """A face model that says how its crops are framed."""


class Detector(Protocol):
    """Finds the largest face: `models.detection`, `models.haar`. Not thread-safe."""

    def detect(self, image: UInt8) -> Located | None:
        """Return the largest face in an RGB frame [H, W, 3], or None."""
        ...

    def close(self) -> None:
        """Free what it holds."""
        ...


class DetectedFacePath:
    """Decode, detect, crop, classify. A `FacePath`; not thread-safe: one thread owns it.

    With a `fusion` each reading has the face's crop as that takes it. With `detect_every` the detector looks at the
    first of so many frames of a viewer, and follows the face in the others where it can (`models.tracking`).

    Attributes:
        detector: Finds the face.
        model: Classifies its crop.
        framed: Says which crops `model` takes.
    """

    def __init__(
        self,
        detector: Detector,
        model: FramedFaceModel,
        max_pixels: int = MAX_PIXELS,
        fusion: Framed | None = None,
        detect_every: int = 1,
    ) -> None:
        self.name = model.name
        self.detector = detector
        self.model: FaceModel = model
        self.framed: Framed = model
        self._fusion = fusion
        self._max_pixels = max_pixels
        self._detect_every = detect_every
        self._is_grey = all(framed.channels == 1 for framed in (model, fusion) if framed is not None)

    def analyse(
        self, jpegs: Sequence[bytes], traces: Sequence[Trace | None] = ()
    ) -> list[FaceReading | InvalidImageError]:
        """Return one outcome for each JPEG [B], in order; all faces go through the model in one call."""
        outcomes: list[FaceReading | InvalidImageError] = []
        crops: list[UInt8] = []
        with_face: list[int] = []
        for jpeg, trace in zip(jpegs, traces or repeat(None, len(jpegs)), strict=True):
            try:
                image, face, fresh = self._find(jpeg, trace)
            except InvalidImageError as error:
                outcomes.append(error)
                continue
            if face is None:
                outcomes.append(FaceReading())
                continue
            with_face.append(len(outcomes))
            crops.append(cut_out(image, face, self.framed))
            outcomes.append(FaceReading(face.box, crop=self._for_fusion(image, face, crops[-1]), trace=fresh))
        if crops:
            probs = self.model.predict(np.stack(crops))
            for index, row in zip(with_face, probs, strict=True):
                reading = outcomes[index]
                assert isinstance(reading, FaceReading)  # noqa: S101 - what `with_face` points to, by construction
                outcomes[index] = reading._replace(probs=row.copy())  # a view would keep the whole batch
        return outcomes

    def twin(self, detector: Detector) -> "DetectedFacePath":
        """Return a path for another thread: with a detector of its own, and this one's networks.

        Both engines let several threads call one network at the same time.
        """
        return DetectedFacePath(
            detector, cast(FramedFaceModel, self.model), self._max_pixels, self._fusion, self._detect_every
        )

    def look(self, image: UInt8, *, classify: bool = True) -> FaceReading:
        """Return what is in one RGB frame [H, W, 3]; its probabilities are None where nobody asked for them."""
        face = self.detector.detect(image)
        if face is None:
            return FaceReading()
        if not classify:
            return FaceReading(face.box)
        cut = cut_out(image, face, self.framed)
        return FaceReading(face.box, self.model.predict(cut[None])[0], self._for_fusion(image, face, cut))

    def _find(self, jpeg: bytes, trace: Trace | None) -> tuple[UInt8, Located | None, Trace | None]:
        """Return a frame's pixels, the face of `trace` where it can be followed or else the largest, and its trace.

        The pixels are grey where nobody who looks at them needs colours; the detector does.
        """
        image = None
        if trace is not None and trace.frames + 1 < self._detect_every:
            image = decode_jpeg(jpeg, max_pixels=self._max_pixels, grey=self._is_grey)
            if followed := follow(image, trace):
                return image, followed.face, followed
        if image is None or self._is_grey:
            image = decode_jpeg(jpeg, max_pixels=self._max_pixels)
        face = self.detector.detect(image)
        return image, face, None if face is None or self._detect_every == 1 else begin(image, face)

    def _for_fusion(self, image: UInt8, face: Located, cut: UInt8) -> UInt8 | None:
        """Return the face's crop for the fusion network: `cut`, the face model's own, where both take the same."""
        if self._fusion is None:
            return None
        return cut if _alike(self._fusion, self.framed) else cut_out(image, face, self._fusion)

    def close(self) -> None:
        """Stop the detector."""
        self.detector.close()


def cut_out(image: UInt8, face: Located, framed: Framed) -> UInt8:
    """Cut a face out of a frame [H, W, 3] or [H, W], levelled by its eyes: the crop [size, size, channels]."""
    height, width = image.shape[:2]
    return crop(image, face.box, framed.geometry, framed.size, framed.channels, face.roll(width, height))


def _alike(one: Framed, other: Framed) -> bool:
    return (one.size, one.channels, one.geometry) == (other.size, other.channels, other.geometry)


def load_face_path(
    name: str,
    *,
    engine: str,
    weights_dir: Path,
    detector_confidence: float,
    threads: int = 1,
    max_pixels: int = MAX_PIXELS,
    cache: Path = hsemotion.CACHE,
    detector: Detector | None = None,
    fusion: Framed | None = None,
    detect_every: int = 1,
) -> tuple[DetectedFacePath, str | None]:
    """Load the detector and a face model.

    Args:
        name: `auto`, `enet_b2_7`, or an artefact in `weights_dir`. `auto` prefers `enet_b2_7` and falls back to
            the embedded model.
        engine: `onnx` or `torch`.
        weights_dir: where the project's own artefacts lie.
        detector_confidence: 0-1; less sure faces are not reported.
        threads: CPU threads of one model call.
        max_pixels: larger pictures are refused.
        cache: folder of downloaded networks.
        detector: another one than MediaPipe's; `detector_confidence` is not for it.
        fusion: a fusion model (`models.loading.load_fusion`) whose crops each reading is to have.
        detect_every: frames of a viewer from one look of the detector to the next; 1 follows no face.

    Returns:
        The path, and why it fell back (None where it did not).

    Raises:
        UnavailableError: `enet_b2_7` was asked for by name and cannot be had.
        ArtefactError: there is no such artefact, or it is damaged.
    """
    cv2.setNumThreads(threads)  # OpenCV would otherwise wake every core for each small picture
    model, fallback = _load_model(name, engine=engine, weights_dir=weights_dir, threads=threads, cache=cache)
    detector = detector or FaceDetector(detector_confidence)
    return DetectedFacePath(detector, model, max_pixels, fusion, detect_every), fallback


def _load_model(
    name: str, *, engine: str, weights_dir: Path, threads: int, cache: Path
) -> tuple[FramedFaceModel, str | None]:
    if name in (AUTO, hsemotion.NAME):
        try:
            return hsemotion.load_hsemotion(engine, threads=threads, cache=cache), None
        except UnavailableError as error:
            if name != AUTO:
                raise
            # Viewers are told the sentence; the cause may name a folder and is for the log alone.
            fallback = f"{hsemotion.NAME} is not available; using the embedded model {EMBEDDED_FACE}"
            logger.warning("%s (%s)", fallback, error)
            name = EMBEDDED_FACE
    else:
        fallback = None
    besides = (AUTO, hsemotion.NAME)
    return load_face(name, engine=engine, weights_dir=weights_dir, threads=threads, besides=besides), fallback
