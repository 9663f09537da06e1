"""The face path's figures on FER-2013: on its own crops, and found by the detector in a whole frame."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from app.quick_check import classify_faces
from models.conditions import face as conditions
from models.crop import CropGeometry, crop
from models.datasets import fer2013
from models.datasets.faces import duplicates
from models.datasets.fer2013 import SIZE, Faces
from models.datasets.near_duplicates import near_duplicates
from models.detection import Detection, FaceDetector
from models.image import decode_jpeg
from models.inference import Box, FaceModel, FacePath, FaceReading, Float32, UInt8
from models.labels import LABELS
from models.metrics import report
from scripts.evaluate.answers import sum_up

NEAR = 208
"""Side of a picture in the frame, in pixels: its face is then about 175 wide, as before a laptop."""
FAR_SIDES = (40, 60, 80, 100)
"""Widths of a face in pixels; 60 in 640 x 480 is about 3 m away."""
FRAME = (640, 480)

Points = tuple[tuple[float, float], tuple[float, float]]
"""Right and left eye, (x, y) in pixels."""
Alter = Callable[[UInt8, Points | None, int, np.random.Generator], UInt8]
"""What is done to a picture, or to a frame that a picture of so many pixels is set into."""

FARTHER = "distance: face of 60 px, JPEG 60"
GLASSES = "dark glasses"
CONDITIONS: dict[str, Alter] = {
    "clean": lambda image, eyes, side, rng: image,
    "dim: a fifth of the light, noise": lambda image, eyes, side, rng: conditions.dim(image, rng),
    "blur: deviation 3 % of the picture": lambda image, eyes, side, rng: conditions.blur(image, 0.03 * side),
    "roll 30°": lambda image, eyes, side, rng: conditions.roll(image, float(rng.choice([-30, 30]))),
    GLASSES: lambda image, eyes, side, rng: image if eyes is None else conditions.glasses(image, *eyes),
}


def accuracy(model: FaceModel, faces: Faces) -> tuple[dict[str, Any], Float32]:
    """Return the figures on FER-2013's own crops, and the probabilities [N, 7]."""
    probs = classify_faces(model, faces.images)
    return sum_up(probs, faces.labels), probs


def trained_on(root: Path) -> Faces:
    """Return FER-2013's training split, less the pictures that PublicTest has too: no training here took those.

    Raises:
        DataLayoutError: One of the two splits is not there.
    """
    train = fer2013.load(root, "train")
    return train.select(~duplicates(train, fer2013.load(root, "test")))


def by_photograph(probs: Float32, faces: Faces, train: Faces) -> dict[str, Any]:
    """Return the figures of `new` pictures, and of those of a photograph that training pictures show too (`seen`).

    Null of none. FER-2013 has many a photograph several times, in several splits, cut or lit a little otherwise. Since
    these are told from each other (`near_duplicates`), trainings leave them out; weights of before have seen them.
    """
    _, seen = near_duplicates(train.images, faces.images)
    parts = {"new": ~seen, "seen": seen}
    return {name: sum_up(probs[these], faces.labels[these]) if these.any() else None for name, these in parts.items()}


def robustness(path: FacePath, geometry: CropGeometry, faces: Faces, detector: FaceDetector) -> dict[str, Any]:
    """Return for each condition the figures on crops, and through JPEG, detector, crop and classifier.

    In `frame`, `found` is the share of the pictures in which the detector finds a face, and the figures are of
    those; `lost` is against `clean` on the same pictures. Dark glasses need the clean picture's eye points: where
    there are none, the picture is left out. From a distance the detector looks for heads and shoulders, which
    these pictures do not have: there the clean picture's box is given, and `far_faces` tells what is found.
    """
    known = [
        detector.detect(conditions.in_frame(image, NEAR, *FRAME)) for image in tqdm(faces.images, "eyes", leave=False)
    ]
    seen = np.array([face is not None for face in known])
    table: dict[str, Any] = {}
    clean_crops = clean_frames = np.zeros((0, len(LABELS)), np.float32)
    for name, alter in CONDITIONS.items():
        crops = np.stack([
            alter(image, _eyes(face, SIZE), SIZE, np.random.default_rng(i))
            for i, (image, face) in enumerate(zip(faces.images, known, strict=True))
        ])  # fmt: skip
        on_crops = classify_faces(path.model, crops)
        in_frames = np.full_like(on_crops, np.nan)
        for i, (image, face) in enumerate(zip(faces.images, tqdm(known, name, leave=False), strict=True)):
            frame = conditions.in_frame(image, NEAR, *FRAME)
            frame = alter(frame, _eyes(face, NEAR, FRAME), NEAR, np.random.default_rng(i))
            reading = path.analyse([conditions.jpeg(frame)])[0]
            if isinstance(reading, FaceReading) and reading.probs is not None:
                in_frames[i] = reading.probs
        if name == "clean":
            clean_crops, clean_frames = on_crops, in_frames
        these = seen if name == GLASSES else np.full(len(faces), True)
        found = these & ~np.isnan(in_frames[:, 0])
        both = found & ~np.isnan(clean_frames[:, 0])
        table[name] = {
            "n": int(these.sum()),
            "found": float(found.sum() / max(1, these.sum())),
            "crop": _short(on_crops, clean_crops, faces.labels, these),
            "frame": _short(in_frames, clean_frames, faces.labels, both),
        }
    far = np.full_like(clean_crops, np.nan)
    for i in np.flatnonzero(seen):
        face = known[i]
        if face is not None:
            far[i] = _from_afar(path.model, geometry, faces.images[i], face.box)
    both = seen & ~np.isnan(clean_frames[:, 0])
    frame_part = _short(far, clean_frames, faces.labels, both)
    table[FARTHER] = {"n": int(both.sum()), "found": None, "crop": None, "frame": frame_part}
    return table


def far_faces(frames: Iterable[UInt8], detector: FaceDetector) -> dict[str, Any]:
    """Return in how many frames of real people the detector finds a face shrunk to so many pixels (JPEG 60).

    The frame is shrunk whole, shoulders and room with it, and set into a grey one of 640 x 480.
    """
    width, height = FRAME
    looked, found = 0, dict.fromkeys(FAR_SIDES, 0)
    for frame in frames:
        near = detector.detect(frame)
        if near is None:
            continue
        looked += 1
        for side in FAR_SIDES:
            factor = side / (near.box.width * frame.shape[1])
            small = cv2.resize(frame, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)[:height, :width]
            canvas = np.full((height, width, 3), conditions.GREY, np.uint8)
            left = (width - small.shape[1]) // 2
            canvas[height - small.shape[0] :, left : left + small.shape[1]] = small
            found[side] += detector.detect(decode_jpeg(conditions.jpeg(canvas, 60))) is not None
    return {"frames": looked, "found": {str(side): count for side, count in found.items()}}


def _from_afar(model: FaceModel, geometry: CropGeometry, picture: UInt8, near: Box) -> Float32:
    """Classify a picture whose face is 60 pixels wide, cut out by the box of the near one, shrunk with it."""
    width, height = FRAME
    side = round(60 * NEAR / (near.width * width))
    frame = decode_jpeg(conditions.jpeg(conditions.in_frame(picture, side, width, height), 60))
    factor = side / NEAR
    box = Box(0.5 + (near.x - 0.5) * factor, 0.5 + (near.y - 0.5) * factor, near.width * factor, near.height * factor)
    probs: Float32 = model.predict(crop(frame, box, geometry, model.size, model.channels)[None])[0]
    return probs


def _short(
    probs: Float32, clean: Float32, labels: NDArray[np.int64], these: NDArray[np.bool_]
) -> dict[str, Any] | None:
    if not these.any():
        return None
    figures, before = report(probs[these], labels[these]), report(clean[these], labels[these])
    return {
        "n": figures.n, "uar": figures.uar, "uar_interval": figures.uar_interval, "top1": figures.top1,
        "ece": figures.ece, "recall": figures.recall, "lost": before.uar - figures.uar,
    }  # fmt: skip


def _eyes(face: Detection | None, side: int, frame: tuple[int, int] | None = None) -> Points | None:
    """Return where the eyes, found at `NEAR` in `FRAME`, lie in the picture at `side` pixels, or in a frame of it."""
    if face is None:
        return None
    left, top = (0.0, 0.0) if frame is None else ((frame[0] - side) / 2, (frame[1] - side) / 2)
    right_eye, left_eye = (
        (
            (x * FRAME[0] - (FRAME[0] - NEAR) / 2) * side / NEAR + left,
            (y * FRAME[1] - (FRAME[1] - NEAR) / 2) * side / NEAR + top,
        )
        for x, y in (face.right_eye, face.left_eye)
    )
    return right_eye, left_eye
