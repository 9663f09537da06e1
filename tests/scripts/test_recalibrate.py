"""An artefact is fitted to held-out pictures anew; its weights stay."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from models.artefact import ArtefactInfo
from models.crop import FER2013
from models.export import export_onnx
from models.labels import LABELS
from models.loading import load_face
from models.registry import build
from models.torch_engine import Calibrated
from scripts import recalibrate
from tests.models.datasets.trees import faces_tree


def test_temperature_and_neutral_answer_are_written_to_both_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces_tree(tmp_path / "fer", per_label=5)
    torch.manual_seed(0)
    network = build("face_resnet", {"width": 8}).eval()
    info = ArtefactInfo("tiny", "face", "face_resnet", {"width": 8}, temperature=50.0, size=48, channels=1,
                        geometry=FER2013)  # fmt: skip
    before = Calibrated(network, info).eval()
    before.save(tmp_path / "tiny.pt")
    export_onnx(before, tmp_path / "tiny.onnx")
    run(monkeypatch, tmp_path)
    after = Calibrated.load(tmp_path / "tiny.pt")
    assert after.info.temperature != 50.0
    assert sum(after.info.neutral) == pytest.approx(1.0, abs=1e-5)
    for key, value in after.network.state_dict().items():
        torch.testing.assert_close(value, network.state_dict()[key])
    crops = np.random.default_rng(0).integers(0, 256, (3, 48, 48, 1), dtype=np.uint8)
    onnx, torch_ = (load_face("tiny", engine=engine, weights_dir=tmp_path) for engine in ("onnx", "torch"))
    assert onnx.traits == torch_.traits
    np.testing.assert_allclose(onnx.predict(crops), torch_.predict(crops), atol=1e-4)


def run(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    given = ["recalibrate", "tiny", "--fer2013", str(folder / "fer"), "--weights", str(folder)]
    monkeypatch.setattr(sys, "argv", given)
    recalibrate.main()


def test_what_cannot_be_recalibrated_is_said_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match=r"tiny\.pt: No such file"):
        run(monkeypatch, tmp_path)
    for labels, classes, complaint in ((LABELS[:4], 4, "FER-2013 cannot judge it"), (LABELS, 7, "no FER-2013 in")):
        info = ArtefactInfo("tiny", "face", "face_resnet", {"width": 8, "classes": classes}, labels=labels, size=48,
                            channels=1, geometry=FER2013)  # fmt: skip
        Calibrated(build("face_resnet", info.options), info).eval().save(tmp_path / "tiny.pt")
        with pytest.raises(SystemExit, match=complaint):
            run(monkeypatch, tmp_path)


def test_a_network_of_larger_crops_in_colour_is_recalibrated_on_these(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces_tree(tmp_path / "fer", per_label=2)
    options = {"size": 64}
    info = ArtefactInfo("tiny", "face", "resnet18", options, size=64, channels=3, geometry=FER2013)
    torch.manual_seed(0)
    Calibrated(build("resnet18", options), info).eval().save(tmp_path / "tiny.pt")
    run(monkeypatch, tmp_path)
    assert sum(Calibrated.load(tmp_path / "tiny.pt").info.neutral) == pytest.approx(1.0, abs=1e-5)
