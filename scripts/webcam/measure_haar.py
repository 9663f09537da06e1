"""Measure the Haar cascade against MediaPipe on FER-2013: how many faces each finds, where, how fast.

    python -m scripts.webcam.measure_haar --fer2013 DIR [--per-class 400] [--face-model fer_resnet]

Prints the geometry that leads from the cascade's box to MediaPipe's (`models.haar.HAAR_TO_SHORT`), from training
pictures; and, on the validation pictures, what each detector costs: faces found, milliseconds, and how often the
face model is right about the crops. Each picture is pasted in a grey frame, as in `scripts.measure_crop`.
"""

import argparse
import time
from pathlib import Path

import cv2
import numpy as np

from app.settings import ROOT
from models.crop import crop
from models.datasets import fer2013
from models.datasets.photographs import CANVAS, on_canvas
from models.detection import SHORT_RANGE, FaceDetector
from models.face_path import Detector
from models.haar import HaarDetector
from models.loading import load_face
from scripts.measure_crop import geometry_between, largest, report


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fer2013", type=Path, required=True, help="folder of FER-2013")
    parser.add_argument("--per-class", type=int, default=400, help="pictures of each label (default: %(default)s)")
    parser.add_argument("--face-model", default="fer_resnet", help="who judges the crops (default: %(default)s)")
    wish = parser.parse_args()
    cv2.setNumThreads(1)
    mediapipe, haar = FaceDetector(), HaarDetector()

    between, framed = [], []
    pictures = fer2013.load(wish.fer2013, "train", wish.per_class).images
    for picture in pictures:
        canvas, lies = on_canvas(picture)
        theirs = largest(mediapipe.find(canvas, SHORT_RANGE))
        ours = max((face.box for face in haar.find(canvas)), key=lambda box: box.width, default=None)
        if ours is not None and theirs is not None:
            between.append(geometry_between(ours, theirs, CANVAS, CANVAS))
        corrected = haar.detect(canvas)
        if corrected is not None:
            framed.append(geometry_between(corrected.box, lies, CANVAS, CANVAS))
    report("the cascade's box to the short-range network's", between, len(pictures))
    report("the corrected box to the training picture (models.crop.FER2013)", framed, len(pictures))

    model = load_face(wish.face_model, engine="onnx", weights_dir=ROOT / "weights")
    held_out = fer2013.load(wish.fer2013, "test", wish.per_class)
    canvases = [on_canvas(picture)[0] for picture in held_out.images]
    right: dict[str, dict[int, bool]] = {}
    detectors: dict[str, Detector] = {"mediapipe": mediapipe, "haar": haar}
    for name, detector in detectors.items():
        began = time.perf_counter()
        faces = [detector.detect(canvas) for canvas in canvases]
        milliseconds = 1000 * (time.perf_counter() - began) / len(canvases)
        right[name] = {}
        for index, face in enumerate(faces):
            if face is not None:
                picture = crop(canvases[index], face.box, model.geometry, model.size, model.channels)
                right[name][index] = bool(model.predict(picture[None])[0].argmax() == held_out.labels[index])
        found = len(right[name]) / len(canvases)
        print(f"{name}: found {len(right[name])} of {len(canvases)} ({found:.1%}), {milliseconds:.1f} ms a frame")
        detector.close()
    both = right["mediapipe"].keys() & right["haar"].keys()
    for name, answers in right.items():
        share = np.mean([answers[index] for index in both])
        print(f"{name}: {wish.face_model} is right on {share:.1%} of the {len(both)} faces that both found")


if __name__ == "__main__":
    main()
