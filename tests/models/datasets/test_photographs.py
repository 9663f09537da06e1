"""Photographs in both layouts, cut by the detector that the live path has."""

import logging
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.crop import FER2013, Framing
from models.datasets import photographs
from models.datasets.layout import DataLayoutError
from models.detection import FaceDetector
from models.face_path import cut_out
from models.image import decode_jpeg
from models.inference import UInt8
from models.labels import LABELS
from tests.models.datasets.trees import vast_png

FRAMING = Framing(48, 3, FER2013)


@pytest.fixture(scope="module")
def detector() -> Iterator[FaceDetector]:
    found = FaceDetector()
    yield found
    found.close()


@pytest.fixture
def portrait(astronaut_jpeg: bytes) -> UInt8:
    return decode_jpeg(astronaut_jpeg)


def write(path: Path, picture: UInt8) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))


def test_folders_by_label_are_cut_as_the_live_path_cuts(
    tmp_path: Path, detector: FaceDetector, portrait: UInt8, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path / "deep" / "happiness" / "a.png", portrait)
    write(tmp_path / "deep" / "Anger" / "b.png", portrait[:, ::-1])
    write(tmp_path / "deep" / "contempt" / "c.png", portrait)
    write(tmp_path / "deep" / "sad" / "wall.png", np.full((200, 300, 3), 127, np.uint8))
    (tmp_path / "deep" / "sad" / "broken.png").write_bytes(b"no picture")
    (tmp_path / "deep" / "sad" / "vast.png").write_bytes(vast_png())
    with caplog.at_level(logging.WARNING):
        found = photographs.load(tmp_path, FRAMING, detector)
    assert [LABELS[label] for label in found.labels] == ["angry", "happy"]
    for told in ("3 without a face, 1 in 'contempt'", "broken.png", "vast.png"):
        assert told in caplog.text

    face = detector.detect(portrait)
    assert face is not None
    for channels in (1, 3):
        images, labels = found.batch(np.array([1]), 48, channels)
        np.testing.assert_array_equal(images[0], cut_out(portrait, face, Framing(48, channels, FER2013)))
        assert labels == [LABELS.index("happy")]
    assert found.batch(np.array([1, 0]), 32, 1)[0].shape == (2, 32, 32, 1)
    assert found.select(found.labels == LABELS.index("angry")).crops.shape == (1, 48, 48, 3)


def test_a_table_names_the_labels(
    tmp_path: Path, detector: FaceDetector, portrait: UInt8, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path / "images" / "1.png", portrait)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "legend.csv").write_text(
        "user.id,image,emotion\n1,1.png,SURPRISE\n2,1.png,neutral\n3,2.png,sadness\n"
    )
    with caplog.at_level(logging.WARNING):
        found = photographs.load(tmp_path, FRAMING, detector)
    assert [LABELS[label] for label in found.labels] == ["surprise"]
    assert "left out 1 pictures" in caplog.text


def test_a_small_picture_that_is_all_face_gets_surroundings(
    tmp_path: Path, detector: FaceDetector, portrait: UInt8
) -> None:
    face = detector.detect(portrait)
    assert face is not None
    write(tmp_path / "neutral" / "small.png", cut_out(portrait, face, FRAMING))
    found = photographs.load(tmp_path, FRAMING, detector)
    again, once = (
        cv2.GaussianBlur(cut, (0, 0), 3).ravel() for cut in (found.crops[0], cut_out(portrait, face, FRAMING))
    )
    assert np.corrcoef(again, once)[0, 1] > 0.85  # it lies a little otherwise: the detector sees less around it


def test_a_draw_takes_so_many_of_each_label(tmp_path: Path, detector: FaceDetector, portrait: UInt8) -> None:
    for name in ("a", "b", "c"):
        write(tmp_path / "fear" / f"{name}.png", portrait)
    write(tmp_path / "happy" / "a.png", portrait)
    found = photographs.load(tmp_path, FRAMING, detector, per_label=2)
    assert np.bincount(found.labels, minlength=7).tolist() == [0, 0, 2, 1, 0, 0, 0]


def test_what_is_not_there_is_said(tmp_path: Path, detector: FaceDetector) -> None:
    with pytest.raises(DataLayoutError, match=r"no photographs below .* expected angry"):
        photographs.load(tmp_path, FRAMING, detector)
    write(tmp_path / "fear" / "wall.png", np.full((200, 300, 3), 127, np.uint8))
    with pytest.raises(DataLayoutError, match="no face in any photograph"):
        photographs.load(tmp_path, FRAMING, detector)
