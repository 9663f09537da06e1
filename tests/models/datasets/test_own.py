"""Recordings and pictures of one's own, in folders."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from models.datasets import catalogue, own
from models.datasets.clips import UNKNOWN, read_clips
from models.datasets.layout import DataLayoutError
from models.labels import LABELS
from tests.models.datasets.trees import write_film, write_sound


def test_folders_say_who_speaks_and_how(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for place in (
        "anna/happy/1.wav",
        "anna/first day/Sadness/1.flac",
        "ben/neutral/1.wav",
        "ben/bored/1.wav",
        "sad/1.wav",
    ):
        write_sound(tmp_path / place)
    clips = own.clips(tmp_path)
    assert {(clip.speaker, clip.label, clip.gender) for clip in clips} == {
        ("own-anna", "happy", UNKNOWN), ("own-anna", "sad", UNKNOWN), ("own-ben", "neutral", UNKNOWN),
    }  # fmt: skip
    assert len(list(read_clips(clips))) == 3
    assert "1 in 'bored', 1 in 'sad': not in a folder WHO/LABEL" in caplog.text


def test_nobody_is_in_two_parts(tmp_path: Path) -> None:
    for who in ("anna", "ben", "cleo", "dan"):
        for label in LABELS:
            write_sound(tmp_path / who / label / "1.wav")
    split = catalogue.split_speech("own", tmp_path)
    assert sum(len({clip.speaker for clip in part}) for part in (split.train, split.validation, split.test)) == 4


def test_films_have_their_sound_in_them(tmp_path: Path) -> None:
    write_film(tmp_path / "anna" / "fear" / "1.mp4", seconds=0.2)
    (scene,) = own.pairs(tmp_path)
    assert (scene.label, scene.speaker, scene.sound) == ("fear", "own-anna", scene.video)


def test_faces_in_pictures_of_any_size_are_cut_out(tmp_path: Path, astronaut: np.ndarray) -> None:
    path = tmp_path / "train" / "happiness" / "1.jpg"
    path.parent.mkdir(parents=True)
    assert cv2.imwrite(str(path), cv2.cvtColor(astronaut, cv2.COLOR_RGB2BGR))
    faces = catalogue.load_faces("own", tmp_path, "train")
    pictures, labels = faces.batch(np.arange(1), 48, 1)
    assert pictures.shape == (1, 48, 48, 1) and labels.tolist() == [LABELS.index("happy")]
    assert np.abs(pictures[0, :, :, 0].astype(int) - pictures[0].mean()).mean() > 20  # not a wall


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataLayoutError, match=r"expected anna/happy/1\.wav"):
        own.clips(tmp_path)
    with pytest.raises(DataLayoutError, match=r"expected anna/happy/1\.mp4"):
        own.pairs(tmp_path)
    with pytest.raises(DataLayoutError, match=r"expected val/happy/1\.jpg"):
        own.faces(tmp_path, "val")
