"""Faces in memory and in files, alike to whoever trains on them."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.datasets import fer2013
from models.datasets.faces import FaceFiles, FaceSet, Joined, with_labels, without_duplicates
from models.labels import LABELS
from tests.models.datasets.trees import faces_tree, random_picture, vast_png


@pytest.fixture
def both(tmp_path: Path) -> tuple[FaceSet, FaceSet]:
    """FER-2013 as it is, and the same pictures left in their files."""
    faces_tree(tmp_path)
    memory = fer2013.load(tmp_path, "test")
    paths = tuple(path for label in LABELS for path in sorted((tmp_path / "test" / label).glob("*")))
    return memory, FaceFiles(paths, memory.labels)


@pytest.mark.parametrize(("size", "channels"), [(48, 1), (48, 3), (32, 1), (96, 3)])
def test_memory_and_files_give_the_same_batch(both: tuple[FaceSet, FaceSet], size: int, channels: int) -> None:
    index = np.array([20, 0, 7, 7])
    (images, labels), (from_files, their_labels) = (faces.batch(index, size, channels) for faces in both)
    assert images.shape == from_files.shape == (4, size, size, channels)
    assert images.dtype == from_files.dtype == np.uint8
    np.testing.assert_array_equal(labels, both[0].labels[index])
    np.testing.assert_array_equal(labels, their_labels)
    np.testing.assert_allclose(images.astype(int), from_files.astype(int), atol=1)
    if size == 48:
        np.testing.assert_array_equal(images[..., 0], both[0].images[index])  # type: ignore[attr-defined]


def test_an_empty_batch_has_the_shape_of_one(both: tuple[FaceSet, FaceSet]) -> None:
    for faces in both:
        for size in (48, 60):
            images, labels = faces.batch(np.zeros(0, np.int64), size, 3)
            assert images.shape == (0, size, size, 3)
            assert labels.shape == (0,)


def test_a_subset_of_the_labels_keeps_their_numbers(both: tuple[FaceSet, FaceSet]) -> None:
    moods = ("angry", "happy", "neutral", "sad")
    for faces in both:
        kept = with_labels(faces, moods)
        assert len(kept) == 12
        assert {LABELS[label] for label in kept.labels} == set(moods)
        assert len(kept.batch(np.arange(12), 48, 1)[0]) == 12
        with pytest.raises(ValueError, match="no such label: joy"):
            with_labels(faces, ("angry", "joy"))


@given(mask=st.lists(st.booleans(), min_size=5, max_size=5))
def test_a_mask_and_an_index_select_alike(mask: list[bool]) -> None:
    boxes = np.arange(20, dtype=np.float32).reshape(5, 4)
    faces = FaceFiles(tuple(Path(str(number)) for number in range(5)), np.arange(5), boxes)
    keep = np.array(mask)
    by_mask, by_index = faces.select(keep), faces.select(np.flatnonzero(keep))
    assert by_mask.paths == by_index.paths == tuple(Path(str(n)) for n in range(5) if mask[n])
    for chosen in (by_mask, by_index):
        np.testing.assert_array_equal(chosen.labels, np.arange(5)[keep])
        assert chosen.boxes is not None
        np.testing.assert_array_equal(chosen.boxes, boxes[keep])


def test_a_box_says_where_the_face_is(tmp_path: Path) -> None:
    picture = np.zeros((80, 120, 3), np.uint8)
    face = np.stack([random_picture(np.random.default_rng(0), 40)] * 3, axis=2)
    face[..., 2] = 255  # red, which OpenCV writes last
    picture[30:70, 50:90] = face
    cv2.imwrite(str(tmp_path / "0.png"), picture)
    faces = FaceFiles((tmp_path / "0.png",), np.array([3]), np.array([[50, 30, 40, 40]], np.float32))
    images, labels = faces.batch(np.array([0]), 40, 3)
    np.testing.assert_array_equal(images[0], face[..., ::-1])
    assert labels.tolist() == [3]


def test_a_box_beyond_the_picture_repeats_its_edge(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "0.png"), np.full((20, 20), 90, np.uint8))
    faces = FaceFiles((tmp_path / "0.png",), np.array([3]), np.array([[-5, -5, 40, 40]], np.float32))
    images, _ = faces.batch(np.array([0]), 24, 1)
    assert set(images.ravel().tolist()) == {90}


@pytest.mark.parametrize("box", [(300, 5, 10, 10), (5, -90, 10, 10), (-1e9, -1e9, 2e9, 2e9)])
def test_a_box_that_is_not_in_the_picture_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, box: tuple[float, ...]
) -> None:
    cv2.imwrite(str(tmp_path / "0.png"), np.full((20, 20), 90, np.uint8))
    faces = FaceFiles((tmp_path / "0.png",), np.array([3]), np.array([box], np.float32))
    assert len(faces.batch(np.array([0]), 24, 1)[0]) == 0
    assert "0.png: its box is not in the picture" in caplog.text


def test_an_unreadable_picture_is_named_and_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cv2.imwrite(str(tmp_path / "0.png"), random_picture(np.random.default_rng(0)))
    (tmp_path / "1.jpg").write_bytes(b"not a picture")
    (tmp_path / "3.png").write_bytes(vast_png())
    faces = FaceFiles(tuple(tmp_path / name for name in ("0.png", "1.jpg", "2.jpg", "3.png")), np.array([3, 4, 5, 6]))
    images, labels = faces.batch(np.arange(4), 48, 1)
    assert len(images) == 1
    assert labels.tolist() == [3]
    assert "1.jpg" in caplog.text
    assert "2.jpg" in caplog.text
    assert "3.png" in caplog.text


def test_two_sets_are_one(both: tuple[FaceSet, FaceSet]) -> None:
    joined = Joined(*both)
    count = len(both[0])
    assert len(joined) == 2 * count
    index = np.array([count + 3, 2, 0, count])
    images, labels = joined.batch(index, 48, 1)
    np.testing.assert_array_equal(labels, joined.labels[index])
    np.testing.assert_array_equal(images[0], both[1].batch(np.array([3]), 48, 1)[0][0])
    np.testing.assert_array_equal(images[1], both[0].batch(np.array([2]), 48, 1)[0][0])
    assert joined.batch(np.zeros(0, np.int64), 48, 3)[0].shape == (0, 48, 48, 3)
    kept = with_labels(joined, ("happy",))
    assert set(kept.labels) == {LABELS.index("happy")}
    assert len(kept.batch(np.arange(len(kept)), 48, 1)[0]) == len(kept) == 2 * int((both[0].labels == 3).sum())


def test_a_picture_that_cannot_be_read_is_missing_from_the_joined_batch(both: tuple[FaceSet, FaceSet]) -> None:
    memory, files = both
    assert isinstance(files, FaceFiles)
    files.paths[1].write_bytes(b"no picture")
    images, labels = Joined(files, memory).batch(np.array([1, len(files) + 5]), 48, 1)
    assert len(images) == 1
    assert labels == memory.labels[[5]]


def test_of_files_the_same_file_is_left_out(both: tuple[FaceSet, FaceSet], tmp_path: Path) -> None:
    _, held_out = both
    assert isinstance(held_out, FaceFiles)
    (tmp_path / "copy.jpg").write_bytes(held_out.paths[3].read_bytes())
    longer = held_out.paths[4].read_bytes() + b"\0"
    (tmp_path / "other.jpg").write_bytes(longer)
    paths = (tmp_path / "copy.jpg", tmp_path / "other.jpg", tmp_path / "missing.jpg")
    train = FaceFiles(paths, held_out.labels[:3])
    assert without_duplicates(train, held_out).paths == paths[1:]


def test_of_memory_and_files_the_same_pixels_are_left_out(both: tuple[FaceSet, FaceSet]) -> None:
    memory, files = both
    assert len(without_duplicates(files, memory.select(np.array([0, 5])))) == len(files) - 2
    assert len(without_duplicates(memory, files)) == 0
