"""Measure how a data set's pictures frame a face, relative to the detector's box.

    python -m scripts.measure_crop --fer2013 DIR [--per-class 200] [--videos FILE ...] [--sheet OUT.png]

A face network sees at run time what it saw in training only if the crop has the same framing. This finds
the `CropGeometry` that turns the detector's box back into the training picture, and, with `--videos`, how
the full-range network's box relates to the short-range network's. `--sheet` writes crops of the videos
beside training pictures, for the eye to compare.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from models.crop import FER2013, CropGeometry, crop
from models.datasets import fer2013
from models.datasets.photographs import CANVAS, on_canvas
from models.detection import FULL_RANGE, SHORT_RANGE, Detection, FaceDetector
from models.inference import Box, UInt8

# The sheet: tiles of SIDE pixels, this many in a row.
SIDE, COLUMNS = 96, 8


def geometry_between(box: Box, target: Box, width: int, height: int) -> CropGeometry:
    """Return the geometry that leads from `box` to `target` in a frame of `width` x `height` pixels."""
    side = float(np.sqrt(box.width * width * box.height * height))
    return CropGeometry(
        scale=float(np.sqrt(target.width * width * target.height * height)) / side,
        shift_x=(target.x + target.width / 2 - box.x - box.width / 2) * width / side,
        shift_y=(target.y + target.height / 2 - box.y - box.height / 2) * height / side,
    )


def report(title: str, found: list[CropGeometry], total: int) -> None:
    """Print the detection rate and the medians with their quartiles."""
    print(f"{title}: found {len(found)} of {total} ({len(found) / max(total, 1):.1%})")
    for name in ("scale", "shift_x", "shift_y") if found else ():
        low, middle, high = np.percentile([getattr(g, name) for g in found], (25, 50, 75))
        print(f"  {name:8} {middle:+.3f}   quartiles {low:+.3f} {high:+.3f}")


def video_frames(path: Path, count: int) -> Iterator[UInt8]:
    """Yield `count` RGB frames, spread evenly over a video."""
    video = cv2.VideoCapture(str(path))
    total = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    for k in range(count):
        video.set(cv2.CAP_PROP_POS_FRAMES, (2 * k + 1) * total // (2 * count))
        ok, frame = video.read()
        if ok:
            yield np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), np.uint8)
    video.release()


def shrunk(frame: UInt8, factor: float) -> UInt8:
    """Put a frame, shrunk, in the middle of a grey one of its size: the person steps back."""
    height, width = frame.shape[:2]
    small = cv2.resize(frame, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    canvas = np.full_like(frame, 127)
    y, x = (height - small.shape[0]) // 2, (width - small.shape[1]) // 2
    canvas[y : y + small.shape[0], x : x + small.shape[1]] = small
    return canvas


def largest(faces: list[Detection]) -> Box | None:
    """Return the box of the largest face."""
    return max((face.box for face in faces), key=lambda box: box.width, default=None)


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fer2013", type=Path, required=True, help="folder with train/<label>/*.jpg")
    parser.add_argument("--per-class", type=int, default=200)
    parser.add_argument("--videos", type=Path, nargs="*", default=[])
    parser.add_argument("--sheet", type=Path, help="write crops beside training pictures to this PNG")
    arguments = parser.parse_args()

    pictures = fer2013.load(arguments.fer2013, "train", arguments.per_class).images
    detector = FaceDetector()
    found = []
    for picture in pictures:
        canvas, lies = on_canvas(picture)
        box = largest(detector.find(canvas, SHORT_RANGE))
        if box is not None:
            found.append(geometry_between(box, lies, CANVAS, CANVAS))
    report("FER-2013 training pictures", found, len(pictures))

    frames = [frame for path in arguments.videos for frame in video_frames(path, 10)]
    pairs, total = [], 0
    for frame in frames:
        for factor in (0.25, 0.4, 0.6, 0.8, 1.0):
            seen, total = shrunk(frame, factor), total + 1
            near = largest(detector.find(seen, SHORT_RANGE))
            far = largest(detector.find(seen, FULL_RANGE))
            if near is not None and far is not None:
                pairs.append(geometry_between(far, near, frame.shape[1], frame.shape[0]))
    if frames:
        report("full-range box to short-range box", pairs, total)

    if arguments.sheet:
        crops = [
            crop(frame, face.box, FER2013, SIDE, 1)[:, :, 0]
            for frame in frames
            if (face := detector.detect(frame)) is not None
        ]
        np.random.default_rng(0).shuffle(crops)
        sample = np.random.default_rng(0).choice(pictures, 2 * COLUMNS)
        tiles = [cv2.resize(picture, (SIDE, SIDE)) for picture in sample] + crops[:COLUMNS]
        tiles += [np.zeros((SIDE, SIDE), np.uint8)] * (3 * COLUMNS - len(tiles))
        cv2.imwrite(str(arguments.sheet), np.vstack([np.hstack(tiles[k::3]) for k in range(3)]))
    detector.close()


if __name__ == "__main__":
    main()
