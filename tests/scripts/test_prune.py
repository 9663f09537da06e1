"""A trained face network is pruned to a narrower one, which serves and can be trained on."""

import sys
from pathlib import Path

import numpy as np
import pytest

from models.artefact import ArtefactInfo
from models.crop import FER2013
from models.loading import load_face
from models.registry import build
from models.torch_engine import Calibrated
from scripts import prune, train_face
from tests.models.datasets.trees import faces_tree
from tests.scripts.test_blend import artefact


def run(monkeypatch: pytest.MonkeyPatch, folder: Path, *more: object, of: str = "wide.pt") -> Path:
    given = [folder / of, "--fer2013", folder / "fer", "--weights", folder / "out", "--name", "narrow", *more]
    monkeypatch.setattr(sys, "argv", ["prune", *map(str, given)])
    prune.main()
    return folder / "out" / "narrow.pt"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    faces_tree(tmp_path / "fer", per_label=20)
    artefact(tmp_path / "wide.pt", 0, width=16)
    return tmp_path


def test_it_serves_and_is_trained_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    narrow = run(monkeypatch, folder, "--width", 8)
    model = Calibrated.load(narrow, "face")
    assert model.info.options == {"width": 8} and sum(model.info.neutral) == pytest.approx(1.0, abs=1e-5)
    crops = np.random.default_rng(0).integers(0, 256, (3, 48, 48, 1), dtype=np.uint8)
    onnx, torch_ = (load_face("narrow", engine=e, weights_dir=narrow.parent) for e in ("onnx", "torch"))
    np.testing.assert_allclose(onnx.predict(crops), torch_.predict(crops), atol=1e-4)
    assert "from wide.pt, and not trained since" in narrow.with_suffix(".md").read_text()

    given = ["--fer2013", folder / "fer", "--start", narrow, "--teacher", folder / "wide.pt",
             "--teach-once", "--epochs", 1, "--weights", folder / "out", "--run", folder / "run"]  # fmt: skip
    monkeypatch.setattr(sys, "argv", [str(train_face.__file__), *map(str, given)])
    train_face.main()
    assert Calibrated.load(folder / "out" / "fer_resnet.pt").info.options == {"width": 8}


def test_what_cannot_be_pruned_is_said_in_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match="channels cannot be had from"):
        run(monkeypatch, folder, "--width", 24)
    with pytest.raises(SystemExit, match=r"nowhere\.pt"):
        run(monkeypatch, folder, "--width", 8, of="nowhere.pt")
    artefact(folder / "other.pt", 0, network="mini_xception")
    with pytest.raises(SystemExit, match="holds mini_xception, and no face_resnet"):
        run(monkeypatch, folder, "--width", 8, of="other.pt")
    with pytest.raises(SystemExit, match=r"^2$"):
        run(monkeypatch, folder, "--width", 8, "--name", "another/folder")
    with pytest.raises(SystemExit, match="nothing can be written to"):
        run(monkeypatch, folder, "--width", 8, "--weights", folder / "wide.pt")


def test_a_network_of_fewer_labels_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = ArtefactInfo("wide", "face", "face_resnet", {"width": 16, "classes": 2}, labels=("happy", "sad"), size=48,
                        channels=1, geometry=FER2013)  # fmt: skip
    Calibrated(build("face_resnet", info.options), info).eval().save(folder / "wide.pt")
    with pytest.raises(SystemExit, match="does not tell angry, disgust"):
        run(monkeypatch, folder, "--width", 8)
