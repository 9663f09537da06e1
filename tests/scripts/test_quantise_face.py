"""A face artefact of one's own is put into integers by one's own pictures, and the card says whose they were."""

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from models.artefact import ArtefactInfo
from models.crop import FER2013
from models.export import export_onnx
from models.registry import build
from models.torch_engine import Calibrated
from scripts import quantise_face
from tests.conformance.sample import sample


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Weights of a small network, and a few pictures of two labels."""
    torch.manual_seed(0)
    info = ArtefactInfo("mine", "face", "face_resnet", {"width": 8}, size=48, channels=1, geometry=FER2013)
    export_onnx(Calibrated(build("face_resnet", {"width": 8}), info).eval(), tmp_path / "mine.onnx")
    portrait = cv2.imdecode(np.frombuffer(sample()[1], np.uint8), cv2.IMREAD_COLOR)
    for shift, place in enumerate(("train/happy", "train/sad", "val/happy", "val/sad")):
        path = tmp_path / "own" / place / "1.png"
        path.parent.mkdir(parents=True)
        assert cv2.imwrite(str(path), np.roll(portrait, 10 * shift, axis=1))
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, folder: Path, *data: str) -> None:
    monkeypatch.setattr(sys, "argv", ["quantise_face", "mine", "--weights", str(folder), "--data", *data])
    quantise_face.main()


def test_its_ranges_are_of_ones_own_pictures_however_few(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantise_face, "MOST_LOST", 1.0)  # what an untrained network says is chance
    run(monkeypatch, folder, "own", str(folder / "own"))
    card = (folder / "mine_int8.md").read_text()
    assert "on 2 training pictures, drawn at random, of recordings or pictures of one's own" in card
    assert "under the terms agreed with those heard and seen in them" in card
    assert "On the 2 pictures of the validation split: top-1" in card


@pytest.mark.parametrize(("name", "words"), [("ravdess", "is no face data set"), ("nothing", "no data set 'nothing'")])
def test_what_has_no_faces_is_refused_in_a_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, words: str
) -> None:
    with pytest.raises(SystemExit, match=words):
        run(monkeypatch, folder, name, str(folder))
