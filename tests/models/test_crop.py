import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.crop import AFFECTNET, FER2013, CropGeometry, apply_geometry, crop
from models.detection import Detection
from models.inference import Box

PLAIN = CropGeometry(1.0)

boxes = st.builds(
    Box,
    st.floats(-1.5, 1.5),
    st.floats(-1.5, 1.5),
    st.floats(1e-4, 1.5),
    st.floats(1e-4, 1.5),
)
geometries = st.builds(CropGeometry, st.floats(0.1, 3), st.floats(-1, 1), st.floats(-1, 1))


def gradient(height: int, width: int) -> np.ndarray:
    """Red grows to the right, green downwards."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = np.linspace(0, 255, width).astype(np.uint8)[None, :]
    image[..., 1] = np.linspace(0, 255, height).astype(np.uint8)[:, None]
    return image


@given(boxes, geometries, st.sampled_from([1, 3]), st.sampled_from([48, 64, 260]))
def test_any_box_gives_a_crop_of_the_right_shape(box: Box, geometry: CropGeometry, channels: int, size: int) -> None:
    face = crop(gradient(90, 160), box, geometry, size, channels)
    assert face.shape == (size, size, channels)
    assert face.dtype == np.uint8
    assert face.flags.c_contiguous


@given(boxes, geometries, st.integers(0, 255))
def test_nothing_is_invented_beyond_the_edge(box: Box, geometry: CropGeometry, level: int) -> None:
    image = np.full((60, 80, 3), level, np.uint8)
    assert (crop(image, box, geometry, 48, 3) == level).all()


@given(boxes, geometries)
def test_the_crop_is_square_around_the_shifted_centre(box: Box, geometry: CropGeometry) -> None:
    width, height = 640, 480
    region = apply_geometry(box, geometry, width, height)
    side = np.sqrt(box.width * width * box.height * height)
    assert region.width * width == pytest.approx(geometry.scale * side)
    assert region.height * height == pytest.approx(geometry.scale * side)
    moved = (region.x + region.width / 2 - box.x - box.width / 2) * width
    assert moved == pytest.approx(geometry.shift_x * side, abs=1e-6)
    moved = (region.y + region.height / 2 - box.y - box.height / 2) * height
    assert moved == pytest.approx(geometry.shift_y * side, abs=1e-6)


def test_the_whole_square_frame_comes_back_unchanged() -> None:
    image = gradient(64, 64)
    assert np.array_equal(crop(image, Box(0, 0, 1, 1), PLAIN, 64, 3), image)


def test_a_box_cuts_out_its_own_pixels() -> None:
    image = gradient(100, 200)
    assert np.array_equal(crop(image, Box(0.25, 0.2, 0.3, 0.6), PLAIN, 60, 3), image[20:80, 50:110])


def test_beyond_the_edge_the_nearest_pixel_is_repeated() -> None:
    image = gradient(100, 100)
    face = crop(image, Box(-0.5, 0, 1, 1), PLAIN, 100, 3)
    assert np.array_equal(face[:, 50:], image[:, :50])
    assert (face[:, :50] == image[:, :1]).all()


def test_shrinking_averages() -> None:
    checks = np.zeros((100, 100, 3), np.uint8)
    checks[::2, ::2] = checks[1::2, 1::2] = 255
    face = crop(checks, Box(0, 0, 1, 1), PLAIN, 50, 3)
    assert np.abs(face.astype(int) - 128).max() <= 1


def test_grey_is_luma() -> None:
    image = np.zeros((10, 10, 3), np.uint8)
    image[:] = (200, 100, 50)
    face = crop(image, Box(0, 0, 1, 1), PLAIN, 10, 1)
    assert np.abs(face.astype(int) - round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)).max() <= 1


@pytest.mark.parametrize("geometry", [FER2013, AFFECTNET])
def test_training_framings_reach_above_the_detectors_box(geometry: CropGeometry) -> None:
    # BlazeFace's box begins at the brows; both data sets show the forehead too and end near the chin.
    region = apply_geometry(Box(0.4, 0.4, 0.2, 0.2), geometry, 100, 100)
    assert region.y < 0.38
    assert 0.57 < region.y + region.height < 0.61


@pytest.mark.parametrize("degrees", [-40, 25, 90])
def test_a_leaning_head_is_levelled(astronaut: np.ndarray, degrees: int) -> None:
    box, geometry = Box(0.3, 0.1, 0.3, 0.3), CropGeometry(1.2, 0.05, -0.1)
    upright = crop(astronaut, box, geometry, 48, 1).astype(float)
    # Counter-clockwise about the box's centre, so the head leans the other way round.
    turn = cv2.getRotationMatrix2D((0.45 * 512 - 0.5, 0.25 * 512 - 0.5), -degrees, 1.0)
    leaning = cv2.warpAffine(astronaut, turn, (512, 512), borderMode=cv2.BORDER_REPLICATE)
    levelled = crop(leaning, box, geometry, 48, 1, np.radians(degrees)).astype(float)
    assert np.abs(levelled - upright).mean() < 8
    assert np.abs(crop(leaning, box, geometry, 48, 1).astype(float) - upright).mean() > 20


@pytest.mark.parametrize("side", [60, 96, 150, 200, 400])
def test_a_leaning_crop_is_the_mean_of_what_it_covers(astronaut: np.ndarray, side: int) -> None:
    image = cv2.GaussianBlur(astronaut, (0, 0), 1.0)  # as sharp as a camera's picture
    turn = np.radians(20)
    places = (np.arange(side * 4) + 0.5) / 4 - side / 2  # sixteen a pixel
    across, down = np.meshgrid(places, places)
    columns = (230 + np.cos(turn) * across - np.sin(turn) * down).astype(np.float32)
    rows = (220 + np.sin(turn) * across + np.cos(turn) * down).astype(np.float32)
    every = cv2.remap(image, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    mean = cv2.resize(every, (48, 48), interpolation=cv2.INTER_AREA).astype(float)
    box = Box((230 - side / 2) / 512, (220 - side / 2) / 512, side / 512, side / 512)
    assert np.abs(crop(image, box, PLAIN, 48, 3, turn) - mean).mean() < 0.6


def test_the_eyes_tell_how_a_head_leans() -> None:
    eyes = {"right_eye": (0.4, 0.5), "left_eye": (0.5, 0.5 + 0.1 * 640 / 480)}
    assert Detection(Box(0, 0, 1, 1), score=1.0, **eyes).roll(640, 480) == pytest.approx(np.pi / 4)
    level = Detection(Box(0, 0, 1, 1), (0.4, 0.5), (0.6, 0.5), 1.0)
    assert level.roll(640, 480) == 0.0
