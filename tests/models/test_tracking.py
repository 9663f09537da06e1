"""Following a face that the detector has found, on a photograph that moves."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.detection import Detection, FaceDetector
from models.haar import HaarFace
from models.inference import Box
from models.tracking import begin, follow

HEIGHT, WIDTH = 360, 480


def filmed(portrait: np.ndarray, across: float = 0, down: float = 0, turn: float = 0, nearer: float = 1) -> np.ndarray:
    """The portrait, moved by so many pixels, turned by so many degrees, and magnified about the face."""
    matrix = cv2.getRotationMatrix2D((224, 117), turn, nearer)
    matrix[:, 2] += (across, down)
    return cv2.warpAffine(portrait, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


@pytest.fixture(scope="module")
def face(astronaut: np.ndarray) -> Detection:
    detector = FaceDetector()
    found = detector.detect(filmed(astronaut))
    detector.close()
    assert found is not None
    return found


@settings(max_examples=40)
@given(across=st.floats(-0.25, 0.25), down=st.floats(-0.25, 0.25))
def test_a_face_that_moves_is_followed(astronaut, face, across, down):
    side = face.box.width * WIDTH
    trace = follow(filmed(astronaut, across * side, down * side), begin(filmed(astronaut), face))
    assert trace is not None and trace.frames == 1
    moved = (trace.face.box.x - face.box.x) * WIDTH / side, (trace.face.box.y - face.box.y) * HEIGHT / side
    assert moved == pytest.approx((across, down), abs=1 / 24)
    assert (trace.face.box.width, trace.face.box.height) == (face.box.width, face.box.height)
    eyes = np.subtract(trace.face.left_eye, face.left_eye), np.subtract(trace.face.right_eye, face.right_eye)
    assert np.ptp(eyes, axis=0) == pytest.approx(0) and eyes[0][0] * WIDTH / side == pytest.approx(moved[0])
    assert trace.face.roll(WIDTH, HEIGHT) == pytest.approx(face.roll(WIDTH, HEIGHT))


def test_it_is_followed_from_where_it_was_last(astronaut, face):
    side = face.box.width * WIDTH
    trace = begin(filmed(astronaut), face)
    for step in range(1, 4):
        trace = follow(filmed(astronaut, step * 0.25 * side), trace)
        assert trace is not None and trace.frames == step
    assert (trace.face.box.x - face.box.x) * WIDTH / side == pytest.approx(0.75, abs=1 / 12)


def covered(picture: np.ndarray) -> np.ndarray:
    return np.where(np.arange(HEIGHT)[:, None, None] > 117, 90, picture).astype(np.uint8)


@pytest.mark.parametrize(
    "alter",
    [
        lambda portrait: filmed(portrait, turn=30),
        lambda portrait: filmed(portrait, nearer=1.5),
        lambda portrait: filmed(portrait, across=200),
        lambda portrait: covered(filmed(portrait)),
        lambda portrait: np.full((HEIGHT, WIDTH, 3), 128, np.uint8),
    ],
    ids=["turned", "nearer", "gone", "covered", "blank"],
)
def test_a_face_that_is_altered_or_gone_is_not_followed(astronaut, face, alter):
    assert follow(alter(astronaut), begin(filmed(astronaut), face)) is None


def test_what_is_dimmer_is_the_same_face(astronaut, face):
    followed = follow((filmed(astronaut) * 0.5).astype(np.uint8), begin(filmed(astronaut), face))
    assert followed is not None
    assert followed.face.box.x == pytest.approx(face.box.x, abs=face.box.width / 24)


def test_in_a_frame_of_another_size_the_detector_has_to_look(astronaut, face):
    """There the box would have other proportions, though what is in it is the same."""
    centre = round((face.box.y + face.box.height / 2) * HEIGHT)
    picture = filmed(astronaut, down=HEIGHT / 2 - centre)
    found = face.moved(0, 0.5 - (face.box.y + face.box.height / 2))
    trace = begin(picture, found)
    assert follow(picture, trace) is not None
    assert follow(np.ascontiguousarray(picture[45:-45]), trace) is None


def test_a_face_at_the_edge_of_the_frame_is_followed(astronaut, face):
    edge = -face.box.x * WIDTH - 20
    at_edge = face.moved(edge / WIDTH, 0)
    assert at_edge.box.x < 0
    trace = follow(filmed(astronaut, edge), begin(filmed(astronaut, edge), at_edge))
    assert trace is not None and trace.face.box.x == pytest.approx(at_edge.box.x)


def test_a_face_without_eyes_can_move_as_well():
    face = HaarFace(Box(0.25, 0.25, 0.5, 0.5), 7).moved(0.125, -0.25)
    assert face == HaarFace(Box(0.375, 0.0, 0.5, 0.5), 7)
