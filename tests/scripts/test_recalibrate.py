"""An artefact is fitted to held-out pictures anew; its weights stay."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from models.artefact import ArtefactInfo
from models.crop import FER2013
from models.export import export_onnx
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
    monkeypatch.setattr(sys, "argv", ["recalibrate", "tiny", "--fer2013", str(tmp_path / "fer"),
                                      "--weights", str(tmp_path)])  # fmt: skip
    recalibrate.main()
    after = Calibrated.load(tmp_path / "tiny.pt")
    assert after.info.temperature != 50.0
    assert sum(after.info.neutral) == pytest.approx(1.0, abs=1e-5)
    for key, value in after.network.state_dict().items():
        torch.testing.assert_close(value, network.state_dict()[key])
    crops = np.random.default_rng(0).integers(0, 256, (3, 48, 48, 1), dtype=np.uint8)
    onnx, torch_ = (load_face("tiny", engine=engine, weights_dir=tmp_path) for engine in ("onnx", "torch"))
    assert onnx.traits == torch_.traits
    np.testing.assert_allclose(onnx.predict(crops), torch_.predict(crops), atol=1e-4)
