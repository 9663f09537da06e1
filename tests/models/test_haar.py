import cv2
import numpy as np
import pytest

from models.crop import FER2013, apply_geometry
from models.detection import FaceDetector
from models.face_path import load_face_path
from models.haar import HaarDetector
from models.inference import Box
from tests.models.test_detection import overlap, placed
from tests.models.test_face_path import SHIPPED


@pytest.fixture(scope="module")
def detector() -> HaarDetector:
    return HaarDetector()


def test_its_box_means_what_mediapipes_means(detector: HaarDetector, astronaut: np.ndarray) -> None:
    mediapipe = FaceDetector()
    corrected, untouched, framed = [], [], []
    for pixels in (60, 80, 100, 120, 150, 200, 250):
        frame = placed(astronaut, pixels)
        ours, theirs = detector.detect(frame), mediapipe.detect(frame)
        assert ours is not None
        assert theirs is not None
        corrected.append(overlap(ours.box, theirs.box))
        untouched.append(overlap(detector.find(frame)[0].box, theirs.box))
        framed.append(overlap(*(apply_geometry(face.box, FER2013, 640, 480) for face in (ours, theirs))))
    mediapipe.close()
    assert np.mean(corrected) > max(0.7, np.mean(untouched))
    assert np.mean(framed) > 0.7


@pytest.mark.parametrize("pixels", [60, 100, 200, 300])
def test_faces_are_found_near_and_not_too_far(detector: HaarDetector, astronaut: np.ndarray, pixels: int) -> None:
    face = detector.detect(placed(astronaut, pixels))
    assert face is not None
    assert face.votes >= 3
    assert face.box.width * 640 == pytest.approx(pixels, rel=0.25)


@pytest.mark.parametrize("enlarge", [0.5, 3.0])
def test_the_size_of_the_frame_does_not_matter(detector: HaarDetector, astronaut: np.ndarray, enlarge: float) -> None:
    frame = placed(astronaut, 150)
    usual = detector.detect(frame)
    other = detector.detect(np.asarray(cv2.resize(frame, None, fx=enlarge, fy=enlarge), np.uint8))
    assert usual is not None
    assert other is not None
    assert overlap(usual.box, other.box) > 0.85


def test_the_largest_face_is_taken(detector: HaarDetector, astronaut: np.ndarray) -> None:
    frame = placed(astronaut, 80, (120, 240))
    frame[:, 260:] = placed(astronaut, 130, (450, 240))[:, 260:]
    assert len(detector.find(frame)) == 2
    face = detector.detect(frame)
    assert face is not None
    assert face.box.x > 0.5


def test_where_there_is_no_face_none_is_found(detector: HaarDetector) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3)).astype(np.uint8)
    for frame in (noise, np.zeros_like(noise), np.full((1, 1, 3), 200, np.uint8)):
        assert detector.detect(frame) is None


def test_a_face_path_takes_it_in_mediapipes_place(astronaut: np.ndarray) -> None:
    detector = HaarDetector()
    path, fallback = load_face_path(
        "fer_resnet", engine="onnx", weights_dir=SHIPPED, detector_confidence=0.5, detector=detector
    )
    assert fallback is None
    reading, placed_only = path.look(astronaut), path.look(astronaut, classify=False)
    found = detector.detect(astronaut)
    assert found is not None
    assert reading.box == placed_only.box == found.box
    assert reading.probs is not None
    assert reading.probs.sum() == pytest.approx(1, abs=1e-5)
    assert placed_only.probs is None
    nobody = path.look(np.full((120, 160, 3), 90, np.uint8))
    assert nobody.box is None
    assert nobody.probs is None
    path.close()


def test_a_box_lies_in_the_frame_before_it_is_corrected(detector: HaarDetector, astronaut: np.ndarray) -> None:
    faces = detector.find(astronaut)
    assert faces
    for face in faces:
        assert 0 <= face.box.x <= face.box.x + face.box.width <= 1
        assert 0 <= face.box.y <= face.box.y + face.box.height <= 1
        assert isinstance(face.box, Box)
