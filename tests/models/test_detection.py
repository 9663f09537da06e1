import subprocess
import sys
from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from models.detection import FULL_RANGE, SHORT_RANGE, FaceDetector
from models.inference import Box


@pytest.fixture(scope="module")
def detector() -> Iterator[FaceDetector]:
    detector = FaceDetector()
    yield detector
    detector.close()


def placed(astronaut: np.ndarray, face_pixels: int, centre: tuple[int, int] = (320, 240)) -> np.ndarray:
    """A 640 x 480 frame with the astronaut's head; her face is 95 pixels wide in the original."""
    head = astronaut[0:280, 80:360]
    side = round(280 * face_pixels / 95)
    head = cv2.resize(head, (side, side), interpolation=cv2.INTER_AREA if side < 280 else cv2.INTER_CUBIC)
    frame = np.full((480 + 2 * side, 640 + 2 * side, 3), 127, np.uint8)
    x, y = centre[0] + side - side // 2, centre[1] + side - side // 2
    frame[y : y + side, x : x + side] = head
    return np.ascontiguousarray(frame[side : side + 480, side : side + 640])


def overlap(a: Box, b: Box) -> float:
    """Intersection over union."""
    across = min(a.x + a.width, b.x + b.width) - max(a.x, b.x)
    down = min(a.y + a.height, b.y + b.height) - max(a.y, b.y)
    common = max(across, 0) * max(down, 0)
    return common / (a.width * a.height + b.width * b.height - common)


def test_a_face_is_found_with_its_eyes(detector: FaceDetector, astronaut: np.ndarray) -> None:
    face = detector.detect(astronaut)
    assert face is not None
    assert overlap(face.box, Box(0.35, 0.16, 0.19, 0.19)) > 0.8
    for x, y in (face.right_eye, face.left_eye):
        assert face.box.x < x < face.box.x + face.box.width
        assert face.box.y < y < face.box.y + face.box.height / 2
    assert face.right_eye[0] < face.left_eye[0]  # the person's right is the picture's left
    assert 0.5 <= face.score <= 1


@pytest.mark.parametrize("pixels", [45, 60, 100, 200, 400])
def test_faces_are_found_near_and_far(detector: FaceDetector, astronaut: np.ndarray, pixels: int) -> None:
    face = detector.detect(placed(astronaut, pixels))
    assert face is not None
    assert face.box.width * 640 == pytest.approx(pixels, rel=0.25)


def test_a_far_face_needs_the_full_range_network(detector: FaceDetector, astronaut: np.ndarray) -> None:
    frame = placed(astronaut, 50)
    assert detector.find(frame, SHORT_RANGE) == []
    assert len(detector.find(frame, FULL_RANGE)) == 1


def test_both_networks_mean_the_same_box(detector: FaceDetector, astronaut: np.ndarray) -> None:
    near, far = detector.detect(placed(astronaut, 100)), detector.detect(placed(astronaut, 50))
    assert near is not None
    assert far is not None
    half = Box(0.5 + (near.box.x - 0.5) / 2, 0.5 + (near.box.y - 0.5) / 2, near.box.width / 2, near.box.height / 2)
    assert overlap(far.box, half) > 0.75


def test_the_largest_face_is_taken(detector: FaceDetector, astronaut: np.ndarray) -> None:
    frame = placed(astronaut, 80, (120, 240))
    frame[:, 260:] = placed(astronaut, 130, (450, 240))[:, 260:]
    assert len(detector.find(frame, SHORT_RANGE)) == 2
    face = detector.detect(frame)
    assert face is not None
    assert face.box.x > 0.5


def test_where_there_is_no_face_none_is_found(detector: FaceDetector) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3)).astype(np.uint8)
    for frame in (noise, np.zeros_like(noise), np.full((1, 1, 3), 200, np.uint8)):
        assert detector.detect(frame) is None


def test_importing_and_starting_is_quiet_and_light() -> None:
    code = (
        "import sys, numpy as np\n"
        "from models.detection import FaceDetector\n"
        "detector = FaceDetector()\n"
        "detector.detect(np.zeros((48, 64, 3), np.uint8))\n"
        "detector.close()\n"
        "print(sorted({'torch', 'tensorflow', 'jax', 'timm', 'librosa'} & set(sys.modules)))\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"
    assert result.stderr == ""


def test_other_messages_still_reach_stderr() -> None:
    code = (
        "import os\n"
        "from models.detection import _without_startup_notices\n"
        "with _without_startup_notices():\n"
        "    os.write(2, b'INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\\nsomething is wrong\\n')\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stderr == "something is wrong\n"


@pytest.mark.parametrize("network", [SHORT_RANGE, FULL_RANGE])
def test_it_finds_what_mediapipes_own_graph_finds(detector: FaceDetector, astronaut: np.ndarray, network: int) -> None:
    from mediapipe.python.solutions import face_detection

    two = placed(astronaut, 80, (120, 240))
    two[:, 260:] = placed(astronaut, 130, (450, 240))[:, 260:]
    tall = np.ascontiguousarray(placed(astronaut, 90)[:, 220:420])
    frames = [astronaut, two, tall, *(placed(astronaut, pixels) for pixels in (50, 90, 200, 400))]
    graph = face_detection.FaceDetection(0.5, network)
    try:
        count = 0
        for frame in frames:
            theirs = [found.location_data for found in graph.process(frame).detections or ()]
            ours = detector.find(frame, network)
            assert len(ours) == len(theirs)
            for mine, expected in zip(ours, theirs, strict=True):
                box, eyes = expected.relative_bounding_box, expected.relative_keypoints
                got = (mine.box.x, mine.box.y, mine.box.width, mine.box.height, *mine.right_eye, *mine.left_eye)
                wanted = (box.xmin, box.ymin, box.width, box.height, eyes[0].x, eyes[0].y, eyes[1].x, eyes[1].y)
                assert got == pytest.approx(wanted, abs=1e-4)
                count += 1
        assert count >= 5
    finally:
        graph.close()


@pytest.mark.parametrize("network", [SHORT_RANGE, FULL_RANGE])
def test_a_face_that_is_less_sure_than_asked_for_is_not_reported(network: int, astronaut: np.ndarray) -> None:
    strict, usual = FaceDetector(0.99), FaceDetector()
    try:
        assert all(0.5 <= face.score < 0.99 for face in usual.find(astronaut, network))
        assert usual.find(astronaut, network)
        assert strict.find(astronaut, network) == []
    finally:
        strict.close()
        usual.close()
